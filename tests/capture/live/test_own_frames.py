"""Frames that claim to come from the router on which the capture runs, but arrive there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.capture.live.live import LiveCapture
from sniffer.capture.settings import CaptureSettings
from sniffer.model import mac_key
from sniffer.testing import wire
from tests.capture.net import ip, namespace, transmit, why_not

pytestmark = [pytest.mark.root, pytest.mark.slow]

SPEAKER, ROUTER = "68:db:f5:90:19:64", "02:00:5e:00:00:01"
FRAME = wire.ethernet(wire.mac_bytes(ROUTER), wire.mac_bytes(SPEAKER), 0x0800, bytes(60))


@pytest.fixture
def lan() -> Iterator[None]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with namespace(prefix="hostile"):
        ip("link", "set", "lan0", "address", ROUTER)
        yield


def captured(forwards: bool, address: bool, interface: str) -> int:
    if address:
        ip("address", "add", "192.168.1.1/24", "dev", "lan0")
    Path("/proc/sys/net/ipv4/ip_forward").write_text(str(int(forwards)))
    capture = LiveCapture(["lan0"], CaptureSettings(interface="lan0"), [mac_key(SPEAKER)])
    try:
        transmit(interface, *[FRAME] * 5)
        return sum(len(block) for _ in range(5) for block in capture.poll(0))
    finally:
        capture.close()


@pytest.mark.parametrize(
    ("forwards", "address", "interface", "count"),
    [
        (True, True, "lan0", 5),  # it leaves: the router's own
        (True, True, "far0", 0),  # it arrives: made by another host
        (True, False, "far0", 5),  # a mirror port, perhaps of this very machine
        (False, True, "far0", 5),
    ],
)
def test_the_router_takes_no_frame_of_its_own_from_others(
    lan: None, forwards: bool, address: bool, interface: str, count: int
) -> None:
    assert captured(forwards, address, interface) == count
