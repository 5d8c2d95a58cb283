"""A limit on how often a caller may do something."""

from __future__ import annotations


class RateLimit:
    """A bucket that holds `burst` and fills with `rate` a second. Time is handed in, in seconds."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._level, self._last = float(burst), float("-inf")

    def allows(self, now: float) -> bool:
        """Take one, where there is one."""
        if now > self._last:
            self._level = min(self._burst, self._level + (now - self._last) * self._rate)
            self._last = now
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True
