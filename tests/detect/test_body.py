"""The body of a run is found alike by the compiled piece and without it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer import native
from sniffer.detect.features.pacing import SLACK, find_body


@pytest.mark.skipif(native.DETECT is None, reason="the compiled piece is not built (python hatch_build.py)")
@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32),
    st.integers(1, 400),
    st.floats(0.01, 700),
    st.sampled_from([60, 437, 1460, 60_000]),
    st.sampled_from([0.12, SLACK]),
)
def test_compiled_and_not(seed: int, packets: int, duration: float, largest: int, slack: float) -> None:
    random = np.random.default_rng(seed)
    seconds = np.sort(random.random(packets)) * duration
    if seed % 2:  # an even pace, with bursts before and in it
        seconds = np.sort(np.concatenate((np.arange(packets) * duration / packets, random.random(5) * 0.1)))
    seconds -= seconds[0]
    size = random.integers(56, largest + 1, len(seconds))
    found = find_body(seconds, size, slack)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "DETECT", None)
        assert find_body(seconds, size, slack) == found
