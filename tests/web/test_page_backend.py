"""Days on the page are those of the reader's zone, and its checks say what is so."""

from pathlib import Path

import pytest

from sniffer.app.config import Config
from sniffer.app.service import Service
from sniffer.model import WakeEvent
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from sniffer.web.page import reader_zone
from tests.app.test_daemon import START, Source
from tests.web.house import PageHouse, upload


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../../etc/passwd", "x" * 65, "/etc/localtime", "Europe\0Berlin"])
def test_an_unknown_zone_is_not_used(name: str) -> None:
    assert reader_zone(name) is None


def test_the_day_is_that_of_the_reader(tmp_path: Path) -> None:
    house = PageHouse(tmp_path)
    house.store.emit(upload(1))
    client = house.client()
    client.cookies.set("sniffer_zone", "Pacific%2FAuckland")
    page = client.get("/timeline").text
    assert 'data-zone="Pacific/Auckland"' in page
    assert "T00:00:00.000+13:00" in page
    client.cookies.set("sniffer_zone", "nowhere")
    assert client.get("/timeline").status_code == 200
    house.close()


def test_where_a_capture_is_replayed_with_its_wake_events_no_source_is_missed(tmp_path: Path) -> None:
    config = Config.model_validate({"http": {"port": 0}, "sinks": {"event_log": None}})
    for events, missed in (((), True), ((WakeEvent(START, "demo-ear"),), False)):
        clock = ManualClock(START)
        store = Store(StoreSettings(path=tmp_path / f"{missed}.db"))
        service = Service(lambda: config, Source(clock), "a.pcap", store, None, clock, replayed=True, events=events)
        try:
            service.daemon.step()
            assert service.page is not None
            found = {check["name"] for check in service.page.backend.checks()}
            assert ("wake" in found) is missed
        finally:
            service.close()
            store.close()
