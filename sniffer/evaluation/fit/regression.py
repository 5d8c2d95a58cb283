"""A logistic regression over lines: each kind of evidence adds what a line through a few points says of its number.

The lines are drawn to straight ones that the physics suggests, and may not change direction. As the detector does, it
takes each run by the hypothesis that speaks most for speech; which one that is follows the curves, so the two are found
in turn.
"""

from __future__ import annotations

import collections

import numpy as np
from scipy.optimize import minimize

from sniffer.evaluation.fit.curves import (
    AT_MOST,
    FIRM,
    INTERCEPT,
    SHAPES,
    Parameters,
    bounded,
    offset,
    pieces,
    table,
)
from sniffer.evaluation.fit.samples import ONE_IN, Sample

#: How far a fitted piece of a line may be from the physics.
PRIOR_SPREAD = 0.8
#: Readings and curves are found in turn, so often.
TURNS = 3
#: What a simulated run counts for: houses are cheap, and all drawn by the same hand. Less of it where somebody spoke: a
#: false accusation costs more than a short word that is listed as something else.
SIMULATED_RUN, SPOKEN_RUN = 0.5, 0.6
#: What the real runs of a device count for, with each label; and how much more its real form counts than the others.
REAL, REAL_FORM = 150.0, 5.0


class Fit:
    """Samples in columns, and the curves that explain them best."""

    def __init__(self, data: list[Sample]) -> None:
        self.data = data
        many = [one for sample in data for one in sample.readings]
        self.table, self.given = table(many), np.array([offset(one) for one in many])
        self.owner = np.repeat(np.arange(len(data)), [len(sample.readings) for sample in data])
        self.begins = np.searchsorted(self.owner, np.arange(len(data)))
        self.truth = np.array([sample.speech for sample in data], dtype=float)
        self.weight = np.array([self._weight(sample) for sample in data])
        devices = collections.Counter(self._group(s) for s in data if not s.simulated)
        total: dict[tuple[str, bool], float] = collections.defaultdict(float)
        for sample, weight in zip(data, self.weight, strict=True):
            total[self._group(sample)] += weight
        for place, sample in enumerate(data):
            if not sample.simulated:  # a device counts by the root of its number of runs, up to `REAL`
                group = self._group(sample)
                self.weight[place] *= REAL * min(1.0, np.sqrt(devices[group] / 200)) / total[group]
        self.prior = np.array([INTERCEPT, *(SHAPES[name][1] * (high - low) for name, low, high in pieces())])

    @staticmethod
    def _group(sample: Sample) -> tuple[str, bool]:
        return sample.device, sample.speech

    @staticmethod
    def _weight(sample: Sample) -> float:
        if sample.simulated:
            often = ONE_IN if sample.device.endswith("(far)") else SPOKEN_RUN if sample.speech else 1.0
            return SIMULATED_RUN * often
        return REAL_FORM if sample.real else 1.0

    def fitted(self, chosen: np.ndarray, start: Parameters | None = None) -> Parameters:
        """The curves with the highest posterior, seen from these samples."""
        least = [p / 2 if name in FIRM else 0 for (name, _, _), p in zip(pieces(), self.prior[1:], strict=True)]
        most = [AT_MOST[name] * (high - low) if name in AT_MOST else None for name, low, high in pieces()]
        bounds = [(None, None)] + [
            (low, high) if p > 0 else (None, low) for low, high, p in zip(least, most, self.prior[1:], strict=True)
        ]
        spread = np.array([3.0] + [PRIOR_SPREAD] * (len(self.prior) - 1))
        found = self.prior if start is None else start
        for _ in range(TURNS):
            best = self._best(found)[chosen]
            rows, taken = bounded(self.table[best], found)
            given = self.given[best] + taken
            truth, weight = self.truth[chosen], self.weight[chosen]

            def loss(
                at: np.ndarray,
                rows: np.ndarray = rows,
                given: np.ndarray = given,
                truth: np.ndarray = truth,
                weight: np.ndarray = weight,
            ) -> tuple[float, np.ndarray]:
                value = rows @ at.astype(np.float32) + given
                wrong = weight * (1 / (1 + np.exp(-np.clip(value, -50, 50))) - truth)
                off = (at - self.prior) / spread
                every = (weight * (np.logaddexp(0, value) - truth * value)).sum() + (off**2).sum() / 2
                return float(every), rows.T @ wrong.astype(np.float32) + off / spread

            found = minimize(loss, found, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 400}).x
        return found

    def _best(self, at: Parameters) -> np.ndarray:
        """The reading of each sample that speaks most for speech."""
        return np.lexsort((-self._values(slice(None), at), self.owner))[self.begins]

    def scores(self, at: Parameters) -> np.ndarray:
        """Each sample's score: that of its best reading."""
        return self._values(self._best(at), at)

    def _values(self, chosen: np.ndarray | slice, at: Parameters) -> np.ndarray:
        rows, taken = bounded(self.table[chosen], at)
        values: np.ndarray = rows @ at + taken + self.given[chosen]
        return values

    def held_out(self, at: Parameters) -> list[tuple[Sample, float]]:
        """Every real sample's score under curves that never saw its device; `at` is where to begin to look."""
        found = []
        streams = np.array([s.stream for s in self.data])
        devices = np.array([s.device for s in self.data])
        for device in sorted({s.device for s in self.data if not s.simulated}):
            mine = np.flatnonzero((devices == device) & ~streams)
            values = self.scores(self.fitted(np.flatnonzero((devices != device) & ~streams), at))
            found += [(self.data[place], float(values[place])) for place in mine.tolist()]
        return found
