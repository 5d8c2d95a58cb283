"""What people answer about uploads: evidence of a stated error rate, never the truth."""

from __future__ import annotations

import math
from collections.abc import Iterable

from sniffer.judge.settings import QuestionSettings
from sniffer.model import Answer, WakeEvent

#: Answers that are kept; the oldest go first.
MAX_ANSWERS = 4000


def log_odds(answer: Answer | None, settings: QuestionSettings) -> float:
    """Return what an answer adds to ln(asked : unasked)."""
    if answer is Answer.NO:
        return math.log(settings.error_rate / (1.0 - settings.error_rate))
    if answer is Answer.YES:
        return math.log((1.0 - settings.error_rate) / settings.pleasing)
    return 0.0


class AnswerBook:
    """The last answer about each upload, by the upload's id."""

    def __init__(self, events: Iterable[WakeEvent] = ()) -> None:
        self._events: dict[str, WakeEvent] = {}
        for event in events:
            self.add(event)

    def add(self, event: WakeEvent) -> bool:
        """Keep an answer. Returns False if a later one about the same upload is known."""
        assert event.upload is not None
        before = self._events.get(event.upload)
        if before is not None and _order(before) >= _order(event):
            return False
        self._events.pop(event.upload, None)
        self._events[event.upload] = event
        if len(self._events) > MAX_ANSWERS:
            del self._events[next(iter(self._events))]
        return True

    def about(self, upload: str) -> Answer | None:
        """Return the last answer about an upload."""
        event = self._events.get(upload)
        return event.answer if event else None

    def all(self) -> list[WakeEvent]:
        """Return all answers."""
        return list(self._events.values())

    def prune(self, before_ns: int) -> None:
        """Forget answers that arrived before a time."""
        self._events = {name: event for name, event in self._events.items() if event.received_ns >= before_ns}


def _order(event: WakeEvent) -> tuple[int, str, str]:
    return (event.received_ns, event.source, str(event.answer))
