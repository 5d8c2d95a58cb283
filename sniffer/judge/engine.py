"""The judge: uploads, wake events and losses in; verdicts out.

It is an event simulation in the order of the items' own times: what arrived, what is due, what is settled. `advance`
moves it to a time. How often that is called, and in which order items were added, makes no difference as long as they
were added before they were due. It is over 400 lines because the way of an upload, from its arrival to its
last revision, is read from top to bottom here; what it decides and learns is in `verdict` and `teaching`.
"""

from __future__ import annotations

import bisect
import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, assert_never

from sniffer.judge import state as saved
from sniffer.judge.answers import AnswerBook
from sniffer.judge.case import Case, Speaker, Stage, covers, upload_key
from sniffer.judge.correlation import OWN_WORD, correlate
from sniffer.judge.coverage import ClockDoubt, Losses, Mark, Marks
from sniffer.judge.hearing import Hearings
from sniffer.judge.learning import Learning
from sniffer.judge.policy import LONGEST_NS, SESSION_NS, Switches
from sniffer.judge.questions import Questions
from sniffer.judge.queue import (
    CaseSettles,
    EventArrives,
    EventSettles,
    Item,
    LossArrives,
    Queue,
    ReviewDue,
    UploadArrives,
    VerdictDue,
    Work,
)
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.sources import MISDATED_REACH_NS, SourceBook, SourceQuality
from sniffer.judge.teaching import Teacher
from sniffer.judge.testimony import Table
from sniffer.judge.verdict import RESTING_ON_SILENCE, World, judge
from sniffer.judge.wakelog import WakeLog
from sniffer.judge.witness import Witnesses
from sniffer.model import (
    Device,
    Judged,
    Loss,
    Trust,
    Upload,
    Verdict,
    WakeEvent,
    WakeKind,
    WakeSource,
)
from sniffer.model.clock import SECOND

#: Uploads and events are kept for this long: a wake event that comes later changes no verdict any more.
RETAIN_NS = 24 * 3600 * SECOND
#: The judge learns from an upload this long after its verdict was due; late events have mostly come by then.
SETTLE_NS = 300 * SECOND
#: An upload may still last when its wake event comes; verdicts near the event are reviewed after this time.
REVIEW_NS = 15 * SECOND
#: Time that goes back by more than this means that the clock was set back.
STEP_NS = 5 * SECOND
#: A wake word and its upload may carry times of different clocks this long before and after the clock was set back, and
#: of a time that comes twice nothing is concluded from silence for at most the second.
LEAST_DOUBT_NS, MOST_DOUBT_NS = 60 * SECOND, 3600 * SECOND
#: Uploads that are kept.
MAX_CASES = 4000
#: Uploads on either side of a change that are judged together.
MAX_EPISODE = 16
#: Items that may wait; more wake events are refused.
MAX_WAITING = 250_000

#: Policies whose verdicts change when a source turns out to have heard.
_SILENT = frozenset(policy.__name__ for policy in RESTING_ON_SILENCE)
_ON = {WakeKind.MUTE: "mute", WakeKind.AWAY: "away", WakeKind.CALL_START: "call", WakeKind.VIEW_START: "view"}
_OFF = {WakeKind.UNMUTE: "mute", WakeKind.HOME: "away", WakeKind.CALL_END: "call", WakeKind.VIEW_END: "view"}


class Judge:
    """`devices` returns the device of a key; `sources` are those that may report requests; `state` is what `state()`
    returned; `table` weighs the testimony of listeners; `identify` returns the id of an upload, by which people
    answer."""

    def __init__(
        self,
        settings: JudgeSettings,
        sources: Sequence[WakeSource],
        devices: Callable[[int], Device],
        state: Mapping[str, Any] | None = None,
        table: Table | None = None,
        identify: Callable[[Upload], str] | None = None,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._book = SourceBook(sources)
        self._learning = Learning(settings, sources)
        self._answers = AnswerBook()
        self._teacher = Teacher(settings, self._book, self._learning)
        self._log = WakeLog()
        witnesses = Witnesses(self._book, self._log, lambda: self._cases)
        self._world = World(settings, self._book, Switches(), Losses(), ClockDoubt(), self._answers, witnesses)
        self._questions = Questions(settings)
        self._identify = identify
        self._hearings = Hearings(self._book, table, settings.rates.budget)
        self._cases: list[Case] = []
        self._by_number: dict[int, Case] = {}
        self._by_identifier: dict[str, Case] = {}
        self._last_number = 0
        self._queue = Queue()
        self._now_ns = 0
        self.refused = 0
        # Uploads further apart than this share no event, dialogue or call.
        windows = [max(source.before, source.after) for source in sources] + [WakeSource("").before]
        pauses = (settings.follow_up.gap, settings.follow_up.unanswered_gap, settings.call_setup, 30.0)
        self._reach_ns = round((max(2 * (max(windows) + settings.max_skew), *pauses) + 1) * SECOND)
        if state is not None:
            self._restore(saved.load(state))

    # --- input ---

    def upload(self, upload: Upload) -> None:
        """Add a finished upload."""
        self._queue.add(upload.final_ns, UploadArrives(upload, Speaker.of(self._devices(upload.key))))

    def wake(self, event: WakeEvent) -> None:
        """Add an event of a wake source."""
        if len(self._queue) >= MAX_WAITING:
            self.refused += 1
            return
        self._queue.add(event.received_ns or event.time_ns, EventArrives(event))

    def loss(self, loss: Loss) -> None:
        """Add an interval in which packets were lost."""
        self._queue.add(loss.end_ns, LossArrives(loss))

    def leap(self, loss: Loss) -> None:
        """The clock was set forward over `loss`, in which nothing was seen. What waits does so for as long as it would
        have, because no source had that time to report."""
        self._put_off(loss.end_ns - loss.start_ns)
        self._queue.add(loss.start_ns, LossArrives(loss))

    def doubt_clock(self, time_ns: int, doubt_ns: int) -> bool:
        """From this time on the clock may be off by so much. Returns whether that is news for quiet hours."""
        return self._world.clock.add(time_ns, doubt_ns) and bool(self._settings.quiet_hours)

    # --- time ---

    def advance(self, time_ns: int) -> list[Judged]:
        """Return the verdicts that are new or changed up to a time."""
        if time_ns < self._now_ns - STEP_NS:
            self._set_back(time_ns)
        found: list[Judged] = []
        while (due := self._queue.next_ns) is not None and due <= time_ns:
            item = self._queue.pop()
            self._now_ns = max(self._now_ns, item.time_ns)
            found += self._do(item.work)
        self._now_ns = max(self._now_ns, time_ns)
        return found

    def finish(self) -> list[Judged]:
        """Judge everything that was added: no more will come."""
        found: list[Judged] = []
        while (due := self._queue.next_ns) is not None:
            found += self.advance(max(self._now_ns, due))
        return found

    def _set_back(self, time_ns: int) -> None:
        """The clock was set back: work that was due at a distant time is due relative to the new time, and states that
        began in the new future begin now. Silence means nothing around the step: a wake word before it and the upload
        after it seem hours apart, and events of the time that now comes twice may belong to either."""
        step = self._now_ns - time_ns
        doubt_ns = min(max(step, LEAST_DOUBT_NS), MOST_DOUBT_NS)
        self._world.losses.add(Loss("", time_ns - LEAST_DOUBT_NS, time_ns + doubt_ns, 0))
        self._world.losses.add(Loss("", self._now_ns - LEAST_DOUBT_NS, self._now_ns, 0))
        for _, marks in self._world.switches.named():
            marks.set_back(time_ns)
        self._book.set_back(time_ns)
        self._put_off(-step, lambda item: _made_here(item) or item.time_ns > time_ns)
        self._now_ns = time_ns

    def _put_off(self, step_ns: int, moves: Callable[[Item], bool] | None = None) -> None:
        for case in self._cases:
            if case.stage is Stage.WAITING:
                case.due_ns += step_ns
                case.pending_ns = 0  # the items that wait for that time are moved, and it is found anew
        self._queue.shift(step_ns, moves or _made_here)

    def _do(self, work: Work) -> Iterable[Judged]:
        match work:
            case EventArrives(event):
                return self._event(event)
            case LossArrives(loss):
                self._world.losses.add(loss)
                return self._review(loss.start_ns - SECOND, loss.end_ns + SECOND)
            case UploadArrives(upload, speaker):
                return self._admit(upload, speaker)
            case VerdictDue(number):
                return self._due(number)
            case ReviewDue(event):
                return [*self._review(event.time_ns, event.time_ns), *self._now_proven(event)]
            case CaseSettles(number):
                self._settle(number)
            case EventSettles(event):
                self._settle_event(event)
            case _:
                assert_never(work)
        return ()

    # --- uploads ---

    def _admit(self, upload: Upload, speaker: Speaker) -> Iterable[Judged]:
        case = Case(self._last_number + 1, upload, speaker, upload.final_ns)
        if not case.judged_class:
            verdict = Verdict(None, str(Reason.NOT_JUDGED), 1.0, time_ns=self._now_ns, decided_by="not_judged")
            return (Judged(upload, verdict),)
        place = bisect.bisect_left(self._cases, case.order, key=lambda known: known.order)
        if place < len(self._cases) and self._cases[place].order == case.order:
            return ()
        at = upload.final_ns
        case.known = {name: self._learning.known(name, source, at) for name, source in self._book.configured.items()}
        case.odds, case.answer_rate, case.suspicion = self._learning.odds(upload.key, at)
        case.due_ns = min(at, self._now_ns) + self._hold_off_ns(case)  # later than now: before the clock was set back
        self._last_number = case.number
        self._cases.insert(place, case)
        self._by_number[case.number] = case
        if self._identify is not None:
            case.identifier = self._identify(upload)
            self._by_identifier[case.identifier] = case
        self._queue.add(case.due_ns, VerdictDue(case.number, case.order))
        return self._prune()

    def _hold_off_ns(self, case: Case) -> int:
        """Return how long to wait for events. A vendor's slow history counts only if nothing better covers the
        device."""
        covering = [item for item in self._learning.sources.values() if covers(item.source, case)]
        independent = [item for item in covering if item.source.trust is Trust.INDEPENDENT]
        return max((item.hold_off_ns() for item in independent or covering), default=0)

    def _due(self, number: int) -> Iterable[Judged]:
        case = self._by_number.get(number)
        if case is None or case.stage is not Stage.WAITING:
            return ()
        case.stage = Stage.JUDGED
        found = self._review(case.upload.start_ns, case.upload.start_ns)
        for hit in list(case.hits.values()):
            found += self._now_proven(hit.event)
        if case.verdict is not None:
            self._queue.add(case.due_ns + SETTLE_NS, CaseSettles(case.number, case.order))
        return found

    def _prune(self) -> list[Judged]:
        found: list[Judged] = []
        oldest = self._now_ns - RETAIN_NS
        while self._cases and (self._cases[0].upload.end_ns < oldest or len(self._cases) > MAX_CASES):
            if self._cases[0].stage is Stage.WAITING:
                self._cases[0].stage = Stage.JUDGED
                found += self._judge_episode(self._cases[:1], patient=False)
            gone = self._cases.pop(0)
            del self._by_number[gone.number]
            self._by_identifier.pop(gone.identifier, None)
        self._log.prune(oldest)
        self._hearings.log.prune(oldest)
        self._answers.prune(oldest - RETAIN_NS)
        self._world.losses.prune(oldest)
        self._book.prune(oldest)
        for _, marks in self._world.switches.named():
            marks.prune(oldest - LONGEST_NS)
        return found

    # --- events ---

    def _event(self, event: WakeEvent) -> Iterable[Judged]:
        if event.kind is WakeKind.ANSWER:
            return self._answer(event)
        if event.time_ns < self._now_ns - RETAIN_NS or not self._book.admit(event.source):
            self.refused += 1
            return ()
        found = self._note_life(event)
        if self._book.note_clock(event):
            found += self._review(event.received_ns - MISDATED_REACH_NS, event.received_ns + MISDATED_REACH_NS)
        if event.kind in _ON or event.kind in _OFF:
            name = _ON.get(event.kind) or _OFF[event.kind]
            marks: Marks = getattr(self._world.switches, name)
            mark = Mark(event.time_ns, event.kind in _ON, event.source, (event.device or "").casefold())
            if marks.add(mark):
                before = round(self._settings.away.grace * SECOND) if name == "away" else SESSION_NS
                found += self._review(event.time_ns - before, event.time_ns + RETAIN_NS)
        elif event.kind is WakeKind.WAKE and self._log.add(event):
            self._wait_no_more(self._near(event.time_ns))
            learned = self._learning.source(event.source)
            if learned is not None:
                learned.events += 1
                learned.last_event_ns = max(learned.last_event_ns, event.time_ns)
                learned.note_heard(self._day(event.time_ns), event.time_ns)
                self._queue.add(self._now_ns + SETTLE_NS, EventSettles(event))
            self._queue.add(max(self._now_ns, event.time_ns + REVIEW_NS), ReviewDue(event))
        elif event.kind is WakeKind.TESTIMONY and event.testimony and self._hearings.log.add(event):
            self._wait_no_more(self._near(event.time_ns))
            found += self._review(event.testimony.from_ns, event.testimony.to_ns)
        return found

    def _answer(self, event: WakeEvent) -> Iterable[Judged]:
        """Judge the upload that a person answered about anew, and learn from the first clear answer."""
        if event.upload is None or event.answer is None or not self._answers.add(event):
            return ()
        case = self._by_identifier.get(event.upload)
        if case is None:
            return ()
        before = case.unasked
        found = self._review(case.upload.start_ns, case.upload.start_ns)
        self._teacher.answered(case, before, event.answer, self._now_ns)
        return found

    def question(self, judged: Judged) -> float | None:
        """Decide whether a person is asked about an upload that was just judged. Returns the probability that nobody
        asked if so, else None."""
        order = upload_key(judged.upload)
        place = bisect.bisect_left(self._cases, order, key=lambda known: known.order)
        if place == len(self._cases) or self._cases[place].order != order:
            return None
        case = self._cases[place]
        return case.unasked if self._questions.ask(case, self._now_ns) else None

    def _note_life(self, event: WakeEvent) -> list[Judged]:
        if not self._book.note_life(event):
            return []
        self._wait_no_more(self._cases)
        until = self._book.uptime[event.source].next_mark(event.time_ns) or event.time_ns + RETAIN_NS
        source = self._book.configured[event.source]
        if event.kind is WakeKind.SOURCE_DOWN and source.heard_within is not None:  # what it heard before is no proof
            until = max(until, event.time_ns + round(source.heard_within * SECOND))
        return self._review(event.time_ns - SECOND, until + self._reach_ns)

    def _now_proven(self, event: WakeEvent) -> list[Judged]:
        """Judge anew the cases for which this event shows that its source heard: those of the time around it that were
        judged by silence without this source's."""
        source = self._book.configured.get(event.source)
        if source is None or source.heard_within is None or event.kind is not WakeKind.WAKE:
            return []
        reach = round(source.heard_within * SECOND)
        first = bisect.bisect_left(self._cases, event.time_ns - reach, key=lambda case: case.upload.start_ns)
        last = bisect.bisect_right(self._cases, event.time_ns + reach, key=lambda case: case.upload.start_ns)
        starts = [
            case.upload.start_ns
            for case in self._cases[first:last]
            if case.verdict is not None
            and case.verdict.decided_by in _SILENT
            and source.name not in case.listened
            and covers(source, case)
            and self._world.witnesses.heard_around(source, case)
        ]
        return [judged for start in starts for judged in self._review(start, start)]

    def _wait_no_more(self, cases: Sequence[Case]) -> None:
        """Judge now the cases that wait for a sign of life: it came, or an event that explains them."""
        for case in cases:
            if case.stage is Stage.WAITING and case.due_ns <= self._now_ns:
                self._queue.add(self._now_ns, VerdictDue(case.number, case.order))

    # --- judging ---

    def _review(self, start_ns: int, end_ns: int) -> list[Judged]:
        """Judge the cases around an interval that were already due; return the verdicts that changed."""
        found: list[Judged] = []
        while True:
            changed = self._judge_between(start_ns, end_ns, found)
            if not changed:
                return found
            start_ns, end_ns = changed

    def _judge_between(self, start_ns: int, end_ns: int, found: list[Judged]) -> tuple[int, int] | None:
        low, high = start_ns - self._reach_ns, end_ns + self._reach_ns
        first = bisect.bisect_left(self._cases, low, key=lambda case: case.upload.start_ns)
        last = bisect.bisect_right(self._cases, high, key=lambda case: case.upload.start_ns)
        if all(case.stage is Stage.WAITING for case in self._cases[first:last]):
            return None
        for left, right in self._episodes(first, last):
            found += self._judge_episode(self._cases[left:right])
        return self._book.find_outages(self._cases, self._log, self._now_ns)

    def _episodes(self, first: int, last: int) -> list[tuple[int, int]]:
        """Return slices of cases that can influence each other: cases further apart than the reach cannot."""
        cases, reach = self._cases, self._reach_ns
        stop = max(0, first - MAX_EPISODE)
        while first > stop and cases[first].upload.start_ns - cases[first - 1].upload.end_ns <= reach:
            first -= 1
        stop = min(len(cases), last + MAX_EPISODE)
        while last < stop and cases[last].upload.start_ns - cases[last - 1].upload.end_ns <= reach:
            last += 1
        slices, begin = [], first
        for place in range(first + 1, last + 1):
            if place == last or cases[place].upload.start_ns - cases[place - 1].upload.end_ns > reach:
                slices.append((begin, place))
                begin = place
        return slices

    def _judge_episode(self, cases: Sequence[Case], *, patient: bool = True) -> list[Judged]:
        start = cases[0].upload.start_ns - self._reach_ns
        end = max(case.upload.end_ns for case in cases) + self._reach_ns
        events = self._log.between(start, end)
        sources = {name: self._book.source(name) for name in events}
        for case in cases:
            for name in events:
                if name not in case.known:
                    case.known[name] = self._learning.known(name, sources[name], 0)
        heard = {case.number: self._hearings.about(case) for case in cases}
        episode = correlate(cases, events, sources, self._settings, heard)
        found = []
        for case in cases:
            if case.stage is Stage.WAITING:
                continue
            judgement = judge(case, episode, self._world, self._now_ns)
            if judgement.pending_ns is not None and patient and case.verdict is None:
                case.stage = Stage.WAITING
                if case.pending_ns != judgement.pending_ns:  # else such an item waits already
                    case.pending_ns = judgement.pending_ns
                    self._queue.add(judgement.pending_ns, VerdictDue(case.number, case.order))
                continue
            match = episode.independent.get(case.number)
            case.hits, case.unasked = dict(episode.hits[case.number]), judgement.unasked
            case.listened = judgement.listened
            case.answer = self._answers.about(case.identifier)
            case.heard = {name: item.log_odds for name, (_, item) in heard[case.number].items()}
            case.testified = {name: item.testimony for name, (_, item) in heard[case.number].items()}
            case.joined = match is not None and match.relation not in OWN_WORD
            before = case.verdict
            if before is None or _differs(before, judgement.verdict):
                revision = 0 if before is None else before.revision + 1
                case.verdict = dataclasses.replace(judgement.verdict, revision=revision, time_ns=self._now_ns)
                found.append(Judged(case.upload, case.verdict))
        return found

    # --- learning ---

    def _settle(self, number: int) -> None:
        case = self._by_number.get(number)
        if case is not None and case.verdict is not None and case.stage is not Stage.SETTLED:
            case.stage = Stage.SETTLED
            start, reach = case.upload.start_ns, self._reach_ns
            self._teacher.settle(case, self._log.between(start - reach, start + reach), self._now_ns)

    def _settle_event(self, event: WakeEvent) -> None:
        used = any(hit.event == event for case in self._near(event.time_ns) for hit in case.hits.values())
        self._teacher.settle_event(event, used, self._now_ns)

    def _near(self, time_ns: int) -> Sequence[Case]:
        first = bisect.bisect_left(self._cases, time_ns - self._reach_ns, key=lambda case: case.upload.start_ns)
        last = bisect.bisect_right(self._cases, time_ns + self._reach_ns, key=lambda case: case.upload.start_ns)
        return self._cases[first:last]

    def _day(self, time_ns: int) -> str:
        zone = zoneinfo.ZoneInfo(self._settings.time_zone)
        return datetime.datetime.fromtimestamp(time_ns / SECOND, zone).date().isoformat()

    # --- output besides verdicts ---

    def sources(self, time_ns: int | None = None) -> list[SourceQuality]:
        """Return how good each source is, for metrics, the API and the page."""
        now_ns = self._now_ns if time_ns is None else time_ns
        return self._book.quality(self._learning, self._settings, now_ns)

    def listeners(self) -> dict[str, bool]:
        """Return, for each source whose silence counts, whether it is up and responds."""
        return {
            quality.name: quality.up and quality.unresponsive_since_ns is None
            for quality in self.sources()
            if self._book.configured[quality.name].hears
        }

    def state(self) -> dict[str, Any]:
        """Return everything as JSON values: a judge made with it goes on as this one would have."""
        return saved.dump(
            saved.JudgeState(
                now_ns=self._now_ns,
                refused=self.refused,
                last_number=self._last_number,
                cases=self._cases,
                queue=self._queue.items(),
                events=self._log.all(),
                testimonies=self._hearings.log.all(),
                clocks=self._book.clocks,
                misdated=self._book.misdated,
                answers=self._answers.all(),
                questions=self._questions.asked,
                unknown_sources=sorted(self._book.unknown),
                uptime={name: uptime.marks.items for name, uptime in self._book.uptime.items()},
                outages=self._book.outages,
                switches={name: marks.items for name, marks in self._world.switches.named()},
                losses=self._world.losses.items,
                clock_doubt=self._world.clock.items,
                learned=self._learning.state(),
            )
        )

    def _restore(self, state: saved.JudgeState | None) -> None:
        if state is None:
            return
        self._now_ns, self.refused, self._last_number = state.now_ns, state.refused, state.last_number
        self._learning.restore(state.learned)
        self._cases = state.cases
        self._by_number = {case.number: case for case in self._cases}
        for case in self._cases:
            for name, source in self._book.configured.items():
                case.known.setdefault(name, self._learning.known(name, source, 0))
        self._queue = Queue(state.queue)
        for event in state.events:
            self._log.add(event)
        self._by_identifier = {case.identifier: case for case in self._cases if case.identifier}
        self._questions.asked = state.questions
        for event in state.answers:
            self._answers.add(event)
        for event in state.testimonies:
            self._hearings.log.add(event)
        self._book.restore(
            [*state.unknown_sources, *(event.source for event in self._log.all())],
            state.uptime,
            state.outages,
            state.clocks,
            state.misdated,
        )
        for name, switch in self._world.switches.named():
            switch.items = state.switches.get(name, [])
        self._world.losses.items = state.losses
        self._world.clock.items = state.clock_doubt


def _made_here(item: Item) -> bool:
    """Return whether the judge itself set the time of an item; arrivals have their own."""
    return not isinstance(item.work, EventArrives | LossArrives | UploadArrives)


def _differs(before: Verdict, after: Verdict) -> bool:
    """Return whether a reader would call it another verdict: a small change of confidence is not."""
    return (before.kind, before.reason, before.wake) != (after.kind, after.reason, after.wake)
