"""Doubles of the clock and of a sink."""

from __future__ import annotations

from sniffer.model import Record
from sniffer.model.clock import SECOND


class ManualClock:
    """A clock that moves only when told to."""

    def __init__(self, now_ns: int = 1_700_000_000 * SECOND) -> None:
        self._now_ns = now_ns
        self._monotonic = 0.0

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now_ns += round(seconds * SECOND)
        self._monotonic += seconds

    def leap(self, seconds: float) -> None:
        """Somebody sets the clock."""
        self._now_ns += round(seconds * SECOND)


class RecordingSink:
    """A sink that keeps what it is given."""

    name = "recording"

    def __init__(self) -> None:
        self.records: list[Record] = []

    def emit(self, record: Record) -> None:
        self.records.append(record)

    def close(self) -> None:
        """Nothing is held open."""
