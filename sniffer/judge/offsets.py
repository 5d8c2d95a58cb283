"""How far a source's events lie from the uploads they explain: its skew and spread, learned robustly.

Neither the source's clock nor its delay need be right: a gap that keeps coming back is its skew. A few strange gaps
move nothing (the densest second wins, and the median inside it), and nothing moves further than the bound.
"""

from __future__ import annotations

import bisect
import statistics
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from sniffer.judge.matching import fit
from sniffer.model import WakeSource
from sniffer.model.clock import SECOND

#: Gaps that are remembered, and how many must agree before they are believed.
SAMPLES, ENOUGH = 32, 5
#: Gaps that are this near to each other agree.
AGREE_NS = SECOND
#: A window is never narrower than this on either side, however steady a source is.
LEAST_HALF_NS = 2 * SECOND


@dataclass(frozen=True, slots=True)
class Window:
    """Where a source's events lie, as believed at one time. Gap = upload start minus event time.

    Events that lie outside, but within `reach_ns`, explain nothing and still keep us from accusing: the source's
    clock may just have been set.
    """

    skew_ns: int
    before_ns: int
    after_ns: int
    calibrated: bool = False
    spread_ns: int = 0
    reach_ns: int = 0

    def fit(self, gap_ns: int) -> float:
        """How well a gap fits, 0 to 1."""
        return fit(gap_ns, self.skew_ns, self.before_ns, self.after_ns)


def first_window(source: WakeSource, max_skew_ns: int) -> Window:
    """Before anything is known of its clock: what was configured, widened by how far a clock may be off."""
    before, after = round(source.before * SECOND) + max_skew_ns, round(source.after * SECOND) + max_skew_ns
    return Window(0, before, after, reach_ns=max(before, after))


@dataclass(slots=True)
class Offsets:
    """The gaps of one source, and what they say; `history` knows what was believed when."""

    gaps: deque[tuple[int, ...]] = field(default_factory=lambda: deque(maxlen=SAMPLES))
    history: deque[tuple[int, Window]] = field(default_factory=lambda: deque(maxlen=SAMPLES))

    def learn(self, time_ns: int, gaps: Iterable[int], source: WakeSource, max_skew_ns: int) -> None:
        """One upload's gaps to all of the source's events around it: the true one is among them, or none is."""
        near = tuple(sorted(gaps, key=abs)[:8])
        if not near:
            return
        self.gaps.append(near)
        self.history.append((time_ns, self.window(source, max_skew_ns)))

    def window(self, source: WakeSource, max_skew_ns: int) -> Window:
        """What the gaps say now."""
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
        """What was believed before a time: what is learned at that very time comes later."""
        place = bisect.bisect_left(self.history, time_ns, key=lambda item: item[0])
        return self.history[place - 1][1] if place else first_window(source, max_skew_ns)
