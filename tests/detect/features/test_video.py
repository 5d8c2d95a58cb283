"""Key frames in a stream, and what looks like them in an utterance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.detect.features.rows import Rows
from sniffer.detect.features.video import bursts_in, key_frames


def rows(pieces: list[tuple[float, int]]) -> Rows:
    seconds, size = (np.array(column) for column in zip(*sorted(pieces), strict=True))
    size = size.astype(np.int64)
    return Rows(seconds - seconds[0], size, np.zeros(len(size), dtype=np.bool_), size, np.ones_like(size))


def pictures(seconds: float, rate: float, size: int) -> list[tuple[float, int]]:
    """Differences between pictures, of sizes that vary."""
    luck = np.random.default_rng(3)
    times = np.arange(0, seconds, 1 / rate)
    return [(float(at), int(size * luck.uniform(0.6, 1.5))) for at in times]


def burst(at: float, amount: int) -> list[tuple[float, int]]:
    return [(at + 0.002 * number, 1_400) for number in range(amount // 1_400)]


@pytest.mark.parametrize("distance", [1.0, 1.9, 3.0, 5.0])
@pytest.mark.parametrize(("rate", "size", "key"), [(8, 700, 17_000), (15, 1_000, 12_000), (20, 3_000, 45_000)])
def test_a_view_has_key_frames(distance: float, rate: float, size: int, key: int) -> None:
    view = pictures(16, rate, size)
    for number in range(int(16 / distance)):
        view += burst(0.4 + number * distance, key)
    found = key_frames(bursts_in(rows(view)))
    assert found is not None
    assert len(found.seconds) >= int(16 / distance) - 1


def test_one_burst_in_the_middle_of_a_stream_is_a_picture() -> None:
    assert key_frames(bursts_in(rows(pictures(6, 8, 700) + burst(3.0, 18_000)))) is not None


def test_a_tiny_packet_before_the_stream_does_not_move_its_key_frames() -> None:
    view = [(at + 5.0, size) for at, size in pictures(6, 8, 700) + burst(3.0, 18_000)]
    (second,) = key_frames(bursts_in(rows([(0.0, 20), *view]))).seconds
    assert second == pytest.approx(8.0, abs=0.2)


def test_a_head_before_a_voice_is_none() -> None:
    assert key_frames(bursts_in(rows(pictures(6, 20, 437) + burst(0.0, 30_000)))) is None


def test_a_state_report_behind_a_voice_is_none() -> None:
    assert key_frames(bursts_in(rows(pictures(3, 20, 437) + burst(0.0, 30_000) + burst(3.05, 29_000)))) is None


def test_what_a_radio_held_back_is_none() -> None:
    """It stalls for half a second every two, and what was spoken meanwhile leaves at once."""
    voice = [(at if at % 2 < 1.5 else at - at % 2 + 2.0, 1_062) for at, _ in pictures(12, 31, 1)]
    assert key_frames(bursts_in(rows(voice))) is None


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 90), st.integers(1, 65_000)), min_size=1, max_size=120))
def test_whatever_was_sent_is_measured(pieces: list[tuple[float, int]]) -> None:
    found = key_frames(bursts_in(rows(pieces)))
    assert found is None or found.bytes > 0
