"""The same speech through each source: captured by AF_PACKET, by libpcap, on two interfaces at a time, over ssh and
mirrored in a tunnel, it is one upload with the same bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP
from scapy.layers.l2 import GRE, Ether

from sniffer.app.build import build_pipeline, load_rulebook
from sniffer.app.config import Config
from sniffer.app.daemon import Daemon, Edges
from sniffer.capture.settings import CaptureSettings
from sniffer.capture.sources import open_sources
from sniffer.model import Record, WakeSource
from sniffer.model.clock import SECOND, SystemClock
from sniffer.settings.base import DeviceSettings
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import House, RecordingSink
from tests.capture import net
from tests.capture.remote.router import router, why_not

REASON = net.why_not() or why_not()
pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.skipif(REASON is not None, reason=str(REASON))]

MAC = "02:00:00:00:00:0a"
EAR = WakeSource("ear", miss_rate=0.0, measured=False, assumed_up=True)
CONFIG = Config(devices=(DeviceSettings(mac=MAC, name="kitchen"),))
SPEECH_SECONDS = 3.0
WRAP = Ether(src="02:00:00:00:00:fd", dst="02:00:00:00:00:fe") / IP(src="192.168.9.2", dst="192.168.9.1")


@pytest.fixture
def lan() -> Iterator[None]:
    with net.namespace(pair=("lan0", "far0")):
        net.add_pair("lan1", "far1")
        for name in ("lan0", "lan1", "far0", "far1"):
            net.ip("link", "set", name, "mtu", "1700")
        yield


def heard(
    capture: dict[str, Any], folder: Path, transport: str, into: Sequence[str], wrap: Callable[[bytes], bytes] = bytes
) -> tuple[list[Record], int]:
    """Let the speaker talk into these interfaces, in real time, while a daemon listens; its uploads, and how many bytes
    were said."""
    clock = SystemClock()
    settings = CaptureSettings.model_validate(capture)
    source, name = open_sources(settings, clock, lambda secret: "")
    sink, store = RecordingSink(), Store(StoreSettings(path=folder / f"{time.monotonic_ns()}.db"))
    daemon = Daemon(
        source=source,
        edges=Edges(build_pipeline(CONFIG, load_rulebook(CONFIG), [EAR], name, offline=False), [sink]),
        store=store,
        metrics=Metrics("test", ["kitchen"], process=False),
        clock=clock,
        poll_timeout=0.1,
    )
    thread = threading.Thread(target=daemon.run)
    thread.start()
    deadline = time.monotonic() + 20
    while not all(source.up().values()):
        assert time.monotonic() < deadline, source.events()
        time.sleep(0.05)
    time.sleep(1.0)
    house = House(seed=3, start_ns=clock.now_ns())
    sent = house.host("kitchen", mac=MAC).says(SPEECH_SECONDS, transport=transport).to("voice.example.com", at=0.2)
    sockets = [net.raw_socket(one) for one in into]
    for frame in sorted(house.frames(), key=lambda frame: frame.time_ns):
        time.sleep(max(0.0, (frame.time_ns - clock.now_ns()) / SECOND))
        for one in sockets:
            one.send(wrap(frame.data))
    for one in sockets:
        one.close()
    deadline = time.monotonic() + 30
    while not any(r["event_type"] == "upload" for r in sink.records) and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(3.0)
    daemon.stop()
    thread.join()
    source.close()
    store.close()
    found = {r["id"]: r for r in sink.records if r["event_type"] == "upload"}
    return list(found.values()), sent.bytes


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("way", ["interface", "both", "pcap", "ssh", "gre"])
def test_one_upload_with_the_bytes_that_were_said(lan: None, tmp_path: Path, way: str, transport: str) -> None:
    if way == "interface":
        found, said = heard({"interface": "lan0"}, tmp_path, transport, ["far0"])
    elif way == "both":
        found, said = heard({"interface": ["lan0", "lan1"]}, tmp_path, transport, ["far0", "far1"])
    elif way == "pcap":
        source = {"type": "pcap", "interface": "lan0"}
        found, said = heard({"sources": [source]}, tmp_path, transport, ["far0"])
    elif way == "gre":
        source = {"type": "gre", "sender": "192.168.9.2", "interface": "lan0"}
        found, said = heard(
            {"sources": [source]}, tmp_path, transport, ["far0"],
            lambda frame: bytes(WRAP / GRE(proto=0x6558) / Ether(frame)),
        )  # fmt: skip
    else:
        with router(tmp_path) as there:
            source = there.settings().model_dump(mode="json")
            found, said = heard({"sources": [source]}, tmp_path, transport, ["far0"])
    assert [(r["upload"]["class"], r["verdict"]) for r in found] == [("speech", "unexpected")]
    assert found[0]["upload"]["bytes"] == pytest.approx(said, rel=0.02)


def test_a_router_and_an_interface_that_see_the_same_packets_count_them_once(lan: None, tmp_path: Path) -> None:
    with router(tmp_path) as there:
        sources = [there.settings().model_dump(mode="json"), {"type": "interface", "interface": "lan1"}]
        found, said = heard({"sources": sources}, tmp_path, "tcp", ["far0", "far1"])
    assert [r["upload"]["class"] for r in found] == ["speech"]
    assert found[0]["upload"]["bytes"] == pytest.approx(said, rel=0.02)
