"""What is learned of sources: their clocks, their misses, their deafness; and what people are shown of them."""

from __future__ import annotations

import json
import random

import pytest

from sniffer.judge import Judge, SourceQuality
from sniffer.judge.settings import JudgeSettings
from sniffer.model import Judged, Loss, Trust, Upload, VerdictKind, WakeEvent, WakeKind, WakeSource
from sniffer.wake.settings import HttpSource
from tests.judge.story import DEVICES, S, at, final, hand, hears, says, told

HOUR = 3600.0


def court(*sources: WakeSource, state: object = None, **settings: object) -> Judge:
    return Judge(JudgeSettings.model_validate(settings), sources, DEVICES.__getitem__, state)  # type: ignore[arg-type]


def live(name: str = "ear", **more: object) -> WakeSource:
    """As a running daemon has it: measured, and up because it said so."""
    return WakeSource(name, **{"assumed_up": True, **more})  # type: ignore[arg-type]


def play(judge: Judge, items: list[Upload | WakeEvent | Loss], until: float) -> list[Judged]:
    hand(judge, items)
    return judge.advance(at(until))


def quality(judge: Judge, name: str = "ear") -> SourceQuality:
    return next(source for source in judge.sources() if source.name == name)


def requests(count: int, every: float = 600.0, skew: float = 0.0, source: str = "ear", start: float = 0.0) -> list:
    chance = random.Random(7)
    items: list[Upload | WakeEvent] = []
    for n in range(count):
        when = start + n * every
        items += [hears(when - 0.5 + skew + chance.uniform(-0.3, 0.3), source=source, received=when), says(when)]
    return items


@pytest.mark.parametrize("skew", [-8.0, -3.0, 0.0, 3.0, 8.0])
def test_a_clock_that_is_off_is_learned(skew: float) -> None:
    judge = court(live())
    found = play(judge, requests(12, skew=skew), 3 * HOUR)
    assert {judged.verdict.kind for judged in found} == {VerdictKind.EXPECTED}
    assert quality(judge).skew_seconds == pytest.approx(0.5 - skew, abs=0.3)
    assert quality(judge).spread_seconds is not None
    assert quality(judge).spread_seconds < 1  # type: ignore[operator]


def test_strange_gaps_move_nothing() -> None:
    judge = court(live())
    odd = [hears(n * 1800.0 + 9.0, received=n * 1800.0 + 9) for n in range(4)]
    play(judge, [*requests(12), *odd], 3 * HOUR)
    assert quality(judge).skew_seconds == pytest.approx(0.5, abs=0.3)


def test_a_known_clock_makes_the_window_narrow() -> None:
    """Twelve seconds beside a wake event is no request, once we know that its source is right to the second."""
    items = requests(12)
    for learned, kind in ((items, "source_may_have_missed"), ([], "wake_event")):
        judge = court(live(miss_rate=0.2))
        play(judge, learned, 3 * HOUR)
        word, upload = hears(4 * HOUR, received=4 * HOUR), says(4 * HOUR + 12)
        other = says(4 * HOUR + 0.5) if learned else says(4 * HOUR + 900)
        found = play(judge, [word, upload, other, says(5 * HOUR, answered=False)], 6 * HOUR)
        words = final(found)
        if learned:
            assert words[4 * HOUR + 12, "kitchen"].verdict.reason in (kind, "follow_up")
        else:
            assert words[4 * HOUR + 12, "kitchen"].verdict.reason == kind


def test_a_clock_that_is_suddenly_set_accuses_nobody() -> None:
    judge = court(live(miss_rate=0.002))
    found = play(judge, requests(12), 3 * HOUR)
    found += play(judge, requests(20, skew=9.0, start=4 * HOUR), 8 * HOUR)
    assert not [judged for judged in found if judged.verdict.kind is VerdictKind.UNEXPECTED]
    assert "wake_event_off_time" in {judged.verdict.reason for judged in found}


def test_misses_are_measured_by_another_ear() -> None:
    judge = court(live("good"), live("bad"))
    items = requests(60, source="good")
    chance = random.Random(3)
    items += [
        hears(n * 600.0 - 0.4, source="bad", received=n * 600.0) for n in range(60) if chance.random() < 0.6
    ]  # fmt: skip
    play(judge, items, 12 * HOUR)
    assert quality(judge, "bad").miss_rate == pytest.approx(0.4, abs=0.15)
    assert quality(judge, "good").miss_rate < 0.05


def test_a_single_ear_must_prove_itself_before_it_accuses() -> None:
    judge = court(live())
    (first,) = play(judge, [says(0, answered=False)], 60)
    assert first.verdict.reason == "source_may_have_missed"
    play(judge, requests(120, start=1000.0), 25 * HOUR)
    (later,) = play(judge, [says(26 * HOUR, answered=False)], 27 * HOUR)
    assert later.verdict.reason == "no_wake_event"
    assert later.verdict.confidence > 0.9


def test_a_deaf_ear_is_found_and_accuses_nobody() -> None:
    judge = court(live(miss_rate=0.01))
    play(judge, requests(30), 6 * HOUR)
    before = [says(6 * HOUR + n * 600.0) for n in range(6)]
    found = final(play(judge, before, 8 * HOUR))
    assert {judged.verdict.reason for judged in found.values()} == {"wake_source_deaf"}
    assert {judged.verdict.kind for judged in found.values()} == {VerdictKind.INCONCLUSIVE}
    assert quality(judge).unresponsive_since_ns == at(6 * HOUR - 1)
    again = play(judge, requests(3, start=8 * HOUR), 9 * HOUR)
    assert {judged.verdict.reason for judged in again} == {"wake_event"}
    assert quality(judge).unresponsive_since_ns is None


def test_the_other_ear_goes_on_alone() -> None:
    judge = court(live("a", miss_rate=0.01), live("b", miss_rate=0.002))
    both = requests(20, source="a") + [e for e in requests(20, source="b") if isinstance(e, WakeEvent)]
    play(judge, both, 4 * HOUR)
    play(judge, requests(8, source="b", start=4 * HOUR), 6 * HOUR)
    assert quality(judge, "a").unresponsive_since_ns is not None
    (judged,) = play(judge, [says(7 * HOUR, answered=False)], 8 * HOUR)
    assert judged.verdict.listened == ("b",)


def test_unanswered_uploads_do_not_make_an_ear_deaf() -> None:
    judge = court(live(miss_rate=0.001))
    found = play(judge, [says(n * 600.0, answered=False) for n in range(10)], 3 * HOUR)
    assert {judged.verdict.kind for judged in found} == {VerdictKind.UNEXPECTED}
    assert quality(judge).unresponsive_since_ns is None


def test_an_ear_whose_heart_stops_is_down() -> None:
    judge = court(live(assumed_up=False, expires=60.0, miss_rate=0.001))
    beats = [told(WakeKind.SOURCE_UP, n * 20.0) for n in range(30)]
    found = final(play(judge, [*beats, says(300, answered=False), says(900, answered=False)], HOUR))
    assert found[300, "kitchen"].verdict.reason == "no_wake_event"
    assert found[900, "kitchen"].verdict.reason == "wake_source_down"


@pytest.mark.parametrize(
    ("heartbeat", "reason"), [({}, "no_wake_source"), ({"heartbeat": 60}, "wake_source_down")], ids=["none", "60 s"]
)
def test_a_sender_that_has_fallen_silent_accuses_nobody(heartbeat: dict[str, float], reason: str) -> None:
    """It heard every word for hours and died; nobody would have told us."""
    source = HttpSource.model_validate({"type": "http", "name": "ear", "miss_rate": 0.001, **heartbeat})
    judge = court(source.spec())
    before = play(judge, requests(12), 3 * HOUR)
    assert {judged.verdict.reason for judged in before} == {"wake_event"}
    (judged,) = play(judge, [says(4 * HOUR, answered=False)], 5 * HOUR)
    assert judged.verdict.reason == reason


def test_an_ear_that_was_killed_accuses_nobody() -> None:
    """It was alive 15 s before the upload, and its word holds for 60 s; but it was never heard of again."""
    ear = live(assumed_up=False, expires=60.0, miss_rate=0.001)
    beats = [told(WakeKind.SOURCE_UP, n * 20.0) for n in range(10)]
    judge = court(ear)
    hand(judge, [*beats, says(195, answered=False)])
    assert judge.advance(at(239)) == [], "it may yet be heard of"
    (judged,) = judge.advance(at(250))
    assert judged.verdict.reason == "wake_source_down"
    judge = court(ear)
    hand(judge, [*beats, told(WakeKind.SOURCE_UP, 200.0), says(195, answered=False)])
    (judged,) = judge.advance(at(210))
    assert judged.verdict.reason == "no_wake_event", "it lives, so its silence counts, and nobody waits for the rest"


def test_a_slow_source_is_waited_for_once_that_is_known() -> None:
    judge = court(live(hold_off=2.0))
    slow = [hears(n * 600.0 - 0.5, received=n * 600.0 + 25) for n in range(4)]
    play(judge, [*slow, *(says(n * 600.0) for n in range(4))], HOUR)
    late = hears(2 * HOUR - 0.5, received=2 * HOUR + 25)
    (only,) = play(judge, [says(2 * HOUR), late], 3 * HOUR)
    assert (only.verdict.kind, only.verdict.revision) == (VerdictKind.EXPECTED, 0)


def test_what_people_are_shown() -> None:
    judge = court(live(), WakeSource("vendor", trust=Trust.SELF_REPORT))
    play(judge, [*requests(5), hears(5000, received=5000), hears(7000, received=7000)], 3 * HOUR)
    shown = quality(judge)
    assert (shown.events, shown.explained, shown.unused, shown.up) == (7, 5, 2, True)
    assert shown.share_explained == 1.0
    assert shown.last_event_ns == at(7000)
    assert not quality(judge, "vendor").up
    assert shown.heard_days == (("2023-11-14", 6, at(5000)), ("2023-11-15", 1, at(7000)))
    assert shown.heard_ns == at(7000)


@pytest.mark.slow
def test_what_is_kept_is_bounded() -> None:
    judge = court(live())
    for day in range(4):
        start = day * 24 * HOUR
        items = [hears(start + n * 60.0, source=f"stranger{n % 300}", received=start + n * 60.0) for n in range(1400)]
        play(judge, [*items, *requests(140, start=start)], start + 24 * HOUR)
    state = judge.state()
    assert len(state["cases"]) <= 160
    assert len(state["events"]) <= 2000
    assert len(state["unknown_sources"]) <= 64
    assert len(json.dumps(state)) < 1_000_000


def test_a_flood_loses_no_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sniffer.judge.engine.MAX_CASES", 20)
    judge = court(live(assumed_up=False, expires=3600.0, hold_off=600.0))
    hand(judge, [told(WakeKind.SOURCE_UP, -1.0), *(says(n * 5.0) for n in range(60))])
    found = judge.advance(at(301)) + judge.finish()
    assert len(final(found)) == 60


def test_a_new_judge_goes_on_where_the_old_one_stopped() -> None:
    one = court(live())
    play(one, requests(12, skew=4.0), 2 * HOUR)
    other = court(live(), live("new"), state=json.loads(json.dumps(one.state())))
    assert quality(other).skew_seconds == quality(one).skew_seconds
    assert quality(other).events == 12


def test_a_state_of_another_version_is_no_state() -> None:
    assert court(live(), state={"version": 0}).advance(S) == []
