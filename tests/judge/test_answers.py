"""People are asked seldom, and their answers are evidence: bounded, never able to silence a rule or hide an upload."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings, QuestionSettings, QuietHours
from sniffer.model import Answer, Judged, Trust, Upload, WakeEvent, WakeKind, WakeSource
from tests.judge.story import DEVICES, at, ear, final, hand, hears, says, told

HOUR = 3600.0
MISSES = WakeSource("ear", assumed_up=True, miss_rate=0.05)


def name_of(upload: Upload) -> str:
    return f"{upload.key}-{upload.start_ns}"


def court(*sources: WakeSource, state: Any = None, **settings: Any) -> Judge:
    return Judge(JudgeSettings(**settings), sources, DEVICES.__getitem__, state, identify=name_of)


def answers(upload: Upload, answer: Answer, when: float, way: str = "page") -> WakeEvent:
    return WakeEvent(
        at(when), way, WakeKind.ANSWER, None, Trust.PERSON, at(when), upload=name_of(upload), answer=answer
    )


def last(judge: Judge, start: float) -> Judged:
    return final(judge.finish())[start, "kitchen"]


def test_a_person_who_says_that_nobody_asked_is_believed_beside_an_ear() -> None:
    judge, upload = court(MISSES), says(0, answered=False)
    hand(judge, [upload, answers(upload, Answer.NO, 60)])
    verdict = last(judge, 0).verdict
    assert (verdict.reason, verdict.decided_by, verdict.revision) == ("person_says_unasked", "answered", 1)
    assert verdict.wake.answer is Answer.NO


def test_a_person_alone_does_not_accuse_a_speaker_that_is_often_asked() -> None:
    judge, upload = court(), says(0)
    hand(judge, [upload, answers(upload, Answer.NO, 60)])
    assert last(judge, 0).verdict.reason == "no_wake_source"


def test_a_person_who_asked_explains() -> None:
    judge, upload = court(MISSES), says(0)
    hand(judge, [upload, answers(upload, Answer.YES, 60)])
    verdict = last(judge, 0).verdict
    assert (verdict.reason, verdict.wake.relation) == ("person_says_asked", "answer")
    assert verdict.confidence <= 0.95


def test_an_answer_takes_back_an_accusation_only_as_far_as_it_weighs() -> None:
    perfect = court(ear())
    upload = says(0, answered=False)
    hand(perfect, [upload, answers(upload, Answer.YES, 60)])
    assert last(perfect, 0).verdict.reason == "no_wake_event"


def test_an_answer_never_silences_a_rule() -> None:
    judge, upload = court(MISSES), says(60)
    hand(judge, [told(WakeKind.MUTE, 0, "kitchen"), upload, answers(upload, Answer.YES, 120)])
    assert last(judge, 60).verdict.reason == "muted"


def test_the_last_answer_counts_in_whatever_order_they_arrive() -> None:
    for order in (1, -1):
        judge, upload = court(MISSES), says(0)
        both = [answers(upload, Answer.NO, 60), answers(upload, Answer.YES, 90)][::order]
        hand(judge, [upload, *both])
        assert last(judge, 0).verdict.reason == "person_says_asked"


@pytest.mark.parametrize("days_late", [1.01, 2, 30])
def test_an_answer_a_day_late_changes_nothing(days_late: float) -> None:
    """By then the upload is forgotten, and what is remembered of that evening is a guess."""
    judge, upload = court(MISSES), says(0)
    hand(judge, [upload])
    found = judge.advance(at(60))
    late = days_late * 24 * HOUR
    hand(judge, [says(late - 60, "bedroom"), answers(upload, Answer.NO, late)])
    found += judge.finish()
    assert final(found)[0, "kitchen"].verdict.revision == 0


def test_the_same_answer_twice_teaches_and_revises_once() -> None:
    learned = []
    for times in (1, 5):
        judge, upload = court(MISSES), says(HOUR, answered=False)
        known = [hears(-0.5), says(0)]  # what is known of a device begins with its first upload
        hand(judge, [*known, upload, *[answers(upload, Answer.NO, HOUR + 60 + n, f"way-{n}") for n in range(times)]])
        assert last(judge, HOUR).verdict.revision == 1
        learned.append(judge.state()["learned"]["devices"])
    assert [item["said_no"] for one in learned for item in one.values()] == [1.0, 1.0]


def test_who_is_not_sure_changes_nothing() -> None:
    judge, upload = court(MISSES), says(0)
    hand(judge, [upload, answers(upload, Answer.UNSURE, 60)])
    assert last(judge, 0).verdict.reason == "source_may_have_missed"


def test_an_answer_about_an_unknown_upload_changes_nothing() -> None:
    judge = court(MISSES)
    hand(judge, [says(0), answers(says(500), Answer.NO, 600)])
    assert last(judge, 0).verdict.revision == 0


def test_a_device_whose_owner_says_no_often_is_believed_sooner() -> None:
    judge = court(MISSES)
    odds = []
    for n in range(12):
        upload = says(n * 3 * HOUR, answered=False)
        hand(judge, [upload])
        judge.advance(at(n * 3 * HOUR + 1000))
        odds.append(judge._cases[-1].odds)
        hand(judge, [answers(upload, Answer.NO, n * 3 * HOUR + 1001)])
        judge.advance(at(n * 3 * HOUR + 1002))
    assert odds[0] / 3 <= odds[-1] < odds[0] / 1.2


def questions(judge: Judge, *items: Upload | WakeEvent) -> list[float]:
    """The starts of the uploads that a person is asked about."""
    found = []
    for item in sorted(items, key=lambda item: item.final_ns if isinstance(item, Upload) else item.received_ns):
        hand(judge, [item])
        now = item.final_ns if isinstance(item, Upload) else item.received_ns
        for judged in judge.advance(now + 5_000_000_000):
            if judge.question(judged) is not None:
                found.append((judged.upload.start_ns - at(0)) / 1e9)
    return found


def unexplained(*starts: float, **more: Any) -> list[Upload]:
    return [says(start, answered=False, **more) for start in starts]


def test_at_most_one_question_a_day_and_device() -> None:
    judge = court(WakeSource("ear", assumed_up=True, hold_off=1.0))
    assert questions(judge, *unexplained(0, HOUR, 20 * HOUR, 25 * HOUR)) == [0, 25 * HOUR]


def test_what_is_explained_is_not_asked_about() -> None:
    judge = court(WakeSource("ear", assumed_up=True, hold_off=1.0))
    assert questions(judge, hears(0), says(0.5)) == []


def test_the_most_informative_are_asked_first() -> None:
    judge = court(WakeSource("ear", assumed_up=True, hold_off=1.0))
    answered = [says(start) for start in (25 * HOUR, 47 * HOUR)]  # 16 in 100 that nobody asked
    assert questions(judge, *unexplained(0), *answered) == [0, 47 * HOUR]


def test_questions_can_be_switched_off_and_respect_quiet_hours() -> None:
    source = WakeSource("ear", assumed_up=True, hold_off=1.0)
    off = court(source, questions=QuestionSettings(enabled=False))
    assert questions(off, *unexplained(0)) == []
    night = QuietHours(start=datetime.time(0), end=datetime.time(23, 59), devices=("hall",))
    assert questions(court(source, quiet_hours=(night,)), *unexplained(0)) == [0]
    night = QuietHours(start=datetime.time(0), end=datetime.time(23, 59, 59), devices=("kitchen",), unless_asked=True)
    assert questions(court(source, quiet_hours=(night,)), *unexplained(0)) == []


def test_a_restart_forgets_neither_answers_nor_questions() -> None:
    source = WakeSource("ear", assumed_up=True, hold_off=1.0)
    judge, upload = court(source), says(0, answered=False)
    assert questions(judge, upload) == [0]
    judge = court(source, state=json.loads(json.dumps(judge.state())))
    assert questions(judge, *unexplained(HOUR)) == []
    hand(judge, [answers(upload, Answer.NO, 2 * HOUR)])
    judge = court(source, state=json.loads(json.dumps(judge.state())))
    assert last(judge, 0).verdict.reason == "person_says_unasked"


@pytest.mark.parametrize(
    ("lengths", "reasons"),
    [
        ([4, 3, 6, 8], ["wake_event", "follow_up", "follow_up", "follow_up"]),
        ([4, 40, 40, 40], ["wake_event", "longer_than_request", "no_wake_event", "no_wake_event"]),
        ([60], ["longer_than_request"]),
        ([30], ["wake_event"]),
    ],
)
def test_one_wake_word_does_not_explain_everything_that_follows(lengths: list[float], reasons: list[str]) -> None:
    judge, start = court(ear()), 0.5
    hand(judge, [hears(0)])
    for length in lengths:
        hand(judge, [says(start, seconds=length)])
        start += length + 5
    found = final(judge.finish())
    assert [found[key].verdict.reason for key in sorted(found)] == reasons
