"""How each source of packets is: what the page and the metrics show of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sniffer.app.capture_state import CaptureState
from sniffer.capture.remote.source import Health
from sniffer.model.clock import SECOND
from sniffer.sinks.metrics import Metrics
from sniffer.testing import ManualClock
from tests.app.test_daemon import START, Counts, Source
from tests.web.house import PageHouse

ROUTER = "ssh 192.168.1.1 br-lan"


@dataclass
class Mixed(Source):
    """One interface of this machine, and a router that sends what it captures."""

    router_up: bool = True
    health_of_router: Health = field(default_factory=lambda: Health(None, 0, own_clock=True))

    def up(self) -> dict[str, bool]:
        return {"br-lan": True, ROUTER: self.router_up}

    def health(self) -> dict[str, Health]:
        return {ROUTER: self.health_of_router}


def test_a_state_lasts_since_it_changed_and_losses_are_counted_once() -> None:
    clock = ManualClock(START)
    source = Mixed(clock)
    state = CaptureState(Metrics("1", []), clock)
    assert state.look(source) == 0
    clock.advance(60)
    source.counts = {"br-lan": Counts(received=100, dropped=7), ROUTER: Counts(received=5, dropped=2)}
    assert state.is_losing(source, ROUTER)
    source.router_up, source.health_of_router = False, Health(-2.5, 3, own_clock=True, problem="Connection refused")
    assert state.look(source) == 9
    assert state.look(source) == 0 and not state.is_losing(source, ROUTER)
    lan, router = state.states()
    assert (lan.up, lan.since_ns, lan.dropped, lan.remote) == (True, START, 7, False)
    assert (router.up, router.since_ns, router.dropped) == (False, START + 60 * SECOND, 2)
    assert (router.remote, router.clock_offset_seconds, router.reconnects) == (True, -2.5, 3)
    assert router.problem == "Connection refused"


def test_the_last_packet_is_that_of_each_source_also_after_the_clock_was_set_back() -> None:
    clock = ManualClock(START)
    state = CaptureState(Metrics("1", []), clock)
    state.packets("br-lan", 3, START)
    state.packets(ROUTER, 1, START - 5 * SECOND)
    state.packets(ROUTER, 1, START - 9 * SECOND)  # an older one that came late
    assert [(one.packets, one.last_packet_ns) for one in state.states()] == [(3, START), (2, START - 5 * SECOND)]
    clock.leap(-3600)
    state.packets("br-lan", 1, START - 3600 * SECOND)
    assert state.states()[0].last_packet_ns == START - 3600 * SECOND


@pytest.fixture
def page_house(tmp_path: Path) -> Iterator[PageHouse]:
    made = PageHouse(tmp_path)
    yield made
    made.close()


def test_the_page_shows_each_source_of_packets(page_house: PageHouse) -> None:
    daemon = page_house.daemon
    source = Mixed(page_house.clock)
    source.health_of_router = Health(12.0, 2, own_clock=True)
    daemon._source = source
    daemon.step()
    shown = page_house.client().get("/health").text
    assert ROUTER in shown and "12\N{NO-BREAK SPACE}s behind; times are corrected" in shown
    assert "Connected again</dt><dd>2<" in shown
    source.router_up, source.health_of_router = False, Health(12.0, 2, own_clock=True, problem="<b>refused</b>")
    daemon.step()
    shown = page_house.client(language="de").get("/health").text
    assert "keine Verbindung" in shown and "&lt;b&gt;refused&lt;/b&gt;" in shown
    assert f"No packets come from {ROUTER}" in page_house.client().get("/").text
