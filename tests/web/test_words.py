"""The words of the page: complete in every language, and safe with any name."""

import string
import zoneinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.detect.scoring.evidence import ITEMS
from sniffer.judge.reasons import Reason
from sniffer.model.clock import SECOND
from sniffer.web.words import LANGUAGES, Words, choose_language, plain, texts

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_text_with_the_same_fields(language: str) -> None:
    english = texts("en")
    other = {key: text for key, text in texts(language).items() if not key.startswith("evidence.")}
    assert set(other) == set(english)
    for key, text in other.items():
        extra = fields(text) - fields(english[key])
        assert not extra, (key, extra)
        lost = fields(english[key]) - fields(text)
        assert lost <= {"n", "number"}, (key, lost)


def test_evidence_is_told_in_the_language_or_as_it_was_recorded() -> None:
    item = {"name": "chunk_constancy", "value": 0.98, "text": "98% of it"}
    assert Words("en", BERLIN).evidence(item) == "98% of it"
    assert Words("de", BERLIN).evidence(item).replace("\xa0", " ").startswith("98 % des gleichmäßigen Teils")
    assert Words("de", BERLIN).evidence({"name": "new_one", "value": 1, "text": "new"}) == "new"
    names = {item.name for item in ITEMS if not item.habit}
    assert {f"evidence.{name}" for name in names} <= set(texts("de"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_words(language: str) -> None:
    assert {f"reason.{reason}" for reason in Reason} <= set(texts(language))


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr,en;q=0.3,de;q=0.8", "de"),
        ("", "en"),
        ("xx;q=bad,,;;", "en"),
        ("DE", "de"),
        ("de;q=0.1,en", "en"),
    ],
)
def test_the_language_is_what_the_browser_asks_for(header: str, language: str) -> None:
    assert choose_language(header) == language
    assert choose_language(header, "de") == "de"
    assert choose_language(header, "klingon") == language


def test_numbers_and_times_are_written_as_the_language_writes_them() -> None:
    english, german = Words("en", BERLIN), Words("de", BERLIN)
    assert (english.number(1234.5, 1), german.number(1234.5, 1)) == ("1,234.5", "1.234,5")
    at = 1_763_834_645 * SECOND
    assert english.time(at) == "Sat 22 Nov 2025, 19:04:05 CET"
    assert german.time(at) == "Sa, 22. Nov. 2025, 19:04:05 CET"
    assert english.time(1_750_000_000 * SECOND).endswith("CEST")
    assert [english.duration(s).replace("\xa0", " ") for s in (3.42, 30, 600, 7200, 3 * 86_400)] == [
        "3.4 s", "30 s", "10 min", "2.0 h", "3 days",
    ]  # fmt: skip
    assert english.percent(0.9999).replace("\xa0", " ") == "over 99 %"


@given(st.text())
def test_a_name_is_printable_short_and_keeps_its_direction(text: str) -> None:
    shown = plain(text)
    assert len(shown) <= 60
    assert all(character.isprintable() for character in shown)


@given(st.integers(-(2**62), 2**62))
def test_any_time_can_be_written(time_ns: int) -> None:
    assert Words("en", BERLIN).time(time_ns)
