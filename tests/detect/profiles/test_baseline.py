"""What is usual is learned slowly; a single outlier changes nothing, and a new habit is told when it is adopted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.detect.profiles.baseline import Baseline


def of(*values: float) -> Baseline:
    usual = Baseline()
    for value in values:
        usual.learn(value)
    return usual


def test_nothing_is_usual_at_first() -> None:
    assert of(8_000).likeness(8_000) is None
    assert (of(8_000, 8_100).likeness(8_000) or 0) > 0.5
    assert Baseline().value == 0


def test_likeness_follows_how_far_this_one_strays() -> None:
    narrow = of(*[8_000, 8_100, 7_900] * 5)
    wide = of(*[8_000, 12_000, 5_500] * 5)
    assert narrow.likeness(8_000) == pytest.approx(1, abs=0.1)
    assert (narrow.likeness(12_000) or 0) < -0.5 < 0 < (wide.likeness(12_000) or 0)


def test_another_habit_is_adopted_after_three_alike() -> None:
    usual = of(*[8_000] * 10)
    assert [usual.learn(value) for value in (33_000, 1_000, 33_000, 33_500)] == [None] * 4
    assert usual.learn(32_800) == pytest.approx(8_000)
    assert usual.value == pytest.approx(32_800)
    assert usual.likeness(33_000) is not None


@given(st.lists(st.floats(1e-3, 1e9), max_size=60), st.floats(1e-3, 1e9))
def test_whatever_comes_it_stays_plausible(values: list[float], asked: float) -> None:
    usual = of(*values)
    assert usual.plausible
    likeness = usual.likeness(asked)
    assert likeness is None or (-1 <= likeness <= 1 and math.isfinite(usual.value))


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_nothing_is_learned_of_nothing(value: float) -> None:
    usual = of(value)
    assert usual == Baseline()
    assert of(1, 1, 1).likeness(value) is None
