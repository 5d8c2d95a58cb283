"""The probability that nobody asked, in figures that can be checked by hand."""

import pytest

from sniffer.judge.probability import CERTAIN, DAY_NS, Answers, Habit, MissRate, missed_by_all, nobody_asked
from sniffer.judge.settings import BaseRates

RATES = BaseRates()


def test_by_hand() -> None:
    """14 requests for 0.3 unasked a day, 5 % missed, not answered: 46.7 x 0.05 x (0.1 / 0.6) = 0.389 to 1."""
    odds = Habit().odds(0, RATES)
    assert odds == pytest.approx(46.67, abs=0.01)
    assert nobody_asked(odds, 0.05, False, 0.9, RATES) == pytest.approx(1 / 1.389, abs=0.001)
    assert nobody_asked(odds, 0.05, True, 0.9, RATES) == pytest.approx(1 / (1 + 46.67 * 0.05 * 2.25), abs=0.001)


def test_a_source_that_misses_nothing_is_believed_and_one_that_hears_nothing_is_not() -> None:
    assert nobody_asked(46.7, 0.0, True, 0.9, RATES) == CERTAIN
    assert nobody_asked(46.7, 1.0, False, 0.9, RATES) < 0.15


def test_two_ears_miss_together_what_is_whispered() -> None:
    assert missed_by_all([], 0.1) == 1.0
    assert missed_by_all([0.05], 0.1) == pytest.approx(0.05)
    assert missed_by_all([0.05, 0.1], 0.0) == pytest.approx(0.005)
    assert missed_by_all([0.05, 0.1], 0.1) == pytest.approx(0.0095)


def test_misses_are_learned_and_old_ones_fade() -> None:
    rate = MissRate.guess(0.05)
    assert rate.rate == pytest.approx(0.05)
    for _ in range(200):
        rate.count(True, 1.0)
    assert rate.rate < 0.01
    for _ in range(400):
        rate.count(False, 1.0)
    assert rate.rate > 0.5


def test_who_is_asked_more_must_be_more_plainly_unasked() -> None:
    busy, idle = Habit(), Habit()
    for day in range(30):
        for n in range(40):
            busy.count(day * DAY_NS + n, 0.0)
        idle.count(day * DAY_NS, 0.0)
    now = 30 * DAY_NS
    assert busy.odds(now, RATES) > Habit().odds(now, RATES) > idle.odds(now, RATES)


def test_accusations_do_not_make_guilty() -> None:
    often = Habit()
    for day in range(30):
        for n in range(10):
            often.count(day * DAY_NS + n, 1.0)
            often.count(day * DAY_NS + n, 0.0)
    never = Habit()
    for day in range(30):
        for n in range(10):
            never.count(day * DAY_NS + n, 0.0)
    assert often.odds(30 * DAY_NS, RATES) == never.odds(30 * DAY_NS, RATES)


def test_where_requests_often_go_unanswered_no_answer_says_little() -> None:
    answers = Answers.guess(RATES.answered_if_asked)
    assert answers.rate == pytest.approx(0.9)
    for _ in range(100):
        answers.count(answered=False)
        answers.count(answered=True)
    assert 0.5 < answers.rate < 0.6
    assert nobody_asked(46.7, 0.007, False, answers.rate, RATES) < 0.9 < nobody_asked(46.7, 0.007, False, 0.9, RATES)
