"""The spans of time that listeners are asked about: those around an upload that could be a voice."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from sniffer.model import UploadClass, WakeEvent
from sniffer.model.clock import SECOND, parse_timestamp, timestamp

#: A wake word lies at most this long before an upload's start ...
BEFORE_NS = 6 * SECOND
#: ... and at most this long after it.
AFTER_NS = 2 * SECOND
#: Asks are repeated for this long; a listener remembers ten minutes.
REPEAT_NS = 600 * SECOND
#: Asks that are remembered: more than a house makes in ten minutes.
MAX_ASKS = 256
#: Classes of uploads that a wake word leads to.
_SPOKEN = frozenset({UploadClass.SPEECH, UploadClass.BULK})

Span = tuple[int, int]


class Asks:
    """What was asked in the last ten minutes, and by which source it was answered."""

    def __init__(self) -> None:
        self._asked: deque[tuple[int, Span]] = deque(maxlen=MAX_ASKS)
        self._answered: deque[tuple[str, Span]] = deque(maxlen=8 * MAX_ASKS)

    def about(self, record: Mapping[str, Any], now_ns: int) -> Mapping[str, str] | None:
        """Return the ask that a record calls for, once for each start: that of a `listening` or first `upload` record
        that could be a voice."""
        if record["event_type"] == "listening" and record["listening"]:
            start = record["start"]
        elif record["event_type"] == "upload" and not record["revision"] and record["upload"]["class"] in _SPOKEN:
            start = record["timestamp"]
        else:
            return None
        start_ns = parse_timestamp(start)
        span = (start_ns - BEFORE_NS, start_ns + AFTER_NS)
        if now_ns - start_ns > REPEAT_NS or any(span == known for _, known in self._asked):
            return None
        self._asked.append((now_ns, span))
        return _ask(span)

    def about_now(self, now_ns: int) -> Mapping[str, str]:
        """Return an ask about the last seconds: a person who tests a listener has just said the wake word."""
        span = (now_ns - BEFORE_NS - AFTER_NS, now_ns)
        self._asked.append((now_ns, span))
        return _ask(span)

    def answered(self, event: WakeEvent) -> None:
        """Note the testimony of a source."""
        if event.testimony is not None:
            self._answered.append((event.source, (event.testimony.from_ns, event.testimony.to_ns)))

    def open(self, source: str | None, now_ns: int) -> list[Mapping[str, str]]:
        """Return the asks of the last ten minutes that a source has not answered; all of them if it is not known."""
        done = {span for name, span in self._answered if name == source}
        return [_ask(span) for at, span in self._asked if now_ns - at <= REPEAT_NS and span not in done]


def _ask(span: Span) -> Mapping[str, str]:
    return {"from": timestamp(span[0]), "to": timestamp(span[1])}
