"""How probable it is that nobody asked: base rates, what the sources miss, and what came back.

In odds, requests to uploads nobody asked for::

    odds(asked : unasked) = base rates  x  P(all that listened missed it)  x  P(answer | asked) / P(answer | unasked)

and the probability that nobody asked is 1 / (1 + odds). All values are shown; none is hidden in a constant.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sniffer.judge.settings import BaseRates
from sniffer.model.clock import SECOND

#: Nothing is surer than this: the wire does not show who spoke.
CERTAIN = 0.99
#: More likely than not.
MORE_LIKELY = 0.5
#: How many requests the first guess of a miss rate counts for, and how many are remembered.
PRIOR_REQUESTS, MEMORY = 20.0, 400.0
#: How many days the first guess of the base rates counts for, and how many are remembered.
PRIOR_DAYS, MEMORY_DAYS = 10.0, 60
DAY_NS = 86_400 * SECOND
#: A measured miss rate is never believed to be lower than this, nor are base odds beyond these bounds.
LEAST_MISS_RATE, LEAST_ODDS, MOST_ODDS = 0.002, 5.0, 500.0


def missed_by_all(ratios: Sequence[float], shared: float) -> float:
    """Return P(what all sources reported | asked) / P(the same | not asked).

    `ratios` are those of the single sources: for silence the miss rate, for a testimony its likelihood ratio. Of the
    misses of the best source a `shared` part escapes all others too. Of testimonies for a request only the strongest
    counts: two listeners hear the same television.
    """
    against = [ratio for ratio in ratios if ratio < 1.0]
    combined = max((ratio for ratio in ratios if ratio > 1.0), default=1.0)
    if against:
        product = 1.0
        for ratio in against:
            product *= ratio
        combined *= (1.0 - shared) * product + shared * min(against)
    return combined


def base_odds(odds: float, listened: Collection[str], testified: Collection[str], rates: BaseRates) -> float:
    """Return the odds of a request before anything is known of an upload. `odds` are those where silence decides.

    Where each source that listened testified, a missed word is told from none; silence alone needs the smaller budget.
    """
    return odds * rates.budget if listened and set(listened) <= set(testified) else odds


def nobody_asked(base_odds: float, missed: float, answered: bool, asked: float, rates: BaseRates) -> float:
    """Return the probability that nobody asked for an upload that no event explains.

    `missed` is the likelihood ratio of what sources and people reported. `asked` is the share of this device's requests
    that the cloud answers: where many go without an answer, a missing one means little.
    """
    unasked = rates.answered_if_unasked
    likelihood = asked / unasked if answered else (1.0 - asked) / (1.0 - unasked)
    return min(CERTAIN, 1.0 / (1.0 + base_odds * missed * likelihood))


@dataclass(slots=True)
class MissRate:
    """A beta distribution over the share of requests that one source misses."""

    missed: float
    heard: float

    @classmethod
    def guess(cls, rate: float) -> MissRate:
        """Before anything was seen."""
        return cls(PRIOR_REQUESTS * rate, PRIOR_REQUESTS * (1.0 - rate))

    def count(self, heard: bool, weight: float) -> None:
        """One request that something else vouches for."""
        if heard:
            self.heard += weight
        else:
            self.missed += weight
        total = self.missed + self.heard
        if total > MEMORY:
            self.missed *= MEMORY / total
            self.heard *= MEMORY / total

    @property
    def rate(self) -> float:
        """Its mean."""
        return max(LEAST_MISS_RATE, self.missed / (self.missed + self.heard))


@dataclass(slots=True)
class Answers:
    """How often a device's requests are answered: a beta distribution, from requests that a source explains."""

    answered: float
    silent: float

    @classmethod
    def guess(cls, rate: float) -> Answers:
        """Before anything was seen."""
        return cls(PRIOR_REQUESTS * rate, PRIOR_REQUESTS * (1.0 - rate))

    def count(self, answered: bool) -> None:
        """One more request."""
        if answered:
            self.answered += 1.0
        else:
            self.silent += 1.0
        total = self.answered + self.silent
        if total > MEMORY:
            self.answered *= MEMORY / total
            self.silent *= MEMORY / total

    @property
    def rate(self) -> float:
        """Its mean."""
        return self.answered / (self.answered + self.silent)


@dataclass(slots=True)
class Habit:
    """How often a device is asked. `since_ns` is when counting began, None before the first upload.

    How often it sends unasked is not learned but a budget: whoever was accused often is not guilty for that. So a
    device that is asked more must be more plainly unasked, and the false accusations of all devices stay few: of
    uploads that were asked for, at most `unasked * (1 - bound) / bound` a day can ever be accused (Markov's bound on
    the likelihood ratio), which is one a month with the values that are set.
    """

    asked: float = 0.0
    since_ns: int | None = None

    def count(self, time_ns: int, unasked: float) -> None:
        """One more upload, with the probability that nobody asked for it."""
        if self.since_ns is None:
            self.since_ns = time_ns
        self.asked += 1.0 - unasked
        if time_ns - self.since_ns > MEMORY_DAYS * DAY_NS:
            self.asked /= 2
            self.since_ns += (time_ns - self.since_ns) // 2

    def odds(self, time_ns: int, rates: BaseRates) -> float:
        """Requests for one upload that nobody asked for."""
        days = 0.0 if self.since_ns is None else max(0, time_ns - self.since_ns) / DAY_NS
        a_day = (rates.requests * PRIOR_DAYS + self.asked) / (PRIOR_DAYS + days)
        return min(MOST_ODDS, max(LEAST_ODDS, a_day / rates.unasked))
