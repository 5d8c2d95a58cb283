"""Exports written from the vendors' published field descriptions, and what the monitor recorded beside them."""

import csv
import io
import json
import random
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sniffer.model import Device, address_pair, mac_key
from tests.sinks.builders import KITCHEN, START, upload

BERLIN = ZoneInfo("Europe/Berlin")
HALL = Device(
    key=mac_key("68:db:f5:90:19:65"), name="hall", address=address_pair("192.168.1.24"), vendor="Amazon",
    model="Echo Dot", kind="speaker", confidence=0.97, microphone=True, configured=True,
)  # fmt: skip


@dataclass(frozen=True)
class Said:
    """One recording of the vendor, `at` seconds after START."""

    at: float
    kind: str = "GENERAL"
    device: str = "Kitchen Echo"
    serial: str = "G0911W0793360TLG"
    text: str = "what time is it"
    account: str = "A3NSX4MMJVG96V"

    @property
    def ms(self) -> int:
        """Its time in ms UTC, as the row states it."""
        return START // 1_000_000 + round(self.at * 1000)

    def moment(self, zone: Any = UTC) -> datetime:
        """Its time in a zone."""
        return datetime.fromtimestamp(self.ms / 1000, zone)


def times(count: int, seed: int = 1, apart: float = 900.0) -> list[int]:
    """Seconds after START at which a household speaks to a speaker: no two closer than a minute."""
    chance, found, at = random.Random(seed), [], 0.0
    for _ in range(count):
        at += 60 + chance.expovariate(1 / apart)
        found.append(round(at))
    return found


def household(at: Iterable[float], verdict: str = "expected", device: Device = KITCHEN, **more: Any) -> list[dict]:
    """Uploads of speech at these times."""
    return [upload(verdict, at=round(time), device=device, **more) for time in at]


def save_log(path: Path, records: Iterable[dict[str, Any]]) -> Path:
    """What `sniffer analyze --format jsonl` prints."""
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def utterance_id(said: Said, part: int | None = None, before: float = 1.4) -> str:
    """The id of a stream, which holds its start: one to two seconds before the row's time."""
    start = datetime.fromtimestamp(said.ms / 1000 - before, UTC)
    return f"A3S5BH2HU6VAYF:1.0/{start:%Y/%m/%d/%H}/{said.serial}/{start:%M:%S}::TNIH_2V.3f2b8c5e-{said.ms:x}" + (
        "" if part is None else f"/{part}"
    )


def first_generation(said: Iterable[Said], *, with_ids: bool = True) -> dict[str, Any]:
    """`customerHistoryRecords`, as browsers show it."""
    return {
        "customerHistoryRecords": [
            {
                "recordKey": f"{one.account}#{one.ms}#A3S5BH2HU6VAYF#{one.serial}",
                "recordType": "VOICE_HISTORY",
                "timestamp": one.ms,
                "customerId": None,
                "device": {"deviceName": one.device, "deviceType": "A3S5BH2HU6VAYF", "new": {"field": [1]}},
                "isBinaryFeedbackProvided": False,
                "utteranceType": one.kind,
                "domain": "Global",
                "intent": "TimeIntent",
                "skillName": None,
                "voiceHistoryRecordItems": [
                    {
                        "recordItemKey": f"{one.account}#{one.ms}#CUSTOMER_TRANSCRIPT",
                        "recordItemType": "CUSTOMER_TRANSCRIPT",
                        "utteranceId": utterance_id(one) if with_ids else None,
                        "timestamp": one.ms,
                        "transcriptText": one.text,
                    },
                    {"recordItemType": "ALEXA_RESPONSE", "timestamp": one.ms + 2300, "transcriptText": "It is noon."},
                ],
            }
            for one in said
        ],
        "encodedRequestToken": "eyJ0b2tlbiI6MX0=",
        "lastRecordType": None,
    }  # fmt: skip


def second_generation(said: Iterable[Said]) -> dict[str, Any]:
    """`alexaHistoryRecords`: the device is an object, a list of them, or null."""
    found = []
    for place, one in enumerate(said):
        device = {"deviceName": one.device, "deviceSerialNumber": one.serial}
        found.append(
            {
                "activityKey": f"{one.account}#{one.ms}#A3S5BH2HU6VAYF#{one.serial}",
                "recordType": "utterance" if place % 2 else "conversation",
                "deviceInfo": (device, [device], None)[place % 3],
                "timestamp": one.ms,
                "utteranceType": one.kind,
                "title": one.text,
                "subTitle": "Alexa",
                "intent": "TimeIntent",
            }
        )
    return {"alexaHistoryRecords": found, "encodedRequestToken": None}


def audio_name(said: Said) -> str:
    """The name of a Google recording."""
    return f"{said.moment():%Y-%m-%d_%H_%M_%S}_{said.ms % 1000:03d}_UTC.mp3"


def google_rows(said: Iterable[Said], *, header: str = "Assistant", audio: bool = True) -> list[dict[str, Any]]:
    """Rows of My Activity, the newest first."""
    return [
        {
            "header": header,
            "title": f"Said {one.text}",
            "titleUrl": "https://www.google.com/search?q=x",
            "time": f"{one.moment():%Y-%m-%dT%H:%M:%S}.{one.ms % 1000:03d}Z",
            "products": [header],
            "details": [{"name": "Started by hotword"}],
            **({"audioFiles": [audio_name(one)]} if audio else {}),
        }
        for one in reversed(list(said))
    ]


GERMAN_MONTHS = "Jan. Feb. März Apr. Mai Juni Juli Aug. Sept. Okt. Nov. Dez.".split()


def google_page(said: Iterable[Said], *, german: bool = True, audio: bool = False, zone: Any = BERLIN) -> str:
    """My Activity as HTML, with times in the account's zone."""
    cells = []
    for one in reversed(list(said)):
        at = one.moment(zone)
        when = (
            f"{at.day}. {GERMAN_MONTHS[at.month - 1]} {at.year}, {at:%H:%M:%S} MEZ"
            if german
            else f"{at:%b} {at.day}, {at.year}, {at.hour % 12 or 12}:{at:%M:%S}\u202f{at:%p} CET"
        )
        link = f'<audio controls><source src="{audio_name(one)}"></audio>' if audio else ""
        cells.append(
            '<div class="outer-cell mdl-cell mdl-cell--12-col mdl-shadow--2dp"><div class="mdl-grid">'
            '<div class="header-cell mdl-cell"><p class="mdl-typography--title">Assistant<br></p></div>'
            '<div class="content-cell mdl-cell mdl-typography--body-1">'
            f'Du hast <a href="https://www.google.com/search?q=x">{one.text}</a> gesagt<br>{when}<br></div>'
            f'<div class="content-cell mdl-cell">{link}</div>'
            '<div class="content-cell mdl-cell mdl-typography--caption"><b>Produkte:</b><br>&emsp;Assistant<br>'
            "<b>Details:</b><br>&emsp;Durch Hotword gestartet</div></div></div>"
        )
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body>{"".join(cells)}</body></html>'


def save_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    """A zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def save_json(path: Path, value: Any) -> Path:
    """A JSON file."""
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def table(said: Iterable[Said], *, zone: Any = None, names: Sequence[str] = ("time", "device", "what")) -> str:
    """A CSV of one's own: times without a zone where `zone` is given, as that zone has them."""
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(names)
    for one in said:
        rows.writerow([f"{one.moment(zone or UTC):%Y-%m-%d %H:%M:%S}{'' if zone else 'Z'}", one.device, "request"])
    return text.getvalue()


def shifted(said: Iterable[Said], seconds: float) -> list[Said]:
    """The same, later."""
    return [replace(one, at=one.at + seconds) for one in said]
