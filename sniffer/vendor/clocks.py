"""How far the vendor's clocks lie from ours, learned from all rows and uploads together."""

from __future__ import annotations

import bisect
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.model.clock import SECOND
from sniffer.vendor.rows import VendorRow

#: Offsets that are tried: seconds around zero; and, for times in an unknown zone, around all whole quarters of an hour
#: up to 14 h (no zone is further from UTC).
NEAR_S, QUARTER_S, QUARTERS = 90, 900, 56
#: Offsets this small are usual: two clocks, and the delay of the vendor's record.
USUAL_S = 10
#: Pairs that must agree within a second, and the most that the probability of so many by chance may be.
ENOUGH, CHANCE = 3, 1e-3
#: Uploads that are looked at: the latest.
MOST = 2_000
#: Rows around one upload that are looked at, at each quarter of an hour.
_MOST_NEAR = 50
#: How far a row may lie from the start of its upload, also where the clock is known: single rows can be late.
WINDOW_NS = 10 * SECOND
#: Of the rows before and after a change of the clocks, at least this share must lie on its right side.
_ORDERLY = 0.8
_HOUR_S = 3600
#: Offsets within this (seconds) of each other are one: pairs agree within a second, and rows are late by as much.
_ONE_S = 3
#: Offsets, in seconds, that are tried where the zone is not known; near one; and near those an hour before and after.
_TRIED = (2 * NEAR_S + 1) * (2 * QUARTERS + 1)
_NEAR_ONE = 2 * _ONE_S + 1
_RIVALS = 2 * _NEAR_ONE


@dataclass(frozen=True, slots=True)
class Clock:
    """What is known of one clock of the vendor. `offset_ns` is how far its times lie behind ours; rows from
    `changes_ns` (vendor's time) on have `later_ns` instead: summer time began or ended. Without `known`, offsets are
    0."""

    name: str
    offset_ns: int = 0
    spread_ns: int = 0
    agreeing: int = 0
    known: bool = False
    changes_ns: int | None = None
    later_ns: int = 0

    def ours(self, time_ns: int) -> int:
        """Return a time of this clock as one of ours."""
        later = self.changes_ns is not None and time_ns >= self.changes_ns
        return time_ns - (self.later_ns if later else self.offset_ns)

    def otherwise(self, time_ns: int) -> int | None:
        """Return what else a time of this clock may be: within an hour of a change, its hours come twice."""
        if self.changes_ns is None or abs(time_ns - self.changes_ns) > _HOUR_S * SECOND:
            return None
        return time_ns - (self.offset_ns if time_ns >= self.changes_ns else self.later_ns)


def learn_clocks(starts: Sequence[int], rows: Iterable[VendorRow]) -> dict[str, Clock]:
    """Return the clocks of rows by name. `starts` are the starts of uploads, in order, in ns."""
    times: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        times[row.clock].append(row.time_ns)
    return {name: learn_clock(name, starts, sorted(found)) for name, found in times.items()}


def learn_clock(name: str, starts: Sequence[int], times: Sequence[int]) -> Clock:
    """Return one clock. `times` are its rows, in order.

    The densest three seconds win, if so many pairs do not agree by chance (Poisson, all seconds that are tried
    counted).
    """
    margin = (QUARTERS * QUARTER_S + NEAR_S) * SECOND
    near = [start for start in starts if times[0] - margin <= start <= times[-1] + margin][-MOST:]
    votes = _votes(near, times, (0,))
    best = _best(votes, 2 * NEAR_S + 1)
    if best is None or 2 * _around(votes, best) < min(len(near), len(times)):  # few agree, perhaps by chance
        quarters = range(-QUARTERS, QUARTERS + 1)
        votes = _votes(near, times, quarters)
        anywhere = _best(votes, _TRIED)
        best = best if anywhere is None else anywhere
    if best is None:
        return Clock(name)
    offset, spread, agreeing = _measure(near, times, best)
    changed = None
    if abs(best) > NEAR_S:  # a zone that is not known, so perhaps one whose clocks change
        rivals = (_densest(votes, best + step) for step in (-_HOUR_S, _HOUR_S))
        rival = max(rivals, key=lambda second: _around(votes, second))
        agree = _around(votes, rival)
        if agree >= ENOUGH and by_chance(agree, _usual(votes, (best, rival), _TRIED)) * _RIVALS < CHANCE:
            changed = _change(near, times, best, rival)
    if changed is None:
        return Clock(name, offset, spread, agreeing, known=True)
    changes_ns, first, later = changed
    before, after = _measure(near, times, first), _measure(near, times, later)
    return Clock(name, before[0], max(before[1], after[1]), before[2] + after[2], True, changes_ns, after[0])


def by_chance(count: int, mean: float) -> float:
    """Return the probability of `count` or more where `mean` are expected (Poisson)."""
    if count <= 0:
        return 1.0
    if mean <= 0:
        return 0.0
    terms = (math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count))
    return max(0.0, 1.0 - math.fsum(terms))


def _votes(starts: Iterable[int], times: Sequence[int], quarters: Iterable[int]) -> Counter[int]:
    """Return how many uploads have a row at each distance, in whole seconds."""
    votes: Counter[int] = Counter()
    steps = [quarter * QUARTER_S * SECOND for quarter in quarters]
    for start in starts:
        seconds: set[int] = set()
        for step in steps:
            low = bisect.bisect_left(times, start + step - NEAR_S * SECOND)
            high = bisect.bisect_right(times, start + step + NEAR_S * SECOND)
            if high - low > _MOST_NEAR:  # the nearest ones tell most
                middle = bisect.bisect_left(times, start + step)
                low, high = max(low, middle - _MOST_NEAR // 2), min(high, middle + _MOST_NEAR // 2)
            seconds.update(round((times[place] - start) / SECOND) for place in range(low, high))
        votes.update(seconds)
    return votes


def _around(votes: Mapping[int, int], second: int) -> int:
    return votes.get(second - 1, 0) + votes.get(second, 0) + votes.get(second + 1, 0)


def _densest(votes: Mapping[int, int], second: int) -> int:
    near = range(second - _ONE_S, second + _ONE_S + 1)
    return max(near, key=lambda one: (_around(votes, one), -abs(one - second)))


def _best(votes: Mapping[int, int], tried: int) -> int | None:
    """Return the offset, in seconds, on which clearly more pairs agree than by chance."""
    if not votes:
        return None
    best = max(votes, key=lambda second: (_around(votes, second), -abs(second)))
    agreeing = _around(votes, best)
    mean = _usual(votes, (best,), tried)
    places = 2 * USUAL_S / 3 if abs(best) <= USUAL_S else tried / 3
    return best if agreeing >= ENOUGH and by_chance(agreeing, mean) * places < CHANCE else None


def _usual(votes: Mapping[int, int], apart: Sequence[int], tried: int) -> float:
    """Return how many pairs agree by chance at one of so many offsets, from all that are not near those `apart`."""
    rest = sum(count for second, count in votes.items() if all(abs(second - one) > _ONE_S for one in apart))
    return 3 * rest / max(1, tried - _NEAR_ONE * len(apart))


def _gaps(starts: Iterable[int], times: Sequence[int], second: int) -> list[tuple[int, int]]:
    """Return (row's time, distance) of each upload's row nearest to an offset, within two seconds of it."""
    found = []
    for start in starts:
        middle = start + second * SECOND
        low = bisect.bisect_left(times, middle - 2 * SECOND)
        high = min(bisect.bisect_right(times, middle + 2 * SECOND), low + _MOST_NEAR)
        if low < high:
            time_ns = min(times[low:high], key=lambda time: abs(time - middle))
            found.append((time_ns, time_ns - start))
    return found


def _measure(starts: Sequence[int], times: Sequence[int], second: int) -> tuple[int, int, int]:
    """Return the offset and its spread (from the median absolute deviation), in ns, and how many pairs agree."""
    gaps = [gap for _, gap in _gaps(starts, times, second)]
    if not gaps:
        return second * SECOND, 0, 0
    middle = int(statistics.median(gaps))
    return middle, int(1.4826 * statistics.median(abs(gap - middle) for gap in gaps)), len(gaps)


def _change(starts: Sequence[int], times: Sequence[int], one: int, other: int) -> tuple[int, int, int] | None:
    """Return when (in the vendor's time) the offset changes from which to which, if both lie on a side of their own."""
    marks = sorted([(time, True) for time, _ in _gaps(starts, times, one)]
                   + [(time, False) for time, _ in _gaps(starts, times, other)])  # fmt: skip
    ones = sum(is_one for _, is_one in marks)
    best = (0, 0, True)
    right_first = right_last = 0
    for place, (_, is_one) in enumerate(marks, start=1):
        right_first += is_one
        right_last += not is_one
        one_first = right_first + (len(marks) - ones - (place - right_first))
        other_first = right_last + (ones - right_first)
        best = max(best, (one_first, place, True), (other_first, place, False))
    right, place, one_first = best
    if not 0 < place < len(marks) or right < _ORDERLY * len(marks):
        return None
    changes_ns = (marks[place - 1][0] + marks[place][0]) // 2
    return (changes_ns, one, other) if one_first else (changes_ns, other, one)
