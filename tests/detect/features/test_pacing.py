"""What an application wrote at once, and what the line made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sniffer.detect.features.pacing import Shape, body_bins, measure
from sniffer.detect.features.rows import UNKNOWN_LINE, Line, Rows, full_rows, substantial


def rows(pieces: list[tuple[float, int]]) -> Rows:
    seconds, size = (np.array(column) for column in zip(*sorted(pieces), strict=True))
    return Rows(seconds - seconds[0], size, np.zeros(len(size), dtype=np.bool_), size, np.ones_like(size))


def test_the_rest_of_a_write_counts_however_small_and_signs_of_life_do_not() -> None:
    """PCM over QUIC: 4,124 bytes every 128 ms are three full datagrams and twenty bytes."""
    write = [(0.0, 1_368), (0.001, 1_368), (0.002, 1_368), (0.003, 20)]
    pieces = [(0.128 * tick + at, size) for tick in range(20) for at, size in write]
    pings = [(0.06 + 0.25 * number, 40) for number in range(8)]
    run = rows(pieces + pings)
    assert sorted(substantial(run).bytes.tolist()) == sorted([20, 1_368, 1_368, 1_368] * 20)
    shape = measure(run, Line(segments=(1_368,)))
    assert shape.constancy == pytest.approx(1, abs=0.01)
    assert (shape.chunk, shape.full_share) == (4_124, 0)


def test_a_large_packet_that_leaves_alone_was_not_cut_by_the_line() -> None:
    alone = rows([(0.2 * number, 1_326) for number in range(12)])
    assert not full_rows(alone, UNKNOWN_LINE)[1:-1].any()
    assert measure(alone).constancy > 0.8
    in_a_row = rows([(0.03 * number, 1_326) for number in range(12)])
    assert full_rows(in_a_row, UNKNOWN_LINE).all()


def test_with_how_much_it_opens_and_until_when() -> None:
    shape = measure(rows([(0.01 * number, 1_200) for number in range(20)] + [(0.6 + 0.1 * n, 300) for n in range(15)]))
    assert shape.opening == 24_000
    assert shape.opened == pytest.approx(0.5, abs=0.01)


def test_nothing_has_a_shape_too() -> None:
    assert measure(rows([(0.0, 400)]).between(1, 2)).packets == 0


def test_the_bin_in_which_the_head_ends_is_no_part_of_the_body() -> None:
    shape = Shape(duration=1.2, bytes=20_000, packets=30, begin=0.1, end=1.2, rate=8_740.0)
    assert body_bins(shape, (12_000, 2185, 2185, 2185, 1748)) == (1, 5)
    assert body_bins(shape, (2_622, 2185, 2185, 2185, 1748)) == (0, 5), "mostly body"
    assert body_bins(replace(shape, end=0.2), (12_000,)) == (0, 1), "a body has a bin of its own"
    assert body_bins(replace(shape, begin=0.0, end=0.0), (12_000,)) is None
