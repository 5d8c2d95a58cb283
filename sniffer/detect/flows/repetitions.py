"""When repeated bytes of a TCP stream are no repetition: what was sent first cannot have arrived.

A sender that repeats what was lost does so in bursts, or ever more rarely, since it waits longer each time. A sender
that keeps on repeating much of what it sends, at a steady rate, sent it the first time such that the receiver would not
get it (with a low time to live, or a wrong checksum), so that the real bytes would look like repetitions; or it repeats
what arrived. Then repetitions count as new bytes: twice rather than not at all.
"""

from __future__ import annotations

from sniffer.model.clock import SECOND

#: Repetitions are added up over this time (ns); after this number of such times without a pause they count as new.
_STEP_NS, _STEPS = SECOND // 2, 4
#: Bytes that must be repeated in each of these times, and their share of the new bytes in all of them. Radios that are
#: hardly usable repeat three in ten.
_LEAST_BYTES, _LEAST_SHARE = 200, 0.4
#: Copies of one packet, as mirror ports and two interfaces deliver them, stand at most this far apart (ns).
COPY_NS = 20_000_000
#: ... and copies that two sources deliver, this far (ns): the clock of a sender on another machine is only known to a
#: quarter of a second, and less well while it settles.
COPY_BETWEEN_NS = 400_000_000
#: Segments that are remembered to know copies.
_MOST_RECENT = 64


class Repetitions:
    """The repeated bytes of one stream during the last seconds. It begins with a repetition."""

    def __init__(self) -> None:
        self._steps: dict[int, tuple[int, int]] = {}  # by the number of the step: new bytes, repeated bytes
        self._recent: dict[tuple[int, int], tuple[int, str]] = {}  # when a segment (number, length) was seen, and where

    @property
    def lasting(self) -> bool:
        """Whether there is anything to remember."""
        return bool(self._steps)

    def take(
        self, interface: str, time_ns: list[int], sequence: list[int], length: list[int], fresh: list[int]
    ) -> list[int]:
        """Return the new bytes of each segment that was captured on an interface, in capture order. `fresh` are those
        that were not sent before."""
        believed = fresh.copy()
        rows = zip(time_ns, sequence, length, fresh, strict=True)
        for index, (now_ns, first, size, new) in enumerate(rows):
            step, repeated = now_ns // _STEP_NS, size - new
            if self._steps:
                self._steps = {known: both for known, both in self._steps.items() if known >= step - _STEPS}
                if not any(both[1] for both in self._steps.values()):
                    self._steps.clear()
                    self._recent.clear()
            if not self._steps and not repeated:
                continue
            if self._is_copy(now_ns, (first, size), interface):
                continue
            before = self._steps.get(step, (0, 0))
            self._steps[step] = before[0] + new, before[1] + repeated
            if repeated and self._sustained(step):
                believed[index] = size
        return believed

    def _is_copy(self, now_ns: int, segment: tuple[int, int], interface: str) -> bool:
        seen_ns, seen_on = self._recent.pop(segment, (None, ""))
        self._recent[segment] = now_ns, interface
        if len(self._recent) > _MOST_RECENT:
            del self._recent[next(iter(self._recent))]
        return seen_ns is not None and now_ns - seen_ns <= (COPY_NS if seen_on == interface else COPY_BETWEEN_NS)

    def _sustained(self, step: int) -> bool:
        last = [self._steps.get(number, (0, 0)) for number in range(step - _STEPS, step)]
        fresh, repeated = sum(both[0] for both in last), sum(both[1] for both in last)
        return all(both[1] >= _LEAST_BYTES for both in last) and repeated >= _LEAST_SHARE * fresh
