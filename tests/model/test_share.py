"""The share of recordings that nobody asked for: of each upload the last answer, two weeks, an interval."""

from __future__ import annotations

import pytest

from sniffer.model import Record
from sniffer.model.clock import SECOND, timestamp
from sniffer.model.share import PERIOD_NS, SENTENCE, Share, unasked_share
from sniffer.web.words import texts

NOW = 1_790_000_000 * SECOND


def answer(upload: int, said: str, ago_ns: int = 0) -> Record:
    return {"timestamp": timestamp(NOW - ago_ns), "upload_id": str(upload), "answer": said}


@pytest.mark.parametrize(
    ("yes", "no", "share"),
    [
        (4, 0, None),
        (5, 0, Share(5, 0, 44)),
        (0, 5, Share(5, 56, 100)),
        (95, 5, Share(100, 2, 12)),  # Wilson: 2.2 to 11.2
    ],
)
def test_the_interval_is_that_of_wilson(yes: int, no: int, share: Share | None) -> None:
    records = [answer(n, "yes") for n in range(yes)] + [answer(1000 + n, "no") for n in range(no)]
    assert unasked_share(records, NOW) == share


def test_the_last_answer_counts_and_unsure_ones_and_old_ones_do_not() -> None:
    clear = [answer(n, "yes") for n in range(5)]
    changed = [answer(0, "no"), answer(1, "unsure"), *[answer(n, "yes", SECOND) for n in range(6)]]
    assert unasked_share([*clear, answer(9, "no", PERIOD_NS + SECOND)], NOW) == Share(5, 0, 44)
    found = unasked_share(changed, NOW)
    assert found is not None and found.answers == 5
    assert found.low > 0


def test_the_page_says_it_in_the_same_words() -> None:
    assert texts("en")["questions.share"] == SENTENCE
