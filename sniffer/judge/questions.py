"""Which uploads a person is asked about, and when: few, at once, and the most informative ones."""

from __future__ import annotations

from sniffer.judge.case import Case
from sniffer.judge.policy import in_quiet_hours
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.model import VerdictKind
from sniffer.model.clock import SECOND

#: The period of `per_day`.
DAY_NS = 86_400 * SECOND
#: Only uploads that ended this recently are asked about: people forget.
FRESH_NS = 600 * SECOND
#: Reasons of verdicts that an answer can change.
_REASONS = frozenset(
    {
        Reason.NO_WAKE_SOURCE, Reason.NO_INDEPENDENT_SOURCE, Reason.WAKE_SOURCE_DOWN, Reason.WAKE_SOURCE_DEAF,
        Reason.WAKE_SOURCE_UNPROVEN,
        Reason.SOURCE_MAY_HAVE_MISSED, Reason.WAKE_EVENT_OFF_TIME, Reason.WAKE_EVENT_ELSEWHERE,
    }
)  # fmt: skip


class Questions:
    """When questions were asked about each device. `asked` is by device key, in order of time."""

    def __init__(self, settings: JudgeSettings, asked: dict[int, list[int]] | None = None) -> None:
        self._settings = settings
        self.asked: dict[int, list[int]] = asked or {}

    def ask(self, case: Case, now_ns: int) -> bool:
        """Decide whether to ask about a case now, and remember it."""
        settings, verdict = self._settings.questions, case.verdict
        if not settings.enabled or verdict is None or verdict.kind is not VerdictKind.INCONCLUSIVE:
            return False
        if verdict.reason not in _REASONS or not case.spoken or not case.speaker.microphone or case.joined:
            return False
        if now_ns - case.upload.end_ns > FRESH_NS or in_quiet_hours(case, self._settings, now_ns):
            return False
        recent = [time_ns for time_ns in self.asked.get(case.upload.key, []) if now_ns - DAY_NS < time_ns <= now_ns]
        if len(recent) >= settings.per_day or case.unasked * case.sound < self._least(case, now_ns):
            return False
        self.asked[case.upload.key] = [*recent, now_ns]
        return True

    def _least(self, case: Case, now_ns: int) -> float:
        """Return how probable it must be that nobody asked. Early in the day only the most informative uploads are
        worth the day's question; the longer none was asked, the less it takes."""
        settings = self._settings.questions
        last = max(self.asked.get(case.upload.key, []), default=0)
        unused = min(1.0, max(0, now_ns - last - DAY_NS) / DAY_NS)
        return settings.at_once + (settings.at_least - settings.at_once) * unused
