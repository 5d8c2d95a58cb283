"""The clock of a machine that captures for us, compared with ours.

A packet arrives after it was captured, so `arrival - stamp` is the difference of the clocks and the time on the way.
The least of many such differences is nearly the former. Where it changes, the sender's clock was set, or drifts.

At first there are few differences, and a sender keeps packets back: libpcap hands them on when its buffer is full or
its timeout has passed, a second for tcpdump (https://www.tcpdump.org/manpages/pcap.3pcap.html, "packet buffer
timeout"). So a clock settles first: what arrives together is compared together, and a smaller difference is no change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sniffer.model import I64
from sniffer.model.clock import SECOND

#: A change of the difference below this (nanoseconds) is left alone: pacing of packets must not suffer.
TOLERANCE_NS = SECOND // 4
#: Stamps that run back by more than this (nanoseconds): the clock was set back. Cores stamp slightly out of order.
BACK_NS = SECOND
#: A clock has drifted where the least difference in so long (nanoseconds), with packets in so many seconds, is larger.
WINDOW_NS, LEAST_SECONDS = 30 * SECOND, 10
#: A sender keeps a packet back for at most this time (nanoseconds): the timeout of libpcap, and some more.
KEPT_BACK_NS = SECOND + SECOND // 4
#: While a clock settles, a smaller change (nanoseconds) is left alone.
WORTH_SETTLING_NS = SECOND // 50
#: Packets in this many different seconds settle a clock: the sender hardly ever keeps all of them back.
SETTLED_SECONDS = 20
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
        self._unsettled = SETTLED_SECONDS
        self._begin(0)

    @property
    def settling(self) -> bool:
        """Whether too few packets came yet to tell one that was kept back from a clock that was set."""
        return self._unsettled > 0

    def settle(self, together: Iterable[tuple[I64, int]]) -> None:
        """Before they are read, compare packets that arrived together: the newest of them were kept back least.

        `together` are the stamps of each block, not empty, and its arrival. Does nothing once the clock has settled.
        """
        leasts = [arrival_ns - int(stamps.max()) for stamps, arrival_ns in together] if self.settling else []
        if not leasts:
            return
        known_ns = leasts[0] if self.offset_ns is None else self.offset_ns
        least_ns = min([known_ns, *(least for least in leasts if least >= known_ns - KEPT_BACK_NS)])
        if self.offset_ns is None or least_ns < known_ns - WORTH_SETTLING_NS:
            self.offset_ns = least_ns

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
        self._unsettled = SETTLED_SECONDS
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
            self._unsettled = max(0, self._unsettled - 1)
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
