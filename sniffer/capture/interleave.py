"""Blocks of several sources in the order of time, nearly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sniffer.capture.files.replay import rows
from sniffer.model import FrameBlock

#: Length of a slice (nanoseconds): half of the time within which a second copy of a datagram is recognised.
SLICE_NS = 10_000_000


def interleave(blocks: Sequence[FrameBlock]) -> list[FrameBlock]:
    """Cut blocks, each in the order of its own time, into slices and put these in order. Packets of one slice stay
    together by source, so no packet comes before one that is older by more than a slice."""
    filled = [block for block in blocks if len(block)]
    if len(filled) < 2:
        return filled
    cut: list[tuple[int, int, FrameBlock]] = []
    for number, block in enumerate(filled):
        slices = block.time_ns // SLICE_NS
        edges = np.flatnonzero(np.diff(slices)) + 1
        for start, end in zip([0, *edges.tolist()], [*edges.tolist(), len(block)], strict=True):
            cut.append((int(slices[start]), number, rows(block, slice(start, end))))
    return [block for _, _, block in sorted(cut, key=lambda one: one[:2])]
