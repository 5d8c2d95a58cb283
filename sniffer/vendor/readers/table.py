"""CSV: one of your own (time, device, what), one that an export script wrote, or any table with a column of times."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator, Sequence
from datetime import tzinfo
from typing import IO

from sniffer.vendor.readers.alexa import meaning_of
from sniffer.vendor.rows import MAX_TRANSCRIPT, Meaning, Reading, VendorRow, name
from sniffer.vendor.times import Moment, from_text

#: Rows that are looked at to find the column of times.
_SAMPLE = 20
#: Characters of one line that are read.
_LINE = 65_536
#: Clocks: times with a zone, and times without one.
ZONED_CLOCK, LOCAL_CLOCK = "table", "table, times without a zone"
_DEVICE_NAMES = ("device", "device name", "devicename", "speaker", "gerät", "entity_id")
_SERIALS = ("serial", "serial number", "serialnumber", "deviceserialnumber")
_WHAT_NAMES = ("what", "utterancetype", "utterance type", "utterance_type", "type", "status", "intent")
_SECONDS_NAMES = ("seconds", "duration", "duration_seconds", "length")
_TEXT_NAMES = ("transcript", "transcripttext", "utterance", "text")


def read_table(stream: IO[bytes], reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    """Add the rows of a table to a reading. A table without a column of times gives none, and says so."""
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace", newline="")
    head = text.readline(_LINE)
    delimiter = max(",;\t", key=head.count)
    rows = csv.reader(_lines(head, text), delimiter=delimiter)
    try:
        sample = list(itertools.islice(rows, _SAMPLE + 1))
        column = _time_column(sample, zone)
        if column is None:
            reading.skipped["tables without a column of times"] += 1
            return
        titled = column >= len(sample[0]) or from_text(sample[0][column], zone) is None
        names = [cell.strip().casefold() for cell in sample[0]] if titled else []
        title = f" ({sample[0][column].strip()[:40]!r})" if titled and column < len(sample[0]) else ""
        reading.taken += f" with times in column {column + 1}{title}"
        layout = _Layout(column, names, transcripts=transcripts)
        for row in itertools.chain(sample[1:] if titled else sample, rows):
            moment = from_text(row[column], zone) if column < len(row) else None
            if moment is not None:
                reading.without_zone += not moment.zoned
                reading.add(layout.row(row, moment))
            elif row:
                reading.skipped["rows without a time"] += 1
    except csv.Error as error:
        reading.skipped[f"the rest of the table ({error})"] += 1
    finally:
        text.detach()


class _Layout:
    """Which column holds what."""

    def __init__(self, column: int, names: Sequence[str], *, transcripts: bool) -> None:
        def find(wanted: Sequence[str]) -> int | None:
            return next((names.index(word) for word in wanted if word in names and names.index(word) != column), None)

        self._device, self._serial, self._what = find(_DEVICE_NAMES), find(_SERIALS), find(_WHAT_NAMES)
        self._seconds = find(_SECONDS_NAMES)
        self._text = find(_TEXT_NAMES) if transcripts else None

    def row(self, cells: Sequence[str], moment: Moment) -> VendorRow:
        """Return one row of the table."""

        def cell(place: int | None) -> str:
            return cells[place].strip() if place is not None and place < len(cells) else ""

        said = cell(self._what)
        known = said.casefold().replace(" ", "_") in set(Meaning)
        meaning = Meaning(said.casefold().replace(" ", "_")) if known else meaning_of(said.upper())
        return VendorRow(
            moment.time_ns,
            meaning if said else Meaning.REQUEST,
            name(said) or "",
            device=name(cell(self._device)),
            serial=name(cell(self._serial)),
            clock=ZONED_CLOCK if moment.zoned else LOCAL_CLOCK,
            also_ns=moment.also_ns,
            seconds=_seconds(cell(self._seconds)),
            transcript=cell(self._text)[:MAX_TRANSCRIPT],
        )


def _seconds(text: str) -> float | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return value if 0 <= value <= 3600 else None


def _lines(head: str, text: io.TextIOWrapper) -> Iterator[str]:
    yield head
    while line := text.readline(_LINE):
        yield line


def _time_column(sample: Sequence[Sequence[str]], zone: tzinfo) -> int | None:
    """Return the column in which most rows hold a time; the leftmost of equals; None where fewer than half do."""
    width = min(max((len(row) for row in sample), default=0), 200)
    counts = [sum(from_text(row[c], zone) is not None for row in sample if c < len(row)) for c in range(width)]
    best = max(counts, default=0)
    return counts.index(best) if best and best * 2 >= len(sample) - 1 else None
