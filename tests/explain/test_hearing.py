"""How well a wake source hears, in words; and that the page, metrics and `doctor` have it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sniffer.explain.hearing import hearing_text, hears_badly
from sniffer.judge import SourceQuality
from sniffer.model import Trust

GOOD = SourceQuality(
    name="shelf", trust=Trust.INDEPENDENT, up=True, events=211, explained=200, unused=3, share_explained=0.95,
    miss_rate=0.04, skew_seconds=0.1, spread_seconds=0.1, last_event_ns=1, requests=211, unheard=0.004,
    clock_offset_seconds=0.0, unresponsive_since_ns=None, heard_ns=1, heard_days=(),
)  # fmt: skip


@pytest.mark.parametrize(
    ("quality", "text", "bad"),
    [
        (GOOD, "shelf misses about 4% of the wake words, and 0.4% of 211 requests left no trace in it at all", False),
        (
            replace(GOOD, requests=3, unheard=0.0),
            "shelf misses about 4% of the wake words (too few requests so far to say more)",
            False,
        ),
        (replace(GOOD, unheard=0.2), "20.0% of 211 requests left no trace", True),
        (replace(GOOD, unheard=None, requests=0), "too few requests", False),
        (replace(GOOD, clock_offset_seconds=None), "wrong clock", True),
        (replace(GOOD, unresponsive_since_ns=5), "reported none of the last requests", True),
    ],
)
def test_how_well_a_source_hears_is_said_in_a_sentence(quality: SourceQuality, text: str, bad: bool) -> None:
    assert text in hearing_text(quality)
    assert hears_badly(quality) == bad
