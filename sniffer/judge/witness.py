"""When a source showed that it hears: its silence counts only as far as that.

A connection shows that something is connected. A satellite that is muted, paused, renamed, half set up or limited to
another wake word is connected too, and hears nothing. Only a reported request shows that a source hears.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Sequence

from sniffer.judge.case import Case
from sniffer.judge.correlation import addresses
from sniffer.judge.sources import SourceBook
from sniffer.judge.wakelog import WakeLog
from sniffer.model import Trust, WakeEvent, WakeSource
from sniffer.model.clock import SECOND


class Witnesses:
    """Answers from the events and cases of the last day. `cases` returns them in the order of their starts."""

    def __init__(self, book: SourceBook, log: WakeLog, cases: Callable[[], Sequence[Case]]) -> None:
        self._book, self._log, self._cases = book, log, cases

    def proven(self, source: WakeSource, case: Case) -> bool:
        """Return whether a source had heard a request to this device before an upload, and was up ever since."""
        if source.heard_within is None:
            return True
        start, uptime = case.upload.start_ns, self._book.uptime[source.name]
        return any(uptime.up_throughout(heard, start) for heard in self._heard(source, case, before=True))

    def enclosed(self, source: WakeSource, case: Case) -> bool:
        """Return whether a source heard a request to this device before an upload and another one after it, and nothing
        took it down meanwhile: then it heard in between, also if it gives no signs of life."""
        if source.heard_within is None:
            return False
        before = next(self._heard(source, case, before=True), None)
        after = next(self._heard(source, case, before=False), None)
        return before is not None and after is not None and self._book.uptime[source.name].unbroken(before, after)

    def heard_around(self, source: WakeSource, case: Case) -> bool:
        """Return whether the silence of a source counts for an upload, as far as proofs and its clock go."""
        if self._book.misled(source.name, case) or self._book.unresponsive(source.name, case.upload.start_ns):
            return False
        return self.proven(source, case) or self.enclosed(source, case)

    def _heard(self, source: WakeSource, case: Case, *, before: bool) -> Iterator[int]:
        """Yield the times of requests to this device that a source reported, the nearest to the upload first: the
        newest that names the device, and the newest that names none and was paired with an upload of its vendor."""
        found = (self._named(source, case, before=before), self._paired(source, case, before=before))
        times = (time for time in found if time is not None)
        yield from sorted(times, reverse=before)

    def _named(self, source: WakeSource, case: Case, *, before: bool) -> int | None:
        events, start = self._log.of(source.name), case.upload.start_ns
        place = bisect.bisect_right(events, start, key=lambda event: event.time_ns)
        for event in reversed(events[:place]) if before else events[place:]:
            if abs(event.time_ns - start) > _reach(source):
                return None
            if event.device is not None and _own(event) and addresses(event, case.speaker):
                return event.time_ns
        return None

    def _paired(self, source: WakeSource, case: Case, *, before: bool) -> int | None:
        cases, start = self._cases(), case.upload.start_ns
        place = bisect.bisect_right(cases, start, key=lambda other: other.upload.start_ns)
        for other in reversed(cases[:place]) if before else cases[place:]:
            if abs(other.upload.start_ns - start) > _reach(source):
                return None
            hit = other.hits.get(source.name)
            if hit is None or other is case or not _own(hit.event) or hit.event.device is not None:
                continue
            same = other.speaker.vendor is not None and other.speaker.vendor == case.speaker.vendor
            if (same or other.upload.key == case.upload.key) and (hit.event.time_ns <= start) is before:
                return hit.event.time_ns
        return None


def _reach(source: WakeSource) -> int:
    return round((source.heard_within or 0.0) * SECOND)


def _own(event: WakeEvent) -> bool:
    return event.trust is Trust.INDEPENDENT
