"""The share of recordings that nobody asked for, as people answered, with its interval."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.model.intervals import wilson

#: The time that the share is about.
PERIOD_NS = 14 * 86_400 * SECOND
#: Clear answers before a share is shown: with fewer, its interval says nothing.
ENOUGH = 5
#: Newest answers that are read: of two weeks, each device asks once a day, and an answer can be changed.
MOST_ANSWERS = 2_000
#: What it means, for the digest; the page has the same in its own languages.
SENTENCE = (
    "In the last two weeks you answered {n} questions clearly. Of 100 recordings like these, {low} to {high} were not "
    "asked for."
)


@dataclass(frozen=True, slots=True)
class Share:
    """Clear answers, and between which whole percentages the share of "nobody asked" lies (95 %)."""

    answers: int
    low: int
    high: int

    def sentence(self) -> str:
        """Return what it means."""
        return SENTENCE.format(n=self.answers, low=self.low, high=self.high)


def unasked_share(newest_first: Iterable[Record], now_ns: int) -> Share | None:
    """Return the share of the last two weeks from `answer` records; None where too few were clear.

    Of each upload the last answer counts. The interval is Wilson's.
    """
    said: dict[str, str] = {}
    for record in newest_first:
        if 0 <= now_ns - parse_timestamp(record["timestamp"]) <= PERIOD_NS:
            said.setdefault(str(record["upload_id"]), str(record["answer"]))
    unasked = sum(answer == "no" for answer in said.values())
    count = unasked + sum(answer == "yes" for answer in said.values())
    interval = wilson(unasked, count) if count >= ENOUGH else None
    if interval is None:
        return None
    low, high = interval
    return Share(count, math.floor(100 * low + 1e-9), math.ceil(100 * high - 1e-9))
