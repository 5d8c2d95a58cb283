"""Counts, and how far they can be trusted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median as _median

from sniffer.model.intervals import wilson as wilson


def at_most(count: int, hours: float) -> float | None:
    """The 95 % upper bound of a rate an hour, exact for Poisson counts; None where nothing was watched."""
    if hours <= 0:
        return None
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        below = math.fsum(math.exp(-middle + k * math.log(middle) - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high / hours


def median(delays: Sequence[float]) -> float | None:
    return _median(delays) if delays else None


#: Where the bins of a reliability curve begin and end: narrow where most is said.
EDGES = (0.0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.0)


@dataclass(frozen=True, slots=True)
class Bin:
    """What was said with about one probability: the mean of it, how often, and how often it was so."""

    said: float
    count: int
    true: int

    @property
    def share(self) -> float:
        return self.true / self.count

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.true, self.count) or (0.0, 1.0)


def reliability(said: Iterable[tuple[float, bool]]) -> list[Bin]:
    """Probabilities and what was so, as a curve; bins in which nothing was said are left out."""
    pairs = list(said)
    curve = []
    for low, high in itertools.pairwise(EDGES):
        inside = [(p, so) for p, so in pairs if low <= p < high or (p == high == EDGES[-1])]
        if inside:
            curve.append(Bin(math.fsum(p for p, _ in inside) / len(inside), len(inside), sum(so for _, so in inside)))
    return curve
