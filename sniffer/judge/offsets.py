"""The offset of a source's events from the uploads they explain: its skew and spread, learned robustly.

Neither the source's clock nor its delay need be right: a gap that recurs is its skew. A few outliers move nothing (the
densest second wins, and the median inside it), and no skew exceeds the bound.
"""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from sniffer.judge.matching import fit
from sniffer.model import WakeSource
from sniffer.model.clock import SECOND

#: Uploads whose gaps are remembered.
SAMPLES = 32
#: Gaps that must agree before a skew is believed.
ENOUGH = 5
#: Gaps within this distance of each other agree.
AGREE_NS = SECOND
#: Each side of a window is at least this wide, also for a steady source.
LEAST_HALF_NS = 2 * SECOND
#: Gaps of one upload that are remembered: the nearest.
NEAREST = 8

Item = TypeVar("Item")


def remember(items: list[Item], item: Item, most: int) -> None:
    """Append to a list that keeps its last `most` items."""
    items.append(item)
    if len(items) > most:
        del items[0]


@dataclass(frozen=True, slots=True)
class Window:
    """Where a source's events are expected, as known at one time. Gap = upload start minus event time.

    Events outside it, but within `reach_ns`, explain nothing and still prevent an accusation: the source's clock may
    just have been set.
    """

    skew_ns: int
    before_ns: int
    after_ns: int
    calibrated: bool = False
    spread_ns: int = 0
    reach_ns: int = 0

    def fit(self, gap_ns: int) -> float:
        """Return how well a gap fits, 0 to 1."""
        return fit(gap_ns, self.skew_ns, self.before_ns, self.after_ns)


def first_window(source: WakeSource, max_skew_ns: int) -> Window:
    """Return the window before a clock is known: as configured, widened by the largest error of a clock."""
    before, after = round(source.before * SECOND) + max_skew_ns, round(source.after * SECOND) + max_skew_ns
    return Window(0, before, after, reach_ns=max(before, after))


@dataclass(slots=True)
class Offsets:
    """The gaps of one source. `history` is (time, window): what was believed from then on."""

    gaps: list[tuple[int, ...]] = field(default_factory=list)
    history: list[tuple[int, Window]] = field(default_factory=list)

    def learn(self, time_ns: int, gaps: Iterable[int], source: WakeSource, max_skew_ns: int) -> None:
        """Learn from the gaps between one upload and all events of the source around it: at most one is its own."""
        near = tuple(sorted(gaps, key=abs)[:NEAREST])
        if not near:
            return
        remember(self.gaps, near, SAMPLES)
        remember(self.history, (time_ns, self.window(source, max_skew_ns)), SAMPLES)

    def window(self, source: WakeSource, max_skew_ns: int) -> Window:
        """Return the window that the gaps give now."""
        flat = sorted(gap for near in self.gaps for gap in near)
        best: tuple[int, int, int] | None = None
        for gap in flat:
            low = bisect.bisect_left(flat, gap - AGREE_NS)
            high = bisect.bisect_right(flat, gap + AGREE_NS)
            vote = (high - low, -abs(gap), gap)
            if best is None or vote > best:
                best = vote
        if best is None or best[0] < max(ENOUGH, (len(self.gaps) + 1) // 2):
            return first_window(source, max_skew_ns)
        agreeing = [gap for gap in flat if abs(gap - best[2]) <= AGREE_NS]
        skew = int(statistics.median(agreeing))
        skew = max(-max_skew_ns, min(max_skew_ns, skew))
        close = [abs(gap - skew) for gap in flat if abs(gap - skew) <= 3 * AGREE_NS]
        spread = int(1.4826 * statistics.median(close)) if close else AGREE_NS
        half = max(LEAST_HALF_NS, 4 * spread)
        before, after = round(source.before * SECOND), round(source.after * SECOND)
        return Window(skew, min(before, half), min(after, half), True, spread, max(before, after) + max_skew_ns)

    def as_of(self, time_ns: int, source: WakeSource, max_skew_ns: int) -> Window:
        """Return the window as known before a time."""
        place = bisect.bisect_left(self.history, time_ns, key=lambda item: item[0])
        return self.history[place - 1][1] if place else first_window(source, max_skew_ns)
