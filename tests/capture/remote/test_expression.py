"""The remote filter and the kernel's: tcpdump compiles it, and both let the same packets pass."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6ND_NS, IPv6
from scapy.layers.l2 import ARP, Ether
from scapy.packet import Packet, Raw
from scapy.utils import rdpcap, wrpcap

from sniffer.capture.remote.expression import MAX_DEVICES, filter_expression

SPEAKER, OTHER, GATEWAY = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:01"
KEYS = frozenset({0x02000000000A})
needs_tcpdump = pytest.mark.skipif(shutil.which("tcpdump") is None, reason="needs tcpdump")


def ether(src: str = OTHER) -> Packet:
    return Ether(src=src, dst=GATEWAY)


HELLO = Raw(bytes.fromhex("1603010200010001fc0303") + bytes(40))
QUIC = Raw(bytes.fromhex("c300000001") + bytes(1200))
WANTED = {
    "of the speaker": ether(SPEAKER) / IP() / TCP(dport=443) / Raw(b"x" * 30),
    "to the speaker": Ether(src=GATEWAY, dst=SPEAKER) / IP() / UDP(sport=4001, dport=9),
    "ARP": ether() / ARP(),
    "DNS": ether() / IP() / UDP(dport=53),
    "DNS over TCP": ether() / IP() / TCP(sport=53),
    "DNS over IPv6": ether() / IPv6() / UDP(sport=53),
    "mDNS": ether() / IP() / UDP(sport=4001, dport=5353),
    "DHCP": ether() / IP() / UDP(sport=68, dport=67),
    "neighbour discovery": ether() / IPv6() / ICMPv6ND_NS(),
    "hello": ether() / IP() / TCP(dport=443) / HELLO,
    "hello behind options": ether() / IP(options=[]) / TCP(dport=443, options=[("Timestamp", (1, 2))]) / HELLO,
    "hello over IPv6": ether() / IPv6() / TCP(dport=443, options=[("Timestamp", (1, 2))]) / HELLO,
    "QUIC": ether() / IP() / UDP(sport=4001, dport=443) / QUIC,
    "QUIC over IPv6": ether() / IPv6() / UDP(sport=4001, dport=443) / QUIC,
}
OTHERS = {
    "data of another host": ether() / IP() / TCP(dport=443) / Raw(b"\x17\x03\x03" + bytes(40)),
    "datagrams of another host": ether() / IP() / UDP(sport=4001, dport=443) / Raw(bytes(1210)),
    "IPv6 of another host": ether() / IPv6() / TCP(dport=443) / Raw(bytes(100)),
}


def passed(expression: str, packets: list[Packet], folder: Path) -> list[bytes]:
    wrpcap(str(folder / "in.pcap"), packets)
    words = ["tcpdump", "-r", str(folder / "in.pcap"), "-w", str(folder / "out.pcap"), expression]
    subprocess.run(words, check=True, capture_output=True)
    return [bytes(packet) for packet in rdpcap(str(folder / "out.pcap"))]


@needs_tcpdump
def test_the_speakers_packets_and_the_identity_protocols_pass_and_no_others(tmp_path: Path) -> None:
    packets = [*WANTED.values(), *OTHERS.values()]
    found = passed(filter_expression(KEYS), packets, tmp_path)
    assert found == [bytes(packet) for packet in WANTED.values()]


@needs_tcpdump
def test_our_own_connection_is_left_out(tmp_path: Path) -> None:
    packets = [ether(SPEAKER) / IP() / TCP(dport=22), ether(SPEAKER) / IP() / TCP(dport=23)]
    for keys in (KEYS, None):
        assert passed(filter_expression(keys, exclude="tcp port 22"), packets, tmp_path) == [bytes(packets[1])]


@needs_tcpdump
def test_a_long_list_still_compiles_and_a_longer_one_captures_everything() -> None:
    expression = filter_expression(range(1, MAX_DEVICES + 1))
    done = subprocess.run(["tcpdump", "-y", "EN10MB", "-ddd", expression], check=True, capture_output=True, text=True)
    assert int(done.stdout.split()[0]) < 4096
    assert filter_expression(range(1, MAX_DEVICES + 2)) == ""
