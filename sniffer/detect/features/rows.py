"""Rows of a run, what one write of the application is, and which packets are as large as the line takes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import I64

F64 = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

#: Bytes: smaller packets (acknowledgements, pings, window updates) say nothing of what an application sends.
TINY = 56
#: Seconds over which tiny packets are gathered where most bytes leave in them.
_GATHERED = 0.1
#: Seconds: packets closer than this are one write of the application. (Kernels send what was written within 1 ms.)
WRITE_GAP = 0.004
#: Seconds behind a full packet within which the rest of the same write follows: 1460 bytes at 1 Mbit/s take 12 ms.
LINE_GAP = 0.012
#: Seconds: a packet with nothing this long before and behind it is all that was written. No line takes so long for the
#: next one (12 kB/s), and a transport sends at least two before it waits.
_ALONE = 0.12
#: Bytes: a packet as large as the line takes says more about the line than about the application. No line takes less
#: (IPv6 guarantees 1280 with headers).
LEAST_FULL = 1_150
#: Bytes: what one packet can carry at most (Ethernet's 1500 less the shortest headers, IPv4 and UDP).
_LARGEST_SINGLE = 1_472
#: Bytes that one packet usually carries: Ethernet, tunnels and DSL, with and without TCP timestamps.
_SEGMENTS = np.array(
    [1460, 1452, 1448, 1440, 1432, 1428, 1420, 1412, 1408, 1400, 1388, 1380, 1368, 1360, 1350, 1220, 1208]
)
#: Bytes that a transport sends before it has heard of the line: ten segments of the first window (RFC 6928), twice.
_WINDOW = 30_000


@dataclass(frozen=True, slots=True)
class Rows:
    """The upstream payload rows of a run: seconds since its first, new bytes, whether the other side had sent
    something since the row before, and the application's own unit (TLS record or packet) with its count."""

    seconds: F64
    bytes: I64
    answers: Flags
    unit: I64
    units: I64

    def between(self, first: float, last: float) -> Rows:
        """The rows with `first <= seconds < last`."""
        low, high = np.searchsorted(self.seconds, (first, last))
        part = slice(int(low), int(high))
        return some(self, part)


@dataclass(frozen=True, slots=True)
class Line:
    """What is known of the way: the largest packet that the connection has carried before, and the sizes in which
    packets to this device's servers are cut, where that was learned."""

    largest: int = 0
    segments: tuple[int, ...] = ()


UNKNOWN_LINE = Line()


def cut_sizes(rows: Rows) -> dict[int, int]:
    """How often large packets of each size were followed by the rest of what was written: cut by the line."""
    if len(rows.bytes) < 2:
        return {}
    follows = rows.seconds[1:] - rows.seconds[:-1] <= LINE_GAP
    size = rows.bytes[:-1]
    cut = Counter(size[follows & (size >= LEAST_FULL) & (size <= _LARGEST_SINGLE)].tolist())
    return dict(sorted(cut.items()))


def fastest(rows: Rows) -> float:
    """What the line was seen to carry at least, in bytes a second, beyond the window that a transport sends at once."""
    total = np.concatenate(([0], np.cumsum(rows.bytes)))
    if total[-1] <= _WINDOW:
        return 0.0
    most = 0.0
    for seconds in (0.25, 0.5, 1.0):
        left = np.searchsorted(rows.seconds, rows.seconds - seconds, side="right")
        most = max(most, (float((total[1:] - total[left]).max()) - _WINDOW) / seconds)
    return most


def burst_starts(seconds: F64, pause: float) -> I64:
    """The first row of each burst: before it nothing left for more than `pause` seconds."""
    if not len(seconds):
        return np.zeros(0, dtype=np.int64)
    return np.flatnonzero(np.concatenate(([True], seconds[1:] - seconds[:-1] > pause)))


def after(rows: Rows, second: float) -> Rows:
    """The rows later than `second`, in seconds since the first of them."""
    low = int(np.searchsorted(rows.seconds, second, side="right"))
    return _rebased(rows, slice(low, None))


def until(rows: Rows, second: float) -> Rows:
    """The rows up to and including `second`."""
    high = int(np.searchsorted(rows.seconds, second, side="right"))
    return _rebased(rows, slice(0, high))


def _rebased(rows: Rows, part: slice) -> Rows:
    chosen = some(rows, part)
    return replace(chosen, seconds=chosen.seconds - chosen.seconds[0]) if len(chosen.seconds) else chosen


def some(rows: Rows, part: slice | Flags) -> Rows:
    """A part of the rows; times stay as they are. What was answered before a row that is left out was answered before
    the next one that is not."""
    answers = rows.answers[part]
    if not isinstance(part, slice):
        answers = np.diff(np.cumsum(rows.answers)[part], prepend=0) > 0
    return Rows(rows.seconds[part], rows.bytes[part], answers, rows.unit[part], rows.units[part])


def substantial(rows: Rows) -> Rows:
    """The rows without the tiny ones. What follows a large packet at once is the rest of what was written, however
    little it is. Where most bytes leave in tiny rows, they are what is sent, and are gathered."""
    if not len(rows.bytes) or int(rows.bytes.min()) >= TINY:
        return rows
    kept = rows.bytes >= TINY
    kept[1:] |= (rows.bytes[:-1] >= LEAST_FULL) & (rows.seconds[1:] - rows.seconds[:-1] <= WRITE_GAP)
    if 2 * int(rows.bytes[kept].sum()) < int(rows.bytes.sum()):
        return _gathered(rows)
    return some(rows, kept)


def _gathered(rows: Rows) -> Rows:
    """One row for all that leaves within a tenth of a second."""
    step = np.floor((rows.seconds - rows.seconds[0]) / _GATHERED)
    first = np.flatnonzero(np.diff(step, prepend=-1) > 0)
    size = np.add.reduceat(rows.bytes, first)
    answers = np.logical_or.reduceat(rows.answers, first)
    return Rows(rows.seconds[first], size, answers, size, np.ones(len(first), dtype=np.int64))


def quantiles(values: npt.NDArray[Any], *shares: float) -> list[float]:
    """`np.quantile(values, shares)`, which takes longer to decide what to do than to do it."""
    ordered = np.sort(values)
    found = []
    for share in shares:
        place = (len(ordered) - 1) * share
        low = int(place)
        first, second = float(ordered[low]), float(ordered[min(low + 1, len(ordered) - 1)])
        found.append(first + (second - first) * (place - low))
    return found


def write_starts(seconds: F64, full: Flags) -> I64:
    """The first packet of each write of the application. Behind a full packet the rest of the write may follow as
    slowly as the line takes it."""
    gaps = seconds[1:] - seconds[:-1]
    return np.flatnonzero(np.concatenate(([True], gaps > np.where(full[:-1], LINE_GAP, WRITE_GAP))))


def full_rows(rows: Rows, line: Line) -> Flags:
    """Packets that are as large as the line takes, also where receive offload has merged several of them."""
    single = rows.bytes <= _LARGEST_SINGLE
    if line.segments:
        full: Flags = np.isin(rows.bytes, line.segments)
    else:
        most = max(int(rows.bytes[single].max(initial=0)), line.largest if line.largest <= _LARGEST_SINGLE else 0)
        full = (rows.bytes >= max(LEAST_FULL, 0.97 * most)) & single
    if len(full) > 1:  # large, and the rest follows at once: cut by the line, whatever else was larger
        follows = rows.seconds[1:] - rows.seconds[:-1] <= WRITE_GAP
        full[:-1] |= follows & (rows.bytes[:-1] >= LEAST_FULL) & single[:-1]
        alone = rows.seconds[1:] - rows.seconds[:-1] > _ALONE
        full[1:-1] &= ~(alone[:-1] & alone[1:])
    merged = np.flatnonzero(~single)
    if merged.size:
        segments = np.array(line.segments) if line.segments else _SEGMENTS
        full[merged] = (rows.bytes[merged, None] % segments == 0).any(axis=1)
    return full


def share(size: I64, chosen: Flags) -> float:
    """The share of all bytes that the chosen rows hold."""
    total = int(size.sum())
    return float(size[chosen].sum() / total) if total else 0.0


def peak(before: Rows, seconds: float = 0.1) -> float:
    """The fastest moment of so many seconds before the body, in bytes a second."""
    if not len(before.bytes):
        return 0.0
    total = np.cumsum(before.bytes)
    left = np.searchsorted(before.seconds, before.seconds - seconds, side="left")
    return float((total - np.where(left > 0, total[np.maximum(left - 1, 0)], 0)).max() / seconds)
