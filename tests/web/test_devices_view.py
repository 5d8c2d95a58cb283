"""Devices on the page: what behaves like a speaker stands out; what moved in its habits has words and a unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.model.clock import SECOND
from sniffer.model.hosts import SENDS_VOICE
from sniffer.records.build import timestamp
from sniffer.web.words import texts
from tests.app.test_daemon import START
from tests.web.house import PageHouse, upload

MAC = "68:db:f5:90:19:64"
PROFILES = Path(__file__).parents[2] / "sniffer" / "detect" / "profiles"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PageHouse]:
    made = PageHouse(tmp_path, devices=[{"mac": MAC, "name": "kitchen"}])
    yield made
    made.close()


def device(mac: str, name: str, reasons: tuple[str, ...]) -> dict[str, Any]:
    return {
        "device": {"mac": mac, "ip": None, "name": name, "vendor": None, "model": None, "kind": None, "confidence": 0},
        "host": mac, "microphone": False, "configured": False, "rules": (), "reasons": reasons,
    }  # fmt: skip


def test_what_behaves_like_a_speaker_is_shown_apart_with_its_reason(house: PageHouse) -> None:
    sounds = f"{SENDS_VOICE} (4 times, 98% sure at best), and no rule says what it is"
    house.daemon._devices = (
        *house.daemon._devices,
        device("02:00:00:00:00:01", "host-000001", (sounds,)),
        device("02:00:00:00:00:02", "host-000002", ()),
    )
    shown = house.client().get("/devices").text
    apart = shown.split('id="h-candidates"')[1].split("</section>")[0]
    assert "host-000001" in apart and sounds in apart and "host-000002" not in apart
    assert "host-000002" in shown.split('id="h-others"')[1]
    assert "Verhält sich wie ein Lautsprecher" in house.client(language="de").get("/devices").text


def test_every_quantity_that_can_move_has_words_and_a_unit(house: PageHouse) -> None:
    source = "".join(path.read_text() for path in PROFILES.glob("*.py"))
    announced = re.findall(r'(?:Drift\(upload\.key, upload\.final_ns,|_announced\(upload,)\s*"(\w+)"', source)
    assert len(set(announced)) >= 6
    for what in announced:
        assert f"drift.{what}" in texts("en") and f"drift.{what}" in texts("de")
    record = {"event_type": "drift", "capture": "br-lan", "device": upload(1)["device"]}
    for number, (what, before) in enumerate((("bytes_per_second", 13_000.0), ("periodic_upload_bytes", 0.0))):
        moment = timestamp(START - number * SECOND)
        house.store.emit({**record, "timestamp": moment, "what": what, "before": before, "after": 18_000.0})
    shown = house.client().get(f"/devices/{MAC}").text
    assert "Speed of speech per second: 13\N{NO-BREAK SPACE}kB before, 18\N{NO-BREAK SPACE}kB now" in shown
    assert "New: Sends by the clock, 18\N{NO-BREAK SPACE}kB" in shown


def test_an_exception_says_which_rule_and_until_when_in_the_readers_zone(tmp_path: Path) -> None:
    exceptions = [
        {"rule": "upload-outside-wake", "device": "kitchen", "reason": "radio alarm", "expires": "2023-12-01"},
        {"rule": "upload-outside-wake", "reason": "always", "expires": "never"},
    ]
    made = PageHouse(tmp_path, judge={"rules": {"exceptions": exceptions}}, alerts={"time_zone": "Europe/Berlin"})
    shown = made.client(language="de").get("/rules").text.split('id="h-exceptions"')[1].split("</section>")[0]
    assert "Sprache oder ein Strom ging hinaus, und niemand hatte es verlangt" in shown
    assert re.search(r"Sa, 2\. Dez\.? 2023, (00:59:59|01:00:00) MEZ", shown), shown
    assert "bis auf Weiteres" in shown and "upload-outside-wake" not in shown
    made.close()
