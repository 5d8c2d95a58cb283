"""Time is handed in. Packets carry their own; only the edges (daemon, sinks, wake sources) ask a clock."""

from __future__ import annotations

import time
from typing import Protocol

SECOND = 1_000_000_000
MILLISECOND = 1_000_000


class Clock(Protocol):
    """What the edges may ask."""

    def now_ns(self) -> int:
        """Nanoseconds since 1970-01-01 UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never step back, from an arbitrary start."""
        ...


class SystemClock:
    """The machine's clock. Its double for tests is `sniffer.testing.ManualClock`."""

    def now_ns(self) -> int:
        return time.time_ns()

    def monotonic(self) -> float:
        return time.monotonic()
