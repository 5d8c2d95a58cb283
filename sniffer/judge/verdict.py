"""The verdict on one upload: an ordered list of named policies, of which the first that applies decides.

docs/judge.md lists them and says for each whether its confidence is set or computed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from sniffer.judge import policy
from sniffer.judge.answers import AnswerBook, log_odds
from sniffer.judge.case import Case, Hit
from sniffer.judge.correlation import Episode, Match, addresses
from sniffer.judge.coverage import ClockDoubt, Losses, SourceUptime
from sniffer.judge.hearing import shown
from sniffer.judge.policy import Switches
from sniffer.judge.probability import CERTAIN, MORE_LIKELY, base_odds, missed_by_all, nobody_asked
from sniffer.judge.reasons import KIND, Reason
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.sources import SourceBook
from sniffer.judge.witness import Witnesses
from sniffer.model import Answer, Heard, Trust, Verdict, WakeEvent, WakeMatch, WakeSource
from sniffer.model.clock import SECOND

#: Relations that rest on a time or a distance: a person who says that nobody asked outweighs them.
_ASSUMED = frozenset({"follow_up", "arbitration", "faint"})
#: A source that is configured to miss nothing counts as missing this share: the logarithm of 0 is no number.
LEAST_RATIO = 1e-9


@dataclass(frozen=True, slots=True)
class World:
    """Everything but the episode itself that a verdict depends on."""

    settings: JudgeSettings
    book: SourceBook
    switches: Switches
    losses: Losses
    clock: ClockDoubt
    answers: AnswerBook
    witnesses: Witnesses


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict without its revision, and what is learned from it later. `pending_ns`: until then it depends on the
    silence of a source that may be dead by now."""

    verdict: Verdict
    unasked: float
    listened: frozenset[str]
    pending_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a policy decides. `unasked` is the probability that nobody asked, if the policy settles it."""

    reason: Reason
    confidence: float
    match: WakeMatch
    unasked: float | None = None


class Situation:
    """One case with everything that policies ask about it, computed on demand."""

    def __init__(self, case: Case, episode: Episode, world: World, now_ns: int) -> None:
        self.case, self.episode, self.world, self.now_ns = case, episode, world, now_ns
        self.settings = world.settings

    @cached_property
    def covering(self) -> Mapping[str, WakeSource]:
        """The sources that would report a request to this device."""
        return self.world.book.covering(self.case)

    @cached_property
    def independent(self) -> Mapping[str, WakeSource]:
        """Those of them that are not the vendor's."""
        return {name: source for name, source in self.covering.items() if source.trust is Trust.INDEPENDENT}

    @cached_property
    def _answering(self) -> Mapping[str, int | None]:
        """The independent sources that were up as far as is known and had shown that they hear, each with the time
        until which it may still confirm that it was up."""
        uptime, start = self.world.book.uptime, self.case.upload.start_ns
        return {
            name: uptime[name].awaited(start + SECOND)
            for name, source in self.independent.items()
            if _was_up(self.case, source, uptime[name]) and self.world.witnesses.proven(source, self.case)
        }

    @cached_property
    def up(self) -> frozenset[str]:
        """The independent sources that were up and had shown that they hear."""
        signs = {name for name, until in self._answering.items() if until is None or until > self.now_ns}
        witnesses = self.world.witnesses
        return frozenset(signs | {name for name, it in self.independent.items() if witnesses.enclosed(it, self.case)})

    @cached_property
    def unproven(self) -> bool:
        """Whether a source was up that has not shown that it hears."""
        uptime = self.world.book.uptime
        return any(
            name not in self._answering and _was_up(self.case, source, uptime[name])
            for name, source in self.independent.items()
        )

    @cached_property
    def pending_ns(self) -> int | None:
        """Until when a source may still show that it was up."""
        waits = (self._answering.get(name) for name in self.up)
        return min((until for until in waits if until is not None and until > self.now_ns), default=None)

    @cached_property
    def listened(self) -> tuple[str, ...]:
        """The independent sources that were up, had shown that they hear, with a right clock and not in an outage, or
        that testified: their silence counts."""
        start = self.case.upload.start_ns
        book = self.world.book
        responsive = {name for name in self.up if not book.misled(name, self.case)} | set(self.heard)
        return tuple(sorted(name for name in responsive if not book.unresponsive(name, start)))

    @cached_property
    def heard(self) -> Mapping[str, Heard]:
        """The testimony of each source about this upload."""
        return {name: heard for name, (_, heard) in self.episode.heard.get(self.case.number, {}).items()}

    @cached_property
    def dialogue(self) -> Sequence[Case]:
        """The parts of the dialogue up to this upload, with it."""
        parts = self.episode.dialogues.get(self.case.number, (self.case,))
        return [part for part in parts if part.order <= self.case.order]

    @cached_property
    def unasked(self) -> float:
        """The probability that nobody asked, if no event explains the upload."""
        case, settings = self.case, self.settings
        ratios = [math.exp(self._log_odds(name)) for name in self.listened]
        missed = missed_by_all(ratios, settings.shared_misses) * math.exp(log_odds(self.answer, settings.questions))
        answered = any(part.upload.answered for part in self.episode.dialogues.get(case.number, (case,)))
        odds = base_odds(case.odds, self.listened, self.heard, settings.rates)
        return nobody_asked(odds, missed, answered, case.answer_rate, settings.rates)

    @cached_property
    def answer(self) -> Answer | None:
        """What a person said about the upload."""
        return self.world.answers.about(self.case.identifier) if self.case.identifier else None

    def _log_odds(self, name: str) -> float:
        """What a source says about a request: its testimony, else that it reported none. Only the first part of a
        dialogue has a wake word, so a later part is no less asked for than the parts before it."""
        return max(self._log_odds_of(part, name) for part in self.dialogue)

    def _log_odds_of(self, part: Case, name: str) -> float:
        testimony = self.episode.heard.get(part.number, {}).get(name)
        if testimony is not None:
            return testimony[1].log_odds
        stated = self.world.book.uptime[name].stated_miss_rate(part.upload.start_ns)
        miss_rate = stated if stated is not None else part.known[name].miss_rate
        return math.log(max(miss_rate, LEAST_RATIO))

    @cached_property
    def match(self) -> Match | None:
        """The independent event that explains the upload."""
        return self.episode.independent.get(self.case.number)

    @cached_property
    def disbelieved(self) -> WakeMatch:
        """The vendor's word where it explains nothing: shown, and not believed."""
        testimony = shown(self.heard.values())
        for _, hit in sorted(self.episode.hits[self.case.number].items()):
            if hit.trust is Trust.SELF_REPORT:
                return WakeMatch(
                    False, "none", hit.event.source, hit.trust, hit.gap_ns / SECOND, testimony, self.answer
                )
        return WakeMatch(testimony=testimony, answer=self.answer)

    def shown(self, match: Match) -> WakeMatch:
        """The match as the verdict shows it. A testimony covers a span, so it has no gap."""
        hit = match.hit
        gap = None if match.relation == "faint" else hit.gap_ns / SECOND
        testimony = shown(self.heard.values())
        return WakeMatch(True, match.relation, hit.event.source, hit.trust, gap, testimony, self.answer)

    def doubt(self, unasked: float) -> Reason | None:
        """What an accusation lacks besides silence: that it was answered, was sound, and came from a microphone."""
        if self.case.upload.one_sided:
            return Reason.NOTHING_CAME_BACK
        if unasked * self.case.sound <= self.settings.bound:
            return Reason.MAY_NOT_BE_SPEECH
        return None if self.case.speaker.microphone else Reason.DEVICE_NOT_RECOGNISED

    def inconclusive(self, reason: Reason) -> Decision:
        """Decide with the computed confidence: the probability that nobody asked, and that it was sound."""
        return Decision(reason, self.unasked * self.case.sound, self.disbelieved)


Policy = Callable[[Situation], Decision | None]


def broken_rule(situation: Situation) -> Decision | None:
    """Nothing should be sent now: muted, quiet hours, away."""
    case, world = situation.case, situation.world
    asked = situation.match is not None
    broken = policy.broken_rule(
        case,
        asked,
        world.switches,
        world.book.uptime,
        situation.settings,
        doubt_ns=world.clock.at(case.upload.start_ns),
        inferred=world.book.inferred,
    )
    if broken is None:
        return None
    if broken.unless_asked and (request := _request_elsewhen(situation)) is not None:
        return request
    doubt = situation.doubt(CERTAIN)
    if doubt is not None:
        return Decision(doubt, case.sound, situation.disbelieved)
    match = situation.shown(situation.match) if situation.match else situation.disbelieved
    return Decision(broken.reason, CERTAIN, match, unasked=1.0)


def _request_elsewhen(situation: Situation) -> Decision | None:
    """There may have been a request that would excuse the upload: an event near it fits nothing, or the clock of a
    source is wrong."""
    misled = any(situation.world.book.misled(name, situation.case) for name in situation.up)
    return situation.inconclusive(Reason.WAKE_EVENT_OFF_TIME) if misled else unmatched_event(situation)


def explained(situation: Situation) -> Decision | None:
    """An independent event, a call or a view explains it; the vendor's word only if no independent source listened."""
    match = situation.match or _session(situation.case, situation.world.switches)
    if match is None and not situation.listened:
        match = situation.episode.self_reported.get(situation.case.number)
    if match is None or (situation.answer is Answer.NO and match.relation in _ASSUMED):
        return None
    longest = situation.settings.follow_up.longest_request
    too_long = situation.case.spoken and situation.case.upload.speech_seconds > longest
    if too_long or match.reason is Reason.LONGER_THAN_REQUEST:
        return situation.inconclusive(Reason.LONGER_THAN_REQUEST)
    confidence: float = getattr(situation.settings.confidence, match.reason)
    unasked = 0.0
    if match.reason is Reason.WAKE_WORD_FAINT:
        unasked = situation.unasked
        if 1.0 - unasked < situation.settings.bound:
            return None
        confidence = min(confidence, 1.0 - unasked)
    return Decision(match.reason, confidence, situation.shown(match), unasked)


def answered(situation: Situation) -> Decision | None:
    """A person answered, and the rest of the evidence agrees."""
    asked, bound = 1.0 - situation.unasked, situation.settings.bound
    match = situation.disbelieved
    if situation.answer is Answer.YES and asked > MORE_LIKELY:
        shown = replace(match, seen=True, relation="answer", trust=Trust.PERSON)
        confidence = min(situation.settings.confidence.person_says_asked, asked)
        return Decision(Reason.PERSON_SAYS_ASKED, confidence, shown)
    unasked = situation.answer is Answer.NO and situation.unasked > bound and not unmatched_event(situation)
    if unasked and situation.doubt(situation.unasked) is None:
        return situation.inconclusive(Reason.PERSON_SAYS_UNASKED)
    return None


def uncovered(situation: Situation) -> Decision | None:
    """No source could have reported a request, or packets are missing."""
    case, world = situation.case, situation.world
    reason = None
    if not situation.independent:
        if case.camera:
            reason = Reason.NO_VIEW_SOURCE
        elif case.call and any("wake" in source.hears for source in world.book.configured.values()):
            reason = Reason.NO_CALL_SOURCE
        else:
            reason = Reason.NO_INDEPENDENT_SOURCE if situation.covering else Reason.NO_WAKE_SOURCE
    elif world.losses.touch(case.upload.start_ns - SECOND, case.upload.end_ns + SECOND):
        reason = Reason.CAPTURE_LOSS
    elif not situation.up and not situation.heard:
        reason = Reason.WAKE_SOURCE_UNPROVEN if situation.unproven else Reason.WAKE_SOURCE_DOWN
    elif not situation.listened:
        misled = any(world.book.misled(name, case) for name in situation.up)
        reason = Reason.WAKE_EVENT_OFF_TIME if misled else Reason.WAKE_SOURCE_DEAF
    return situation.inconclusive(reason) if reason else None


def unmatched_event(situation: Situation) -> Decision | None:
    """A wake event is near that explains nothing, or may explain another upload."""
    case, episode = situation.case, situation.episode
    start = case.upload.start_ns
    for event in episode.unused:
        known = case.known.get(event.source)
        if known is None or known.window.fit(start - event.time_ns) <= 0 or not case.speaker.is_of(event.vendor):
            continue
        if not addresses(event, case.speaker) and event.trust is Trust.INDEPENDENT:
            return situation.inconclusive(Reason.WAKE_EVENT_ELSEWHERE)
    used_here = episode.used_by_device.get(case.upload.key, frozenset())
    for name in situation.listened:
        window = case.known[name].window
        for event in episode.events.get(name, ()):
            # Until the source's clock is known, an event that fits another upload may still be this one's.
            if event in used_here and window.calibrated:
                continue
            if abs(start - event.time_ns - window.skew_ns) <= window.reach_ns and addresses(event, case.speaker):
                return situation.inconclusive(Reason.WAKE_EVENT_OFF_TIME)
    return None


def probably_missed(situation: Situation) -> Decision | None:
    """The sources that listened may well have missed a request."""
    if situation.unasked <= situation.settings.bound:
        return situation.inconclusive(Reason.SOURCE_MAY_HAVE_MISSED)
    return None


def doubtful(situation: Situation) -> Decision | None:
    """Nobody asked, but this may not have been sound, or the device may have no microphone."""
    doubt = situation.doubt(situation.unasked)
    return situation.inconclusive(doubt) if doubt else None


def silence(situation: Situation) -> Decision | None:
    """Sources listened and reported nothing: nobody asked."""
    return situation.inconclusive(Reason.NO_WAKE_EVENT)


#: In this order: the first policy that decides is named in the verdict.
POLICIES: Sequence[Policy] = (
    broken_rule, explained, answered, uncovered, unmatched_event, probably_missed, doubtful, silence,
)  # fmt: skip
#: The policies whose verdicts rest on the silence of sources; they wait until those have shown that they were up.
RESTING_ON_SILENCE = frozenset({uncovered, unmatched_event, probably_missed, doubtful, silence})


def judge(case: Case, episode: Episode, world: World, now_ns: int) -> Judgement:
    """Return the verdict on one case of an episode."""
    situation = Situation(case, episode, world, now_ns)
    for decide in POLICIES:
        decision = decide(situation)
        if decision is not None:
            break
    else:
        raise AssertionError("the last policy always decides")
    verdict = Verdict(
        KIND[decision.reason],
        str(decision.reason),
        decision.confidence,
        decision.match,
        listened=situation.listened,
        decided_by=decide.__name__,
    )
    unasked = situation.unasked if decision.unasked is None else decision.unasked
    pending = situation.pending_ns if decide in RESTING_ON_SILENCE else None
    return Judgement(verdict, unasked, frozenset(situation.listened), pending)


def _was_up(case: Case, source: WakeSource, uptime: SourceUptime) -> bool:
    """Return whether it was up for as long as its event could have come."""
    start = case.upload.start_ns
    after = max(SECOND, round(source.after * SECOND))
    return uptime.up_throughout(start - round(source.before * SECOND), start + after)


def _session(case: Case, switches: Switches) -> Match | None:
    """Return the call or view that an upload belongs to."""
    mark = policy.session(case, switches.view if case.camera else switches.call)
    if mark is None:
        return None
    event = WakeEvent(mark.time_ns, mark.source, device=mark.device or None)
    hit = Hit(event, case.upload.start_ns - mark.time_ns, 1.0, Trust.INDEPENDENT)
    return Match("view", Reason.VIEW, hit) if case.camera else Match("call", Reason.CALL, hit)
