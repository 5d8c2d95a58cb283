"""Time is handed in. Packets carry their own; only the edges (daemon, sinks, wake sources) ask a clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol

SECOND = 1_000_000_000
#: No clock that was set shows an earlier time (ns: 2010, before there were smart speakers). Boards without a battery
#: begin in 1970 or 2000.
EARLIEST_NS = 1_262_304_000 * SECOND
#: Stands for a time that does not come, or has not come yet: the last that a column of times can hold (ns).
NEVER = (1 << 63) - 1
#: What zones are called whose time is UTC.
_AT_UTC = frozenset({"UTC", "GMT", "WET", "IST", "BST"})


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


def timestamp(time_ns: int) -> str:
    """ISO-8601 in UTC with microseconds, as records are written."""
    seconds, rest = divmod(time_ns, SECOND)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest // 1000:06d}Z"


def parse_timestamp(text: str) -> int:
    """Return the nanoseconds of an ISO-8601 time in a record; without an offset it is UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return _nanoseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def parse_written(text: str) -> int:
    """Return the nanoseconds of an ISO-8601 time that a person wrote; without an offset it is local time, as tables
    print it. Raises ValueError and OverflowError."""
    moment = datetime.fromisoformat(text.strip())
    return _nanoseconds(moment if moment.tzinfo else moment.astimezone())


def local_zone() -> str:
    """Return what the time zone of this machine is called, or its offset from UTC."""
    now = datetime.now().astimezone()
    name = now.tzname() or ""
    if not now.utcoffset() and name not in _AT_UTC:  # the zone that TZ names is not known here
        return "UTC"
    return name if name.isalpha() else f"UTC{name}"


def _nanoseconds(moment: datetime) -> int:
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * SECOND + since.microseconds * 1000
