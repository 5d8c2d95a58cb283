"""What a measure of a device usually is, and how far it strays from that: two numbers, learned online."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Values before anything is called usual, and in a row before another value replaces it.
ENOUGH, IN_A_ROW = 2, 3
#: A new value counts for so much once the first few are in.
_PACE = 0.1
#: No measure is known better than this (as a share), and an outlier is farther away than this (as a ratio).
_LEAST_SPREAD, _OUTLIER = 0.1, 1.5
#: Where likeness is nothing, in deviations.
_UNDECIDED = 2.0
#: No logarithm of a measure is larger.
_LARGEST = 60.0
#: How much the spread of a few values is believed less than that of many.
_FEW = 2.0


@dataclass(slots=True)
class Baseline:
    """Mean and variance of a positive measure's logarithm. What is far outside changes nothing until it has come
    `IN_A_ROW` times, alike; then it is the new habit."""

    times: int = 0
    mean: float = 0.0
    variance: float = 0.0
    strange: float = 0.0
    strange_times: int = 0

    @property
    def value(self) -> float:
        """The usual value; 0 where nothing was learned."""
        return math.exp(self.mean) if self.times else 0.0

    @property
    def plausible(self) -> bool:
        """These are numbers that `learn` could have left."""
        return (
            self.times >= 0 and 0 <= self.variance <= _LARGEST**2 and max(abs(self.mean), abs(self.strange)) <= _LARGEST
        )

    @property
    def known(self) -> bool:
        """Enough was seen to say what is usual."""
        return self.times >= ENOUGH

    def likeness(self, value: float) -> float | None:
        """1 for the usual value, 0 two deviations away, -1 from four on; None where too little is known."""
        if not self.known or value <= 0:
            return None
        return max(-1.0, 1 - abs(self.distance(value)) / self.reach)

    @property
    def reach(self) -> float:
        """How far from the usual value something is alike, as a logarithm."""
        return _UNDECIDED * self._deviation

    def distance(self, value: float) -> float:
        """How far a positive value is from the usual one, as a logarithm: more than 0 where it is larger."""
        return math.log(value) - self.mean

    def learn(self, value: float) -> float | None:
        """One more value, of something positive. Returns the usual value of before, where it has just moved."""
        if value <= 0:
            return None
        logarithm = math.log(value)
        away = logarithm - self.mean
        if self.known and abs(away) > max(math.log(_OUTLIER), 3 * self._deviation):
            alike = self.strange_times and abs(logarithm - self.strange) <= math.log(_OUTLIER)
            self.strange_times = self.strange_times + 1 if alike else 1
            self.strange = logarithm
            if self.strange_times < IN_A_ROW:
                return None
            before = self.value
            self.times, self.mean, self.variance, self.strange_times = ENOUGH, logarithm, 0.0, 0
            return before
        self.times = min(self.times + 1, 1_000)
        pace = max(_PACE, 1 / self.times)
        self.mean += pace * away
        self.variance = (1 - pace) * (self.variance + pace * away * away)
        self.strange_times = 0
        return None

    @property
    def _deviation(self) -> float:
        return math.sqrt(self.variance * (1 + _FEW / max(self.times, 1)) + _LEAST_SPREAD**2)
