"""Requests to raise no alerts for a device until a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sniffer.errors import UsageError, WakeError
from sniffer.model.clock import SECOND, parse_timestamp

#: The longest mute, in seconds.
MAX_MUTE_SECONDS = 366 * 86_400
#: Seconds by which the clock of the caller may differ.
MUTE_SLACK_SECONDS = 300
#: The latest time that a 64-bit column can hold, in nanoseconds since 1970.
MAX_TIME_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Mute:
    """No alerts for a device until a time."""

    device: str
    until_ns: int


def mute_until(request: Mapping[str, Any], now_ns: int) -> int:
    """Return when the mute of a request ends: `until` (ISO-8601) or `seconds` from now; 0 seconds end a mute. Raises
    WakeError, UsageError."""
    seconds, until = request.get("seconds"), request.get("until")
    if (seconds is None) == (until is None):
        raise WakeError("give either until (ISO-8601) or seconds")
    if seconds is not None:
        number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        if not number or not 0 <= seconds <= MAX_MUTE_SECONDS:
            raise WakeError("seconds: a number from 0 (ends the mute) to a year")
        return now_ns + int(seconds * SECOND)
    until_ns = parse_any_time(str(until))
    if until_ns < now_ns - MUTE_SLACK_SECONDS * SECOND:
        raise WakeError("until: this time has passed; `seconds: 0` ends a mute")
    if until_ns > now_ns + (MAX_MUTE_SECONDS + MUTE_SLACK_SECONDS) * SECOND:
        raise WakeError("until: at most a year from now")
    return max(now_ns, until_ns)


def parse_any_time(text: str) -> int:
    """Return the nanoseconds of an ISO-8601 time, at the nearest time that the store can hold. Raises UsageError."""
    try:
        nanoseconds = parse_timestamp(text)
    except (ValueError, OverflowError):
        raise UsageError(f"not an ISO-8601 time: {text[:40]!r}") from None
    return max(-MAX_TIME_NS, min(MAX_TIME_NS, nanoseconds))
