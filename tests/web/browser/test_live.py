"""What lives on the page: a device that sends now, answers of another browser, a daemon that restarts."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.records.build import timestamp
from tests.app.test_daemon import MAC, START, Source, says
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


def test_a_question_is_answered_on_the_page_and_judged_anew_by_the_daemon(browse: Browse, tmp_path: Path) -> None:
    """From packets to a question, by a thumb on the phone to the judge, and back to the page of the upload."""
    made = PageHouse(
        tmp_path,
        devices=[{"mac": MAC, "name": "kitchen", "kind": "speaker"}],
        wake={"sources": [{"type": "http", "name": "kitchen-ear", "heartbeat": 60}]},
    )
    try:
        source = made.daemon._source
        assert isinstance(source, Source)
        source.frames = says(3.0, at=2.0)
        for _ in range(80):
            made.daemon.step()
        made.service.start()
        watched = browse(PHONE, has_touch=True)
        watched.open(str(made.service.address))
        assert "question" in watched.page.locator("h1").inner_text()
        watched.page.get_by_role("button", name="I asked").first.tap()
        watched.page.wait_for_selector(".notice.fine")
        for _ in range(8):
            made.daemon.step()
        (upload,) = made.store.uploads(verdict="expected")
        assert (upload["reason"], upload["revision"]) == ("person_says_asked", 1)
        until(watched, lambda: "All is well" in watched.page.locator("h1").inner_text() or "but:" in
              watched.page.locator("h1").inner_text())  # fmt: skip
        watched.open(f"{made.service.address}/uploads/{upload['id']}")
        assert "Asked for" in watched.page.locator(".badge").first.inner_text()
        assert "I asked" in watched.page.locator("main").inner_text()
        assert watched.errors == []
    finally:
        made.close()


def test_a_clock_that_was_set_back_hides_nothing(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(str(house.service.address))
    house.daemon._emit([upload(1)])
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "1")
    house.clock.leap(-2 * 86_400)  # what was seen lies in the future now
    house.daemon.step()
    house.daemon._emit([{**upload(0), "id": "later", "timestamp": timestamp(house.clock.now_ns())}])
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "1")
    watched.open(f"{house.service.address}/timeline")
    assert watched.page.locator("table.uploads tbody tr").count() == 1
    for _ in range(2):
        watched.page.get_by_label("Later").click()
    assert watched.page.locator("table.uploads tbody tr").count() == 1
    assert watched.page.get_by_label("Later").count() == 0
    assert watched.errors == []


def test_a_browser_that_slept_for_a_day_shows_today(house: PageHouse, browse: Browse) -> None:
    watched = browse(PHONE)
    watched.open(str(house.service.address))
    house.daemon._emit([upload(1)])
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "1")
    day = watched.page.locator("#h-today time").inner_text()
    # Playwright cannot freeze a page for a day: its network is gone meanwhile, its timers are, and then it is seen.
    watched.context.set_offline(True)
    debugger = watched.context.new_cdp_session(watched.page)
    debugger.send("Page.setWebLifecycleState", {"state": "frozen"})
    house.clock.leap(86_400)
    house.daemon.step()
    house.daemon._emit([upload(-1440), upload(-1439), upload(-1438)])
    debugger.send("Page.setWebLifecycleState", {"state": "active"})
    watched.context.set_offline(False)
    watched.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "3")
    assert watched.page.locator("#h-today time").inner_text() != day
    until(watched, lambda: watched.page.locator("#live").inner_text() == "")
    house.daemon._emit([upload(-1437)])
    until(watched, lambda: watched.page.locator(".t-unexpected .figure").inner_text() == "4")


def test_a_page_of_an_older_version_loads_the_new_one(house: PageHouse, browse: Browse) -> None:
    watched = browse()
    watched.open(str(house.service.address))
    watched.page.evaluate("document.documentElement.dataset.assets = 'of before the update'")
    house.daemon._emit([upload(1)])
    watched.page.wait_for_selector("html:not([data-assets='of before the update'])", state="attached")
