"""Packets of every kind we decode, built by scapy: what several tests start from."""

from __future__ import annotations

from collections.abc import Iterator

from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NS,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.ipsec import AH
from scapy.layers.l2 import ARP, CookedLinux, Dot1AD, Dot1Q, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.packet import Packet, Raw

A, B, C = "68:db:f5:90:19:64", "02:00:00:00:00:01", "02:00:00:00:00:02"
ETHER = Ether(src=A, dst=B)
OTHERS = Ether(src=B, dst=C)
V4 = IP(src="192.168.1.23", dst="52.94.233.109")
V6 = IPv6(src="fd00::23", dst="2001:db8::1")
SEGMENT = TCP(sport=40412, dport=443, seq=4_000_000_000, ack=7, flags="PA", options=[("Timestamp", (1, 2))])
BODY = Raw(b"\x17\x03\x03\x01\x00" + bytes(295))
HELLO = Raw(b"\x16\x03\x01\x02\x00\x01" + bytes(100))

#: TCP with 300 bytes of payload, in every wrapping.
WRAPPED: list[Packet] = [
    ETHER / V4 / SEGMENT / BODY,
    ETHER / Dot1Q(vlan=7) / V4 / SEGMENT / BODY,
    ETHER / Dot1AD(vlan=7) / Dot1Q(vlan=8) / V4 / SEGMENT / BODY,
    ETHER / Dot1Q() / Dot1Q() / Dot1Q() / V4 / SEGMENT / BODY,
    ETHER / PPPoE(sessionid=9) / PPP(proto=0x21) / V4 / SEGMENT / BODY,
    ETHER / Dot1Q(vlan=7) / PPPoE(sessionid=9) / PPP(proto=0x21) / V4 / SEGMENT / BODY,
    ETHER / PPPoE(sessionid=9) / PPP(proto=0x57) / V6 / SEGMENT / BODY,
    ETHER / IP(src=V4.src, dst=V4.dst, options=b"\x94\x04\0\0" * 3) / SEGMENT / BODY,
    ETHER / V6 / SEGMENT / BODY,
    ETHER / V6 / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / SEGMENT / BODY,
    ETHER / V6 / IPv6ExtHdrRouting(addresses=["::1"]) / SEGMENT / BODY,
    ETHER / V6 / AH(nh=6, payloadlen=4, icv=bytes(12)) / SEGMENT / BODY,
    ETHER / V6 / IPv6ExtHdrFragment(offset=0, m=0) / SEGMENT / BODY,
]

#: What names hosts, from hosts that are not watched.
IDENTITY: list[Packet] = [
    OTHERS / V4 / UDP(sport=5000, dport=53) / Raw(b"x"),
    OTHERS / V6 / UDP(sport=53, dport=5000) / Raw(b"x"),
    OTHERS / Dot1Q() / V4 / UDP(sport=68, dport=67) / Raw(b"x"),
    OTHERS / V6 / UDP(sport=546, dport=547) / Raw(b"x"),
    OTHERS / V4 / UDP(sport=5353, dport=5353) / Raw(b"x"),
    OTHERS / V4 / UDP(sport=5000, dport=1900) / Raw(b"x"),
    OTHERS / ARP(),
    OTHERS / V6 / ICMPv6ND_NS(),
    OTHERS / V4 / TCP(sport=5000, dport=443, options=[("Timestamp", (1, 2))]) / HELLO,
    OTHERS / V6 / IPv6ExtHdrDestOpt() / TCP(sport=5000, dport=8443) / HELLO,
    OTHERS / V4 / TCP(sport=5000, dport=53) / Raw(b"x"),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\xc3\0\0\0\x01" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\xd3\x6b\x33\x43\xcf" + bytes(1200)),
    OTHERS / V6 / UDP(sport=5000, dport=8443) / Raw(b"\xc3\xff\0\0\x1d" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\x0dQ043" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=80) / Raw(b"\x09" + bytes(8) + b"Q046" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=32100) / Raw(b"\xf1\0\0\0"),
]

#: What does not, from the same.
OTHER: list[Packet] = [
    OTHERS / V4 / TCP(sport=5000, dport=443) / BODY,
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\x43\0\0\0\x01" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\xe3\0\0\0\x01" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\xc3\0\0\0\0" + bytes(1200)),
    OTHERS / V4 / UDP(sport=5000, dport=443) / Raw(b"\xc3\0\0\0\x01" + bytes(1194)),
    OTHERS / V4 / ICMP(),
    OTHERS / Raw(bytes(50)),
]

ALL: list[Packet] = [
    *WRAPPED,
    *IDENTITY,
    *OTHER,
    *(ETHER / part for part in (V4 / UDP(sport=1, dport=2) / Raw(bytes(3000))).fragment(1480)),
    ETHER / V6 / IPv6ExtHdrFragment(offset=10, m=1, nh=17) / Raw(bytes(80)),
]


def links() -> Iterator[tuple[int, list[bytes]]]:
    """A few packets on each link type that is not Ethernet."""
    inner = [(0x0800, bytes(V4 / SEGMENT / BODY)), (0x86DD, bytes(V6 / UDP(sport=5, dport=53) / Raw(b"x" * 40)))]
    mac = bytes.fromhex(A.replace(":", "")) + b"\0\0"
    cooked = CookedLinux(pkttype=4, lladdrlen=6, src=mac)
    yield 0, [(2 if n == 0x0800 else 30).to_bytes(4, "little") + d for n, d in inner]
    yield 9, [b"\xff\x03\0" + (b"\x21" if n == 0x0800 else b"\x57") + d for n, d in inner]
    yield 51, [bytes(PPPoE(sessionid=1) / PPP(proto=0x21) / V4 / SEGMENT / BODY)]
    yield 101, [d for _, d in inner]
    yield 113, [bytes(cooked)[:14] + n.to_bytes(2, "big") + d for n, d in inner]
    yield 276, [n.to_bytes(2, "big") + bytes(6) + b"\0\x01\x00\x06" + mac + d for n, d in inner]
