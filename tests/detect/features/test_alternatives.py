"""Other hypotheses about a run: a short utterance behind its initial burst, frames of one size among other data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.detect.features.alternatives import alternatives
from sniffer.detect.features.pacing import Shape, measure
from sniffer.detect.features.rows import UNKNOWN_LINE, Rows


def rows(pieces: list[tuple[float, int]], answered: bool = False) -> Rows:
    seconds, size = (np.array(column) for column in zip(*sorted(pieces), strict=True))
    answers = np.full(len(size), answered)
    return Rows(seconds - seconds[0], size, answers, size, np.ones_like(size))


def readings(run: Rows) -> list[Shape]:
    return list(alternatives(run, UNKNOWN_LINE, measure(run)))


HEAD = [(0.04 * i, 300 + 60 * i) for i in range(9)]


def test_a_head_is_not_taken_for_the_body_of_a_short_utterance() -> None:
    run = rows(HEAD + [(0.42 + 0.12 * i, 505) for i in range(8)])
    assert measure(run).begin < 0.1
    impatient = readings(run)[0]
    assert impatient.begin > 0.1
    assert impatient.rate == pytest.approx(505 / 0.12, rel=0.1)
    assert impatient.head_bytes > 4_000


def test_pieces_of_one_size_are_seen_through_other_data() -> None:
    luck = np.random.default_rng(4)
    pieces = [(0.1 * i, 457) for i in range(30)]
    other = [
        (float(at), int(size)) for at, size in zip(luck.uniform(0, 3, 60), luck.integers(60, 1400, 60), strict=True)
    ]
    alone = [shape for shape in readings(rows(pieces + other)) if shape.constancy == 1.0]
    assert alone
    assert alone[0].writes_per_second == pytest.approx(10, rel=0.05)
    assert alone[0].outside_bytes > 20_000


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 65_000)), min_size=1, max_size=120))
def test_whatever_was_sent_every_reading_accounts_for_no_more_than_that(pieces: list[tuple[float, int]]) -> None:
    run = rows(pieces)
    whole = measure(run)
    for shape in readings(run):
        assert shape.bytes == whole.bytes
        assert 0 < shape.body_bytes <= whole.bytes
        assert 0 <= shape.begin <= shape.end <= whole.duration
        assert shape.rate > 0
