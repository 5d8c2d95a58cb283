"""The verdict on one upload: what explains it, who would have heard, and how sure that makes us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sniffer.judge.case import Case, Hit
from sniffer.judge.correlation import Episode, Explanation, addresses
from sniffer.judge.coverage import Losses, Presence
from sniffer.judge.policy import Switches, broken_rule, session
from sniffer.judge.probability import CERTAIN, missed_by_all, nobody_asked
from sniffer.judge.reasons import KIND, Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.model import Trust, Verdict, WakeEvent, WakeMatch, WakeSource
from sniffer.model.clock import SECOND

#: How sure an explanation is. A vendor's word is the word of the accused.
_SURE: Mapping[Reason, float] = {
    Reason.WAKE_EVENT: CERTAIN,
    Reason.FOLLOW_UP: 0.9,
    Reason.ARBITRATION: 0.9,
    Reason.CALL: 0.95,
    Reason.VIEW: 0.95,
    Reason.VENDOR_REPORTS_REQUEST: 0.6,
}


@dataclass(frozen=True, slots=True)
class World:
    """Everything but the episode itself that a verdict depends on."""

    settings: JudgeSettings
    sources: Mapping[str, WakeSource]
    presences: Mapping[str, Presence]
    deaf: Mapping[str, Sequence[tuple[int, int]]]
    switches: Switches
    losses: Losses


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict without its revision, and what is learned from it later. `pending_ns`: until then
    it rests on the silence of a source that may be dead by now."""

    verdict: Verdict
    unasked: float
    listened: frozenset[str]
    pending_ns: int | None = None


def covers(source: WakeSource, case: Case) -> bool:
    """Would a source hear who asks this device? Where the vendor is unknown, better assume not."""
    if case.hears not in source.hears:
        return False
    if source.vendor is not None and (case.speaker.vendor or "").casefold() != source.vendor.casefold():
        return False
    return not source.devices or any(name.casefold() in case.speaker.names for name in source.devices)


def judge(case: Case, episode: Episode, world: World, now_ns: int) -> Judgement:
    """The verdict on one case of an episode."""
    settings = world.settings
    covering = {name: source for name, source in sorted(world.sources.items()) if covers(source, case)}
    ears = {name: source for name, source in covering.items() if source.trust is Trust.INDEPENDENT}
    up = {name for name, source in ears.items() if _listened(case, source, world.presences[name])}
    awaited = {name: world.presences[name].awaited(case.upload.start_ns + SECOND) for name in up}
    up -= {name for name, until in awaited.items() if until is not None and until <= now_ns}
    hearing = {name for name in up if not _inside(world.deaf.get(name, ()), case.upload.start_ns)}
    missed = missed_by_all([_miss_rate(case, name, world) for name in sorted(hearing)], settings.shared_misses)
    answered = case.upload.answered or case in episode.answered
    unasked = nobody_asked(case.odds, missed, answered, case.answer_rate, settings.rates)

    explanation = episode.independent.get(case)
    broken = broken_rule(case, explanation is not None, world.switches, world.presences, settings)
    if broken is None:
        explanation = explanation or _session(case, world.switches)
        if explanation is None and not hearing:
            explanation = episode.self_reported.get(case)
    hearing_names = tuple(sorted(hearing))
    if broken is not None and (doubt := _doubt(case, CERTAIN, settings)) is not None:
        return _judgement(doubt, case.sound, _testimony(case, episode), unasked, hearing_names)
    if broken is not None:
        match = _match(explanation) if explanation else _testimony(case, episode)
        return _judgement(broken, CERTAIN, match, 1.0, hearing_names)
    if explanation is not None:
        sure = _SURE[explanation.reason]
        return _judgement(explanation.reason, sure, _match(explanation), 0.0, hearing_names)

    match = _testimony(case, episode)
    pending = min((until for name in up if (until := awaited[name]) is not None), default=None)
    reason = _silence(case, covering, ears, up, hearing, world)
    if reason is None:
        reason = _stray(case, episode, hearing)
    if reason is None and unasked <= settings.bound:
        reason = Reason.SOURCE_MAY_HAVE_MISSED
    if reason is None:
        reason = _doubt(case, unasked, settings) or Reason.NO_WAKE_EVENT
    return replace(_judgement(reason, unasked * case.sound, match, unasked, hearing_names), pending_ns=pending)


def _doubt(case: Case, unasked: float, settings: JudgeSettings) -> Reason | None:
    """What an accusation takes beside silence: that it was sound, and that the device has a microphone."""
    if unasked * case.sound <= settings.bound:
        return Reason.MAY_NOT_BE_SPEECH
    return None if case.speaker.microphone else Reason.DEVICE_NOT_RECOGNISED


def _judgement(
    reason: Reason, confidence: float, match: WakeMatch, unasked: float, listened: tuple[str, ...]
) -> Judgement:
    verdict = Verdict(KIND[reason], str(reason), confidence, match, listened=listened)
    return Judgement(verdict, unasked, frozenset(listened))


def _listened(case: Case, source: WakeSource, presence: Presence) -> bool:
    """Was it there for as long as its event could have come?"""
    start = case.upload.start_ns
    after = max(SECOND, round(source.after * SECOND))
    return presence.up_throughout(start - round(source.before * SECOND), start + after)


def _inside(intervals: Sequence[tuple[int, int]], time_ns: int) -> bool:
    return any(start <= time_ns < end for start, end in intervals)


def _miss_rate(case: Case, name: str, world: World) -> float:
    stated = world.presences[name].stated_miss_rate(case.upload.start_ns)
    return stated if stated is not None else case.known[name].miss_rate


def _session(case: Case, switches: Switches) -> Explanation | None:
    """The call or view that an upload belongs to."""
    mark = session(case, switches.view if case.camera else switches.call)
    if mark is None:
        return None
    event = WakeEvent(mark.time_ns, mark.source, device=mark.device or None)
    hit = Hit(event, case.upload.start_ns - mark.time_ns, 1.0, Trust.INDEPENDENT)
    return Explanation("view", Reason.VIEW, hit) if case.camera else Explanation("call", Reason.CALL, hit)


def _match(explanation: Explanation) -> WakeMatch:
    hit = explanation.hit
    return WakeMatch(True, explanation.relation, hit.event.source, hit.trust, hit.gap_ns / SECOND)


def _testimony(case: Case, episode: Episode) -> WakeMatch:
    """What the vendor says, where that explains nothing: shown, and not believed."""
    for _, hit in sorted(episode.hits[case].items()):
        if hit.trust is Trust.SELF_REPORT:
            return WakeMatch(False, "none", hit.event.source, hit.trust, hit.gap_ns / SECOND)
    return WakeMatch()


def _silence(
    case: Case,
    covering: Mapping[str, WakeSource],
    ears: Mapping[str, WakeSource],
    up: set[str],
    hearing: set[str],
    world: World,
) -> Reason | None:
    """Why nobody could have told us that somebody asked; None where somebody could."""
    if not ears:
        if case.camera:
            return Reason.NO_VIEW_SOURCE
        if case.call and any("wake" in source.hears for source in world.sources.values()):
            return Reason.NO_CALL_SOURCE
        return Reason.NO_INDEPENDENT_SOURCE if covering else Reason.NO_WAKE_SOURCE
    if world.losses.touch(case.upload.start_ns - SECOND, case.upload.end_ns + SECOND):
        return Reason.CAPTURE_LOSS
    if not up:
        return Reason.WAKE_SOURCE_DOWN
    return None if hearing else Reason.WAKE_SOURCE_DEAF


def _stray(case: Case, episode: Episode, hearing: set[str]) -> Reason | None:
    """A wake event close by that explains nothing, or may explain something else: no ground to accuse on."""
    start = case.upload.start_ns
    for event in episode.unused:
        known = case.known.get(event.source)
        if known is None or known.window.fit(start - event.time_ns) <= 0 or not case.speaker.is_of(event.vendor):
            continue
        if not addresses(event, case.speaker) and event.trust is Trust.INDEPENDENT:
            return Reason.WAKE_EVENT_ELSEWHERE
    mine = {id(hit.event) for other, hits in episode.hits.items() for hit in hits.values() if _same(other, case)}
    for name in sorted(hearing):
        window = case.known[name].window
        for event in episode.events.get(name, ()):
            # While the source's clock is not known, an event that fits another upload may still be this one's.
            if id(event) in mine and window.calibrated:
                continue
            if abs(start - event.time_ns - window.skew_ns) <= window.reach_ns and addresses(event, case.speaker):
                return Reason.WAKE_EVENT_OFF_TIME
    return None


def _same(one: Case, other: Case) -> bool:
    return one.upload.key == other.upload.key
