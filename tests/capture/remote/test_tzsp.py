"""Packets in TZSP, made by scapy, and datagrams that are none."""

from __future__ import annotations

import socket
import time

from hypothesis import given
from hypothesis import strategies as st
from scapy.contrib.tzsp import TZSP, TZSPTagEnd, TZSPTagPadding, TZSPTagRawRSSIByte, TZSPTagRXFrameLength
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.remote.tzsp import TzspFeed, peel
from sniffer.capture.source_settings import TzspSource
from sniffer.model.clock import SECOND
from tests.capture.remote.router import Seen, Traffic

INNER = Ether(src="02:00:00:00:00:0a", dst="02:00:00:00:00:01") / IP(dst="10.0.0.1") / UDP(dport=9) / b"x"


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as trying:
        trying.bind(("127.0.0.1", 0))
        return int(trying.getsockname()[1])


def test_packets_of_the_sender_arrive_and_those_of_others_do_not() -> None:
    port = free_port()
    settings = TzspSource(type="tzsp", sender="127.0.0.2", listen="127.0.0.1", port=port)
    source = RemoteSource(TzspFeed(settings))
    traffic = Traffic("x")
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger,
    ):
        router.bind(("127.0.0.2", 0))
        stranger.bind(("127.0.0.3", 0))
        source.poll(0)
        deadline = time.monotonic() + 10
        while source._active is None or source._active._connection is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        for n in range(10):
            stranger.sendto(bytes(TZSP() / TZSPTagEnd() / traffic.packet(1000 + n)), ("127.0.0.1", port))
            router.sendto(bytes(TZSP() / TZSPTagEnd() / traffic.packet(n)), ("127.0.0.1", port))
        seen = Seen().take(source, lambda seen: len(seen.numbers) >= 10)
    source.close()
    assert seen.numbers == list(range(10))
    assert abs(seen.times[-1] - time.time_ns()) < 5 * SECOND
    assert source.health()["tzsp:127.0.0.2"].clock_offset_seconds is None, "the times are ours"


def test_tags_are_stepped_over() -> None:
    tags = TZSPTagPadding() / TZSPTagRawRSSIByte(raw_rssi=12) / TZSPTagRXFrameLength(rx_frame_length=900) / TZSPTagEnd()
    assert peel(bytes(TZSP() / tags / INNER)) == (1, bytes(INNER), 900)
    assert peel(bytes(TZSP(encapsulated_protocol=18) / TZSPTagEnd() / bytes(30))) == (105, bytes(30), 30)
    assert peel(bytes(TZSP(encapsulated_protocol=777) / TZSPTagEnd() / INNER)) is None


def test_a_port_that_is_taken_is_said() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        settings = TzspSource(type="tzsp", sender="127.0.0.2", listen="127.0.0.1", port=port)
        source = RemoteSource(TzspFeed(settings))
        seen = Seen().take(source, lambda seen: bool(seen.events))
        source.close()
    assert f"127.0.0.1:{port} cannot be opened: Address already in use" in seen.events[0]


@given(st.binary(max_size=60))
def test_nothing_that_arrives_ends_us(data: bytes) -> None:
    for datagram in (data, b"\x01\x00\x00\x01" + data):
        found = peel(datagram)
        assert found is None or (found[1] and datagram.endswith(found[1]))
