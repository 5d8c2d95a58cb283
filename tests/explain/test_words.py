import re

import pytest

from sniffer.explain.words import WORDS, words_of
from sniffer.judge.reasons import KIND, Reason
from sniffer.model import VerdictKind

#: Words that stand for no one in particular where a text should name the thing that acts.
VAGUE = re.compile(r"\b(nobody|somebody|whoever|anybody|stranger|told|accused)\b", re.IGNORECASE)


def test_every_reason_has_words_and_no_other() -> None:
    assert set(WORDS) == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_words_of_a_reason_are_plain(reason: Reason) -> None:
    words = WORDS[reason]
    assert words.headline and not words.headline.endswith(".")
    assert words.sentence[:1].isupper() and not words.sentence.endswith(".")
    assert words.advice.endswith(".")
    assert not VAGUE.search(" ".join((words.headline, words.sentence, words.advice)))


@pytest.mark.parametrize("reason", [reason for reason in Reason if KIND[reason] is not VerdictKind.UNEXPECTED])
def test_only_an_unexpected_upload_is_called_not_asked_for(reason: Reason) -> None:
    assert "not asked for" not in WORDS[reason].headline + WORDS[reason].sentence


@pytest.mark.parametrize("verdict", [*VerdictKind, None])
def test_a_reason_of_a_later_version_has_the_words_of_its_verdict(verdict: VerdictKind | None) -> None:
    assert words_of("a reason of next year", verdict).sentence
