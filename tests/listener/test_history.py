"""Ten minutes of tenths of a second, and testimonies about them."""

from __future__ import annotations

import threading
import tracemalloc

import pytest

from sniffer.listener.history import KEPT, History
from sniffer.listener.recognizer import Tenth
from sniffer.model import Testimony as Said
from sniffer.model.clock import SECOND

S = SECOND


def tenth(score: float = 0.0, voice: float = 0.0, level: float = -60.0, flat: bool = False) -> Tenth:
    return Tenth(0, (score,), voice, level, flat)


def filled(seconds: int) -> History:
    """From second 0 on; at second n.0 the score is n / 1000, a voice in its second half, one loud tenth."""
    history = History(["alexa"])
    for number in range(1, 10 * seconds + 1):
        loud = -20.0 if number % 10 == 5 else -60.0
        history.add(tenth(number // 10 / 1000, 1.0 if number % 10 >= 5 else 0.0, loud), number * S // 10)
    return history


def test_a_testimony_is_about_its_span_only() -> None:
    said = filled(60).testimony(10 * S, 18 * S)
    assert said == Said(10 * S, 18 * S, (("alexa", 0.018),), 0.5, -20.0, -60.0, 8.0)


def test_what_was_heard_in_part() -> None:
    history = filled(20)
    assert history.testimony(14 * S, 22 * S).seconds == pytest.approx(6.0)
    assert history.testimony(30 * S, 38 * S).seconds == 0
    assert history.testimony(30 * S, 38 * S).scores == ()
    assert History(["alexa"]).testimony(0, 8 * S).seconds == 0


def test_the_noise_floor_is_that_of_the_minute_before() -> None:
    history = History(["alexa"])
    for number in range(1, 1801):
        history.add(tenth(level=-60.0 if number <= 900 else -30.0), number * S // 10)
    assert history.testimony(80 * S, 88 * S).noise_db == -60
    assert history.testimony(172 * S, 180 * S).noise_db == -30
    assert history.noise_db() == -30


def test_what_did_not_move_was_not_heard() -> None:
    history = History(["alexa"])
    for number in range(1, 81):
        history.add(tenth(flat=number <= 60), number * S // 10)
    assert history.testimony(0, 8 * S).seconds == pytest.approx(2.0)


def test_ten_minutes_are_kept_and_never_more() -> None:
    history = History(["alexa", "okay_nabu", "hey_jarvis", "hey_mycroft"])
    tracemalloc.start()
    for number in range(1, 3 * KEPT + 1):
        history.add(Tenth(0, (0.1, 0.2, 0.3, 0.4), 0.0, -60.0, False), number * S // 10)
    grown = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert grown < 20_000, "nothing grows with time"
    end = 3 * KEPT * S // 10
    assert history.testimony(end - 600 * S, end - 592 * S).seconds == pytest.approx(8, abs=0.2)
    assert history.testimony(end - 610 * S, end - 602 * S).seconds == 0


def test_waiting_ends_with_the_sound_or_in_time() -> None:
    history = filled(10)
    history.wait_for(9 * S, 60.0)
    history.wait_for(11 * S, 0.0)
    late = threading.Timer(0.02, lambda: history.add(tenth(), 12 * S))
    late.start()
    history.wait_for(11 * S, 60.0)
    assert history.newest_ns == 12 * S
    late.join()
