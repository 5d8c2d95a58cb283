"""What was recorded of uploads, for `sniffer reconcile`: out of the store, or out of JSON Lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from sniffer.errors import UsageError
from sniffer.model import JUDGED_CLASSES
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.sinks.storage.jsonl import decode
from sniffer.sinks.storage.store import Store
from sniffer.vendor.comparison import Seen

#: Records that are needed.
KINDS = ("upload", "loss", "wake")
#: The longest line of a log that is read, in characters.
_LINE = 1 << 20
#: A capture may begin this long before its first upload, and end this long after its last.
_MARGIN_NS = 15 * SECOND
#: Devices that record pictures: their uploads are in no voice history.
_CAMERAS = frozenset({"camera", "doorbell"})
_JUDGED = frozenset(map(str, JUDGED_CLASSES))

Spans = list[tuple[int, int]]


@dataclass(slots=True)
class Recorded:
    """The uploads of devices with a voice, the newest revision of each, and when the monitor watched."""

    uploads: dict[str, tuple[int, Seen]] = field(default_factory=dict)
    spans: dict[str, list[int]] = field(default_factory=dict)
    losses: Spans = field(default_factory=list)

    def add(self, record: dict[str, Any]) -> None:
        """Take in one record. Raises LookupError, TypeError or ValueError where it is none."""
        start_ns = parse_timestamp(record["timestamp"])
        if record["event_type"] == "loss":
            self.losses.append((start_ns, parse_timestamp(record["end"])))
        elif record["event_type"] == "upload":
            self._upload(record, start_ns)

    def _upload(self, record: dict[str, Any], start_ns: int) -> None:
        device, measured, wake = record["device"], record["upload"], record["wake"]
        end_ns = parse_timestamp(record["end"])
        span = self.spans.setdefault(str(record["capture"]), [start_ns, end_ns])
        span[:] = [min(span[0], start_ns), max(span[1], end_ns)]
        revision, identity = int(record["revision"]), str(record["id"])
        if device["kind"] in _CAMERAS or revision < self.uploads.get(identity, (-1,))[0]:
            return
        independent = wake["seen"] and wake["trust"] == "independent"
        judged = measured["class"] in _JUDGED
        seen = Seen(
            identity,
            str(device["name"]),
            start_ns,
            end_ns,
            str(measured["class"]),
            float(measured["speech_seconds"]),
            str(record["verdict"] or "inconclusive") if judged else None,
            str(wake["source"]) if independent else None,
        )
        self.uploads[identity] = (revision, seen)

    def seen(self) -> list[Seen]:
        """Return the uploads."""
        return [upload for _, upload in self.uploads.values()]

    def watched(self, since: int | None, until: int | None) -> Spans:
        """Return when the monitor watched: for each interface or capture from its first upload to its last, without the
        times in which packets were lost."""
        spans: Spans = []
        for start, end in sorted((start - _MARGIN_NS, end + _MARGIN_NS) for start, end in self.spans.values()):
            if spans and start <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((start, end))
        for lost_from, lost_to in self.losses:
            spans = [part for span in spans for part in _without(span, lost_from, lost_to)]
        low, high = since or 0, until or 1 << 62
        return [(max(start, low), min(end, high)) for start, end in spans if start < high and end > low]


def _without(span: tuple[int, int], lost_from: int, lost_to: int) -> Spans:
    start, end = span
    if lost_to <= start or lost_from >= end:
        return [span]
    return [part for part in ((start, lost_from), (lost_to, end)) if part[0] < part[1]]


def from_store(store: Store, since: int | None, until: int | None) -> Recorded:
    """Read a store. The daemon watched from its first record to its last."""
    found = Recorded()
    for record in store.walk(KINDS[:2], None, since, until):
        found.add(record)
    low, high = store.read("SELECT MIN(time_ns), MAX(time_ns) FROM records WHERE time_ns > 0")[0]
    if low is not None and found.spans:
        found.spans["store"] = [int(low), int(high)]
    return found


def from_log(path: Path, since: int | None, until: int | None) -> Recorded:
    """Read JSON Lines: an event log, or what `sniffer analyze --format jsonl` printed."""
    found, bad = Recorded(), 0
    low, high = since or 0, until or 1 << 62
    for record in log_records(path):
        try:
            if low <= parse_timestamp(record["timestamp"]) < high:
                found.add(record)
        except (LookupError, TypeError, ValueError):
            bad += 1
    if bad:
        click.echo(f"{path}: {bad} lines are no records of this program and were left out", err=True)
    return found


def log_records(path: Path, kinds: Iterable[str] = KINDS) -> Iterator[dict[str, Any]]:
    """Yield the records of some kinds. Raises UsageError where the file cannot be read or holds no JSON Lines."""
    wanted, read, good = frozenset(kinds), 0, 0
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            while line := lines.readline(_LINE):
                read += 1
                try:
                    record = decode(line)
                except ValueError:
                    continue
                good += 1
                if record.get("event_type") in wanted:
                    yield record
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    if read and not good:
        raise UsageError(
            f"{path}: this is no event log; --log takes what `sniffer analyze --format jsonl` prints, or an event log"
        )
