"""How far the daemon's clock is from ours, from times that are cut to the second."""

import email.utils

from hypothesis import given
from hypothesis import strategies as st

from sniffer.listener.clock_offset import ClockOffset
from sniffer.model.clock import SECOND

NOW = 1_700_000_000 * SECOND


def date(daemon_ns: int) -> str:
    return email.utils.formatdate(daemon_ns // SECOND, usegmt=True)


@given(
    st.integers(-3600 * 1000, 3600 * 1000),
    st.lists(st.tuples(st.integers(1, 60_000), st.integers(0, 400)), min_size=1, max_size=30),
)
def test_the_offset_is_never_further_from_the_truth_than_a_second(offset_ms: int, posts: list[tuple[int, int]]) -> None:
    """Each post is milliseconds after the one before, and takes some to be answered."""
    offset, clock, now = ClockOffset(), offset_ms * 1_000_000, NOW
    for wait, taken in posts:
        sent = now + wait * 1_000_000
        now = sent + taken * 1_000_000
        offset.observe(sent, now, date(now + clock))
        assert abs(offset.offset_ns - clock) <= 1.5 * SECOND
        assert offset.offset_ns == 0 or (offset.offset_ns > 0) == (clock > 0)


def test_many_posts_at_different_parts_of_a_second_narrow_it() -> None:
    offset, clock = ClockOffset(), 7_300_000_000
    for number in range(20):
        sent = NOW + number * 20_050_000_000
        offset.observe(sent, sent + 5_000_000, date(sent + clock))
    assert abs(offset.offset_ns - clock) < 0.1 * SECOND


def test_a_clock_that_is_set_is_followed() -> None:
    offset = ClockOffset()
    offset.observe(NOW, NOW, date(NOW + 50 * SECOND))
    assert offset.offset_ns >= 49 * SECOND
    offset.observe(NOW + SECOND, NOW + SECOND, date(NOW + SECOND))
    assert offset.offset_ns == 0


def test_nothing_is_known_without_a_date() -> None:
    offset = ClockOffset()
    for text in (None, "", "yesterday", "Fri, 99 Nov 2026 16:00:00 GMT"):
        offset.observe(NOW, NOW, text)
    assert offset.offset_ns == 0
