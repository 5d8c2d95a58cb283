"""Match uploads with wake events: directly, as a follow-up, as one of several speakers, as a call.

A pure function of the uploads and events of one episode; their order of arrival makes no difference.
"""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sniffer.judge.case import Case, Hit, Speaker
from sniffer.judge.hearing import FAINT_LOG_ODDS
from sniffer.judge.matching import pair
from sniffer.judge.reasons import Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.model import Heard, Trust, UploadClass, WakeEvent, WakeSource
from sniffer.model.clock import SECOND

#: Equal events of one source within this time count as one.
SAME_WAKE_NS = SECOND
#: How likely each class is to follow a wake word: of two uploads that fit one event alike, speech takes it.
_WEIGHT: Mapping[UploadClass, float] = {UploadClass.SPEECH: 1.0, UploadClass.BULK: 0.8}
#: Two media streams of one call may lie this far apart.
_CALL_PAUSE_NS = 30 * SECOND


#: Relations of uploads that had a wake word of their own.
OWN_WORD = frozenset({"direct", "faint"})


@dataclass(frozen=True, slots=True)
class Match:
    """The wake event that explains an upload, and how. `depth` counts follow-ups since the event."""

    relation: str
    reason: Reason
    hit: Hit
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Episode:
    """The result for one group of cases, by case number where it is about cases.

    `hits` is the paired event of each source; `independent` and `self_reported` are the matches without and with the
    vendor's word; `events` the distinct events of each source, `unused` those that were paired with no upload;
    `used_by_device` the events that were paired with uploads of each device; `dialogues` gives for each unmatched case
    all cases of its dialogue, in order; `heard` the testimony of each source, with the event that brought it.
    """

    hits: Mapping[int, Mapping[str, Hit]]
    independent: Mapping[int, Match]
    self_reported: Mapping[int, Match]
    events: Mapping[str, Sequence[WakeEvent]]
    unused: Sequence[WakeEvent]
    used_by_device: Mapping[int, frozenset[WakeEvent]]
    dialogues: Mapping[int, tuple[Case, ...]]
    heard: Mapping[int, Mapping[str, tuple[WakeEvent, Heard]]]


def addresses(event: WakeEvent, speaker: Speaker) -> bool:
    """Return whether an event is about a device."""
    return speaker.is_of(event.vendor) and (event.device is None or event.device.casefold() in speaker.names)


def correlate(
    cases: Sequence[Case],
    events: Mapping[str, Sequence[WakeEvent]],
    sources: Mapping[str, WakeSource],
    settings: JudgeSettings,
    heard: Mapping[int, Mapping[str, tuple[WakeEvent, Heard]]],
) -> Episode:
    """Match `cases` (in order) with wake `events` (by source, in order), and with what was `heard` (by case number)."""
    hits: dict[int, dict[str, Hit]] = {case.number: {} for case in cases}
    used: set[WakeEvent] = set()
    spoken = [case for case in cases if case.judged_class and not case.camera]
    by_device: dict[int, list[Case]] = {}
    for case in spoken:
        if not case.call:
            by_device.setdefault(case.upload.key, []).append(case)
    distinct = {name: _distinct(events[name]) for name in sorted(events)}
    for name, mine in distinct.items():
        for group in by_device.values():
            for case, hit in _pairs(group, mine, sources[name]):
                hits[case.number][name] = hit
                used.add(hit.event)
    unused = [event for mine in distinct.values() for event in mine if event not in used]
    independent = _direct(spoken, hits, Trust.INDEPENDENT)
    _arbitrate(spoken, independent, Reason.ARBITRATION, settings)
    _faint(spoken, independent, heard)
    _follow(by_device, independent, settings)
    words = [event for name in distinct for event in distinct[name] if sources[name].trust is Trust.INDEPENDENT]
    _calls(spoken, independent, words, settings)
    self_reported = _direct(spoken, hits, Trust.SELF_REPORT) | independent
    _arbitrate(spoken, self_reported, Reason.VENDOR_REPORTS_REQUEST, settings)
    _follow(by_device, self_reported, settings)
    used_by_device = {
        key: frozenset(hit.event for case in group for hit in hits[case.number].values())
        for key, group in by_device.items()
    }
    dialogues = _dialogues(by_device, independent, settings)
    return Episode(hits, independent, self_reported, distinct, unused, used_by_device, dialogues, heard)


def _distinct(events: Sequence[WakeEvent]) -> list[WakeEvent]:
    """Drop events that repeat one just before."""
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


def _direct(cases: Sequence[Case], hits: Mapping[int, Mapping[str, Hit]], trust: Trust) -> dict[int, Match]:
    reason = Reason.WAKE_EVENT if trust is Trust.INDEPENDENT else Reason.VENDOR_REPORTS_REQUEST
    found = {}
    for case in cases:
        mine = [hit for _, hit in sorted(hits[case.number].items()) if hit.trust is trust]
        if mine:
            found[case.number] = Match("direct", reason, max(mine, key=lambda hit: hit.fit))
    return found


def in_earshot(one: Speaker, other: Speaker) -> bool:
    """Return whether two speakers may hear the same voice and answer to the same word. Speakers without a configured
    room may stand in one room."""
    same_vendor = one.vendor is not None and other.vendor is not None and one.vendor == other.vendor
    return one.key != other.key and same_vendor and one.earshot == other.earshot


def _arbitrate(cases: Sequence[Case], matches: dict[int, Match], reason: Reason, settings: JudgeSettings) -> None:
    """Explain speakers that began within moments of a speaker with a match. If one event names several speakers, all
    but the first are arbitration."""
    span = round(settings.arbitration * SECOND)
    direct = [case for case in cases if case.number in matches and matches[case.number].relation == "direct"]
    named: dict[WakeEvent, list[Case]] = {}
    for case in direct:
        mine = matches[case.number].hit
        heard = named.setdefault(mine.event, [])
        if any(in_earshot(case.speaker, first.speaker) for first in heard):
            matches[case.number] = Match("arbitration", reason, mine)
        heard.append(case)
    direct = [case for case in direct if matches[case.number].relation == "direct"]
    starts = [case.upload.start_ns for case in direct]
    for case in cases:
        if case.number in matches or case.call:
            continue
        start = case.upload.start_ns
        low, high = bisect.bisect_left(starts, start - span), bisect.bisect_right(starts, start + span)
        near = [
            (abs(start - first.upload.start_ns), first.order, first.number)
            for first in direct[low:high]
            if in_earshot(case.speaker, first.speaker)
        ]
        if near:
            hit = matches[min(near)[2]].hit
            gap = case.upload.start_ns - hit.event.time_ns
            matches[case.number] = Match("arbitration", reason, Hit(hit.event, gap, 0.0, hit.trust))


def _faint(
    cases: Sequence[Case],
    matches: dict[int, Match],
    heard: Mapping[int, Mapping[str, tuple[WakeEvent, Heard]]],
) -> None:
    """Explain uploads beside which a listener almost heard the wake word."""
    for case in cases:
        mine = heard.get(case.number)
        if mine and case.number not in matches:
            event, best = max(mine.values(), key=lambda item: (item[1].log_odds, item[1].source))
            if best.log_odds >= FAINT_LOG_ODDS:
                gap = case.upload.start_ns - event.time_ns
                hit = Hit(event, gap, 0.0, Trust.INDEPENDENT)
                matches[case.number] = Match("faint", Reason.WAKE_WORD_FAINT, hit)


def _follow(by_device: Mapping[int, Sequence[Case]], matches: dict[int, Match], settings: JudgeSettings) -> None:
    """Explain uploads that continue a dialogue without a wake word of their own."""
    rules = settings.follow_up
    for cases in by_device.values():
        last: Case | None = None
        for case in cases:
            if case.number not in matches and last is not None:
                before = matches[last.number]
                pause = case.upload.start_ns - last.upload.end_ns
                allowed = rules.gap if last.upload.answered else rules.unanswered_gap
                if pause <= allowed * SECOND and before.depth < rules.chain:
                    gap = case.upload.start_ns - before.hit.event.time_ns
                    hit = Hit(before.hit.event, gap, 0.0, before.hit.trust)
                    trusted = before.hit.trust is Trust.INDEPENDENT
                    reason = Reason.FOLLOW_UP if trusted else Reason.VENDOR_REPORTS_REQUEST
                    if case.upload.speech_seconds > rules.longest:
                        reason = Reason.LONGER_THAN_REQUEST
                    matches[case.number] = Match("follow_up", reason, hit, before.depth + 1)
            if case.number in matches and matches[case.number].reason is not Reason.LONGER_THAN_REQUEST:
                last = case


def _dialogues(
    by_device: Mapping[int, Sequence[Case]], matches: Mapping[int, Match], settings: JudgeSettings
) -> dict[int, tuple[Case, ...]]:
    """Group the unmatched cases of each device into dialogues: the evidence about one part is about all of it."""
    found: dict[int, tuple[Case, ...]] = {}
    for cases in by_device.values():
        dialogue: list[Case] = []
        for case in [*cases, None]:
            if dialogue and (case is None or _apart(dialogue[-1], case, settings)):
                found.update({part.number: tuple(dialogue) for part in dialogue})
                dialogue = []
            if case is not None and case.number not in matches:
                dialogue.append(case)
    return found


def _apart(one: Case, other: Case, settings: JudgeSettings) -> bool:
    return other.upload.start_ns - one.upload.end_ns > settings.follow_up.gap * SECOND


def _calls(
    cases: Sequence[Case], matches: dict[int, Match], events: Sequence[WakeEvent], settings: JudgeSettings
) -> None:
    """Explain media sessions that follow a request at this speaker, or at another one of its vendor."""
    setup = round(settings.call_setup * SECOND)
    asked = [(case, matches[case.number].hit) for case in cases if case.number in matches and not case.call]
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
            found.append(matches[before.number].hit.event)
        if found:
            event = min(found, key=lambda event: (abs(start - event.time_ns), event.source))
            hit = Hit(event, start - event.time_ns, 0.0, Trust.INDEPENDENT)
            matches[case.number] = Match("call", Reason.CALL, hit)
            last[case.upload.key] = case


def _same_vendor(one: Speaker, other: Speaker) -> bool:
    return one.vendor is not None and one.vendor == other.vendor
