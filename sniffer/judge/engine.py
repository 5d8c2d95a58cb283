"""The judge: uploads, wake events and losses in; verdicts out.

Inside it is a small simulation of events in the order of their own times: what arrived, what is due, what is settled.
`advance` moves it to a time. So it makes no difference how often that is called, or in which order things were handed
in, as long as they were handed in before they were due.
"""

from __future__ import annotations

import bisect
import dataclasses
import heapq
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sniffer.judge import state as codec
from sniffer.judge.case import Case, Speaker, Stage
from sniffer.judge.correlation import addresses, correlate
from sniffer.judge.coverage import Losses, Mark, Marks, Presence
from sniffer.judge.learning import MOST_DELAY_NS, Learning
from sniffer.judge.outages import FOR_EVER, deaf_times, vouched
from sniffer.judge.policy import LONGEST_NS, SESSION_NS, Switches
from sniffer.judge.quality import SourceQuality
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.verdict import World, covers, judge
from sniffer.judge.wakelog import WakeLog
from sniffer.model import (
    Device,
    Judged,
    Loss,
    Trust,
    Upload,
    Verdict,
    VerdictKind,
    WakeEvent,
    WakeKind,
    WakeSource,
)
from sniffer.model.clock import SECOND

#: How long uploads and events are kept: a wake event that comes later than this cannot change a verdict any more.
RETAIN_NS = 24 * 3600 * SECOND
#: How long after its verdict was due an upload is learned from; late events have mostly come by then.
SETTLE_NS = 300 * SECOND
#: A wake event belongs to an upload that may still last; those already judged are looked at again after this.
REVIEW_NS = 15 * SECOND
#: The clock was set back where time goes back by more than this.
STEP_NS = 5 * SECOND
#: Bounds on what is kept: uploads; those looked at together, on either side of what changed; items that wait; sources
#: nobody configured.
MAX_CASES, MAX_EPISODE, MAX_WAITING, MAX_STRANGERS = 4000, 16, 250_000, 64

STATE_VERSION = 4

_ON = {WakeKind.MUTE: "mute", WakeKind.AWAY: "away", WakeKind.CALL_START: "call", WakeKind.VIEW_START: "view"}
_OFF = {WakeKind.UNMUTE: "mute", WakeKind.HOME: "away", WakeKind.CALL_END: "call", WakeKind.VIEW_END: "view"}

# What waits, in the order in which things of one time happen.
_EVENT, _LOSS, _UPLOAD, _DUE, _REVIEW, _SETTLE, _SPENT = range(7)


class Judge:
    """`devices` tells who a key is; `sources` what could have heard a request; `state` is what `state()` gave."""

    def __init__(
        self,
        settings: JudgeSettings,
        sources: Sequence[WakeSource],
        devices: Callable[[int], Device],
        state: Mapping[str, Any] | None = None,
    ) -> None:
        self._settings = settings
        self._devices = devices
        self._sources = {source.name: source for source in sources}
        self._strangers: dict[str, WakeSource] = {}
        self._learning = Learning(settings, sources)
        self._world = World(settings, self._sources, {}, {}, Switches(), Losses())
        self._presences: dict[str, Presence] = {source.name: _presence(source) for source in sources}
        self._deaf: dict[str, list[tuple[int, int]]] = {}
        self._world = dataclasses.replace(self._world, presences=self._presences, deaf=self._deaf)
        self._log = WakeLog()
        self._cases: list[Case] = []
        self._waiting: list[tuple[int, int, tuple[Any, ...], int, Any]] = []
        self._serial = 0
        self._now_ns = 0
        self.refused = 0
        # Uploads further apart than this share no event, dialogue or call.
        windows = [max(source.before, source.after) for source in sources] + [WakeSource("").before]
        pauses = (settings.follow_up.gap, settings.follow_up.unanswered_gap, settings.call_setup, 30.0)
        self._reach_ns = round((max(2 * (max(windows) + settings.max_skew), *pauses) + 1) * SECOND)
        if state is not None:
            self._restore(state)

    # --- what is handed in ---

    def upload(self, upload: Upload) -> None:
        """A finished upload."""
        self._push(upload.final_ns, _UPLOAD, upload, Speaker.of(self._devices(upload.key)))

    def wake(self, event: WakeEvent) -> None:
        """Something that a wake source said, or that a source went up or down."""
        if len(self._waiting) >= MAX_WAITING:
            self.refused += 1
            return
        self._push(event.received_ns or event.time_ns, _EVENT, event)

    def loss(self, loss: Loss) -> None:
        """Packets were lost."""
        self._push(loss.end_ns, _LOSS, loss)

    def leap(self, loss: Loss) -> None:
        """The clock was set forward: what lies between was not seen, which is known at once; and as nobody had that
        time to be heard, what waits does so for as long as it would have."""
        self._put_off(loss.end_ns - loss.start_ns)
        self._push(loss.start_ns, _LOSS, loss)

    def _push(self, time_ns: int, rank: int, item: Any, extra: Any = None) -> None:
        self._serial += 1
        heapq.heappush(self._waiting, (time_ns, rank, _tie(rank, item), self._serial, (item, extra)))

    # --- time ---

    def advance(self, time_ns: int) -> list[Judged]:
        """What was decided, or decided anew, up to a time."""
        if time_ns < self._now_ns - STEP_NS:
            self._set_back(time_ns)
        found: list[Judged] = []
        while self._waiting and self._waiting[0][0] <= time_ns:
            at, rank, _, _, (item, extra) = heapq.heappop(self._waiting)
            self._now_ns = max(self._now_ns, at)
            found += self._step(at, rank, item, extra)
        self._now_ns = max(self._now_ns, time_ns)
        return found

    def finish(self) -> list[Judged]:
        """Judge everything that was handed in: no more will come."""
        found: list[Judged] = []
        while self._waiting:
            found += self.advance(max(self._now_ns, self._waiting[0][0]))
        return found

    def _set_back(self, time_ns: int) -> None:
        """The clock was set back: what waited for a time that is far away now waits from here, and what was switched
        at a time that has yet to come holds from here."""
        step = self._now_ns - time_ns
        for _, marks in self._world.switches.named():
            marks.set_back(time_ns)
        for presence in self._presences.values():
            presence.marks.set_back(time_ns)
            presence.rates.set_back(time_ns)
        self._put_off(-step)
        self._now_ns = time_ns

    def _put_off(self, step_ns: int) -> None:
        for case in self._cases:
            if case.stage is Stage.WAITING:
                case.due_ns += step_ns
                case.pending_ns = 0  # what waits for that time is moved, and the time is found anew
        self._waiting = [(entry[0] + step_ns if entry[1] >= _DUE else entry[0], *entry[1:]) for entry in self._waiting]
        heapq.heapify(self._waiting)

    def _step(self, at: int, rank: int, item: Any, extra: Any) -> Iterable[Judged]:
        if rank == _EVENT:
            return self._event(item)
        if rank == _LOSS:
            self._world.losses.add(item)
            return self._look_again(item.start_ns - SECOND, item.end_ns + SECOND)
        if rank == _UPLOAD:
            return self._case(item, extra)
        if rank == _DUE:
            return self._due(item)
        if rank == _REVIEW:
            return self._look_again(item.time_ns, item.time_ns)
        if rank == _SETTLE:
            self._settle(item)
        elif rank == _SPENT:
            self._spent(item)
        return ()

    # --- uploads ---

    def _case(self, upload: Upload, speaker: Speaker) -> Iterable[Judged]:
        case = Case(upload, speaker, upload.final_ns)
        if not case.judged_class:
            return (Judged(upload, Verdict(None, str(Reason.NOT_JUDGED), 1.0, time_ns=self._now_ns)),)
        place = bisect.bisect_left(self._cases, case.order, key=lambda known: known.order)
        if place < len(self._cases) and self._cases[place].order == case.order:
            return ()
        at = upload.final_ns
        case.known = {name: self._learning.known(name, source, at) for name, source in self._sources.items()}
        case.odds, case.answer_rate = self._learning.odds(upload.key, at)
        case.due_ns = at + self._hold_off_ns(case)
        self._cases.insert(place, case)
        self._push(case.due_ns, _DUE, case)
        return self._prune()

    def _hold_off_ns(self, case: Case) -> int:
        """As short as can be: a vendor's history is waited for only where nothing better covers the device."""
        covering = [item for item in self._learning.sources.values() if covers(item.source, case)]
        independent = [item for item in covering if item.source.trust is Trust.INDEPENDENT]
        return max((item.hold_off_ns() for item in independent or covering), default=0)

    def _due(self, case: Case) -> Iterable[Judged]:
        if case.stage is not Stage.WAITING:
            return ()
        case.stage = Stage.JUDGED
        found = self._look_again(case.upload.start_ns, case.upload.start_ns)
        if case.verdict is not None:
            self._push(case.due_ns + SETTLE_NS, _SETTLE, case)  # however late it was told what explains it
        return found

    def _prune(self) -> list[Judged]:
        found: list[Judged] = []
        oldest = self._now_ns - RETAIN_NS
        while self._cases and (self._cases[0].upload.end_ns < oldest or len(self._cases) > MAX_CASES):
            if self._cases[0].stage is Stage.WAITING:
                self._cases[0].stage = Stage.JUDGED
                found += self._episode(self._cases[:1], patient=False)
            del self._cases[0]
        self._log.prune(oldest)
        self._world.losses.prune(oldest)
        for presence in self._presences.values():
            presence.prune(oldest)
        for _, marks in self._world.switches.named():
            marks.prune(oldest - LONGEST_NS)
        return found

    # --- events ---

    def _event(self, event: WakeEvent) -> Iterable[Judged]:
        if event.time_ns < self._now_ns - RETAIN_NS:
            self.refused += 1
            return ()
        if event.source not in self._sources and event.source not in self._strangers:
            if len(self._strangers) >= MAX_STRANGERS:
                self.refused += 1
                return ()
            self._strangers[event.source] = WakeSource(event.source, hears=frozenset())
        found = self._alive(event)
        if event.kind in _ON or event.kind in _OFF:
            name = _ON.get(event.kind) or _OFF[event.kind]
            marks: Marks = getattr(self._world.switches, name)
            mark = Mark(event.time_ns, event.kind in _ON, event.source, (event.device or "").casefold())
            if marks.add(mark):
                before = round(self._settings.away.grace * SECOND) if name == "away" else SESSION_NS
                found += self._look_again(event.time_ns - before, event.time_ns + RETAIN_NS)
        elif event.kind is WakeKind.WAKE and self._log.add(event):
            self._wait_no_more(self._near(event.time_ns))
            learning = self._learning.source(event.source)
            if learning is not None:
                learning.events += 1
                learning.last_event_ns = max(learning.last_event_ns, event.time_ns)
                self._push(self._now_ns + SETTLE_NS, _SPENT, event)
            self._push(max(self._now_ns, event.time_ns + REVIEW_NS), _REVIEW, event)
        return found

    def _alive(self, event: WakeEvent) -> list[Judged]:
        """Sources that go up and down; of those whose word expires, everything they say is a sign of life."""
        presence = self._presences.get(event.source)
        if presence is None:
            return []
        told = event.kind in (WakeKind.SOURCE_UP, WakeKind.SOURCE_DOWN)
        if not told and presence.expires_ns is None:
            return []
        on = event.kind is not WakeKind.SOURCE_DOWN
        rate = event.miss_rate if event.kind is WakeKind.SOURCE_UP and event.miss_rate is not None else -1.0
        if not presence.add(Mark(event.time_ns, on, event.source, "", rate)):
            return []
        self._wait_no_more(self._cases)
        until = presence.next_mark(event.time_ns) or event.time_ns + RETAIN_NS
        return self._look_again(event.time_ns - SECOND, until + self._reach_ns)

    def _wait_no_more(self, cases: Sequence[Case]) -> None:
        """Look again at those that wait to hear whether a source lives: it said something, or another explains."""
        for case in cases:
            if case.stage is Stage.WAITING and case.due_ns <= self._now_ns:
                self._push(self._now_ns, _DUE, case)

    # --- judging ---

    def _look_again(self, start_ns: int, end_ns: int) -> list[Judged]:
        """Judge what was already due around a stretch of time; what changed is emitted anew."""
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
            found += self._episode(self._cases[left:right])
        return self._find_deaf()

    def _episodes(self, first: int, last: int) -> list[tuple[int, int]]:
        """Cases that can influence each other, as slices: what lies further apart than the reach cannot."""
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

    def _episode(self, cases: Sequence[Case], *, patient: bool = True) -> list[Judged]:
        start = cases[0].upload.start_ns - self._reach_ns
        end = max(case.upload.end_ns for case in cases) + self._reach_ns
        events = self._log.between(start, end)
        sources = self._sources | self._strangers
        for case in cases:
            for name in events:
                if name not in case.known:
                    case.known[name] = self._learning.known(name, sources[name], 0)
        episode = correlate(cases, events, sources, self._settings)
        found = []
        for case in cases:
            if case.stage is Stage.WAITING:
                continue
            judgement = judge(case, episode, self._world, self._now_ns)
            if judgement.pending_ns is not None and patient and case.verdict is None:
                case.stage = Stage.WAITING
                if case.pending_ns != judgement.pending_ns:  # else it is among what waits
                    case.pending_ns = judgement.pending_ns
                    self._push(judgement.pending_ns, _DUE, case)
                continue
            case.hits, case.unasked = episode.hits[case], judgement.unasked
            case.listened = judgement.listened
            explanation = episode.independent.get(case)
            case.joined = explanation is not None and explanation.relation != "direct"
            before = case.verdict
            if before is None or _differs(before, judgement.verdict):
                revision = 0 if before is None else before.revision + 1
                case.verdict = dataclasses.replace(judgement.verdict, revision=revision, time_ns=self._now_ns)
                found.append(Judged(case.upload, case.verdict))
        return found

    def _find_deaf(self) -> tuple[int, int] | None:
        """Look for deaf sources; the stretch of time in which that changed anything."""
        changed: list[int] = []
        for name, source in self._sources.items():
            if not source.measured or "wake" not in source.hears:
                continue
            if self._presences[name].stated_miss_rate(self._now_ns) is not None:
                continue
            times = deaf_times(source, self._cases, self._log.of(name))
            before = self._deaf.get(name, [])
            if times != before:
                self._deaf[name] = times
                changed += [time for interval in set(times) ^ set(before) for time in interval]
        if not changed:
            return None
        return min(changed), min(max(changed), self._now_ns)

    # --- learning ---

    def _settle(self, case: Case) -> None:
        if case.verdict is None or case.stage is Stage.SETTLED:
            return
        case.stage = Stage.SETTLED
        verdict = case.verdict
        if verdict.kind is VerdictKind.EXPECTED and verdict.wake.source is not None:
            winner = self._learning.source(verdict.wake.source)
            if winner is not None:
                winner.explained += 1
        if not case.spoken:
            return
        around = self._log.between(case.upload.start_ns - self._reach_ns, case.upload.start_ns + self._reach_ns)
        for name, source in self._sources.items():
            window = case.known[name].window
            mine = [event for event in around.get(name, ()) if addresses(event, case.speaker)]
            gaps = [case.upload.start_ns - event.time_ns for event in mine]
            self._learning.learn_gaps(
                name, self._now_ns, [gap for gap in gaps if abs(gap - window.skew_ns) <= window.reach_ns]
            )
            learning = self._learning.sources[name]
            learning.listened += name in case.listened
            learning.matched += name in case.listened and name in case.hits
            if name in case.listened and covers(source, case) and vouched(case, name):
                heard = name in case.hits
                others = any(hit.trust is Trust.INDEPENDENT for other, hit in case.hits.items() if other != name)
                learning.count(self._now_ns, heard, 1.0 if heard or others else 1.0 - case.unasked)
        if case.listened:
            direct = verdict.kind is VerdictKind.EXPECTED and verdict.wake.trust is Trust.INDEPENDENT
            answered = case.upload.answered if direct else None
            self._learning.learn_habit(case.upload.key, self._now_ns, case.unasked, answered)

    def _spent(self, event: WakeEvent) -> None:
        learning = self._learning.source(event.source)
        if learning is None:
            return
        near = self._near(event.time_ns)
        if not any(hit.event == event for case in near for hit in case.hits.values()):
            learning.unused += 1
        delay = event.received_ns - event.time_ns
        if 0 <= delay <= MOST_DELAY_NS:
            learning.delays.append((self._now_ns, delay))

    def _near(self, time_ns: int) -> Sequence[Case]:
        first = bisect.bisect_left(self._cases, time_ns - self._reach_ns, key=lambda case: case.upload.start_ns)
        last = bisect.bisect_right(self._cases, time_ns + self._reach_ns, key=lambda case: case.upload.start_ns)
        return self._cases[first:last]

    # --- what people are shown ---

    def sources(self, time_ns: int | None = None) -> list[SourceQuality]:
        """What each source is worth, for metrics, the API and the page."""
        now = self._now_ns if time_ns is None else time_ns
        found = []
        for name, source in self._sources.items():
            learning = self._learning.source(name)
            assert learning is not None
            window = learning.offsets.window(source, round(self._settings.max_skew * SECOND))
            deaf = self._deaf.get(name, [])
            found.append(
                SourceQuality(
                    name=name,
                    trust=source.trust,
                    up=self._presences[name].up_throughout(now, now),
                    events=learning.events,
                    explained=learning.explained,
                    unused=learning.unused,
                    share_explained=learning.matched / learning.listened if learning.listened else None,
                    miss_rate=learning.miss_as_of(now + 1),
                    skew_seconds=window.skew_ns / SECOND if window.calibrated else None,
                    spread_seconds=window.spread_ns / SECOND if window.calibrated else None,
                    last_event_ns=learning.last_event_ns or None,
                    deaf_since_ns=deaf[-1][0] if deaf and deaf[-1][1] == FOR_EVER else None,
                )
            )
        return found

    def ears(self) -> dict[str, bool]:
        """By source whose silence means something: is it there, and not deaf?"""
        return {
            quality.name: quality.up and quality.deaf_since_ns is None
            for quality in self.sources()
            if self._sources[quality.name].hears
        }

    def state(self) -> dict[str, Any]:
        """Everything, as JSON: a judge made with it goes on as this one would have."""
        kept = {id(case) for case in self._cases}
        return {
            "version": STATE_VERSION,
            "now_ns": self._now_ns,
            "refused": self.refused,
            "cases": [codec.dump_case(case) for case in self._cases],
            "waiting": [
                self._dump_waiting(entry, kept) for entry in sorted(self._waiting, key=lambda entry: entry[:4])
            ],
            "events": [codec.EVENT.dump_python(event, mode="json") for event in self._log.all()],
            "strangers": sorted(self._strangers),
            "presences": {
                name: codec.MARKS.dump_python(presence.marks.items, mode="json")
                for name, presence in self._presences.items()
            },
            "switches": {
                name: codec.MARKS.dump_python(marks.items, mode="json") for name, marks in self._world.switches.named()
            },
            "losses": [list(item) for item in self._world.losses.items],
            "deaf": {name: [list(interval) for interval in times] for name, times in self._deaf.items()},
            "learning": self._learning.state(),
        }

    def _dump_waiting(self, entry: tuple[int, int, tuple[Any, ...], int, Any], kept: set[int]) -> list[Any]:
        at, rank, _, _, (item, extra) = entry
        if rank in (_DUE, _SETTLE):
            return [at, rank, list(item.order) if id(item) in kept else codec.dump_case(item), None]
        codecs: Mapping[int, Any] = {_UPLOAD: codec.UPLOAD, _LOSS: codec.LOSS}
        value = codecs.get(rank, codec.EVENT).dump_python(item, mode="json")
        return [at, rank, value, None if extra is None else codec.SPEAKER.dump_python(extra, mode="json")]

    def _restore(self, state: Mapping[str, Any]) -> None:
        if state.get("version") != STATE_VERSION:
            return
        self._now_ns, self.refused = state["now_ns"], state["refused"]
        self._cases = [codec.load_case(saved) for saved in state["cases"]]
        for case in self._cases:
            for name, source in self._sources.items():
                case.known.setdefault(name, self._learning.known(name, source, 0))
        by_order = {case.order: case for case in self._cases}
        for at, rank, value, extra in state["waiting"]:
            if rank in (_DUE, _SETTLE):
                item: Any = by_order.get(tuple(value)) if isinstance(value, list) else codec.load_case(value)
            elif rank == _UPLOAD:
                item = codec.UPLOAD.validate_python(value)
            else:
                item = (codec.LOSS if rank == _LOSS else codec.EVENT).validate_python(value)
            if item is not None:
                self._push(at, rank, item, None if extra is None else codec.SPEAKER.validate_python(extra))
        for event in state["events"]:
            self._log.add(codec.EVENT.validate_python(event))
        self._strangers = {
            name: WakeSource(name, hears=frozenset()) for name in state["strangers"] if name not in self._sources
        }
        for event in self._log.all():
            if event.source not in self._sources:
                self._strangers.setdefault(event.source, WakeSource(event.source, hears=frozenset()))
        for name, marks in state["presences"].items():
            if name in self._presences:
                for mark in codec.MARKS.validate_python(marks):
                    self._presences[name].add(mark)
        for name, switch in self._world.switches.named():
            switch.items = codec.MARKS.validate_python(state["switches"][name])
        self._world.losses.items = [(start, end) for start, end in state["losses"]]
        for name, times in state["deaf"].items():
            if name in self._sources:
                self._deaf[name] = [(start, end) for start, end in times]
        self._learning.restore(state["learning"])


def _presence(source: WakeSource) -> Presence:
    expires = None if source.expires is None else round(source.expires * SECOND)
    return Presence(source.assumed_up, source.miss_rate, expires)


def _differs(before: Verdict, after: Verdict) -> bool:
    """Is it another verdict, for anybody who reads it? A little more or less confidence is not."""
    return (before.kind, before.reason, before.wake) != (after.kind, after.reason, after.wake)


def _tie(rank: int, item: Any) -> tuple[Any, ...]:
    """The order of things of one time and rank: by what they are, never by when they were handed in."""
    if rank in (_EVENT, _REVIEW, _SPENT):
        return (item.time_ns, item.source, str(item.kind), item.device or "", item.vendor or "", str(item.trust))
    if rank == _LOSS:
        return (item.start_ns, item.interface, item.packets)
    if rank == _UPLOAD:
        return (item.start_ns, item.key, item.final_ns, str(item.flows[0]) if item.flows else "")
    return tuple(item.order)
