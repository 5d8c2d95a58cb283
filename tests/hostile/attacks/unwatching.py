"""Frames with the speaker's MAC address that make it look like something else. The speaker is not configured."""

from __future__ import annotations

from collections.abc import Iterator

from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.dns import DNS, DNSQR, DNSRR
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_RA, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw

from sniffer.testing import House
from sniffer.testing.pcap import Frame
from tests.hostile.attacks.story import (
    CONFIGURED,
    FIRST_FORGED,
    INTRUDER,
    MAC,
    RECOGNISED,
    Attack,
    Outcome,
    Story,
    beside,
    framed,
    introduce,
    tell,
)

OWN, PHONE = "192.168.1.20", "a4:83:e7:11:22:33"


def _repeated(story: Story, packet: Packet, count: int = 30) -> Iterator[Frame]:
    for number in range(count):
        yield framed(story.at(FIRST_FORGED + number * 0.5), packet)


def advertises_itself_as_router(story: Story) -> Iterator[Frame]:
    packet = Ether(src=MAC, dst="33:33:00:00:00:01") / IPv6(src="fe80::1", dst="ff02::1") / ICMPv6ND_RA()
    return _repeated(story, packet)


def answers_dns(story: Story) -> Iterator[Frame]:
    ends = {"src": OWN, "dst": "192.168.1.77"}
    asked = Ether(src=INTRUDER, dst=MAC) / IP(src=ends["dst"], dst=OWN) / UDP(sport=5_000, dport=53)
    said = Ether(src=MAC, dst=INTRUDER) / IP(**ends) / UDP(sport=53, dport=5_000)
    question = DNSQR(qname="x.y")
    for number in range(30):
        at = FIRST_FORGED + number * 0.5
        yield framed(story.at(at), asked / DNS(id=number, qd=question))
        answer = DNS(id=number, qr=1, qd=question, an=DNSRR(rrname="x.y", rdata="52.1.1.1"))
        yield framed(story.at(at + 0.01), said / answer)


def gives_addresses(story: Story) -> Iterator[Frame]:
    packet = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src=OWN, dst="255.255.255.255") / UDP(sport=67, dport=68)
    options = [("message-type", "ack"), ("server_id", OWN), ("router", OWN), "end"]
    return _repeated(story, packet / BOOTP(op=2, yiaddr="192.168.1.99") / DHCP(options=options))


def forwards(story: Story) -> Iterator[Frame]:
    """Packets of many public hosts come from the speaker's MAC address."""
    for number in range(240):
        packet = Ether(src=MAC, dst=INTRUDER) / IP(src=f"52.7.0.{number}", dst="192.168.1.77") / TCP(flags="A")
        yield framed(story.at(FIRST_FORGED + number * 0.05), packet / Raw(b"x" * 100))


def has_many_addresses(story: Story) -> Iterator[Frame]:
    for number in range(100):
        packet = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=MAC, psrc=f"192.168.1.{100 + number}", pdst="192.168.1.1"
        )
        yield framed(story.at(FIRST_FORGED + number * 0.1), packet)


def is_a_laptop(story: Story) -> Iterator[Frame]:
    packet = Ether(src=MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255")
    options = [("message-type", "request"), ("hostname", b"DESKTOP-4711"), ("vendor_class_id", b"MSFT 5.0"), "end"]
    body = BOOTP(chaddr=bytes.fromhex(MAC.replace(":", ""))) / DHCP(options=options)
    return _repeated(story, packet / UDP(sport=68, dport=67) / body)


def is_a_printer(story: Story) -> Iterator[Frame]:
    text = b"NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:Printer:1\r\nSERVER: Linux UPnP/1.0 HP/1\r\n\r\n"
    packet = Ether(src=MAC, dst="01:00:5e:7f:ff:fa") / IP(src=OWN, dst="239.255.255.250")
    return _repeated(story, packet / UDP(sport=1900, dport=1900) / Raw(text))


def looks_everything_up(story: Story) -> Iterator[Frame]:
    """Names that a computer asks for, each once."""
    for number in range(400):
        packet = Ether(src=MAC, dst="02:00:5e:00:00:01") / IP(src=OWN, dst="192.168.1.1")
        name = ("github.com", "windowsupdate.com", "wpad.lan", f"host{number}.example.org")[number % 4]
        body = UDP(sport=50_000 + number, dport=53) / DNS(id=number, qd=DNSQR(qname=name))
        yield framed(story.at(FIRST_FORGED + number * 0.03), packet / body)


def _phone(story: Story) -> Iterator[Frame]:
    """One frame with the address of a phone that is off."""
    packet = Ether(src=PHONE, dst="ff:ff:ff:ff:ff:ff") / ARP(hwsrc=PHONE, psrc="192.168.1.50", pdst="192.168.1.1")
    yield framed(story.at(1.0), packet)


def asked_for(outcome: Outcome) -> str:
    """The last sentence had a wake word: it is explained, though the phones have been silent for a minute."""
    if not any(record["event_type"] == "wake" and record["kind"] == "away" for record in outcome.records):
        return "the phones were never away"
    last = max(outcome.uploads, key=lambda record: str(record["timestamp"]), default=None)
    return "" if last is not None and last["verdict"] == "expected" else "what was asked for is not explained"


def late(start_ns: int) -> Story:
    """One sentence, more than a minute after the phone's frame."""
    house = House(seed=9, start_ns=start_ns)
    speaker = house.host("kitchen", mac=MAC)
    introduce(speaker)
    speaker.says(4, answer=300).to("avs-alexa-4-na.amazon.com", at=70)
    return Story(house, ((70.0, 74.0),))


def attacks() -> list[Attack]:
    """All of this kind."""
    makers = {
        "router-advertisement": advertises_itself_as_router,
        "dns-server": answers_dns,
        "dhcp-server": gives_addresses,
        "forwarding": forwards,
        "many-addresses": has_many_addresses,
        "laptop": is_a_laptop,
        "printer": is_a_printer,
        "names-of-a-computer": looks_everything_up,
    }
    found = [Attack(f"unwatch-{name}", "unwatch", beside(maker), config=RECOGNISED) for name, maker in makers.items()]
    away = Attack(
        "unwatch-empty-house",
        "unwatch",
        beside(_phone),
        asked_for,
        config=CONFIGURED,
        sources=f'    - {{type: presence, name: phones, macs: ["{PHONE}"], away_after: 60}}\n',
        story=late,
        events=((69.8, {"device": "kitchen"}),),
    )
    return [away, Attack("recognised", "unwatch", lambda story: story.frames, config=RECOGNISED, story=tell()), *found]
