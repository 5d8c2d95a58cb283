"""What several views share: uploads in words, days, links."""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.model.summaries import UploadCount, UploadSummary
from sniffer.web.backend import PageBackend
from sniffer.web.words import Words, plain

#: Classes that are judged: what could hold speech.
JUDGED = ("speech", "bulk", "media")
VERDICTS = ("expected", "inconclusive", "unexpected")
DAY_NS = 86_400 * SECOND
#: What has to be quoted in an address; ids of uploads have nothing of it.
_UNSAFE = re.compile(r"[^\w.-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Page:
    """What each view is handed: the backend, the reader's words, the query, and whether the reader may change."""

    backend: PageBackend
    words: Words
    query: Mapping[str, str]
    may_change: bool

    def now_ns(self) -> int:
        """The time of the daemon (of a replayed capture: the capture's)."""
        return int(self.backend.state()["now_ns"])


def day_of(words: Words, now_ns: int) -> tuple[int, int]:
    """Beginning and end of the day that `now_ns` is in, where the page is read. Days of 23 and 25 hours are right."""
    date = words.local(now_ns).date()
    return _midnight(words, date), _midnight(words, date + datetime.timedelta(days=1))


def _midnight(words: Words, date: datetime.date) -> int:
    return int(datetime.datetime.combine(date, datetime.time(), words.zone).timestamp()) * SECOND


def upload_link(identifier: str) -> str:
    """The page of an upload."""
    return f"/uploads/{quote(identifier, safe='') if _UNSAFE.search(identifier) else identifier}"


def device_link(mac: str) -> str:
    """The page of a device."""
    return f"/devices/{quote(mac, safe='')}"


def row(words: Words, upload: UploadSummary) -> dict[str, Any]:
    """One line of a table of uploads."""
    return {
        "id": upload.id,
        "link": upload_link(upload.id),
        "time_ns": upload.time_ns,
        "device": plain(upload.device),
        "device_link": device_link(upload.mac) if upload.mac else "",
        "verdict": upload.verdict or "none",
        "amount": words.amount(upload.upload_class, upload.speech_seconds, upload.duration),
        "why": words.why(upload.reason),
        "seconds": upload.speech_seconds,
        "duration": upload.duration,
        "level": upload.level,
    }


def names_of(page: Page) -> dict[str, str]:
    """What devices are called, by their address."""
    found = {}
    for record in page.backend.devices():
        device = record["device"]
        for address in (device.get("mac"), device.get("ip"), record["host"]):
            if address:
                found[str(address).casefold()] = str(device["name"])
    return found


def called(words: Words, names: Mapping[str, str], device: object) -> str:
    """The name of a device that an event names; all of them where it names none. (Version 0.1 wrote the name alone.)"""
    named = (device.get("mac") or device.get("name")) if isinstance(device, Mapping) else device
    if not named:
        return words("wake.everywhere")
    return plain(names.get(str(named).casefold(), str(named)))


def answer_words(words: Words, record: Record) -> str:
    """What a person answered, as the buttons say it."""
    said = {"yes": "asked", "no": "unasked"}.get(str(record["answer"]), "unsure")
    return words(f"answer.{said}")


def upload_of(record: Record) -> str:
    """The id of the upload that a record is about, or nothing. (Version 0.1 called it `upload`.)"""
    found = record.get("upload_id") or record.get("upload")
    return found if isinstance(found, str) else ""


def summary_of(record: Record) -> UploadSummary:
    """The columns of a whole record."""
    upload, device = record["upload"], record["device"]
    return UploadSummary(
        str(record["id"]),
        parse_timestamp(str(record["timestamp"])),
        str(device.get("name") or ""),
        str(device.get("mac") or device.get("ip") or ""),
        str(upload.get("class")),
        record.get("verdict"),
        str(record.get("reason")),
        record.get("level"),
        float(upload.get("duration") or 0),
        float(upload.get("speech_seconds") or 0),
    )


@dataclass(slots=True)
class Count:
    """Uploads and seconds of speech by verdict."""

    uploads: dict[str, int]
    seconds: dict[str, float]

    @property
    def number(self) -> int:
        """Uploads of all verdicts."""
        return sum(self.uploads.values())

    @property
    def total(self) -> float:
        """Seconds of speech of all verdicts."""
        return sum(self.seconds.values())


def count(uploads: Iterable[UploadSummary]) -> Count:
    """Uploads that are judged, by verdict."""
    found = Count(dict.fromkeys(VERDICTS, 0), dict.fromkeys(VERDICTS, 0.0))
    for upload in uploads:
        if upload.verdict in found.uploads:
            found.uploads[str(upload.verdict)] += 1
            found.seconds[str(upload.verdict)] += upload.speech_seconds
    return found


def add_up(counts: Iterable[UploadCount]) -> Count:
    """Counts of uploads that are judged, by verdict."""
    found = Count(dict.fromkeys(VERDICTS, 0), dict.fromkeys(VERDICTS, 0.0))
    for one in counts:
        if one.verdict in found.uploads:
            found.uploads[str(one.verdict)] += one.uploads
            found.seconds[str(one.verdict)] += one.speech_seconds
    return found


def counts_by_device(counts: Iterable[UploadCount]) -> dict[str, list[UploadCount]]:
    """Counts by the key of their device."""
    found: dict[str, list[UploadCount]] = defaultdict(list)
    for one in counts:
        found[one.key].append(one)
    return found


def newest_name(counts: Sequence[UploadCount]) -> str:
    """The newest name of a device, from its counts."""
    return max(counts, key=lambda one: one.newest_ns).device


def by_device(uploads: Iterable[UploadSummary]) -> dict[str, list[UploadSummary]]:
    """Uploads by the address of their device, in the order in which they come."""
    found: dict[str, list[UploadSummary]] = defaultdict(list)
    for upload in uploads:
        found[upload.mac or upload.device].append(upload)
    return found


def source_problem(source: Record) -> str | None:
    """What is wrong with a wake source: `down`, `deaf`, or None."""
    if not source["configured"] or source["up"] is None:
        return None
    if not source["up"]:
        return "down"
    return "deaf" if source.get("unresponsive_since_ns") else None


def ears(sources: Sequence[Record]) -> list[Record]:
    """Sources whose silence means something: without one, no upload can be called unasked."""
    return [source for source in sources if source["hears"] and source["trust"] == "independent"]
