"""Intervals: sources that were up, microphones that were muted, calls that lasted, packets that were lost.

All of it is sorted by the events' own times, not by their arrival, and bounded.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field, replace

from sniffer.model import Loss
from sniffer.model.clock import SECOND

#: At most this many marks of one kind are kept; the oldest go first.
MAX_MARKS = 4096


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """From `time_ns` on, a state holds (`on`) or does not. `device` is a name or MAC, empty for every device.
    `miss_rate` is what the source stated, negative if it stated none."""

    time_ns: int
    on: bool
    source: str = ""
    device: str = ""
    miss_rate: float = -1.0


@dataclass(slots=True)
class Marks:
    """Marks sorted by time, without duplicates."""

    items: list[Mark] = field(default_factory=list)

    def add(self, mark: Mark) -> bool:
        """Add a mark. Returns False if it was known already."""
        place = bisect.bisect_left(self.items, mark)
        if place < len(self.items) and self.items[place] == mark:
            return False
        self.items.insert(place, mark)
        if len(self.items) > MAX_MARKS:
            del self.items[0]
        return True

    def upto(self, time_ns: int) -> int:
        """Count the marks at or before a time."""
        return bisect.bisect_right(self.items, time_ns, key=lambda mark: mark.time_ns)

    def prune(self, before_ns: int) -> None:
        """Forget marks before a time, except the newest of each source and device, which still holds."""
        if not self.items or self.items[0].time_ns >= before_ns:
            return
        old = self.upto(before_ns)
        newest = {(mark.source, mark.device): mark for mark in self.items[:old]}
        keep = sorted(newest.values())
        if len(keep) < old:
            self.items[:old] = keep

    def set_back(self, time_ns: int) -> None:
        """Move the marks that lie after `time_ns`, to which the clock was set back, to that time, in the same order."""
        place = self.upto(time_ns)
        newest = {(mark.source, mark.device): mark for mark in self.items[place:]}
        later = [
            replace(mark, time_ns=time_ns - back) for back, mark in enumerate(sorted(newest.values(), reverse=True))
        ]
        self.items[place:] = later
        self.items.sort()


@dataclass(slots=True)
class SourceUptime:
    """When one source was up. With `expires_ns`, each sign of life holds for that many nanoseconds only."""

    assumed_up: bool
    miss_rate: float
    expires_ns: int | None = None
    marks: Marks = field(default_factory=Marks)
    rates: Marks = field(default_factory=Marks)

    def add(self, mark: Mark) -> bool:
        """Add a mark. Returns False if it was known already."""
        if mark.on and mark.miss_rate >= 0:
            self.rates.add(mark)
        return self.marks.add(mark)

    def prune(self, before_ns: int) -> None:
        """Forget marks before a time that no longer matter."""
        self.marks.prune(before_ns)
        self.rates.prune(before_ns)

    def up_throughout(self, start_ns: int, end_ns: int) -> bool:
        """Return whether it was up all the time between two times."""
        place = self.marks.upto(start_ns)
        if place == 0:
            if not self.assumed_up:
                return False
            known_until = None
        else:
            mark = self.marks.items[place - 1]
            if not mark.on:
                return False
            known_until = self._until(mark)
        for mark in self.marks.items[place : self.marks.upto(end_ns)]:
            if not mark.on or (known_until is not None and mark.time_ns > known_until):
                return False
            known_until = self._until(mark)
        return known_until is None or known_until >= end_ns

    def unbroken(self, start_ns: int, end_ns: int) -> bool:
        """Return whether nothing is known to have taken it down between two times, whatever has expired."""
        return all(mark.on for mark in self.marks.items[self.marks.upto(start_ns) : self.marks.upto(end_ns)])

    def _until(self, mark: Mark) -> int | None:
        return None if self.expires_ns is None else mark.time_ns + self.expires_ns

    def awaited(self, time_ns: int) -> int | None:
        """Return until when a sign of life after a time may still come; None if none is needed, or one has come.

        A source that is killed sends no goodbye: only a later sign of life shows that it was alive.
        """
        if self.expires_ns is None:
            return None
        place = self.marks.upto(time_ns)
        if place == 0 or place < len(self.marks.items):
            return None
        return self.marks.items[place - 1].time_ns + self.expires_ns

    def stated_miss_rate(self, time_ns: int) -> float | None:
        """Return the miss rate that the newest `source_up` before a time stated, if any."""
        place = self.rates.upto(time_ns)
        return self.rates.items[place - 1].miss_rate if place else None

    def next_mark(self, time_ns: int) -> int | None:
        """Return the time of the first mark after a time, if any."""
        place = self.marks.upto(time_ns)
        return self.marks.items[place].time_ns if place < len(self.marks.items) else None


def latest(marks: Marks, names: frozenset[str], time_ns: int) -> Mark | None:
    """Return the newest mark at or before a time that is about a device (or about every device)."""
    for mark in reversed(marks.items[: marks.upto(time_ns)]):
        if not mark.device or mark.device in names:
            return mark
    return None


@dataclass(slots=True)
class Losses:
    """The intervals in which packets were lost."""

    items: list[tuple[int, int]] = field(default_factory=list)

    def add(self, loss: Loss) -> None:
        """Add a loss; losses that touch become one."""
        start, end = min(loss.start_ns, loss.end_ns), max(loss.start_ns, loss.end_ns)
        merged = []
        for known_start, known_end in self.items:
            if known_end < start - SECOND or known_start > end + SECOND:
                merged.append((known_start, known_end))
            else:
                start, end = min(start, known_start), max(end, known_end)
        bisect.insort(merged, (start, end))
        self.items = merged[-MAX_MARKS:]

    def touch(self, start_ns: int, end_ns: int) -> bool:
        """Return whether any packet was lost between two times."""
        place = bisect.bisect_right(self.items, (end_ns, 1 << 63))
        return any(end >= start_ns for _, end in self.items[:place])

    def prune(self, before_ns: int) -> None:
        """Forget losses that ended before a time."""
        if self.items and self.items[0][1] < before_ns:
            self.items = [item for item in self.items if item[1] >= before_ns]


@dataclass(slots=True)
class ClockDoubt:
    """By how much the clock may have been off, from when on: pairs of times in nanoseconds."""

    items: list[tuple[int, int]] = field(default_factory=list)

    def add(self, time_ns: int, doubt_ns: int) -> bool:
        """Note the doubt from a time on. Returns whether it changed."""
        if doubt_ns == (self.items[-1][1] if self.items else 0):
            return False
        before = [item for item in self.items if item[0] < time_ns]  # the clock may have been set back
        self.items = [*before[-MAX_MARKS:], (time_ns, doubt_ns)]
        return True

    def at(self, time_ns: int) -> int:
        """Return the doubt at a time."""
        place = bisect.bisect_right(self.items, (time_ns, 1 << 63))
        return self.items[place - 1][1] if place else 0
