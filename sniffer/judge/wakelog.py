"""Wake events of the last day, by source, sorted by their own times, each kept once."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from sniffer.model import WakeEvent

#: More than this of one source are not kept: the oldest go.
MAX_EVENTS = 5000


def _order(event: WakeEvent) -> tuple[int, str, str, str]:
    return event.time_ns, event.device or "", event.vendor or "", str(event.trust)


class WakeLog:
    """Only events of kind `wake`."""

    def __init__(self) -> None:
        self._events: dict[str, list[WakeEvent]] = {}

    def add(self, event: WakeEvent) -> bool:
        """False where it was known already."""
        mine = self._events.setdefault(event.source, [])
        place = bisect.bisect_left(mine, _order(event), key=_order)
        if place < len(mine) and _order(mine[place]) == _order(event):
            return False
        mine.insert(place, event)
        if len(mine) > MAX_EVENTS:
            del mine[0]
        return True

    def of(self, source: str) -> Sequence[WakeEvent]:
        """All events of one source."""
        return self._events.get(source, ())

    def all(self) -> list[WakeEvent]:
        """All events."""
        return [event for name in sorted(self._events) for event in self._events[name]]

    def between(self, start_ns: int, end_ns: int) -> dict[str, list[WakeEvent]]:
        """By source, those between two times; sources without any are left out."""
        found = {}
        for name, mine in sorted(self._events.items()):
            first = bisect.bisect_left(mine, start_ns, key=lambda event: event.time_ns)
            last = bisect.bisect_right(mine, end_ns, key=lambda event: event.time_ns)
            if first < last:
                found[name] = mine[first:last]
        return found

    def prune(self, before_ns: int) -> None:
        """Forget events before a time."""
        for name, mine in list(self._events.items()):
            place = bisect.bisect_left(mine, before_ns, key=lambda event: event.time_ns)
            del mine[:place]
            if not mine:
                del self._events[name]
