"""The vendor's clock, learned from the whole."""

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sniffer.model.clock import SECOND
from sniffer.vendor.clocks import by_chance, learn_clock
from tests.vendor.writing import START, times


def starts(count: int, seed: int) -> list[int]:
    return [START + at * SECOND for at in times(count, seed)]


# What agrees by chance wins once in thousands (CHANCE): the examples are the same each time.
@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 1000), st.integers(-85, 85), st.integers(-56, 56), st.floats(0, 0.5))
@example(241, 3, -1, 0.28125)  # four pairs agree by chance near zero, and forty elsewhere
def test_an_offset_is_found_whatever_it_is_and_however_much_is_missing(
    seed: int, seconds: int, quarters: int, removed: float
) -> None:
    chance = random.Random(seed)
    uploads = starts(60, seed)
    offset = (seconds + 900 * quarters) * SECOND
    rows = [start + offset + chance.randrange(SECOND) for start in uploads if chance.random() >= removed]
    rows += [chance.randrange(uploads[0], uploads[-1]) for _ in range(20)]
    clock = learn_clock("x", uploads, sorted(rows))
    assert clock.known
    assert abs(clock.offset_ns - offset) < 2 * SECOND


@pytest.mark.parametrize("seed", range(40))
def test_rows_of_another_household_teach_no_offset(seed: int) -> None:
    assert not learn_clock("x", starts(40, seed), starts(300, seed + 1000)).known


def test_two_rows_teach_no_offset() -> None:
    uploads = starts(40, 1)
    assert not learn_clock("x", uploads, uploads[:2]).known


def test_the_sum_of_poisson() -> None:
    assert by_chance(0, 2.0) == 1.0
    assert by_chance(1, 2.0) == pytest.approx(1 - 0.1353, abs=1e-3)
    assert by_chance(5, 1.0) == pytest.approx(0.00366, abs=1e-4)
    assert by_chance(3, 0.0) == 0.0
