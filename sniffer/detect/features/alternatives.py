"""One run can be read in more than one way: where its head ends and its body begins is for the listener to find.

`shape.measure` takes the longest stretch that a radio could have made of one speed. A short utterance drowns in it: its
head passes for the same speed, delivered a little early. So the same rows are also read with less patience, as a
codec's pieces with other business between them, and as the slow ticks of a buffer that fills many packets. What was
sent is explained by the reading that explains it best.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sniffer.detect.features.pacing import (
    FASTEST,
    SLOWEST,
    Flags,
    Line,
    Rows,
    Shape,
    burst_starts,
    find_body,
    full_rows,
    measure,
    peak,
    quantiles,
    share,
    some,
    substantial,
)

#: The tube of an impatient listener, in seconds: a quiet radio delivers within this.
_IMPATIENT = 0.12
#: Pieces of one size, before they are read without what stands between them.
_COMB_LEAST, _COMB_PIECES = 0.3, 6
#: Ticks: more than one packet holds, leaving together, with the line idle before the next. Hardly a round trip takes as
#: long as their distance, so that neither answers nor a transport's window have set it; over a satellite, or a queue,
#: one does, and then every packet is full, and nothing before them was larger.
_IDLE, _TICK_GAPS, _FEWEST_TICKS, _LEAST_TICK = 0.06, (0.2, 0.9), 3, 1_500
#: Longer than anybody speaks to a speaker; no run's ticks are more than some hundred.
_LONGEST_TICKING = 75.0
#: How much their distances and sizes may differ from the median; a radio adds `_TICK_LATE` seconds.
_TICK_DRIFT, _TICK_LATE, _TICK_SIZES = 0.25, 0.05, 1.8


def alternatives(rows: Rows, line: Line, plain: Shape) -> Iterator[Shape]:
    """The other shapes of a run whose first one is `plain`."""
    large = substantial(rows)
    impatient = _impatient(large, line, plain)
    if impatient is not None:
        yield impatient
    pieces = _pieces(rows, line, plain)
    if pieces is not None:
        yield pieces
    ticks = _ticks(large, line, plain)
    if ticks is not None:
        yield ticks


def _impatient(rows: Rows, line: Line, plain: Shape) -> Shape | None:
    """With a narrower tube, where that finds another body."""
    if find_body(rows.seconds, rows.bytes, _IMPATIENT) in (None, (plain.begin, plain.end)):
        return None
    shape = measure(rows, line, _IMPATIENT)
    return shape if shape.body > 0 else None


def _pieces(rows: Rows, line: Line, plain: Shape) -> Shape | None:
    """A codec's pieces alone, by their size."""
    if plain.comb < _COMB_LEAST:
        return None
    mine: Flags = (rows.unit == plain.comb_size) | (rows.bytes == plain.comb_size)
    if np.count_nonzero(mine) < _COMB_PIECES or mine.all():
        return None
    alone = some(rows, mine)
    first = float(alone.seconds[0])
    shape = measure(replace(alone, seconds=alone.seconds - first), line)
    if shape.body == 0:
        return None
    return _within(rows, plain, replace(shape, begin=shape.begin + first, end=shape.end + first))


def _ticks(rows: Rows, line: Line, plain: Shape) -> Shape | None:
    """The longest stretch of bursts of about one size at one distance in time."""
    if len(rows.seconds) < 2 * _FEWEST_TICKS or plain.duration > _LONGEST_TICKING:
        return None
    starts = burst_starts(rows.seconds, _IDLE)
    sizes = np.add.reduceat(rows.bytes, starts)
    kept = np.flatnonzero(sizes >= _LEAST_TICK)
    if len(kept) < _FEWEST_TICKS:
        return None
    sizes, times = sizes[kept], rows.seconds[starts[kept]]
    lasts = np.concatenate((starts[1:], [len(rows.seconds)]))[kept] - 1
    answers = np.logical_or.reduceat(rows.answers, starts)[kept]
    first, last = _longest(times, sizes)
    number = last + 1 - first
    if number < _FEWEST_TICKS:
        return None
    mine = slice(first, last + 1)
    gaps = np.diff(times[mine])
    gap, amount = float(gaps.mean()), int(sizes[mine].sum())
    rate = amount / (number * gap)
    if not SLOWEST <= rate <= FASTEST:
        return None
    quarter, middle, three_quarters = quantiles(sizes[mine], 0.25, 0.5, 0.75)
    spread = float(sizes[mine].std()) * number / amount
    shape = replace(
        plain,
        begin=float(times[first]),
        end=float(rows.seconds[lasts[last]]),
        body_bytes=amount,
        rate=rate,
        writes=number,
        writes_per_second=1 / gap,
        gap_regularity=1.0,
        bin_variation=spread,
        constancy=0.0,
        size_spread=(three_quarters - quarter) / middle,
        full_share=share(sizes[mine], full_rows(rows, line)[lasts[mine]]),  # to the last packet: a window's
        answer_share=float(answers[mine].mean()),
        chunk=int(middle),
        comb=_certainty(number, float(gaps.std()) / gap, spread),
        comb_size=int(middle),
        ticking=True,
    )
    return _within(rows, plain, shape, gap)


def _certainty(number: int, late: float, spread: float) -> float:
    """How surely so many ticks are no chance: 1 where their distances alone say it with five bits, and their sizes with
    six. `late` and `spread` are the deviations of the two, as shares."""
    distances = (number - 2) * math.log2(0.5 / max(late, 0.02))
    sizes = (number - 1) * math.log2(1 / max(spread, 0.05))
    return max(0.0, min(1.0, distances / 5)) * max(0.0, min(1.0, sizes / 6))


def _longest(times: np.ndarray, sizes: np.ndarray) -> tuple[int, int]:
    """First and last of the longest stretch of ticks, (0, 0) where there is none."""
    best = (0, 0)
    first = 0
    for last in range(1, len(times)):
        while first < last and not _even(times[first : last + 1], sizes[first : last + 1]):
            first += 1
        if last - first > best[1] - best[0]:
            best = (first, last)
    return best


def _even(times: np.ndarray, sizes: np.ndarray) -> bool:
    gaps = np.diff(times)
    if gaps.min() < _TICK_GAPS[0] or gaps.max() > _TICK_GAPS[1]:
        return False
    gap, size = float(np.median(gaps)), float(np.median(sizes))
    late = float(np.abs(gaps - gap).max())
    return (
        late <= max(_TICK_LATE, _TICK_DRIFT * gap)
        and size / _TICK_SIZES <= sizes.min()
        and sizes.max() <= size * _TICK_SIZES
    )


def _within(rows: Rows, plain: Shape, shape: Shape, moment: float = 0.1) -> Shape:
    """What stands before such a body, and beside it. Its pace is compared with the fastest moment before, of so many
    seconds."""
    before = rows.between(shape.begin - 1.5, shape.begin)
    head = int(before.bytes.sum())
    return replace(
        shape,
        duration=plain.duration,
        bytes=plain.bytes,
        packets=plain.packets,
        head_bytes=head,
        head_ratio=peak(before, moment) / shape.rate,
        outside_bytes=max(0, plain.bytes - shape.body_bytes - head),
        bursts=plain.bursts,
        typical_rate=plain.typical_rate,
        opening=plain.opening,
        opened=plain.opened,
        typical_write=plain.typical_write,
    )
