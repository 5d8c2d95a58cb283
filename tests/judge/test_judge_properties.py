"""The final verdicts depend on what happened, never on when or in which order we were told of it."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.testimony import Row, Table
from sniffer.model import Judged, Loss, Trust, Upload, UploadClass, WakeEvent, WakeKind, WakeSource
from tests.judge.story import DEVICES, S, at, ear, final, hand, hears, history, lost, says, speaks_of, told

pytestmark = pytest.mark.slow

Item = Upload | WakeEvent | Loss

SOURCES = (
    WakeSource("ear", assumed_up=True),
    WakeSource("satellite", devices=("kitchen",), before=4.0, after=2.0, hold_off=1.0),
    WakeSource("beats", expires=120.0, vendor="Amazon"),
    ear("button", hears=frozenset()),
    history("vendor", hold_off=75.0),
)

#: Kinds of events that hold nothing but their kind.
SWITCHES = [kind for kind in WakeKind if kind not in (WakeKind.WAKE, WakeKind.TESTIMONY, WakeKind.ANSWER)]
TABLE = Table(0.01, (Row(0.0, 0.0, -3.0, ((0.0, -1.5), (0.1, 0.0), (0.3, 4.0), (1.0, 8.0))),))

#: Tenths of a second of an hour, denser at its start: things that touch are what may go wrong.
moments = st.one_of(st.integers(0, 900), st.integers(0, 36_000)).map(lambda n: n / 10)
speakers = st.sampled_from(["kitchen", "bedroom", "hall", "door", "nameless"])
uploads = st.builds(
    says,
    moments,
    speakers,
    st.integers(2, 90).map(lambda n: n / 10),
    st.sampled_from([UploadClass.SPEECH] * 4 + [UploadClass.BULK, UploadClass.MEDIA, UploadClass.TELEMETRY]),
    st.booleans(),
)
wakes = st.builds(
    lambda time, device, source, late: hears(time, device, source, time + late),
    moments,
    st.one_of(st.none(), speakers, st.just("misspelt")),
    st.sampled_from([source.name for source in SOURCES] + ["stranger"]),
    st.sampled_from([0.0, 0.1, 0.5, 40.0, 400.0]),
)
switches = st.builds(
    told, st.sampled_from(SWITCHES), moments,
    st.one_of(st.none(), speakers), st.sampled_from([source.name for source in SOURCES]),
)  # fmt: skip
testimonies = st.builds(
    lambda start, device, source, best, late: speaks_of(start, best, source, late),
    moments, speakers, st.sampled_from(["ear", "beats", "stranger"]), st.sampled_from([0.0, 0.2, 0.5]),
    st.sampled_from([0.0, 1.0, 40.0]),
)  # fmt: skip
losses = st.builds(lambda start, length: lost(start, start + length), moments, st.integers(0, 20))
stories = st.lists(
    st.one_of(uploads, uploads, wakes, wakes, wakes, testimonies, switches, losses),
    max_size=24,
    unique_by=lambda item: identity(item),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def identity(item: Item) -> object:
    """A device does not end two different uploads at once."""
    return (item.key, item.start_ns, item.final_ns) if isinstance(item, Upload) else item


def court(state: object = None) -> Judge:
    saved = json.loads(json.dumps(state)) if state is not None else None
    return Judge(JudgeSettings(), SOURCES, DEVICES.__getitem__, saved, TABLE)


def arrival(item: Item) -> int:
    if isinstance(item, Upload):
        return item.final_ns
    return (item.received_ns or item.time_ns) if isinstance(item, WakeEvent) else item.end_ns


def told_at_once(items: list[Item]) -> list[Judged]:
    judge = court()
    hand(judge, items)
    return judge.finish()


def words(found: list[Judged]) -> dict[tuple[float, str], object]:
    """Final verdicts without what only tells how we came to them."""
    return {key: dataclasses.replace(j.verdict, revision=0, time_ns=0) for key, j in final(found).items()}


@quick
@given(stories, st.randoms(use_true_random=False))
def test_order_and_duplicates_make_no_difference(items: list[Item], chance: random.Random) -> None:
    # Detection hands each upload over once; one that is not judged is not remembered either.
    twice = [i for i in items if not (isinstance(i, Upload) and i.upload_class is UploadClass.TELEMETRY)]
    shuffled = items + [item for item in twice if chance.random() < 0.3]
    chance.shuffle(shuffled)
    assert told_at_once(shuffled) == told_at_once(items)


@quick
@given(stories, st.lists(moments, max_size=12))
def test_it_makes_no_difference_how_often_time_advances(items: list[Item], stops: list[float]) -> None:
    judge = court()
    found: list[Judged] = []
    waiting = sorted(items, key=arrival)
    for stop in sorted(stops):
        while waiting and arrival(waiting[0]) <= at(stop):
            hand(judge, [waiting.pop(0)])
        found += judge.advance(at(stop))
    hand(judge, waiting)
    assert found + judge.finish() == told_at_once(items)


@quick
@given(stories, st.randoms(use_true_random=False))
@example(  # explained while it still waits to hear whether another source lives
    [says(0.0, seconds=0.2), hears(0.0, source="beats"), hears(11.4, received=11.5), says(8.3, seconds=0.2)],
    random.Random(0),
)
def test_what_comes_within_the_hold_off_comes_in_time(items: list[Item], chance: random.Random) -> None:
    """Handed over late, by less than the shortest hold-off that matters, but after the clock has moved on."""
    judge = court()
    found: list[Judged] = []
    for when, item in sorted(((arrival(i) + chance.randrange(S - 1), i) for i in items), key=lambda pair: pair[0]):
        found += judge.advance(when)
        hand(judge, [item])
    assert words(found + judge.finish()) == words(told_at_once(items))


@quick
@given(stories, st.lists(moments, max_size=3))
def test_restarts_make_no_difference(items: list[Item], stops: list[float]) -> None:
    judge = court()
    found: list[Judged] = []
    waiting = sorted(items, key=arrival)
    for stop in sorted(stops):
        while waiting and arrival(waiting[0]) <= at(stop):
            hand(judge, [waiting.pop(0)])
        if waiting:
            hand(judge, [waiting.pop(0)])  # still waiting when the daemon stops
        found += judge.advance(at(stop))
        judge = court(judge.state())
    hand(judge, waiting)
    assert found + judge.finish() == told_at_once(items)


@quick
@given(stories)
def test_every_upload_gets_a_verdict_and_its_revisions_count_up(items: list[Item]) -> None:
    seen: dict[object, int] = {}
    for judged in told_at_once(items):
        key = (judged.upload.key, judged.upload.start_ns, judged.upload.final_ns)
        if judged.verdict.kind is not None:
            assert judged.verdict.revision == seen.get(key, -1) + 1
            seen[key] = judged.verdict.revision
        assert 0.0 <= judged.verdict.confidence <= 1.0
    assert {(u.key, u.start_ns, u.final_ns) for u in items if isinstance(u, Upload)} >= set(seen)


@quick
@given(stories)
def test_who_was_asked_is_never_accused(items: list[Item]) -> None:
    """An upload with an event of its own beside it, on a quiet device, is never unexpected."""
    items = [i for i in items if not isinstance(i, WakeEvent) or i.kind is WakeKind.WAKE]
    judge = court()
    hand(judge, [*items, hears(5000.0, "hall"), says(5000.4, "hall")])
    assert final(judge.finish())[5000.4, "hall"].verdict.reason == "wake_event"


def test_the_clock_may_be_set_back() -> None:
    judge = court()
    judge.upload(says(4000))
    judge.advance(at(4004.5))
    hand(judge, [says(405), hears(404.8, received=405)])
    assert judge.advance(at(409)) == []  # an hour back
    words = final(judge.advance(at(420)))
    assert words[405, "kitchen"].verdict.reason == "wake_event"
    assert words[4000, "kitchen"].verdict.kind is not None


@pytest.mark.parametrize("back", [10, 60, 3_600, 10_800, 864_000])
@pytest.mark.parametrize("after", [0.3, 2.0, 20.0, 45.0])
def test_a_clock_set_back_between_wake_word_and_upload_accuses_nobody(back: int, after: float) -> None:
    """The wake word carries the old time, the upload, or what is left of it, the new one."""
    judge, now = court(), 1_000_000.0
    judge.advance(at(now - 60))
    hand(judge, [hears(now)])
    judge.advance(at(now + 0.2))
    new = now - back
    judge.advance(at(new))
    hand(judge, [says(new + after)])
    found = [judged for step in range(200) for judged in judge.advance(at(new + step))]
    assert [judged.verdict.reason for judged in found] in (["capture_loss"], ["wake_event"])


@pytest.mark.parametrize("back", [10, 3_600, 10_800])
def test_a_clock_set_back_amid_an_upload_accuses_nobody(back: int) -> None:
    """Its wake event arrives after the step, with the new time; its beginning has the old one."""
    judge, now = court(), 1_000_000.0
    judge.advance(at(now))
    hand(judge, [says(now + 1, seconds=2.0)])
    new = now + 2 - back
    judge.advance(at(new))
    hand(judge, [hears(new - 1, received=new)])
    found = [judged for step in range(200) for judged in judge.advance(at(new + step))]
    assert [judged.verdict.reason for judged in found] in (["capture_loss"], ["wake_event"])


def test_what_follows_a_clock_that_was_set_back_is_judged_as_ever() -> None:
    judge, now = court(), 1_000_000.0
    judge.advance(at(now))
    new = now - 120
    judge.advance(at(new))
    hand(judge, [says(now + 200, "hall")])
    found = [judged for step in range(500) for judged in judge.advance(at(new + step))]
    assert [judged.verdict.reason for judged in found] == ["source_may_have_missed"]


def test_the_clock_may_be_set_forward() -> None:
    judge = court()
    hand(judge, [hears(0), says(0.2)])
    words = final(judge.advance(at(86_000)))
    assert words[0.2, "kitchen"].verdict.reason == "wake_event"


def test_trust_is_never_raised() -> None:
    judge = court()
    hand(judge, [hears(0, source="vendor", trust=Trust.INDEPENDENT), says(0.2, "hall")])
    assert final(judge.finish())[0.2, "hall"].verdict.reason != "wake_event"


BEATS = (WakeSource("beats", expires=600.0), WakeSource("ear", assumed_up=True))


def waits_for_a_heartbeat() -> Judge:
    """Something left at 10 000 s, and nobody knows yet whether one of the two that would have heard was alive."""
    judge = Judge(JudgeSettings(), BEATS, DEVICES.__getitem__)
    hand(judge, [told(WakeKind.SOURCE_UP, 9_900, source="beats"), says(10_000.0, seconds=2.0)])
    assert judge.advance(at(10_030)) == []
    return judge


def test_who_says_much_does_not_make_others_wait_in_a_longer_queue() -> None:
    judge = waits_for_a_heartbeat()
    before = len(judge.state()["queue"])
    for number in range(20):  # near the upload, and for another room
        hand(judge, [hears(10_001 + number / 2, "bedroom", received=10_031 + number)])
        judge.advance(at(10_031 + number))
    assert len(judge.state()["queue"]) == before + 20  # each event is learned from later; nothing else was queued


@pytest.mark.parametrize("back", [0, 7_200])
def test_a_wait_ends_with_the_sign_of_life_also_after_the_clock_was_set_back(back: int) -> None:
    judge = waits_for_a_heartbeat()
    now = 10_030 - back
    judge.advance(at(now))
    hand(judge, [told(WakeKind.SOURCE_UP, now + 20.0, source="beats")])
    assert len(judge.advance(at(now + 30))) == 1


@pytest.mark.parametrize("back", [0, 60, 590, 7_200])
def test_a_verdict_comes_without_a_sign_of_life_also_after_the_clock_was_set_back(back: int) -> None:
    judge = waits_for_a_heartbeat()
    now = 10_030 - back
    judge.advance(at(now))
    reason = "capture_loss" if back else "source_may_have_missed"  # nothing is judged by silence beside a step
    assert [judged.verdict.reason for judged in judge.advance(at(now + 2_000))] == [reason]
