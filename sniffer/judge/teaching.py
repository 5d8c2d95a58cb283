"""What the judge learns from settled cases, from wake events and from answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sniffer.judge.case import Case, Stage, covers
from sniffer.judge.correlation import addresses
from sniffer.judge.learning import Learning
from sniffer.judge.outages import vouched
from sniffer.judge.probability import MORE_LIKELY, base_odds, nobody_asked
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.sources import SourceBook
from sniffer.judge.testimony import CERTAIN, Untraced, is_silent, leaves_trace
from sniffer.model import Answer, Trust, VerdictKind, WakeEvent, WakeSource

#: An upload is never surer than this to have been asked for, where nothing shows it.
LEAST_UNASKED = 1e-6


class Teacher:
    """Turns cases into what `learning` keeps. Times are those of the judge."""

    def __init__(self, settings: JudgeSettings, book: SourceBook, learning: Learning) -> None:
        self._settings, self._book, self._learning = settings, book, learning

    def settle(self, case: Case, around: Mapping[str, Sequence[WakeEvent]], now_ns: int) -> None:
        """Learn from a case that has had its verdict for a while. `around` are the wake events near it, by source."""
        verdict = case.verdict
        assert verdict is not None
        if verdict.kind is VerdictKind.EXPECTED and verdict.wake.source is not None:
            winner = self._learning.source(verdict.wake.source)
            if winner is not None:
                winner.explained += 1
        if not case.spoken:
            return
        for name, source in self._book.configured.items():
            self._gaps(case, name, around.get(name, ()), now_ns)
            self._misses(case, name, source, now_ns)
        self._traces(case, now_ns)
        if case.listened and not case.joined:  # what is judged by silence is compared with requests that stand alone
            direct = verdict.kind is VerdictKind.EXPECTED and verdict.wake.trust is Trust.INDEPENDENT
            answered = case.upload.answered if direct else None
            self._learning.learn_habit(case.upload.key, now_ns, case.unasked, answered)
        if case.listened and case.heard and not case.joined:
            rates = self._settings.rates
            odds = base_odds(case.odds, case.listened, case.heard, rates) * case.suspicion
            before = nobody_asked(odds, 1.0, case.upload.answered, case.answer_rate, rates)
            after = case.unasked / (case.unasked + (1.0 - case.unasked) * case.suspicion)
            self._learning.learn_testimony(case.upload.key, before, after)

    def settle_event(self, event: WakeEvent, used: bool, now_ns: int) -> None:
        """Learn from a wake event whether it was used, and how late it was."""
        learned = self._learning.source(event.source)
        if learned is not None:
            learned.unused += not used
            learned.note_delay(now_ns, event.received_ns - event.time_ns)

    def answered(self, case: Case, unasked: float, answer: Answer, now_ns: int) -> None:
        """Learn from the first clear answer about a case. `unasked` is how probable it was before that nobody asked."""
        if case.verdict is None or case.taught or answer is Answer.UNSURE:
            return
        case.taught = True
        self._learning.learn_answer(case.upload.key, now_ns, unasked, answer)
        if case.stage is Stage.SETTLED:
            self._traces(case, now_ns)
        if case.stage is Stage.SETTLED and answer is Answer.YES and not case.upload.answered:
            for name, source in self._book.configured.items():
                self._misses(case, name, source, now_ns)

    def _gaps(self, case: Case, name: str, around: Sequence[WakeEvent], now_ns: int) -> None:
        window = case.known[name].window
        gaps = [case.upload.start_ns - event.time_ns for event in around if addresses(event, case.speaker)]
        near = [gap for gap in gaps if abs(gap - window.skew_ns) <= window.reach_ns]
        self._learning.learn_gaps(name, now_ns, near)
        learned = self._learning.sources[name]
        learned.listened += name in case.listened
        learned.matched += name in case.listened and name in case.hits

    def _misses(self, case: Case, name: str, source: WakeSource, now_ns: int) -> None:
        """Count whether a source reported a request that something else shows."""
        if name not in case.listened or not covers(source, case) or not vouched(case, name):
            return
        learned, heard = self._learning.sources[name], name in case.hits
        others = any(hit.trust is Trust.INDEPENDENT for other, hit in case.hits.items() if other != name)
        certain = heard or others
        weight = 1.0 if certain else 1.0 - case.unasked  # an answer is in it, for what it is worth
        learned.count(now_ns, heard, weight)

    def _traces(self, case: Case, now_ns: int) -> None:
        """Count what an upload with a wake word of its own left in the listeners that testified about it."""
        if case.joined:
            return
        base = base_odds(case.odds, case.listened, case.heard, self._settings.rates)
        for name in sorted(case.listened & set(case.testified)):
            testimony, learned = case.testified[name], self._learning.sources[name]
            if name in case.hits or leaves_trace(testimony):
                if name in case.hits or case.unasked < MORE_LIKELY:
                    learned.count_trace(now_ns, None)
                continue
            others = (1.0 - case.unasked) / max(case.unasked, LEAST_UNASKED) / math.exp(case.heard[name])
            evidence = CERTAIN if case.hits else others / base
            learned.count_trace(now_ns, Untraced(case.number, is_silent(testimony), min(CERTAIN, evidence)))
