"""What a disobedient speaker does so that its upload is not seen, and what a neighbour does in its name."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP, IPOption_NOP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN
from scapy.layers.l2 import GRE, Dot1Q, Ether
from scapy.packet import Packet, Raw

from sniffer.testing.pcap import Frame
from tests.hostile.attacks.story import (
    INTRUDER,
    SENTENCES,
    SERVER,
    Attack,
    Story,
    beside,
    both_ways,
    each_sentence,
    framed,
    fresh,
    instead,
    tell,
)


def _ahead(story: Story, distances: Iterable[int], size: int = 1, before: float = 1.0) -> Iterator[Frame]:
    """Before each later sentence, segments whose sequence numbers lie ahead of the stream."""
    for sentence in SENTENCES[1:]:
        frame, packet = next(story.upstream(sentence))
        for number, distance in enumerate(distances):
            forged = fresh(packet)
            forged[TCP].remove_payload()
            forged[TCP].seq = (packet[TCP].seq + distance) % (1 << 32)
            yield framed(frame.time_ns - round(before * 1e9) + number * 1_000_000, forged / Raw(b"x" * size))


def far_ahead(story: Story) -> Iterator[Frame]:
    return _ahead(story, [3_000_000 + 10 * n for n in range(17)])


def near_ahead(story: Story) -> Iterator[Frame]:
    return _ahead(story, [200_000 + 10 * n for n in range(170)])


def scattered(story: Story) -> Iterator[Frame]:
    return _ahead(story, [300 * n for n in range(200)])


def beforehand(story: Story) -> Iterator[Frame]:
    """All that will be said, sent a second before, with a time to live that ends at the router."""
    for frame in _ahead(story, [1_400 * n for n in range(60)], size=1_400):
        packet = Ether(frame.data)
        packet[IP].ttl = 1
        yield framed(frame.time_ns, fresh(packet))


def claims(story: Story) -> Iterator[Frame]:
    """One frame of 66 bytes whose IP header claims 60 kB."""
    for frame in _ahead(story, [0]):
        packet = Ether(frame.data)
        packet[IP].len = 60_000
        packet[IP].chksum = None
        yield framed(frame.time_ns, packet)


def twice(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """Each piece again, after 30 ms."""
    return iter((frame, frame._replace(time_ns=frame.time_ns + 30_000_000)))


def overlapping(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """Before each piece, a longer one with other content at the same place, with a wrong checksum."""
    forged = packet.copy()
    forged[TCP].remove_payload()
    forged[IP].len = None
    forged = forged / Raw(b"\x17\x03\x03" + bytes(1_397))
    forged[TCP].chksum = 1
    return iter((framed(frame.time_ns - 400_000, forged), frame))


def reset_before(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """A reset in front of each piece, so that the connection seems to be over."""
    forged = fresh(packet)
    forged[TCP].remove_payload()
    forged[TCP].flags = "R"
    return iter((framed(frame.time_ns - 300_000, forged), frame))


def no_flags(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """Segments without any flag."""
    forged = fresh(packet)
    forged[TCP].flags = 0
    return iter((framed(frame.time_ns, forged),))


def in_resets(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """The payload stands in segments with RST."""
    forged = fresh(packet)
    forged[TCP].flags = "RA"
    return iter((framed(frame.time_ns, forged),))


def in_syns(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """The payload stands in segments with SYN."""
    forged = fresh(packet)
    forged[TCP].flags = "S"
    return iter((framed(frame.time_ns, forged),))


def anywhere(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """Sequence numbers at random: to a server that ignores them."""
    forged = fresh(packet)
    forged[TCP].seq = random.Random(frame.time_ns).getrandbits(32)
    return iter((framed(frame.time_ns, forged),))


def standing_still(frame: Frame, packet: Packet) -> Iterator[Frame]:
    """Always the same sequence number: to a server that ignores them."""
    forged = fresh(packet)
    forged[TCP].seq = 77
    return iter((framed(frame.time_ns, forged),))


def _payload(packet: Packet) -> bytes:
    return bytes(packet[TCP].payload) or b"\0"


def _between(packet: Packet, *, ttl: bool = True) -> Packet:
    """The Ethernet and IP headers of a packet, its transport left out."""
    ip = IP(src=packet[IP].src, dst=packet[IP].dst, ttl=packet[IP].ttl if ttl else 64)
    return Ether(src=packet.src, dst=packet.dst) / ip


def as_protocol(number: int) -> Attack:
    def change(packet: Packet) -> Packet:
        if TCP not in packet:
            return packet
        made = _between(packet) / Raw(_payload(packet))
        made[IP].proto = number
        return made

    return Attack(f"hide-protocol-{number}", "hide", both_ways(change))


def in_pings(packet: Packet) -> Packet:
    if TCP not in packet:
        return packet
    up = packet[TCP].dport == 443
    return _between(packet) / ICMP(type=8 if up else 0, id=7, seq=packet[TCP].seq & 0xFFFF) / Raw(_payload(packet))


def to_port(port: int) -> Attack:
    def change(packet: Packet) -> Packet:
        if TCP not in packet:
            return packet
        up, mine = packet[TCP].dport == 443, 41_000
        ports = UDP(sport=mine, dport=port) if up else UDP(sport=port, dport=mine)
        return _between(packet) / ports / Raw(_payload(packet))

    return Attack(f"hide-udp-port-{port}", "hide", both_ways(change), each_sentence("unexpected", "inconclusive"))


def in_fragments(packet: Packet) -> list[Packet]:
    """Each packet in fragments of at most 200 bytes."""
    copy = fresh(packet)
    copy[IP].flags = 0
    copy[IP].id = (packet[TCP].seq if TCP in packet else 1) & 0xFFFF
    return list(fragment(copy, fragsize=200))


def with_options(packet: Packet) -> Packet:
    """IP options in front of TCP."""
    copy = fresh(packet)
    copy[IP].options = [IPOption_NOP()] * 40
    copy[IP].ihl = None
    return Ether(bytes(copy))


def tagged(packet: Packet) -> Packet:
    """A priority tag, though the network has none."""
    return Ether(src=packet.src, dst=packet.dst) / Dot1Q(prio=5, vlan=0) / packet[IP]


def twice_tagged(packet: Packet) -> Packet:
    tags = Dot1Q(vlan=7) / Dot1Q(vlan=9)
    return Ether(src=packet.src, dst=packet.dst, type=0x88A8) / tags / packet[IP]


def in_gre(packet: Packet) -> Packet:
    """A tunnel to the server, in which the speaker says what it says to another."""
    inner = fresh(packet)[IP]
    return _between(packet) / GRE() / inner


def in_six(packet: Packet) -> Packet:
    """IPv6 with extension headers in front of TCP."""
    up = packet[IP].dst.startswith("52.")
    ends = ("2001:db8:5:1::20", "2600:9000::77")
    outer = IPv6(src=ends[not up], dst=ends[up], hlim=packet[IP].ttl)
    extensions = IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / IPv6ExtHdrDestOpt(
        options=[PadN(optdata=b"\0" * 4)]
    )
    segment = packet[TCP].copy()
    segment.chksum = None
    return Ether(src=packet.src, dst=packet.dst) / outer / extensions / segment


def borrowed_address(packet: Packet) -> Packet:
    """Packets with the source address of another host of the house."""
    copy = fresh(packet)
    if copy[IP].dst.startswith("52."):
        copy[IP].src = "192.168.1.200"
    else:
        copy[IP].dst = "192.168.1.200"
    return copy


def to_a_group(packet: Packet) -> Packet:
    """Upstream frames to a multicast MAC address, which a careless router forwards."""
    copy = packet.copy()
    if copy[IP].dst.startswith("52."):
        copy.dst = "01:00:5e:00:00:fb"
    return copy


def as_a_call(story: Story) -> Iterator[Frame]:
    """Another host sends what looks like the other half of a call, in the name of the server."""
    server, own = str(story.house.address_of(SERVER)), str(story.house.hosts[0].address)
    port = next(story.upstream(0))[1][TCP].sport
    for sentence in SENTENCES[1:]:
        for number in range(220):
            packet = Ether(src=INTRUDER, dst=story.house.hosts[0].mac) / IP(src=server, dst=own, ttl=55)
            packet = packet / TCP(sport=443, dport=port, seq=9_000 + 440 * number, flags="PA") / Raw(bytes(440))
            yield framed(story.at(sentence + number * 0.02), packet)


def attacks() -> list[Attack]:
    """All of this kind."""
    tiny = tell(chunk=50, rate=60.0, head=2_000)
    noticed = each_sentence("unexpected", "inconclusive")
    return [
        Attack("none", "hide", lambda story: story.frames),
        Attack("hide-17-segments-far-ahead", "hide", beside(far_ahead)),
        Attack("hide-170-segments-ahead", "hide", beside(near_ahead)),
        Attack("hide-scattered-segments", "hide", beside(scattered)),
        Attack("hide-bytes-sent-before", "hide", beside(beforehand), noticed),
        Attack("hide-claimed-length", "hide", beside(claims)),
        Attack("hide-each-piece-twice", "hide", instead(twice)),
        Attack("hide-overlapping-pieces", "hide", instead(overlapping)),
        Attack("hide-resets-between", "hide", instead(reset_before)),
        Attack("hide-no-flags", "hide", instead(no_flags)),
        Attack("hide-in-resets", "hide", instead(in_resets)),
        Attack("hide-in-syns", "hide", instead(in_syns)),
        Attack("hide-random-sequence", "hide", instead(anywhere)),
        Attack("hide-same-sequence", "hide", instead(standing_still), noticed),
        Attack("hide-tiny-pieces", "hide", lambda story: story.frames, noticed, story=tiny),
        as_protocol(50),
        as_protocol(132),
        as_protocol(253),
        Attack("hide-in-pings", "hide", both_ways(in_pings)),
        to_port(53),
        to_port(123),
        to_port(5353),
        Attack("hide-in-fragments", "hide", both_ways(in_fragments)),
        Attack("hide-ip-options", "hide", both_ways(with_options)),
        Attack("hide-priority-tag", "hide", both_ways(tagged)),
        Attack("hide-two-tags", "hide", both_ways(twice_tagged)),
        Attack("hide-in-gre", "hide", both_ways(in_gre)),
        Attack("hide-ipv6-extensions", "hide", both_ways(in_six)),
        Attack("hide-another-address", "hide", both_ways(borrowed_address)),
        Attack("hide-to-a-group", "hide", both_ways(to_a_group)),
        Attack("hide-as-a-call", "hide", beside(as_a_call)),
    ]
