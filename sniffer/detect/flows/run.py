"""One flow's upload in time: which packets belong together, from the first to the last."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.detect.features.pacing import BIN
from sniffer.detect.features.rows import Rows
from sniffer.model import I64
from sniffer.model.clock import NEVER, SECOND

BIN_NS = int(BIN * SECOND)
#: A run that lasts longer is closed and continued by another, so that something is said of a stream that never ends.
LONGEST_NS = 600 * SECOND
#: A run of fewer packets than this, and of fewer bytes, is a sign of life: a speaker gives hundreds an hour.
LEAST_PACKETS, LEAST_BYTES = 4, 2_000
#: A segment that was repeated up to this long ago says that the line stalls.
_STALLED_NS = 3 * SECOND
#: How many times longer the silence that ends a run is then: radios come back after two seconds, TCP's timers double.
STALLED_TIMES = 2.5
#: Rows a run keeps; what comes later is counted only. At 50 packets a second this is seven minutes.
_MAX_ROWS = 20_000
#: So few rows are added up sooner one by one.
_FEW = 32

#: Upstream payload rows are matrices, a column a packet. What stands in them, from above: when it left; its new bytes;
#: whether the other side had sent something since the one before; the application's own unit and how many of them.
TIME, BYTES, ANSWERS, UNIT, UNITS = range(5)
MEASURED = slice(UNITS + 1)


@dataclass(slots=True, eq=False)
class Run:
    """A stretch of upload on one flow. `warm_ns` is when it was known to be one, `last_ns` its last warm packet so far,
    `final_ns` the moment it was over."""

    number: int
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
    repeats: list[int] = field(default_factory=list)  # when segments of the connection were repeated, in order
    listening: bool = False  # announced as a voice
    over: bool = False
    heard_ns: int = NEVER  # the first sign of the other side on its connection, as far as is known
    _parts: list[I64] = field(default_factory=list)
    _kept: int = 0

    def add(self, rows: I64) -> None:
        """More rows of this run, in time order."""
        times, sizes = rows[TIME], rows[BYTES]
        self.packets += len(times)
        self.bytes += int(sizes.sum())
        _add_bins(self.bins, times - self.start_ns, sizes)
        room = _MAX_ROWS - self._kept
        if room > 0:
            part = rows[MEASURED, :room].copy()
            self._parts.append(part)
            self._kept += part.shape[1]
        self.last_ns = int(times[-1])

    def receive(self, time_ns: I64, size: I64, until_ns: int) -> None:
        """What came back on the same flow, in time order, as far as it belongs to this run."""
        first = int(time_ns.searchsorted(self.warm_ns, side="right"))
        last = int(time_ns.searchsorted(until_ns, side="right"))
        if last > first:
            mine = slice(first, last)
            self.bytes_down += int(size[mine].sum())
            _add_bins(self.down_bins, time_ns[mine] - self.start_ns, size[mine])

    def one_sided(self, at_ns: int) -> bool:
        """Whether nothing had ever come back on its connection, not even an acknowledgement."""
        return self.heard_ns > at_ns

    def received(self, first_ns: int, last_ns: int) -> int:
        """Bytes that came back between two moments, to a quarter of a second."""
        low, high = (first_ns - self.start_ns) // BIN_NS, (last_ns - self.start_ns) // BIN_NS
        return sum(size for place, size in self.down_bins.items() if low <= place < high)

    def repeated(self, first_ns: int, last_ns: int) -> int:
        """Segments without a new byte between two moments."""
        return bisect_right(self.repeats, last_ns) - bisect_left(self.repeats, first_ns)

    def window(self, first_ns: int, last_ns: int) -> tuple[int, int]:
        """Which rows are in `first_ns <= time < last_ns`."""
        if len(self._parts) > 1:
            self._parts = [np.concatenate(self._parts, axis=1)]
        low, high = self._parts[0][TIME].searchsorted((first_ns, last_ns)).tolist()
        return low, high

    def rows(self, window: tuple[int, int], else_ns: int) -> tuple[int, Rows]:
        """The time of the first of these rows (`else_ns` where there is none), and all of them in seconds since it."""
        part = self._parts[0][:, slice(*window)]
        base = int(part[TIME, 0]) if part.size else else_ns
        seconds = (part[TIME] - base) / 1e9
        return base, Rows(seconds, part[BYTES], part[ANSWERS].astype(np.bool_), part[UNIT], part[UNITS])

    @property
    def overflowed(self) -> bool:
        """There were more rows than are kept."""
        return self.packets > self._kept

    def bin_list(self) -> tuple[int, ...]:
        """Upstream payload bytes a bin from the start on."""
        return tuple(self.bins.get(place, 0) for place in range(max(self.bins) + 1)) if self.bins else ()


def patience_ns(repeats: Sequence[int], last_ns: int, silence_ns: int) -> int:
    """The silence behind `last_ns` that ends a run, where segments were repeated at these times."""
    number = bisect_right(repeats, last_ns + silence_ns)
    stalled = number > 0 and repeats[number - 1] > last_ns - _STALLED_NS
    return round(silence_ns * STALLED_TIMES) if stalled else silence_ns


def _add_bins(bins: dict[int, int], since_ns: I64, size: I64) -> None:
    """`since_ns` is in order."""
    first = int(since_ns[0]) // BIN_NS
    if first == int(since_ns[-1]) // BIN_NS:  # a short run's usual case
        amount = int(size.sum())
        if amount:
            bins[first] = bins.get(first, 0) + amount
        return
    if len(size) <= _FEW:
        for place, amount in zip((since_ns // BIN_NS).tolist(), size.tolist(), strict=True):
            bins[place] = bins.get(place, 0) + amount
        return
    index = since_ns // BIN_NS
    sums = np.bincount(index - index[0], weights=size)
    for offset in np.flatnonzero(sums).tolist():
        place = int(index[0]) + offset
        bins[place] = bins.get(place, 0) + int(sums[offset])
