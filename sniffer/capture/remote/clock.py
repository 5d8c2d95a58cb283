"""The clock of a machine that captures for us, compared with ours.

A packet arrives after it was captured, so `arrival - stamp` is the difference of the clocks and the time on the way.
The least of many such differences is nearly the former. Where it changes, the sender's clock was set, or drifts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sniffer.model import I64
from sniffer.model.clock import SECOND

#: A change of the difference below this (nanoseconds) is left alone: pacing of packets must not suffer.
TOLERANCE_NS = SECOND // 4
#: Stamps that run back by more than this (nanoseconds): the clock was set back. Cores stamp slightly out of order.
BACK_NS = SECOND
#: A clock has drifted where the least difference in so long (nanoseconds), with packets in so many seconds, is larger.
WINDOW_NS, LEAST_SECONDS = 30 * SECOND, 10
#: An offset beyond this is reported (nanoseconds).
WORTH_NS = SECOND


@dataclass(frozen=True, slots=True)
class Reading:
    """Stamps in our time, and whether the offset was learned anew because the sender's clock changed."""

    time_ns: I64
    changed: bool


class SenderClock:
    """Learns by how much a sender's clock differs from ours. `offset_ns` is what is added to its stamps, `reported_ns`
    what of it was reported."""

    def __init__(self, reported_ns: int = 0) -> None:
        self.offset_ns: int | None = None
        self._latest_ns = 0
        self._reported_ns = reported_ns
        self._begin(0)

    def read(self, stamps: I64, arrival_ns: int) -> Reading:
        """Translate the stamps of packets that arrived at `arrival_ns`, oldest first, not empty."""
        newest = int(stamps.max())
        least = arrival_ns - newest
        changed = False
        if self.offset_ns is None:
            self._adopt(least)
        elif int(stamps[0]) < self._latest_ns - BACK_NS or least < self.offset_ns - TOLERANCE_NS:
            self._adopt(least)
            changed = True
        else:
            changed = self._drifted(least, arrival_ns)
        self._latest_ns = newest if changed else max(self._latest_ns, newest)
        return Reading(stamps + (self.offset_ns or 0), changed)

    def _adopt(self, offset_ns: int) -> None:
        self.offset_ns = offset_ns
        self._begin(0)

    def _begin(self, start_ns: int) -> None:
        self._start_ns, self._lowest, self._seconds = start_ns, 1 << 62, 0
        self._second = -1

    def _drifted(self, least: int, arrival_ns: int) -> bool:
        """Adopt a larger difference where every packet of a long time had it: no packet waits on the way so long."""
        if arrival_ns - self._start_ns > WINDOW_NS:
            lowest, enough = self._lowest, self._seconds >= LEAST_SECONDS
            self._begin(arrival_ns)
            if enough and lowest > (self.offset_ns or 0) + TOLERANCE_NS:
                self._adopt(lowest)
                return True
        self._lowest = min(self._lowest, least)
        if arrival_ns // SECOND != self._second:
            self._second = arrival_ns // SECOND
            self._seconds += 1
        return False

    def anew(self) -> SenderClock:
        """The clock of another connection to the same sender: learned anew; what was reported is not repeated."""
        return SenderClock(self._reported_ns)

    def news(self) -> str | None:
        """Return what is to be reported of the offset, once for each that is new."""
        offset_ns = self.offset_ns or 0
        if abs(offset_ns - self._reported_ns) <= WORTH_NS or (self._reported_ns == 0 and abs(offset_ns) <= WORTH_NS):
            return None
        self._reported_ns = offset_ns
        if abs(offset_ns) <= WORTH_NS:
            return "its clock agrees with ours now"
        way = "behind" if offset_ns > 0 else "ahead of"
        return f"its clock is {abs(offset_ns) / SECOND:.1f} s {way} ours; the times of its packets are corrected"
