"""The sender's clock compared with ours: wrong, set, drifting, and packets that are long on their way."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture.remote.clock import SenderClock
from sniffer.model.clock import SECOND

START = 1_700_000_000 * SECOND


def read(clock: SenderClock, at: float, ahead: float, delay: float = 0.0) -> tuple[float, bool]:
    """One packet that is captured `at` seconds from the start by a clock that is `ahead`; the error of its time."""
    stamp = START + round((at + ahead) * SECOND)
    reading = clock.read(np.array([stamp], dtype=np.int64), START + round((at + delay) * SECOND))
    return (int(reading.time_ns[0]) - START) / SECOND - at, reading.changed


def test_packets_that_wait_on_their_way_do_not_move_the_clock() -> None:
    clock = SenderClock()
    read(clock, 0, 60.0)
    for second in range(1, 300):
        error, changed = read(clock, second, 60.0, delay=5.0 if 100 < second < 120 else 0.01)
        assert abs(error) < 0.02 and not changed


def test_a_clock_that_is_set_forward_or_back_is_noticed_at_once() -> None:
    for step in (3600.0, -3600.0, 3.0, -3.0):
        clock = SenderClock()
        for second in range(10):
            read(clock, second, 0.0)
        error, changed = read(clock, 10, step)
        assert changed and abs(error) < 0.1, step
        assert not read(clock, 11, step)[1]


def test_a_drift_is_followed_in_small_steps() -> None:
    clock = SenderClock()
    worst = 0.0
    for second in range(0, 7200):
        error, _ = read(clock, second, -second * 2e-4)
        worst = max(worst, abs(error))
    assert worst < 0.6


@given(st.lists(st.tuples(st.floats(0.0, 1.9), st.floats(0.01, 5.0)), min_size=1, max_size=60), st.floats(-1e6, 1e6))
def test_a_steady_clock_is_never_off_by_more_than_the_least_delay_and_the_tolerance(
    packets: list[tuple[float, float]], ahead: float
) -> None:
    clock, at = SenderClock(), 0.0
    for delay, wait in packets:
        at += wait
        error, _ = read(clock, at, ahead, delay)
        assert -0.001 <= error <= 2.2
