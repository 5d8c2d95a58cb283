"""Exports, recognised by their content: which reader takes which file, and a report of what was taken for what."""

from __future__ import annotations

import codecs
import io
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from sniffer.model.clock import SECOND
from sniffer.vendor import jsonstream
from sniffer.vendor.archive import BROKEN, Member, members
from sniffer.vendor.readers import alexa, google, home_assistant, sound, table
from sniffer.vendor.rows import MAX_ROWS, Reading, Span, VendorRow

_TABLES = frozenset({".csv", ".tsv"})
_PAGES = frozenset({".html", ".htm"})
#: Bytes at the beginning of a file by which it is recognised.
_HEAD = 4096
#: Files of which the report says something, each in a line of its own.
MAX_FILES = 1000


@dataclass(slots=True)
class Exports:
    """The rows of the wanted time, in order; one reading for each file that gave something; and what was refused.

    `others` counts the files that are no export this program knows, by their kind; `repeated` the rows that repeat one.
    """

    rows: list[VendorRow] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    repeated: int = 0

    @property
    def count(self) -> int:
        """How many rows there are in all, the wanted time or not."""
        return sum(reading.count for reading in self.readings)

    @property
    def span(self) -> Span:
        """From the first row to the last of all, the wanted time or not."""
        whole = Span()
        for reading in self.readings:
            for span in reading.spans.values():
                whole.join(span)
        return whole

    def reach(self, zone: tzinfo) -> dict[str, tuple[int, int]]:
        """Return, for each clock, the span in ns that its record covers: the days of its first and last row, as exports
        are chosen by days, and no later than the newest of its files was written. A log of Home Assistant need not be
        complete, so it covers nothing."""
        spans: dict[str, Span] = {}
        saved: dict[str, int] = {}
        for reading in self.readings:
            for clock, span in reading.spans.items():
                spans.setdefault(clock, Span()).join(span)
                saved[clock] = max(saved.get(clock, 0), reading.saved_ns or 0)
        found = {}
        for clock, span in spans.items():
            if span.first_ns is not None and span.last_ns is not None and clock != home_assistant.CLOCK:
                end = min(_midnight(span.last_ns, zone, 1), saved[clock] or span.last_ns)
                found[clock] = (_midnight(span.first_ns, zone, 0), max(span.last_ns, end))
        return found

    @property
    def without_zone(self) -> int:
        """How many times named no zone."""
        return sum(reading.without_zone for reading in self.readings)

    @property
    def accounts(self) -> Counter[str]:
        """Rows by account, where the export names it."""
        return sum((reading.accounts for reading in self.readings), Counter[str]())

    @property
    def devices(self) -> Counter[str]:
        """Rows by the vendor's name of the device."""
        return sum((reading.devices for reading in self.readings), Counter[str]())


def read_exports(
    paths: Iterable[Path], zone: tzinfo, from_ns: int = 0, to_ns: int = 1 << 63, *, transcripts: bool = False
) -> Exports:
    """Read exports: files, folders, or zip archives. Times without a zone are read in `zone`. Rows outside of `from_ns`
    to `to_ns` are counted, and not kept.

    A row that two files list counts once. Raises UsageError where a path cannot be read.
    """
    found = Exports()
    sounds = Reading("recordings", "recordings, by the times in their names", from_ns, to_ns)
    room = MAX_ROWS
    for path in paths:
        for member in members(path, found.refused):
            suffix = PurePosixPath(member.name.lower()).suffix
            if suffix in sound.SUFFIXES:
                sounds.saved_ns = max(sounds.saved_ns or 0, member.saved_ns)
                sound.read_sound(member.name, member.stream, member.size, sounds, zone)
                continue
            reading = Reading(member.name, "", from_ns, to_ns, room, member.saved_ns)
            _read(member, suffix, reading, zone, transcripts=transcripts)
            room -= len(reading.rows)
            if reading.taken and len(found.readings) < MAX_FILES:
                found.readings.append(reading)
            elif not reading.taken:
                found.others[suffix or "without an ending"] += 1
    _collect(found, sounds)
    return found


def _collect(found: Exports, sounds: Reading) -> None:
    """Put the rows of all readings together, each once. A recording that a list names too gives its length to that
    row."""
    for reading in found.readings:
        found.rows += reading.rows
        reading.rows = []
    found.rows.sort(key=_identity)
    before: tuple[object, ...] | None = None
    kept = 0
    for row in found.rows:
        key = _identity(row)
        if key != before:
            found.rows[kept] = row
            kept += 1
        before = key
    found.repeated = len(found.rows) - kept
    del found.rows[kept:]
    if not sounds.count and not sounds.skipped:
        return
    found.readings.append(sounds)
    lengths = {row.time_ns // SECOND: row.seconds for row in sounds.rows}
    listed = set()
    for place, row in enumerate(found.rows):
        second = row.time_ns // SECOND
        if second in lengths:
            listed.add(second)
            found.rows[place] = replace(row, seconds=row.seconds or lengths[second])
    own = [row for row in sounds.rows if row.time_ns // SECOND not in listed]
    found.repeated += len(sounds.rows) - len(own)
    found.rows = sorted(found.rows + own, key=lambda row: row.time_ns)
    sounds.rows = []


def _midnight(time_ns: int, zone: tzinfo, days: int) -> int:
    """Return the midnight that begins the day of a time in a zone, or one some days later."""
    day = datetime.fromtimestamp(time_ns // SECOND, zone).replace(hour=0, minute=0, second=0)
    return round((day + timedelta(days=days)).timestamp()) * SECOND


def _identity(row: VendorRow) -> tuple[int, str, int]:
    return row.time_ns, row.serial or row.device or "", row.reference or 0


def _read(member: Member, suffix: str, reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    try:
        _by_content(member, suffix, reading, zone, transcripts=transcripts)
    except BROKEN as error:
        reading.skipped[f"the rest of the file, which is damaged ({error or type(error).__name__})"] += 1
        reading.taken = reading.taken or "a damaged file"


def _by_content(member: Member, suffix: str, reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    source = _Source(member.stream)
    head, stream = source.head, cast(IO[bytes], io.BufferedReader(source))
    begin = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if begin in (b"{", b"["):
        _json(stream, reading, zone, transcripts=transcripts)
    elif suffix in _PAGES or b"<html" in head[:1024].lower():
        google.read_html(stream, reading, zone)
        reading.taken = "a page of Google's My Activity" if reading.count else ""
    elif any(mark in head for mark in home_assistant.MARKS):
        home_assistant.read_log(stream, reading, zone, transcripts=transcripts)
        reading.taken = "a log of Home Assistant"
    elif b"\0" not in head and (suffix in _TABLES or (suffix == ".txt" and b"," in head)):
        reading.taken = "a table"
        table.read_table(stream, reading, zone, transcripts=transcripts)
        reading.taken = reading.taken if reading.count or suffix in _TABLES else ""


class _Source(io.RawIOBase):
    """A stream whose `head` was read already. UTF-16, as PowerShell saves text, becomes UTF-8."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._decoder: codecs.IncrementalDecoder | None = None
        first = stream.read(_HEAD)
        if first[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            self._decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        self.head = self._waiting = self._recoded(first)

    def _recoded(self, data: bytes) -> bytes:
        return data if self._decoder is None else self._decoder.decode(data, not data).encode(errors="replace")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            read = self._stream.read(len(buffer))
            self._waiting = self._recoded(read)
            if not read:
                break
        data, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(data)] = data
        return len(data)


def _json(stream: IO[bytes], reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    try:
        for value in jsonstream.rows(stream, alexa.ARRAYS):
            if home_assistant.is_event(value):
                reading.taken = "events of Home Assistant's Alexa Media Player"
                home_assistant.read_event(value["data"], reading, transcripts=transcripts)
            elif alexa.is_row(value):
                reading.taken = "Alexa's voice history"
                alexa.read_row(value, reading, zone, transcripts=transcripts)
            elif google.is_row(value):
                reading.taken = "Google's My Activity"
                google.read_row(value, reading, zone, transcripts=transcripts)
            elif google.is_activity(value):
                reading.skipped["entries of other Google products"] += 1
            else:
                reading.skipped["objects that are no rows of a voice history"] += 1
    except jsonstream.NotJsonError as error:
        reading.skipped[f"the rest of the file: {error}"] += 1
        reading.taken = reading.taken or "JSON"
    alexa.merge_parts(reading)


def sentences(exports: Exports, zone_name: str) -> Iterator[str]:
    """Yield what was read, a line for each file, and what was not."""
    for reading in exports.readings:
        rows = "1 row" if reading.count == 1 else f"{reading.count} rows"
        yield f"{reading.file}: taken for {reading.taken}, {rows}"
        for reason, count in sorted(reading.skipped.items()):
            yield f"  left out: {count} {reason}"
    if exports.repeated:
        yield f"{exports.repeated} rows repeat another row and count once"
    if exports.others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in exports.others.most_common(8))
        total = sum(exports.others.values())
        yield f"not taken for an export: {total} {'file' if total == 1 else 'files'} ({kinds})"
    for line in exports.refused[:20]:
        yield f"refused: {line}"
    if len(exports.refused) > 20:
        yield f"refused: {len(exports.refused) - 20} more files"
    if exports.without_zone:
        yield f"{exports.without_zone} times name no zone; they were read as {zone_name} (--zone changes that)"
    if len(exports.accounts) > 1:
        yield f"the rows belong to {len(exports.accounts)} accounts"
