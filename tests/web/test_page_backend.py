"""Days on the page are those of the reader's zone."""

from pathlib import Path

import pytest

from sniffer.web.page import reader_zone
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
