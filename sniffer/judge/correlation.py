"""Which wake event explains which upload, and how: directly, as a follow-up, as one of several speakers, as a call.

A pure function of the uploads and events of one episode, in any order they arrived in.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sniffer.judge.case import Case, Hit, Speaker
from sniffer.judge.matching import pair
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.model import Trust, UploadClass, WakeEvent, WakeSource
from sniffer.model.clock import SECOND

#: One source that says the same within this time says it once.
SAME_WAKE_NS = SECOND
#: What a wake word leads to, most of all.
_WEIGHT: Mapping[UploadClass, float] = {UploadClass.SPEECH: 1.0, UploadClass.BULK: 0.8}
#: Pieces of one call may lie this far apart.
_CALL_PAUSE_NS = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why an upload was asked for. `depth` counts follow-ups since the wake event."""

    relation: str
    reason: Reason
    hit: Hit
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Episode:
    """What was found: hits of every source for each case, explanations, distinct events, those nobody used, and the
    cases that nothing explains but that were answered, or belong to a dialogue that was."""

    hits: Mapping[Case, Mapping[str, Hit]]
    independent: Mapping[Case, Explanation]
    self_reported: Mapping[Case, Explanation]
    events: Mapping[str, Sequence[WakeEvent]]
    unused: Sequence[WakeEvent]
    answered: frozenset[Case]


def addresses(event: WakeEvent, speaker: Speaker) -> bool:
    """Does an event speak of a device?"""
    return speaker.is_of(event.vendor) and (event.device is None or event.device.casefold() in speaker.names)


def correlate(
    cases: Sequence[Case],
    events: Mapping[str, Sequence[WakeEvent]],
    sources: Mapping[str, WakeSource],
    settings: JudgeSettings,
) -> Episode:
    """Explain `cases` (sorted) by wake `events` (by source, sorted)."""
    hits: dict[Case, dict[str, Hit]] = {case: {} for case in cases}
    used: set[int] = set()
    unused: list[WakeEvent] = []
    spoken = [case for case in cases if case.judged_class and not case.camera]
    by_device: dict[int, list[Case]] = {}
    for case in spoken:
        if not case.call:
            by_device.setdefault(case.upload.key, []).append(case)
    said = {name: _distinct(events[name]) for name in sorted(events)}
    for name, distinct in said.items():
        for mine in by_device.values():
            for case, hit in _pairs(mine, distinct, sources[name]):
                hits[case][name] = hit
                used.add(id(hit.event))
        unused += [event for event in distinct if id(event) not in used]
    independent = _direct(spoken, hits, Trust.INDEPENDENT)
    _arbitrate(spoken, independent, Reason.ARBITRATION, settings)
    _follow(by_device, independent, settings)
    witnesses = [event for name in said for event in said[name] if sources[name].trust is Trust.INDEPENDENT]
    _calls(spoken, independent, witnesses, settings)
    self_reported = _direct(spoken, hits, Trust.SELF_REPORT) | independent
    _arbitrate(spoken, self_reported, Reason.VENDOR_REPORTS_REQUEST, settings)
    _follow(by_device, self_reported, settings)
    return Episode(hits, independent, self_reported, said, unused, _answered(by_device, independent, settings))


def _distinct(events: Sequence[WakeEvent]) -> list[WakeEvent]:
    """Events without those that repeat one just before."""
    last: dict[tuple[str | None, str | None, Trust], int] = {}
    kept = []
    for event in events:
        what = (event.device, event.vendor, event.trust)
        if what not in last or event.time_ns - last[what] > SAME_WAKE_NS:
            kept.append(event)
            last[what] = event.time_ns
    return kept


def _pairs(cases: Sequence[Case], events: Sequence[WakeEvent], source: WakeSource) -> list[tuple[Case, Hit]]:
    speaker = cases[-1].speaker
    mine = [event for event in events if addresses(event, speaker) and speaker.is_of(source.vendor)]

    def value(u: int, e: int) -> float:
        case = cases[u]
        gap = case.upload.start_ns - mine[e].time_ns
        return case.known[source.name].window.fit(gap) * _WEIGHT[case.upload.upload_class]

    times = [event.time_ns for event in mine]
    candidates: list[range] = []
    for case in cases:
        window, start = case.known[source.name].window, case.upload.start_ns
        low = bisect.bisect_right(times, start - window.skew_ns - window.before_ns)
        high = bisect.bisect_left(times, start - window.skew_ns + window.after_ns)
        candidates.append(range(low, high))
    found = []
    for u, e in pair(candidates, value):
        gap = cases[u].upload.start_ns - mine[e].time_ns
        self_report = Trust.SELF_REPORT in (mine[e].trust, source.trust)
        trust = Trust.SELF_REPORT if self_report else Trust.INDEPENDENT
        found.append((cases[u], Hit(mine[e], gap, value(u, e), trust)))
    return found


def _direct(cases: Sequence[Case], hits: Mapping[Case, Mapping[str, Hit]], trust: Trust) -> dict[Case, Explanation]:
    reason = Reason.WAKE_EVENT if trust is Trust.INDEPENDENT else Reason.VENDOR_REPORTS_REQUEST
    found = {}
    for case in cases:
        mine = [hit for _, hit in sorted(hits[case].items()) if hit.trust is trust]
        if mine:
            found[case] = Explanation("direct", reason, max(mine, key=lambda hit: hit.fit))
    return found


def in_earshot(one: Speaker, other: Speaker) -> bool:
    """Could two speakers hear the same voice and answer to the same word? Rooms that nobody named may be one."""
    same_vendor = one.vendor is not None and other.vendor is not None and one.vendor == other.vendor
    return one.key != other.key and same_vendor and one.earshot == other.earshot


def _arbitrate(
    cases: Sequence[Case], explained: dict[Case, Explanation], reason: Reason, settings: JudgeSettings
) -> None:
    """Speakers that began within moments of one that was asked; of those that one event named, all but the first."""
    span = round(settings.arbitration * SECOND)
    direct = [case for case in cases if case in explained and explained[case].relation == "direct"]
    named: dict[int, list[Case]] = {}
    for case in direct:
        mine = explained[case].hit
        heard = named.setdefault(id(mine.event), [])
        if any(in_earshot(case.speaker, first.speaker) for first in heard):
            explained[case] = Explanation("arbitration", reason, mine)
        heard.append(case)
    direct = [case for case in direct if explained[case].relation == "direct"]
    starts = [case.upload.start_ns for case in direct]
    for case in cases:
        if case in explained or case.call:
            continue
        start = case.upload.start_ns
        low, high = bisect.bisect_left(starts, start - span), bisect.bisect_right(starts, start + span)
        near = [
            (abs(start - first.upload.start_ns), first.order, place)
            for place, first in enumerate(direct[low:high], start=low)
            if in_earshot(case.speaker, first.speaker)
        ]
        if near:
            hit = explained[direct[min(near)[2]]].hit
            gap = case.upload.start_ns - hit.event.time_ns
            explained[case] = Explanation("arbitration", reason, Hit(hit.event, gap, 0.0, hit.trust))


def _follow(
    by_device: Mapping[int, Sequence[Case]], explained: dict[Case, Explanation], settings: JudgeSettings
) -> None:
    """A dialogue that goes on without a wake word, from the last upload that was explained."""
    rules = settings.follow_up
    for cases in by_device.values():
        last: Case | None = None
        for case in cases:
            if case not in explained and last is not None:
                before = explained[last]
                pause = case.upload.start_ns - last.upload.end_ns
                allowed = rules.gap if last.upload.answered else rules.unanswered_gap
                if pause <= allowed * SECOND and before.depth < rules.chain:
                    gap = case.upload.start_ns - before.hit.event.time_ns
                    hit = Hit(before.hit.event, gap, 0.0, before.hit.trust)
                    trusted = before.hit.trust is Trust.INDEPENDENT
                    reason = Reason.FOLLOW_UP if trusted else Reason.VENDOR_REPORTS_REQUEST
                    explained[case] = Explanation("follow_up", reason, hit, before.depth + 1)
            if case in explained:
                last = case


def _answered(
    by_device: Mapping[int, Sequence[Case]], explained: Mapping[Case, Explanation], settings: JudgeSettings
) -> frozenset[Case]:
    """If the word that began a dialogue was missed, an answer to any part of it speaks for all of it."""
    found: set[Case] = set()
    for cases in by_device.values():
        dialogue: list[Case] = []
        for case in [*cases, None]:
            if dialogue and (case is None or _apart(dialogue[-1], case, settings)):
                if any(part.upload.answered for part in dialogue):
                    found.update(dialogue)
                dialogue = []
            if case is not None and case not in explained:
                dialogue.append(case)
    return frozenset(found)


def _apart(one: Case, other: Case, settings: JudgeSettings) -> bool:
    return other.upload.start_ns - one.upload.end_ns > settings.follow_up.gap * SECOND


def _calls(
    cases: Sequence[Case],
    explained: dict[Case, Explanation],
    events: Sequence[WakeEvent],
    settings: JudgeSettings,
) -> None:
    """Media sessions that somebody asked for just before, at this speaker or at another one of its vendor."""
    setup = round(settings.call_setup * SECOND)
    asked = [(case, explained[case].hit) for case in cases if case in explained and not case.call]
    words = [event for event in events if event.trust is Trust.INDEPENDENT]
    last: dict[int, Case] = {}
    for case in cases:
        if not case.call:
            continue
        start = case.upload.start_ns
        before = last.get(case.upload.key)
        found = [
            hit.event
            for other, hit in asked
            if -2 * SECOND <= start - other.upload.start_ns <= setup
            and (other.upload.key == case.upload.key or _same_vendor(other.speaker, case.speaker))
        ] + [
            event for event in words if -2 * SECOND <= start - event.time_ns <= setup and addresses(event, case.speaker)
        ]
        if before is not None and start - before.upload.end_ns <= _CALL_PAUSE_NS:
            found.append(explained[before].hit.event)
        if found:
            event = min(found, key=lambda event: (abs(start - event.time_ns), event.source))
            hit = Hit(event, start - event.time_ns, 0.0, Trust.INDEPENDENT)
            explained[case] = Explanation("call", Reason.CALL, hit)
            last[case.upload.key] = case


def _same_vendor(one: Speaker, other: Speaker) -> bool:
    return one.vendor is not None and one.vendor == other.vendor
