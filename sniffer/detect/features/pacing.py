"""What a run looks like: the stretch that is paced like a live microphone, and how well it is.

Audio leaves at the speed at which it is spoken. So the sum of bytes sent follows a straight line for as long as
somebody is listening, within what the radio delays; everything else leaves as fast as it can and stops, or is asked for
piece by piece. The *body* of a run is its longest stretch in which the sum stays within a tube around such a line;
everything measured here is about that body and about what stands before it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from sniffer import native
from sniffer.detect.features.rows import (
    F64,
    LINE_GAP,
    UNKNOWN_LINE,
    WRITE_GAP,
    Flags,
    Line,
    Rows,
    burst_starts,
    full_rows,
    peak,
    quantiles,
    share,
    substantial,
    write_starts,
)
from sniffer.model import I64

#: Seconds of sound by which a radio may deliver late: half the width of the tube. Chosen so that requests of the VCF
#: set, over a busy radio, have one body each.
SLACK = 0.3
#: Seconds of the opening: the stretch that carries most ...
_OPENING = 0.5
#: ... of those that begin in so many seconds from the first packet on.
_OPENS_WITHIN = 1.5
#: Bytes a second of the slowest speech: an 8 kbit/s codec with less than its overhead, as pauses may be left out.
SLOWEST = 700.0
#: Bytes a second of the fastest: stereo PCM of 16 bits at 24 kHz, and a tenth for headers.
FASTEST = 110_000.0
#: Bytes a second from which on speech is easily understood: Opus at 16 kbit/s with a tenth for headers.
PLAIN_RATE = 2_200.0
#: Frames of the body's size in the initial burst that are no chance.
_STORED_FRAMES = 3
#: Seconds of sound that a device stores from before the wake word, at most (5.8 on an Echo Spot are the most that was
#: seen, a part of that being no sound).
_MOST_STORED_S = 5.0
#: Seconds of a bin, in which amounts are counted.
BIN = 0.25
#: Rows without which there is no body.
LEAST_ROWS = 4
#: Bytes: smaller pieces of one size are pings and window updates.
_COMB_LEAST = 80
#: Seconds between two of a codec's pieces, at most.
_COMB_GAP = 0.27
#: Bytes a second in pieces of one size, at least: half of Opus at 24 kbit/s.
_COMB_RATE = 1_500
#: Writes of less than this share of those that carry the bytes are other business of the same connection ...
_SMALL_TALK = 0.2
#: ... if they are no more than this share of all bytes.
_LITTLE = 0.12
#: Seconds of a step in which the body is looked for.
_STEP = 0.125
#: Steps of the longest run; of longer ones each step is longer.
_MAX_STEPS = 400


@dataclass(frozen=True, slots=True)
class Shape:
    """Measurements of one run; those of the body are 0 where there is none."""

    duration: float
    bytes: int
    packets: int
    begin: float = 0.0
    end: float = 0.0
    body_bytes: int = 0
    rate: float = 0.0
    writes: int = 0
    writes_per_second: float = 0.0
    gap_regularity: float = 0.0
    constancy: float = 0.0
    size_spread: float = 1.0
    full_share: float = 0.0
    answer_share: float = 0.0
    chunk: int = 0
    head_bytes: int = 0
    head_ratio: float = 0.0
    outside_bytes: int = 0
    typical_rate: float = 0.0  # of a quarter of a second, in bytes a second
    comb: float = 0.0  # how regular in time the commonest size comes, whatever else leaves between
    comb_size: int = 0
    opening: int = 0  # bytes of the half second with which it opens
    opened: float = 0.0  # the second in which that is over
    head_frames: int = 0  # frames of the body's size in the initial burst: sound from before the wake word

    @property
    def spoken(self) -> float:
        """Seconds of speech in it: the body, and the sound from before the wake word that devices send along, faster
        than it was spoken: as many frames as the initial burst holds, or, where these are not seen, half a second."""
        stored = self.head_frames / self.writes_per_second if self.head_frames >= _STORED_FRAMES else 0.0
        return self.body + max(min(stored, _MOST_STORED_S), 0.5 if self.head_bytes >= 4_000 else 0.0)

    @property
    def body(self) -> float:
        """Seconds of the body."""
        return self.end - self.begin


def body_bins(shape: Shape, bins: Sequence[int]) -> tuple[int, int] | None:
    """Return the first and one-past-last bin of the body, None where there is none. `bins` are bytes a `BIN`.

    A bin in which the head ends and the body begins belongs to the one that sent more of it.
    """
    if shape.body <= 0:
        return None
    first, after = int(shape.begin / BIN), int(shape.end / BIN) + 1
    mostly_head = first < len(bins) and bins[first] > 2 * shape.rate * BIN
    return (first + 1 if mostly_head and first + 1 < after else first), after


def measure(rows: Rows, line: Line = UNKNOWN_LINE, slack: float = SLACK) -> Shape:
    """The shape of a run. `slack` is half the width of the tube in seconds."""
    rows = substantial(rows)
    full = full_rows(rows, line)
    if not len(rows.bytes):
        return Shape(duration=0.0, bytes=0, packets=0)
    starts = write_starts(rows.seconds, full)
    opening, opened = _opening(rows)
    whole = Shape(
        duration=float(rows.seconds[-1]),
        bytes=int(rows.bytes.sum()),
        packets=len(rows.bytes),
        full_share=share(rows.bytes, full),
        typical_rate=_typical(rows),
        opening=opening,
        opened=opened,
    )
    span = find_body(rows.seconds, rows.bytes, slack)
    if span is None:
        return whole
    begin, end = span
    body = rows.between(begin, end + 1e-9)
    return _measure_body(rows, body, whole, full, starts) if len(body.bytes) >= LEAST_ROWS else whole


def _measure_body(rows: Rows, body: Rows, whole: Shape, full: Flags, all_starts: I64) -> Shape:
    offset = int(np.searchsorted(rows.seconds, body.seconds[0]))
    body_full = full[offset : offset + len(body.bytes)]
    starts = write_starts(body.seconds, body_full)
    writes = body.seconds[starts]
    sizes = np.add.reduceat(body.bytes, starts)
    filled = body_full[np.concatenate((starts[1:], [len(body_full)])) - 1]  # to the last packet: the line's own sizes
    turns = burst_starts(body.seconds, LINE_GAP)  # what is written in two pieces is answered once
    answer_share = max(
        int(np.count_nonzero(np.logical_or.reduceat(body.answers, groups))) / len(groups) for groups in (starts, turns)
    )
    begin, end = float(body.seconds[0]), float(body.seconds[-1])
    amount = int(body.bytes.sum())
    constancy, chunk = _constancy(body, body_full, sizes, filled)
    aside = sizes < _SMALL_TALK * _typical_byte(sizes)
    if constancy < 0.5 and int(sizes[aside].sum()) <= _LITTLE * amount:
        writes, sizes, filled = writes[~aside], sizes[~aside], filled[~aside]
    gaps = writes[1:] - writes[:-1]
    gap = quantiles(gaps, 0.5)[0] if gaps.size else 0.0
    quarter, middle, three_quarters = quantiles(sizes, 0.25, 0.5, 0.75)
    seconds = max(end - begin + min(gap, 0.2), 1e-3)
    rate = amount / seconds
    comb, comb_size = _comb(rows, full, all_starts)
    before = rows.between(begin - 1.5, begin)
    return replace(
        whole,
        begin=begin,
        end=end,
        body_bytes=amount,
        rate=rate,
        writes=len(writes),
        writes_per_second=len(writes) / seconds,
        gap_regularity=int(np.count_nonzero((gaps > 0.4 * gap) & (gaps < 1.8 * gap))) / max(len(gaps), 1),
        constancy=constancy,
        size_spread=(three_quarters - quarter) / middle,
        full_share=share(sizes, filled),
        answer_share=answer_share,
        chunk=chunk,
        head_bytes=int(before.bytes.sum()),
        head_ratio=peak(before) / rate,
        head_frames=_frames(before, chunk) if constancy >= 0.5 else 0,
        comb=comb,
        comb_size=comb_size,
        outside_bytes=whole.bytes - amount - int(before.bytes.sum()),
    )


def _frames(rows: Rows, size: int) -> int:
    """How many units of one size there are."""
    return int(rows.units[np.abs(rows.unit - size) <= 2].sum())


def _typical_byte(sizes: I64) -> int:
    """The size of the write that half of all bytes are at most in."""
    ordered = np.sort(sizes)
    total = np.cumsum(ordered)
    return int(ordered[int(np.searchsorted(total, total[-1] / 2))])


def find_body(seconds: F64, size: I64, slack: float = SLACK) -> tuple[float, float] | None:
    """The longest stretch in which the sum of bytes stays within the tube: (first, last) second, or None.

    For each possible beginning, every later moment allows a range of rates; the stretch lasts for as long as one rate
    is allowed by all of them (the swing filter of Elmeleegy et al., VLDB 2009, with a tolerance in time).
    """
    if len(seconds) < LEAST_ROWS:
        return None
    duration = float(seconds[-1])
    steps = math.ceil(duration / _STEP) + 1
    step = _STEP
    if steps > _MAX_STEPS:
        steps, step = _MAX_STEPS, duration / (_MAX_STEPS - 1)
    index = np.minimum((seconds / step).astype(np.int64), steps - 1)
    total = np.concatenate(([0.0], np.cumsum(np.bincount(index, weights=size, minlength=steps))))
    first, last = _stretch(total, step, slack)
    inside = np.flatnonzero((index >= first) & (index < last))
    if inside.size < LEAST_ROWS:
        return None
    return _trim(seconds[inside], size[inside], slack)


def _stretch(total: F64, step: float, slack: float) -> tuple[int, int]:
    """The steps of the longest stretch within the tube; `total` is the sum of bytes before each step, and of all."""
    if native.DETECT is not None:
        first, last = native.DETECT.stretch(total, step, slack, SLOWEST, FASTEST, PLAIN_RATE)
        return first, last
    steps = len(total) - 1
    rise = total[None, :] - total[:, None]
    run = (np.arange(steps + 1)[None, :] - np.arange(steps + 1)[:, None]) * step
    later = run > 0
    least = np.where(later, rise / np.maximum(run + slack, 1e-9), SLOWEST)
    with np.errstate(divide="ignore"):
        most = np.where(later & (run > slack), rise / np.maximum(run - slack, 1e-9), FASTEST)
    lower = np.maximum(np.maximum.accumulate(np.where(later, least, 0), axis=1), SLOWEST)
    upper = np.minimum(np.minimum.accumulate(np.where(later, most, FASTEST), axis=1), FASTEST)
    reach = ((lower <= upper) & later).sum(axis=1)
    seconds_in = reach * step
    spans = np.arange(steps + 1)
    rates = (total[np.minimum(spans + reach, steps)] - total[spans]) / np.maximum(seconds_in, step)
    # A trickle may last longer than the speech in it: what is too slow to be understood counts for less.
    first = int(np.argmax(seconds_in * np.minimum(1.0, rates / PLAIN_RATE) ** 2))
    return first, first + int(reach[first])


def _trim(seconds: F64, size: I64, slack: float) -> tuple[float, float]:
    """Leave out what stands at the ends and is not the body's: the rest of a head, a late state report."""
    total = float(size.sum())
    rate = total / max(float(seconds[-1] - seconds[0]), _STEP)
    low, high = 0, len(seconds)
    front = np.cumsum(size) - rate * (seconds - seconds[0])
    burst = int(np.argmax(front))
    if front[burst] > rate * slack and seconds[burst] - seconds[0] < 2 * _STEP and len(seconds) - burst > 5:
        low = burst + 1
    ending = seconds > seconds[-1] - 2 * _STEP
    if float(size[ending].sum()) > rate * 4 * _STEP and int(ending.sum()) < len(seconds) - low - 4:
        high = int(np.argmax(ending))
    return float(seconds[low]), float(seconds[high - 1])


def _constancy(body: Rows, full: Flags, writes: I64, filled: Flags) -> tuple[float, int]:
    """The share of the body's bytes that came in units of one of its three commonest sizes, and the commonest one.

    A unit is a TLS record, a packet, or what the application wrote at once, whichever is the more constant.
    """
    total = int(body.bytes.sum())
    known = (body.units > 0) & (~full | (body.unit != body.bytes))
    share, chunk = _repetition(body.unit[known], body.units[known], total)
    written, write = _repetition(writes[~filled], np.ones(int(np.count_nonzero(~filled)), dtype=np.int64), total)
    if chunk == 0 and write == 0:
        return 0.0, int(np.bincount(body.bytes).argmax())
    return (share, chunk) if share + 0.1 >= written else (written, write)


def _comb(rows: Rows, full: Flags, starts: I64) -> tuple[float, int]:
    """Pieces of one size at one distance in time: a codec's chunks, also where other data of the same connection stands
    between them. 1 where eight and more are regular, 0 where their distances are chance."""
    writes = np.add.reduceat(rows.bytes, starts)
    known = (rows.units > 0) & (~full | (rows.unit != rows.bytes))
    best = (0.0, 0)
    for sizes, seconds in ((rows.unit[known], rows.seconds[known]), (writes, rows.seconds[starts])):
        ordered = np.sort(sizes)
        if not bool((ordered[4:] == ordered[:-4]).any()):  # the usual case: none comes five times
            continue
        values, often = np.unique(sizes, return_counts=True)
        enough = np.flatnonzero((often >= 5) & (values >= _COMB_LEAST))
        for place in enough[np.argsort(-often[enough], kind="stable")[:3]].tolist():
            size = int(values[place])
            found = _clockwork(seconds[sizes == size], size)
            if found > best[0] + 0.05:
                best = (found, size)
    return best


def _clockwork(times: F64, size: int) -> float:
    """How regularly pieces of one size come: 0 is chance."""
    times = times[np.concatenate(([True], times[1:] - times[:-1] > WRITE_GAP))]
    if times.size < 5:
        return 0.0
    gaps = times[1:] - times[:-1]
    gap = quantiles(gaps, 0.5)[0]
    if gap > _COMB_GAP or size / gap < _COMB_RATE:
        return 0.0
    near = int(np.count_nonzero((gaps > 0.7 * gap) & (gaps < 1.4 * gap))) / len(gaps)
    return max(0.0, 2 * near - 1) * min(1.0, (len(times) - 2) / 6)


def _repetition(unit: I64, count: I64, total: int) -> tuple[float, int]:
    """Three sizes cover three of few units whatever they are: only what is said more than once counts."""
    if not unit.size:
        return 0.0, 0
    often: dict[int, int] = {}
    for size, times in zip(unit.tolist(), count.tolist(), strict=True):
        often[size] = often.get(size, 0) + times
    common = sorted(often.items(), key=lambda item: (-item[1], item[0]))[:3]
    repeated = sum(max(times - 1, 0) * size for size, times in common)
    once = sum(size for size, _ in common)
    return max(0.0, min(1.0, repeated / max(total - once, 1.0))), common[0][0]


def _opening(rows: Rows) -> tuple[int, float]:
    """The bytes with which it opens, and when that is over."""
    total = np.concatenate(([0], np.cumsum(rows.bytes)))
    begins = max(1, int(rows.seconds.searchsorted(_OPENS_WITHIN, side="right")))
    ends = rows.seconds.searchsorted(rows.seconds[:begins] + _OPENING)
    amounts = total[ends] - total[:begins]
    most = int(amounts.argmax())
    return int(amounts[most]), float(rows.seconds[most]) + _OPENING


def _typical(rows: Rows) -> float:
    return quantiles(np.bincount((rows.seconds / BIN).astype(np.int64), weights=rows.bytes), 0.5)[0] / BIN
