"""Nobody home: told from the silence of phones. The activity is handed in; nothing is captured here."""

from __future__ import annotations

from collections.abc import Iterable

from sniffer.model import WakeEvent, WakeKind, host_key
from sniffer.model.clock import SECOND
from sniffer.wake.settings import PresenceSource

#: Phones send something more often than this; losing less hides nobody's return.
BLIND_NS = 60 * SECOND


class Presence:
    """Somebody is home while any of the phones sends something. Time is that of the packets, so a replay agrees.

    `seen(keys, time_ns)` and `advance(time_ns)` give the events that follow. Nothing is claimed before a phone was
    seen for the first time: a phone that hides behind a random MAC would otherwise empty the house for ever.
    """

    def __init__(self, settings: PresenceSource) -> None:
        self._name = settings.name
        self.after_ns = round(settings.away_after * SECOND)
        self.keys = frozenset(host_key(mac) for mac in settings.macs)
        self._last_ns: int | None = None
        self._away = False

    def seen(self, keys: Iterable[int], time_ns: int) -> list[WakeEvent]:
        """Hosts that sent something about a time."""
        if not self.keys.intersection(keys):
            return []
        found = self.advance(time_ns)
        if self._away or self._last_ns is None:  # whoever left may have done so before we were started
            self._away = False
            found.append(self._event(WakeKind.HOME, time_ns, time_ns))
        self._last_ns = time_ns if self._last_ns is None else max(self._last_ns, time_ns)
        return found

    def advance(self, time_ns: int) -> list[WakeEvent]:
        """Time went on, whether or not anybody sent something."""
        if self._away or self._last_ns is None or time_ns - self._last_ns < self.after_ns:
            return []
        self._away = True
        return [self._event(WakeKind.AWAY, self._last_ns + self.after_ns, time_ns)]

    def blind(self, start_ns: int, end_ns: int) -> list[WakeEvent]:
        """Nothing could be seen between two times: that silence says nothing, and counts from its end."""
        if self._last_ns is None or end_ns - start_ns < BLIND_NS:
            return []
        since_ns = max(start_ns, self._last_ns + self.after_ns + 1)
        self._last_ns = max(self._last_ns, end_ns)
        if not self._away:
            return []
        self._away = False
        return [self._event(WakeKind.HOME, since_ns, end_ns)]

    def _event(self, kind: WakeKind, time_ns: int, received_ns: int) -> WakeEvent:
        return WakeEvent(time_ns, self._name, kind, received_ns=received_ns)
