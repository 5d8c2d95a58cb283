"""Events of the last day, by source, sorted by their own times, each kept once."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from sniffer.model import WakeEvent

#: Events of one source that are kept; the oldest go first.
MAX_EVENTS = 5000


def _order(event: WakeEvent) -> tuple[int, str, str, str, int]:
    first = event.testimony.from_ns if event.testimony else 0
    return event.time_ns, event.device or "", event.vendor or "", str(event.trust), first


class WakeLog:
    """Events of one kind: of kind `wake`, or of kind `testimony`."""

    def __init__(self) -> None:
        self._events: dict[str, list[WakeEvent]] = {}

    def add(self, event: WakeEvent) -> bool:
        """Add an event. Returns False if it was known already."""
        mine = self._events.setdefault(event.source, [])
        place = bisect.bisect_left(mine, _order(event), key=_order)
        if place < len(mine) and _order(mine[place]) == _order(event):
            return False
        mine.insert(place, event)
        if len(mine) > MAX_EVENTS:
            del mine[0]
        return True

    def of(self, source: str) -> Sequence[WakeEvent]:
        """Return all events of one source."""
        return self._events.get(source, ())

    def all(self) -> list[WakeEvent]:
        """Return all events."""
        return [event for name in sorted(self._events) for event in self._events[name]]

    def between(self, start_ns: int, end_ns: int) -> dict[str, list[WakeEvent]]:
        """Return the events between two times, by source; sources without any are left out."""
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
