"""The words of the page: complete in every language, and safe with any name."""

import re
import string
import zoneinfo
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sniffer.detect.scoring.evidence import ITEMS
from sniffer.judge.reasons import Reason
from sniffer.model.clock import SECOND
from sniffer.web.words import LANGUAGES, Words, choose_language, plain, texts
from tests.web.house import PageHouse, upload

BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_every_text_with_the_same_fields(language: str) -> None:
    english = texts("en")
    other = {key: text for key, text in texts(language).items() if not key.startswith(("evidence.", "rule."))}
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
    for item_of in ITEMS:
        for weight in (2.0, -2.0):
            recorded = {"name": item_of.name, "value": 0.5, "weight": weight, "text": "ENGLISH"}
            assert Words("de", BERLIN).evidence(recorded) != "ENGLISH", item_of.name


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
    assert german.time(at) == "Sa, 22. Nov. 2025, 19:04:05 MEZ"
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


def test_every_shipped_rule_is_told_in_every_language() -> None:
    for path in Path("rules/uploads").glob("*.yml"):
        rule = yaml.safe_load(path.read_text())
        texts_of = {f"title: {rule['title']}", f"description: {rule['description']}"}
        texts_of |= {f"triage.{number}: {step}" for number, step in enumerate(rule["triage"], 1)}
        for text in texts_of:
            part, _, english = text.partition(": ")
            assert Words("en", BERLIN).rule(rule["name"], part, english) == english
            assert Words("de", BERLIN).rule(rule["name"], part, english) != english, (rule["name"], part)


class Shown(HTMLParser):
    """The text of a page without what the network, the configuration and the log say."""

    VOID = ("meta", "link", "input", "br", "img")

    def __init__(self) -> None:
        super().__init__()
        self.depth, self.hidden, self.texts = 0, 0, list[str]()

    @classmethod
    def of(cls, html: str) -> str:
        parser = cls()
        parser.feed(html)
        return " ".join(" ".join(parser.texts).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag in self.VOID:
            return
        self.depth += 1
        foreign = tag in ("bdi", "code", "pre", "option", "script") or (
            tag != "html" and dict(attributes).get("lang") == "en"
        )
        if foreign and not self.hidden:
            self.hidden = self.depth

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if self.hidden == self.depth:
            self.hidden = 0
        self.depth -= 1

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.texts.append(data)


def test_the_german_page_has_no_english_left(tmp_path: Path) -> None:
    """No English text of the page, its rules or its evidence stands in a German view. What the network, the
    configuration and the log say is marked (`bdi`, `code`, `lang="en"`)."""
    house = PageHouse(tmp_path, devices=[{"mac": "68:db:f5:90:19:64", "name": "kitchen"}])
    reasons = [str(reason) for reason in Reason]
    with house.store.transaction():
        for number, reason in enumerate(reasons, 1):
            evidence = [{"name": item.name, "value": 1.0, "weight": 1.0, "text": "ENGLISH"} for item in ITEMS]
            record = upload(number, "unexpected" if number % 2 else "inconclusive", reason, evidence=evidence)
            house.store.emit({**record, "id": f"u{number}"})
        house.store.emit({"event_type": "alert", "id": "a", "timestamp": record["timestamp"], "kind": "upload",
                          "dedup_key": "x", "level": "high", "rule": "upload-outside-wake", "device": record["device"],
                          "rules": ["upload-outside-wake"], "count": 1, "summary": "ENGLISH summary"})  # fmt: skip
    english = {text for key, text in texts("en").items() if len(text.split()) > 2 and "{" not in text}
    english -= set(texts("de").values())
    for path in Path("rules/uploads").glob("*.yml"):
        rule = yaml.safe_load(path.read_text())
        english |= {rule["title"], rule["description"], *rule["triage"]}
    views = ("/", "/timeline", "/questions", "/devices", "/devices/68:db:f5:90:19:64", "/sources", "/record", "/rules",
             "/health", "/start", "/start?step=listener", "/start?step=alerts", "/start?step=done", "/login?again=1",
             "/link/x", "/uploads/none", *(f"/uploads/u{number}" for number in range(1, len(reasons) + 1)))  # fmt: skip
    client = house.client(language="de")
    for view in views:
        html = client.get(view).text
        assert '<html lang="de"' in html
        shown = Shown.of(html)
        assert [text for text in english if text in shown] == [], view
        words = re.findall(r"\b(ENGLISH|the|and|with|your|nobody|somebody|speech|left)\b", shown)
        assert words == [], (view, words)
    house.close()
