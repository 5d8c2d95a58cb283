"""How far this machine's clock is from the daemon's, from the `Date` of the daemon's answers."""

from __future__ import annotations

import email.utils

from sniffer.model.clock import SECOND

#: Clocks drift apart by up to this share of the time that passes.
DRIFT = 1e-4


class ClockOffset:
    """Bounds of the daemon's time minus ours. An answer's `Date` is cut to the second, so each gives a second's width;
    answers at other parts of a second narrow it."""

    def __init__(self) -> None:
        self._low = self._high = 0
        self._seen_ns: int | None = None

    def observe(self, sent_ns: int, received_ns: int, date: str | None) -> None:
        """Take the `Date` of an answer to what was sent and answered at these times of ours."""
        try:
            moment = email.utils.parsedate_to_datetime(date or "")
        except ValueError:
            return
        daemon_ns = round(moment.timestamp()) * SECOND
        low, high = daemon_ns - received_ns, daemon_ns + SECOND - sent_ns
        if self._seen_ns is not None:
            drift = round(abs(received_ns - self._seen_ns) * DRIFT)
            both = max(low, self._low - drift), min(high, self._high + drift)
            if both[0] <= both[1]:  # else one of the clocks was set: only the newest counts
                low, high = both
        self._low, self._high, self._seen_ns = low, high, received_ns

    @property
    def offset_ns(self) -> int:
        """The daemon's time minus ours: the smallest that fits what was seen, 0 where the clocks may agree."""
        return min(max(0, self._low), self._high) if self._seen_ns is not None else 0
