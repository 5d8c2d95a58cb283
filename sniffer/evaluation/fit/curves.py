"""The lines of the evidence: where they have their points, what physics suggests, and what is set by hand.

Host names are priors, not shape: they are set (`SET`), not fitted, because the development sets have few of them and
each names its device.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from sniffer.detect.scoring.evidence import ITEMS, MOST_AGAINST

SHARE = (0, 0.25, 0.5, 0.75, 1)
BOTH = (-1, -0.5, 0, 0.25, 0.5, 0.75, 1)
#: Where the lines have their points, and what the physics suggests for each unit, in log-odds. All lines go through
#: nothing at 0.
SHAPES: dict[str, tuple[tuple[float, ...], float]] = {
    "pace": ((0, 0.2, 0.4, 0.6, 0.8, 1), 5.0),
    "regular_gaps": (BOTH, 2.0),
    "chunk_constancy": (SHARE, 2.5),
    "comb": (SHARE, 2.5),
    "narrow_sizes": (SHARE, 2.0),
    "mixed_sizes": (SHARE, -4.5),
    "burst_then_pace": (SHARE, 2.0),
    "too_fast": ((0, 0.5, 1, 2, 4), -3.0),
    "too_slow": ((0, 0.3, 0.7, 1.5, 3), -4.5),
    "too_few_chunks": ((0, 0.5, 1, 2, 3), -2.0),
    "asked_for_each": (SHARE, -8.0),
    "rest": ((0, 0.25, 0.5, 1), -1.0),
    "amount": ((-4, -3, -2, -1, 0, 1, 2), 0.5),
    "new_connection": ((0, 0.3, 1), -3.0),
    "answer": ((0, 0.3), 1.0),
    "known_server": ((-1, 0, 0.5, 1), 1.0),
    "known_opening": ((-4, -2, -1, 0, 1, 2, 3, 4, 6), 1.0),
    "known_chunk": ((-1, 0, 0.2, 0.4, 0.6, 1), 2.0),
    "known_rate": (BOTH, 1.0),
}
INTERCEPT = -5.5
#: What no microphone does: here the fit may not fall below half of what the physics says, however few houses show it.
FIRM = ("too_fast", "too_slow", "asked_for_each")
#: ... and what is no sound by itself: in houses without much else that is large, the fit may not rise by more than so
#: much for each unit.
AT_MOST = {"amount": 1.5, "answer": 4.0}
#: Set by hand: the number from which on a line is level, and what it adds there, in log-odds.
SET: dict[str, tuple[float, float]] = {
    "no_opening": (1.0, -6.5),
    "unanswered": (1.0, -8.0),
    "mostly_download": (4.0, -12.0),
    "voice_host": (1.0, 1.0),
    "telemetry_host": (1.0, -5.0),
    "errand_host": (1.0, -1.0),
}
HABITS = frozenset(item.name for item in ITEMS if item.habit)


Parameters = np.ndarray  # the intercept, then the rise of each piece of each line


def pieces() -> Iterator[tuple[str, float, float]]:
    """Each piece of each line: of what, from where, to where."""
    for name, (points, _) in SHAPES.items():
        for low, high in pairwise(points):
            yield name, low, high


def table(numbers: list[dict[str, float]]) -> np.ndarray:
    """How far each reading has come along each piece, from 0 outwards."""
    columns = [np.ones(len(numbers))]
    for name, low, high in pieces():
        along = np.clip((np.array([one[name] for one in numbers]) - low) / (high - low), 0, 1)
        columns.append(along - 1 if high <= 0 else along)
    return np.array(columns, dtype=np.float32).T


def bounded(rows: np.ndarray, at: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Where habits take more than `MOST_AGAINST` together under such curves, the detector cuts them: returns the rows
    of the table, those without what they take, and what is to be added for it."""
    columns = collections.defaultdict(list)
    for column, (name, _, _) in enumerate(pieces(), start=1):
        if name in HABITS:
            columns[name].append(column)
    taken = {name: np.minimum(rows[:, mine] @ at[mine], 0) for name, mine in columns.items()}
    over = -sum(taken.values()) > MOST_AGAINST
    rows = rows.copy()
    for name, mine in columns.items():
        rows[np.ix_(np.flatnonzero(over & (taken[name] < 0)), np.array(mine))] = 0
    return rows, np.where(over, -MOST_AGAINST, 0.0)


def offset(numbers: dict[str, float]) -> float:
    """What the weights that are set add; the fit has to live with it."""
    return sum(added * min(1.0, max(0.0, numbers[name] / end)) for name, (end, added) in SET.items())


def curves(at: Parameters) -> dict[str, list[list[float]]]:
    """The lines that rise so, as points."""
    rises = collections.defaultdict(list)
    for (name, low, high), rise in zip(pieces(), at[1:].tolist(), strict=True):
        rises[name].append((low, high, rise))
    found = {}
    for name, parts in rises.items():
        level = -sum(rise for _, high, rise in parts if high <= 0)
        points = [[float(parts[0][0]), level]]
        for _, high, rise in parts:
            level += rise
            points.append([float(high), level])
        found[name] = [[x, round(y, 2)] for x, y in points]
    for name, (end, added) in SET.items():
        found[name] = [[0.0, 0.0], [end, added]]
    return found
