"""What a stretch of traffic shows of where we stand."""

from __future__ import annotations

import numpy as np
import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sniffer.decode import decode
from sniffer.diagnostics.visibility import MAX_HOSTS, Sight
from sniffer.model import FrameBlock, PacketBatch, Selection, address_pair

OWN, SPEAKER, PHONE = 0x020000000001, 0x68DBF5901964, 0x0200C0FFEE01
HOME = address_pair("192.168.7.1")


def batch(*packets: Packet) -> PacketBatch:
    frames = [bytes(packet) for packet in packets]
    lengths = np.array([len(frame) for frame in frames], dtype=np.int32)
    offset = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    times = np.arange(len(frames), dtype=np.int64) + 5
    block = FrameBlock("x", 1, memoryview(b"".join(frames)), offset, lengths, lengths.copy(), times)
    return decode(block, Selection())[0]


def packet(src: int, dst: int, to: str, layer: Packet | None = None) -> Packet:
    macs = {"src": src.to_bytes(6, "big").hex(":"), "dst": dst.to_bytes(6, "big").hex(":")}
    return Ether(**macs) / IP(src="192.168.7.2", dst=to) / (layer or TCP(sport=9, dport=443))


@pytest.mark.parametrize(
    ("one", "sees_others"),
    [
        (packet(SPEAKER, PHONE, "192.168.7.3"), True),  # between two strangers: a bridge or a mirror port
        (packet(SPEAKER, OWN, "52.94.233.109"), True),  # to be passed on: a router
        (packet(SPEAKER, OWN, "192.168.7.1"), False),  # meant for us
        (packet(SPEAKER, 0xFFFF_FFFF_FFFF, "192.168.7.255"), False),  # for everybody
        (packet(OWN, SPEAKER, "192.168.7.2"), False),  # from us
    ],
)
def test_whether_others_packets_are_seen(one: Packet, sees_others: bool) -> None:
    sight = Sight([OWN], [HOME])
    sight.add(batch(one))
    assert sight.sees_others is sees_others


def test_the_outer_side_of_a_router() -> None:
    sight = Sight([OWN], [HOME])
    sight.add(batch(*[packet(SPEAKER, OWN, "192.168.7.1")] * 60))
    assert sight.behind_nat
    sight.add(batch(packet(PHONE, OWN, "192.168.7.1")))
    assert not sight.behind_nat
    assert sight.hosts == 2


def test_names_and_merged_segments() -> None:
    sight = Sight([OWN], [HOME])
    sight.add(
        batch(
            packet(SPEAKER, OWN, "192.168.7.1", UDP(sport=4000, dport=53)),
            packet(SPEAKER, OWN, "9.9.9.9", TCP(sport=4000, dport=853)),
            packet(SPEAKER, OWN, "9.9.9.9") / bytes(3000),
        )
    )
    assert (sight.dns, sight.dot, sight.merged, sight.packets) == (1, 1, 1, 3)
    assert sight.longest > 3000
    assert sight.first_ns <= sight.last_ns


def test_a_flood_of_hosts_does_not_grow_it() -> None:
    sight = Sight([OWN], [HOME])
    flood = batch(packet(SPEAKER, OWN, "9.9.9.9")).take(np.zeros(3 * MAX_HOSTS, dtype=np.int64))
    flood.eth_src[:] = np.arange(len(flood)) + 10
    sight.add(flood)
    assert sight.hosts == MAX_HOSTS
