"""What lives on the page: a device that sends now, answers of another browser, a daemon that restarts."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.records.build import timestamp
from tests.app.test_daemon import START
from tests.web.browser.conftest import PHONE, Watched
from tests.web.house import PageHouse, upload

pytestmark = pytest.mark.slow

Browse = Callable[..., Watched]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PageHouse]:
    made = PageHouse(tmp_path)
    made.service.start()
    yield made
    made.close()


def listening(on: bool) -> dict[str, Any]:
    record = upload(0)
    return {
        **{name: record[name] for name in ("capture", "device", "service", "src_ip", "src_port", "dest_ip",
                                           "dest_port", "proto", "community_id")},
        "event_type": "listening", "timestamp": timestamp(START), "start": timestamp(START), "listening": on,
        "kind": "voice", "score": 3.0,
    }  # fmt: skip


def until(watched: Watched, holds: Callable[[], bool]) -> None:
    """Wait until something holds. (The page's own policy forbids playwright's wait_for_function.)"""
    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        watched.page.wait_for_timeout(50)


def test_a_device_that_sends_is_shown_within_a_second_and_gone_after(house: PageHouse, browse: Browse) -> None:
    browsers = [browse(), browse(PHONE)]
    for watched in browsers:
        watched.open(str(house.service.address))
    until(browsers[0], lambda: house.service.page._live._open == 2)
    house.daemon._emit([listening(True)])
    for watched in browsers:
        watched.page.wait_for_selector(".tone-listening", timeout=5_000)
        assert "kitchen is sending" in watched.page.locator("h1").inner_text()
    house.daemon._emit([listening(False)])
    for watched in browsers:
        watched.page.wait_for_selector(".tone-listening", state="detached", timeout=5_000)
        assert watched.errors == []


def test_what_is_being_typed_is_left_alone(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(f"{house.service.address}/sources")
    field = watched.page.locator("#source-name")
    field.fill("half a na")
    house.daemon._emit([upload(1)])
    watched.page.wait_for_timeout(800)
    assert field.input_value() == "half a na"


def test_a_restart_is_said_and_caught_up_with(browse: Browse, tmp_path: Path) -> None:
    first = PageHouse(tmp_path)
    first.service.start()
    port = first.service._server.port  # type: ignore[union-attr]
    watched = browse()
    watched.open(str(first.service.address))
    assert "0" in watched.page.locator(".t-unexpected .figure").inner_text()
    first.close()
    until(watched, lambda: "lost" in watched.page.locator("#live").inner_text())
    second = PageHouse(tmp_path, http={"port": port})
    with second.store.transaction():
        second.store.emit(upload(1))
    second.service.start()
    until(watched, lambda: "Connected again" in watched.page.locator("#live").inner_text())
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "1")
    second.close()


def test_pages_that_leave_leave_nothing_behind(house: PageHouse, browse: Browse) -> None:
    for _ in range(5):
        watched = browse()
        watched.open(str(house.service.address))
        watched.page.wait_for_timeout(100)
        watched.context.close()
    deadline = time.monotonic() + 25  # a heartbeat notices at the latest
    while house.service.page._live._open and time.monotonic() < deadline:
        threading.Event().wait(0.1)
    assert house.service.page._live._open == 0
