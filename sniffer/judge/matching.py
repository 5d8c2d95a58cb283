"""Which wake event belongs to which upload: one event explains one upload, in order, the best fit in sum.

A source's clock may be off and its report early or late, so the nearest event is not always the right one: where
events were removed, shifted or doubled, only the pairing as a whole tells. The fit of a pair is 1 where the event
lies where its source's skew puts it, and falls to 0 at the edge of the window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

#: Pairs that fit worse than this are none.
LEAST_FIT = 1e-6


def fit(gap_ns: int, skew_ns: int, before_ns: int, after_ns: int) -> float:
    """How well an upload that started `gap_ns` after the event fits: 1 in the middle, 0 outside the window."""
    off = gap_ns - skew_ns
    width = before_ns if off >= 0 else after_ns
    return 1.0 - abs(off) / width if abs(off) < width else 0.0


def pair(candidates: Sequence[Sequence[int]], value: Callable[[int, int], float]) -> list[tuple[int, int]]:
    """The order-keeping one-to-one pairing with the highest sum of `value(upload, event)`, as index pairs.

    `candidates` are the events, by index and in order, that each upload could take. Among equal sums the one that
    takes the earlier upload and the earlier event wins, so the answer depends on nothing but the values. Runs of
    uploads that share no candidates are paired by themselves.
    """
    fitting = [u for u, found in enumerate(candidates) if found]
    pairs: list[tuple[int, int]] = []
    block: list[int] = []
    # The lowest event that this or any later upload could take: windows may differ from upload to upload.
    lowest = [0] * len(fitting) + [1 << 62]
    for place in range(len(fitting) - 1, -1, -1):
        lowest[place] = min(lowest[place + 1], candidates[fitting[place]][0])
    first, last = 1 << 62, -1
    for place, u in enumerate(fitting):
        if block and lowest[place] > last:
            pairs += _pair_block(block, range(first, last + 1), candidates, value)
            block, first, last = [], 1 << 62, -1
        block.append(u)
        first, last = min(first, candidates[u][0]), max(last, candidates[u][-1])
    if block:
        pairs += _pair_block(block, range(first, last + 1), candidates, value)
    return pairs


def _pair_block(
    uploads: Sequence[int],
    events: range,
    candidates: Sequence[Sequence[int]],
    value: Callable[[int, int], float],
) -> list[tuple[int, int]]:
    """Sequence alignment (Needleman and Wunsch, 1970): gaps cost nothing, pairs bring their value."""
    values = [[0.0] * len(events) for _ in uploads]
    for row, u in zip(values, uploads, strict=True):
        for e in candidates[u]:
            row[e - events.start] = value(u, e)
    best = [[0.0] * (len(events) + 1) for _ in range(len(uploads) + 1)]
    for i in range(len(uploads) - 1, -1, -1):
        for j in range(len(events) - 1, -1, -1):
            best[i][j] = max(best[i + 1][j], best[i][j + 1])
            if values[i][j] > LEAST_FIT:
                best[i][j] = max(best[i][j], values[i][j] + best[i + 1][j + 1])
    pairs = []
    i = j = 0
    while i < len(uploads) and j < len(events):
        worth = values[i][j]
        if worth > LEAST_FIT and best[i][j] <= worth + best[i + 1][j + 1]:
            pairs.append((uploads[i], events[j]))
            i, j = i + 1, j + 1
        elif best[i][j] <= best[i][j + 1]:
            j += 1
        else:
            i += 1
    return pairs
