"""What a neighbour forges to have a device accused that did nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from sniffer.testing import House
from sniffer.testing.pcap import Frame
from tests.hostile.attacks.story import (
    CONFIGURED,
    INTRUDER,
    LAPTOP,
    MAC,
    RECOGNISED,
    ROUTER,
    SENTENCES,
    Attack,
    Story,
    beside,
    framed,
    introduce,
    nobody_accused,
)

OWN, SERVER = "192.168.1.20", "203.0.113.77"


def silent(start_ns: int) -> Story:
    """The speaker joins, looks names up, keeps a connection, and says nothing."""
    house = House(seed=5, start_ns=start_ns)
    speaker = house.host("kitchen", mac=MAC)
    introduce(speaker)
    speaker.writes([(0, True, 90), (0.05, False, 90)]).to("telemetry.example.com", at=4)
    speaker.writes([(0, True, 90), (0.05, False, 90)]).to("telemetry.example.com", at=30)
    return Story(house, ())


def calling(start_ns: int) -> Story:
    """A laptop holds a call over UDP, sends mail over TCP, and is watched by no one."""
    house = House(seed=6, start_ns=start_ns)
    speaker = house.host("kitchen", mac=MAC)
    introduce(speaker)
    laptop = house.host("laptop", mac=LAPTOP)
    laptop.joins(at=0.5, hostname="laptop", vendor_class="MSFT 5.0")
    laptop.looks_up("outlook.example.com", at=1)
    laptop.calls(20).to("call.example.com", at=9)
    laptop.says(8, answer=300).to("dictation.example.com", at=10)
    laptop.says(8, answer=300).to("dictation.example.com", at=22)
    return Story(house, ())


def _upstream(size: int, *, claimed: int | None = None, ttl: int = 64) -> Callable[[int, int], Packet]:
    def make(number: int, seq: int) -> Packet:
        ip = IP(src=OWN, dst=SERVER, ttl=ttl, id=number)
        packet = Ether(src=MAC, dst=ROUTER) / ip / TCP(sport=41_234, dport=443, seq=seq, ack=9_000, flags="PA")
        if claimed is None:
            return packet / Raw(b"\x17\x03\x03" + (size - 5).to_bytes(2, "big") + bytes(size - 5))
        packet[IP].len = claimed
        return packet

    return make


def _forged(
    story: Story, make: Callable[[int, int], Packet], answer: Callable[[int], Packet] | None = None
) -> Iterator[Frame]:
    """Four seconds of what looks like a microphone, twice."""
    for begin in SENTENCES[:2]:
        seq = 1_000
        for number in range(90):
            yield framed(story.at(begin + number * 0.05), make(number, seq))
            seq += 437
            if answer is not None and number % 20 == 5:  # few: a voice does not wait for each
                yield framed(story.at(begin + number * 0.05 + 0.02), answer(seq))


def claims_only(story: Story) -> Iterator[Frame]:
    return _forged(story, _upstream(0, claimed=700))


def unanswered(story: Story) -> Iterator[Frame]:
    return _forged(story, _upstream(437))


def answered_by(mac: str, flags: str = "A") -> Callable[[Story], Iterator[Frame]]:
    def forge(story: Story) -> Iterator[Frame]:
        def answer(seq: int) -> Packet:
            ends = TCP(sport=443, dport=41_234, seq=9_000, ack=seq, flags=flags)
            return Ether(src=mac, dst=MAC) / IP(src=SERVER, dst=OWN, ttl=55) / ends

        return _forged(story, _upstream(437), answer)

    return forge


def over_udp(story: Story) -> Iterator[Frame]:
    """Datagrams both ways, the answers with the intruder's MAC address."""
    for begin in SENTENCES[:2]:
        for number in range(200):
            up = Ether(src=MAC, dst=ROUTER) / IP(src=OWN, dst=SERVER) / UDP(sport=41_000, dport=3_478)
            yield framed(story.at(begin + number * 0.02), up / Raw(bytes(160)))
            down = Ether(src=INTRUDER, dst=MAC) / IP(src=SERVER, dst=OWN, ttl=55) / UDP(sport=3_478, dport=41_000)
            yield framed(story.at(begin + number * 0.02 + 0.01), down / Raw(bytes(160)))


def refused(story: Story) -> Iterator[Frame]:
    """The speaker's operating system refuses what it never opened."""
    frames = list(answered_by(ROUTER)(story))
    for frame in frames:
        yield frame
        packet = Ether(frame.data)
        if packet.dst == MAC:
            reset = Ether(src=MAC, dst=ROUTER) / IP(src=OWN, dst=SERVER) / TCP(sport=41_234, dport=443, flags="R")
            reset[TCP].seq = packet[TCP].ack
            yield framed(frame.time_ns + 1_000_000, reset)


def dns_to_laptop(story: Story) -> Iterator[Frame]:
    """Answers that nobody asked for, with names that only a speaker asks for."""
    for number, name in enumerate(("echocaptiveportal.com", "avs-alexa-4-na.amazon.com") * 20):
        packet = Ether(src=INTRUDER, dst=LAPTOP) / IP(src="192.168.1.1", dst="192.168.1.21")
        body = DNS(id=number, qr=1, qd=DNSQR(qname=name), an=DNSRR(rrname=name, rdata="52.1.2.3"))
        yield framed(story.at(2 + number * 0.1), packet / UDP(sport=53, dport=40_000 + number) / body)


def names_for_laptop(story: Story) -> Iterator[Frame]:
    """Questions that a speaker asks, from the intruder's MAC address with the laptop's IP address."""
    luck = random.Random(3)
    for number in range(40):
        packet = Ether(src=INTRUDER, dst=ROUTER) / IP(src="192.168.1.21", dst="192.168.1.1")
        body = DNS(id=luck.randrange(65_536), qd=DNSQR(qname="echocaptiveportal.com"))
        yield framed(story.at(2 + number * 0.1), packet / UDP(sport=40_000 + number, dport=53) / body)


def attacks() -> list[Attack]:
    """All of this kind."""
    invented = {
        "claims-only": claims_only,
        "unanswered": unanswered,
        "answers-of-another-host": answered_by(INTRUDER),
        "resets-as-answers": answered_by(ROUTER, "RA"),
        "udp-both-ways": over_udp,
        "refused-by-the-speaker": refused,
    }
    return [
        *(
            Attack(f"invent-{name}", "invent", beside(maker), nobody_accused, CONFIGURED, silent)
            for name, maker in invented.items()
        ),
        Attack(
            "invent-both-sides-on-router",
            "invent",
            beside(answered_by(ROUTER)),
            nobody_accused,
            CONFIGURED,
            silent,
            on_router=True,
        ),
        Attack("on-router", "invent", lambda story: story.frames, on_router=True),
        Attack("invent-echo-by-dns-answers", "invent", beside(dns_to_laptop), nobody_accused, RECOGNISED, calling),
        Attack("invent-echo-by-its-address", "invent", beside(names_for_laptop), nobody_accused, RECOGNISED, calling),
    ]
