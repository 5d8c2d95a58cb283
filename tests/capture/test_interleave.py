"""Blocks of several sources, put in the order of time."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sniffer.capture.interleave import SLICE_NS, interleave
from tests.capture.remote.senders import block

times = st.lists(st.integers(0, 20 * SLICE_NS), min_size=1, max_size=30).map(sorted)


@given(st.lists(times, max_size=4))
def test_no_packet_comes_before_one_that_is_older_by_more_than_a_slice(sources: list[list[int]]) -> None:
    found = [int(t) for one in interleave([block(*source) for source in sources]) for t in one.time_ns]
    assert sorted(found) == sorted(t for source in sources for t in source), "none lost, none twice"
    newest = 0
    for time_ns in found:
        assert time_ns > newest - SLICE_NS
        newest = max(newest, time_ns)


def test_one_source_is_left_as_it_is() -> None:
    only = block(1, SLICE_NS * 5, SLICE_NS * 9)
    assert interleave([only, block()]) == [only]
