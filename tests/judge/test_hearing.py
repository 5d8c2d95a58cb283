"""Testimony replaces the miss rate, explains a faint wake word, and never accuses for the wrong seconds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.testimony import Row, Table
from sniffer.judge.testimony_table import load_table
from sniffer.model import Judged, Trust, WakeEvent, WakeKind, WakeSource
from sniffer.resources import shipped
from tests.judge import story
from tests.judge.story import DEVICES, at, final, hand, hears, says, told

HOUR = 3600.0
TABLE = Table(0.01, (Row(0.0, 0.0, -3.0, ((0.0, -1.5), (0.1, 0.0), (0.3, 4.0), (1.0, 8.0))),))
LISTENER = WakeSource("ear", expires=120.0)


def court(*sources: WakeSource, **settings: Any) -> Judge:
    return Judge(JudgeSettings(**settings), sources or (LISTENER,), DEVICES.__getitem__, table=TABLE)


def beats(until: float, start: float = -30.0, skew: float = 0.0, source: str = "ear") -> list[WakeEvent]:
    """A sign of life every 20 s; `skew` is how late the listener's clock is."""
    times = [start + 20 * n for n in range(int((until - start) / 20) + 2)]
    return [WakeEvent(at(t - skew), source, WakeKind.SOURCE_UP, received_ns=at(t)) for t in times]


def experienced() -> tuple[Judge, float]:
    """A listener that heard a hundred requests, and the time after them."""
    judge = court()
    for n in range(100):
        start = n * 600.0
        hand(judge, [*beats(start + 100, start - 60), hears(start - 0.5), story.speaks_of(start, 0.97), says(start)])
        judge.advance(at(start + 590))
    return judge, 60_000.0


def last(judge: Judge, start: float, device: str = "kitchen") -> Judged:
    return final(judge.finish())[start, device]


def test_a_listener_that_heard_nothing_like_the_wake_word_accuses() -> None:
    judge, now = experienced()
    hand(judge, [*beats(now + 100, now - 60), story.speaks_of(now, 0.0), says(now, answered=False)])
    verdict = last(judge, now).verdict
    assert (verdict.reason, verdict.decided_by) == ("no_wake_event", "silence")
    (heard,) = verdict.wake.testimony
    assert heard.source == "ear"
    assert heard.log_odds < -3.5
    assert heard.testimony.best == 0.0


@pytest.mark.parametrize(
    ("voice", "answered", "reason"),
    [
        (0.0, False, "no_wake_event"),
        (0.0, True, "source_may_have_missed"),  # the cloud answered as it answers requests
        (0.5, False, "source_may_have_missed"),  # a new listener may not know this voice
    ],
)
def test_a_new_listener_accuses_only_beside_a_silent_room(voice: float, answered: bool, reason: str) -> None:
    judge = Judge(JudgeSettings(), (LISTENER,), DEVICES.__getitem__, table=load_table(shipped("rules") / "judge"))
    said = story.speaks_of(0, 0.004)
    level = -30.0 if voice else -57.0
    testimony = replace(said.testimony, voice=voice, level_db=level) if said.testimony else None
    hand(judge, [*beats(100), replace(said, testimony=testimony), says(0, answered=answered)])
    assert last(judge, 0).verdict.reason == reason


def test_a_faint_wake_word_explains_with_the_confidence_that_it_deserves() -> None:
    judge = court()
    hand(judge, [*beats(100), story.speaks_of(0, 0.35), says(0)])
    verdict = last(judge, 0).verdict
    assert (verdict.reason, verdict.wake.relation, verdict.wake.source) == ("wake_word_faint", "faint", "ear")
    assert 0.9 < verdict.confidence <= 0.98


def test_the_follow_ups_of_a_faint_wake_word_are_explained() -> None:
    judge, now = experienced()
    items = [story.speaks_of(now, 0.35), says(now), story.speaks_of(now + 9, 0.0), says(now + 9, answered=False)]
    hand(judge, [*beats(now + 100, now - 60), *items])
    assert last(judge, now + 9).verdict.reason == "follow_up"


def test_a_later_part_of_a_dialogue_is_no_less_asked_for_than_its_first() -> None:
    judge, now = experienced()
    items = [
        story.speaks_of(now, 0.2),
        says(now, answered=False),
        story.speaks_of(now + 9, 0.0),
        says(now + 9, answered=False),
    ]
    hand(judge, [*beats(now + 100, now - 60), *items])
    assert last(judge, now + 9).verdict.reason == "source_may_have_missed"


@pytest.mark.parametrize("skew", [30.0, -30.0, 8.0, 400.0])
def test_a_testimony_for_the_wrong_seconds_does_not_accuse(skew: float) -> None:
    judge, now = experienced()
    hand(judge, [*beats(now + 100, now - 60, skew), story.speaks_of(now, 0.0), says(now, answered=False)])
    verdict = last(judge, now).verdict
    assert verdict.reason == ("wake_event_off_time" if skew < 100 else "wake_source_down")
    assert verdict.wake.testimony == ()
    (quality,) = judge.sources(at(now + 50))
    assert quality.clock_offset_seconds is None


def test_a_small_offset_of_the_clock_is_added() -> None:
    judge, now = experienced()
    early = story.speaks_of(now - 3, 0.0)  # to now - 1 in the listener's clock, which is 3 s late
    hand(judge, [*beats(now + 100, now - 200, 3.0), early, says(now, answered=False)])
    assert last(judge, now).verdict.reason == "no_wake_event"


def test_a_testimony_that_misses_the_wake_word_is_none() -> None:
    judge, now = experienced()
    hand(judge, [*beats(now + 100, now - 60), story.speaks_of(now + 4, 0.0), says(now, answered=False)])
    assert last(judge, now).verdict.wake.testimony == ()


def test_a_covered_microphone_is_noticed_and_accuses_nobody() -> None:
    judge, now = experienced()
    for n in range(20):
        start = now + n * 600.0
        hand(judge, [*beats(start + 100, start - 60), story.speaks_of(start, 0.0), says(start, answered=n % 8 != 7)])
    found = final(judge.finish())
    reasons = [found[now + n * 600.0, "kitchen"].verdict.reason for n in range(20)]
    assert reasons.count("no_wake_event") == 0
    assert reasons[-1] == "wake_source_deaf"


def test_a_late_testimony_judges_anew() -> None:
    judge, now = experienced()
    hand(judge, [*beats(now + 200, now - 60), story.speaks_of(now, 0.95, late=100), says(now, answered=False)])
    verdict = last(judge, now).verdict
    assert (verdict.reason, verdict.revision) == ("wake_word_faint", 1)


def test_a_self_report_testifies_nothing() -> None:
    judge, now = experienced()
    theirs = story.speaks_of(now, 0.9, trust=Trust.SELF_REPORT)
    hand(judge, [*beats(now + 100, now - 60), theirs, says(now, answered=False)])
    assert last(judge, now).verdict.wake.testimony == ()


def test_what_a_listener_explained_is_counted() -> None:
    judge = court()
    hand(judge, [*beats(1000), story.speaks_of(0, 0.5), says(0)])
    judge.advance(at(1000))
    (quality,) = judge.sources()
    assert quality.explained == 1


@pytest.mark.parametrize(("late", "reason"), [(30.0, "wake_event_off_time"), (1.0, "wake_event")])
def test_an_ear_that_reported_at_that_moment_is_no_witness_that_heard_nothing(late: float, reason: str) -> None:
    """A binary ear whose clock is off: its word arrives at once, and claims another time."""
    judge = court(WakeSource("ear", miss_rate=0.001, measured=False, assumed_up=True))
    hand(judge, [hears(-late, received=0.5), says(0, answered=False)])
    assert last(judge, 0).verdict.reason == reason


def test_an_ear_whose_event_was_refused_is_no_witness() -> None:
    judge = court(WakeSource("ear", miss_rate=0.001, measured=False, assumed_up=True))
    hand(judge, [told(WakeKind.MISDATED, 0.5), says(0, answered=False), says(300, answered=False)])
    found = final(judge.finish())
    assert found[0, "kitchen"].verdict.reason == "wake_event_off_time"
    assert found[300, "kitchen"].verdict.reason == "no_wake_event"


def test_a_clock_that_was_set_right_is_believed_again_after_five_signs_of_life() -> None:
    judge, now = experienced()
    hand(judge, [*beats(now + 300, now - 60, 30.0), *beats(now + 1000, now + 400)])
    for start in (now + 430, now + 800):
        hand(judge, [story.speaks_of(start, 0.0), says(start, answered=False)])
    found = final(judge.finish())
    assert found[now + 430, "kitchen"].verdict.reason == "wake_event_off_time"
    assert found[now + 800, "kitchen"].verdict.reason == "no_wake_event"
