"""Records of version 0.1 in the store: every view opens, and shows what there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.house import PageHouse

RECORDS = Path(__file__).parents[1] / "records" / "records_of_version_0_1.json"
OLD: dict[str, Any] = json.loads(RECORDS.read_text())


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PageHouse]:
    device = OLD["upload"]["device"]
    made = PageHouse(tmp_path, devices=[{"mac": device["mac"], "name": device["name"]}])
    with made.store.transaction():
        for record in OLD.values():
            made.store.emit(record)
    yield made
    made.close()


def test_every_view_of_a_store_of_version_0_1_opens(house: PageHouse) -> None:
    upload = OLD["upload"]
    day = str(upload["timestamp"])[:10]
    mac = upload["device"]["mac"]
    for path in ("/", f"/timeline?at={day}", f"/uploads/{upload['id']}", "/questions", "/devices", f"/devices/{mac}",
                 "/sources", "/rules", "/health", "/start"):  # fmt: skip
        assert house.client().get(path).status_code == 200, path
    shown = house.client().get(f"/timeline?at={day}").text
    assert upload["id"] in shown
    assert upload["device"]["name"] in house.client().get(f"/uploads/{upload['id']}").text
    assert house.client().get(f"/uploads/{upload['id']}/record.json").status_code == 200
