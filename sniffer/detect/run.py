"""One flow's upload in time: which packets belong together, from the first to the last."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sniffer.detect.shape import BIN, TINY, Flags, Rows
from sniffer.model import I64

_SECOND = 1_000_000_000
_BIN_NS = int(BIN * _SECOND)
#: Bytes within half a second that make a packet part of a run: slower than this nobody can be understood.
WARM_BYTES, WARM_NS = 500, _SECOND // 2
#: Rows a run keeps; what comes later is counted only. At 50 packets a second this is seven minutes.
_MAX_ROWS = 20_000


@dataclass(slots=True)
class Columns:
    """Upstream payload rows of one flow (see `shape.Rows`), with absolute times."""

    time_ns: I64
    bytes: I64
    answers: Flags
    unit: I64
    units: I64

    @classmethod
    def empty(cls) -> Columns:
        nothing = np.empty(0, dtype=np.int64)
        return cls(nothing, nothing, np.empty(0, dtype=np.bool_), nothing, nothing)

    def __len__(self) -> int:
        return len(self.time_ns)

    def copied(self) -> Columns:
        """The same, without holding on to larger arrays."""
        return Columns(self.time_ns.copy(), self.bytes.copy(), self.answers.copy(), self.unit.copy(), self.units.copy())

    def take(self, part: slice | Flags) -> Columns:
        return Columns(self.time_ns[part], self.bytes[part], self.answers[part], self.unit[part], self.units[part])

    def joined(self, other: Columns) -> Columns:
        if not len(self):
            return other
        return Columns(
            np.concatenate((self.time_ns, other.time_ns)),
            np.concatenate((self.bytes, other.bytes)),
            np.concatenate((self.answers, other.answers)),
            np.concatenate((self.unit, other.unit)),
            np.concatenate((self.units, other.units)),
        )


@dataclass(slots=True)
class Run:
    """A stretch of upload on one flow. `warm_ns` is when it was known to be one, `last_ns` its last warm packet so far,
    `final_ns` the moment it was over."""

    start_ns: int
    warm_ns: int
    opened_ns: int | None
    largest: int = 0  # packet of the same connection before
    last_ns: int = 0
    final_ns: int = 0
    packets: int = 0
    bytes: int = 0
    bytes_down: int = 0
    bins: dict[int, int] = field(default_factory=dict)
    down_bins: dict[int, int] = field(default_factory=dict)
    next_look_ns: int = 0
    from_ns: int = 0  # what came before has been reported
    listening: bool = False
    _parts: list[Columns] = field(default_factory=list)
    _kept: int = 0

    def add(self, rows: Columns) -> None:
        """More rows of this run, in time order."""
        self.packets += len(rows)
        self.bytes += int(rows.bytes.sum())
        _add_bins(self.bins, rows.time_ns - self.start_ns, rows.bytes)
        room = _MAX_ROWS - self._kept
        if room > 0:
            part = rows if len(rows) <= room else rows.take(slice(0, room))
            self._parts.append(part)
            self._kept += len(part)
        self.last_ns = int(rows.time_ns[-1])

    def receive(self, time_ns: I64, size: I64, until_ns: int) -> None:
        """What came back on the same flow, in time order, as far as it belongs to this run."""
        first = int(time_ns.searchsorted(self.warm_ns, side="right"))
        last = int(time_ns.searchsorted(until_ns, side="right"))
        if last > first:
            mine = slice(first, last)
            self.bytes_down += int(size[mine].sum())
            _add_bins(self.down_bins, time_ns[mine] - self.start_ns, size[mine])

    def received(self, first_ns: int, last_ns: int) -> int:
        """Bytes that came back between two moments, to a quarter of a second."""
        low, high = (first_ns - self.start_ns) // _BIN_NS, (last_ns - self.start_ns) // _BIN_NS
        return sum(size for place, size in self.down_bins.items() if low <= place < high)

    def window(self, first_ns: int, last_ns: int) -> tuple[int, Rows]:
        """The rows in `first_ns <= time < last_ns`: the time of the first of them, and all in seconds since it."""
        if len(self._parts) > 1:
            self._parts = [_concatenate(self._parts)]
        columns = self._parts[0] if self._parts else Columns.empty()
        low, high = np.searchsorted(columns.time_ns, (first_ns, last_ns)).tolist()
        part = columns.take(slice(low, high))
        base = int(part.time_ns[0]) if len(part) else first_ns
        return base, Rows((part.time_ns - base) / 1e9, part.bytes, part.answers, part.unit, part.units)

    @property
    def overflowed(self) -> bool:
        """There were more rows than are kept."""
        return self.packets > self._kept

    def bin_list(self) -> tuple[int, ...]:
        """Upstream payload bytes a bin from the start on."""
        return tuple(self.bins.get(place, 0) for place in range(max(self.bins) + 1)) if self.bins else ()


def _add_bins(bins: dict[int, int], since_ns: I64, size: I64) -> None:
    """`since_ns` is in order."""
    first = int(since_ns[0]) // _BIN_NS
    if first == int(since_ns[-1]) // _BIN_NS:  # a short run's usual case
        amount = int(size.sum())
        if amount:
            bins[first] = bins.get(first, 0) + amount
        return
    index = since_ns // _BIN_NS
    sums = np.bincount(index - index[0], weights=size)
    for offset in np.flatnonzero(sums).tolist():
        place = int(index[0]) + offset
        bins[place] = bins.get(place, 0) + int(sums[offset])


def _concatenate(parts: list[Columns]) -> Columns:
    return Columns(
        np.concatenate([p.time_ns for p in parts]),
        np.concatenate([p.bytes for p in parts]),
        np.concatenate([p.answers for p in parts]),
        np.concatenate([p.unit for p in parts]),
        np.concatenate([p.units for p in parts]),
    )


def warm_rows(recent: Columns, fresh_from: int) -> I64:
    """Indices (from `fresh_from` on) of the rows that carry a run: enough bytes in the half second up to them."""
    counted = np.where(recent.bytes >= TINY, recent.bytes, 0)
    total = np.concatenate(([0], np.cumsum(counted)))
    left = np.searchsorted(recent.time_ns, recent.time_ns - WARM_NS, side="right")
    warm = (total[1:] - total[left] >= WARM_BYTES) & (counted > 0)
    warm[:fresh_from] = False
    return np.flatnonzero(warm)


def warm_start(recent: Columns, index: int, not_before: int) -> int:
    """Where a run begins whose first warm row is `index`: with the first row of the half second that made it warm."""
    left = int(np.searchsorted(recent.time_ns, recent.time_ns[index] - WARM_NS, side="right"))
    first = max(left, not_before)
    while first < index and recent.bytes[first] < TINY:
        first += 1
    return first
