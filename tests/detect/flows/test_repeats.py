"""Datagrams that were captured twice count once; those that only look alike count each."""

from __future__ import annotations

import numpy as np
import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.packet import Packet, Raw

from sniffer.decode import decode
from sniffer.detect.flows.repeats import Repeats
from sniffer.detect.flows.rows import packets_of
from sniffer.model import PacketBatch, Selection, mac_key
from sniffer.testing import Frame, frame_block

MAC = "68:db:f5:00:00:11"
ETHER = Ether(src=MAC, dst="02:00:00:00:00:01")


def datagram(number: int, size: int = 400, *, network: Packet | None = None) -> bytes:
    body = np.random.default_rng(number).bytes(size)
    network = network if network is not None else IP(src="192.168.1.20", dst="52.1.1.1", id=number + 1)
    return bytes(ETHER / network / UDP(sport=5000, dport=443) / Raw(body))


def kept(frames: list[tuple[int, bytes]], cuts: int = 10_000) -> tuple[int, int]:
    batch, _ = decode(frame_block([Frame(time_us * 1000, data, len(data)) for time_us, data in frames]), Selection())
    repeats, rows = Repeats(), 0
    for first in range(0, len(batch), cuts):
        part: PacketBatch = batch.take(slice(first, first + cuts))
        rows += len(repeats.drop(packets_of(part, {mac_key(MAC): 0}, part.time_ns)))
    return rows, repeats.count


@pytest.mark.parametrize("apart_us", [0, 12, 2_000, 15_000])
@pytest.mark.parametrize("cuts", [1, 7, 10_000])
@pytest.mark.parametrize("size", [9, 15, 400])
def test_each_twice(apart_us: int, cuts: int, size: int) -> None:
    frames = [(n * 5_000 + twice, datagram(n, size)) for n in range(40) for twice in (0, apart_us)]
    assert kept(sorted(frames, key=lambda frame: frame[0]), cuts) == (40, 40)


def test_each_twice_over_ipv6() -> None:
    network = IPv6(src="fd00::20", dst="2001:db8::1")
    frames = [(n * 20_000 + twice, datagram(n, network=network)) for n in range(20) for twice in (0, 300)]
    assert kept(frames) == (20, 20)


def test_the_same_bytes_sent_again_are_no_copy() -> None:
    data = np.random.default_rng(1).bytes(300)
    networks = [IP(src="192.168.1.20", dst="52.1.1.1", id=number) for number in range(1, 20)]
    frames = [
        (n * 5_000, bytes(ETHER / network / UDP(sport=5, dport=6) / Raw(data))) for n, network in enumerate(networks)
    ]
    assert kept(frames) == (19, 0)


def test_filler_and_late_repetitions_are_no_copies() -> None:
    filler = bytes(ETHER / IP(src="192.168.1.20", dst="52.1.1.1", id=0) / UDP(sport=5, dport=6) / Raw(bytes(300)))
    assert kept([(n * 5_000, filler) for n in range(20)]) == (20, 0)
    assert kept([(n * 25_000, datagram(1)) for n in range(20)]) == (20, 0)
