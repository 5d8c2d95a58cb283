"""Other hypotheses about how a run is segmented into an initial burst and a paced part.

`pacing.measure` takes the longest stretch that a radio could have made of one speed. In a short utterance the initial
burst passes for a part of it, delivered a little early. So the same rows are also measured with a narrower tolerance,
and as a codec's pieces of one size with other data of the same connection between them.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import replace

import numpy as np

from sniffer.detect.features.pacing import Shape, find_body, measure
from sniffer.detect.features.rows import Flags, Line, Rows, peak, some, substantial

#: The tube of an impatient listener, in seconds: a quiet radio delivers within this.
_IMPATIENT = 0.12
#: Pieces of one size, before they are read without what stands between them.
_COMB_LEAST, _COMB_PIECES = 0.3, 6


def alternatives(rows: Rows, line: Line, plain: Shape, without: Container[str] = ()) -> Iterator[Shape]:
    """The other shapes of a run whose first one is `plain`; `without` names hypotheses that are switched off."""
    large = substantial(rows)
    impatient = None if "early_body" in without else _impatient(large, line, plain)
    if impatient is not None:
        yield impatient
    pieces = None if "frames_alone" in without else _pieces(rows, line, plain)
    if pieces is not None:
        yield pieces


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


def _within(rows: Rows, plain: Shape, shape: Shape) -> Shape:
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
        head_ratio=peak(before) / shape.rate,
        outside_bytes=max(0, plain.bytes - shape.body_bytes - head),
        typical_rate=plain.typical_rate,
        opening=plain.opening,
        opened=plain.opened,
    )
