"""An independent engine, pySigma with its SQLite backend, says the same of the same records."""

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.records.schemas import rule_fields
from sniffer.resources import shipped
from sniffer.rules.engine import load_upload_rules
from sniffer.rules.sigma import compile_detection, values_of

pytest.importorskip("sigma.backends.sqlite", reason="pySigma and its SQLite backend are not installed")

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection
from sigma.plugins import InstalledSigmaPlugins
from sigma.validation import SigmaValidator

pytestmark = pytest.mark.slow

RULES = load_upload_rules([shipped("rules") / "uploads"]).rules


class Oracle:
    """Records in a table, one column a field, asked with the SQL that pySigma makes of a rule.

    Columns compare without case, as Sigma wants and SQLite's `=` does not by itself.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:")
        self._database.create_function("regexp", 2, lambda p, t: t is not None and re.search(p, str(t)) is not None)
        columns = ", ".join(f'"{field}" COLLATE NOCASE' for field in sorted(rule_fields()))
        self._database.execute(f"CREATE TABLE logs ({columns})")

    def matches(self, document: dict[str, Any], records: list[dict[str, Any]]) -> list[bool]:
        (query,) = sqliteBackend().convert(SigmaCollection.from_dicts([document]))
        self._database.execute("DELETE FROM logs")
        places = ", ".join("?" * len(rule_fields()))
        for record in records:
            row = [self._scalar(values_of(record, field)) for field in sorted(rule_fields())]
            self._database.execute(f"INSERT INTO logs VALUES ({places})", row)
        found = {row[0] for row in self._database.execute(query.replace("SELECT *", "SELECT rowid", 1))}
        order = [row[0] for row in self._database.execute("SELECT rowid FROM logs ORDER BY rowid")]
        return [rowid in found for rowid in order]

    def close(self) -> None:
        self._database.close()

    @staticmethod
    def _scalar(values: list[Any]) -> Any:
        return None if not values else values[0] if len(values) == 1 else json.dumps(values)


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    oracle = Oracle()
    yield oracle
    oracle.close()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_pysigma_agrees_on_the_tests_of_all_rules(rule: Any, oracle: Oracle) -> None:
    document = yaml.safe_load(Path(rule.file).read_text())
    records = [case.record for other in RULES for case in other.document.tests]
    assert oracle.matches(document, records) == [rule.test(record) for record in records]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_pysigma_finds_nothing_wrong_with_a_rule(rule: Any) -> None:
    collection = SigmaCollection.from_yaml(Path(rule.file).read_text())
    assert not collection.errors and not collection.rules[0].errors
    assert str(collection.rules[0].id) == str(rule.document.id)


def test_pysigmas_validators_find_nothing_to_improve() -> None:
    """All of them, but for those that look up MITRE's tags in the network."""
    found = InstalledSigmaPlugins.autodiscover().validators
    offline = [one for name, one in found.items() if not any(word in name for word in ("attack", "d3fend", "tag"))]
    assert len(offline) > 10
    collection = SigmaCollection.load_ruleset([shipped("rules") / "uploads"])
    assert [str(issue) for issue in SigmaValidator(offline).validate_rules(collection)] == []


# --- detections and records made at random -----------------------------------------------------------------------

WORDS = st.sampled_from(["speech", "Speech", "bulk", "media", "", "a_b", "a%b", "50%"])
PATTERNS = st.sampled_from(["speech", "SPEECH", "sp*", "*e*", "?ulk", "a_b", "a*b", "*", "50%", r"a\*b", "b"])
NUMBERS = st.one_of(st.integers(-3, 3), st.sampled_from([0.5, 2.5]))
ADDRESSES = st.sampled_from(["192.168.1.23", "192.169.0.1", "10.0.0.1"])
NETWORKS = st.sampled_from(["192.168.0.0/16", "192.168.1.0/24", "10.0.0.0/8", "192.168.1.16/28"])


def one_or_more(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


def lines() -> st.SearchStrategy[tuple[str, Any]]:
    text, number = st.sampled_from(["verdict", "service.host"]), st.sampled_from(["upload.bytes", "upload.duration"])
    like = st.sampled_from(["contains", "startswith", "endswith"])
    some = PATTERNS.filter(lambda pattern: pattern != "*")  # `contains: *` is not one thing in all engines
    return st.one_of(
        st.tuples(text, one_or_more(PATTERNS | st.none())),
        st.tuples(st.builds("{}|{}".format, text, like), one_or_more(some)),
        st.tuples(st.builds("{}|{}|all".format, text, like), st.lists(some, min_size=2, max_size=3)),
        st.tuples(number, one_or_more(NUMBERS)),
        st.tuples(st.builds("{}|{}".format, number, st.sampled_from(["gt", "gte", "lt", "lte"])), NUMBERS),
        st.tuples(st.builds("{}|exists".format, text | number), st.booleans()),
        st.tuples(st.just("src_ip|cidr"), one_or_more(NETWORKS)),
        st.tuples(st.just("wake.seen"), st.booleans()),
    )


def conditions(depth: int = 3) -> st.SearchStrategy[str]:
    leaf = st.sampled_from(["a_1", "a_2", "b", "1 of a_*", "all of a_*", "1 of them", "all of them"])
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds("not {}".format, inner.map(lambda text: f"({text})")),
            st.builds("({}) and {}".format, inner, inner),
            st.builds("{} or ({})".format, inner, inner),
            st.builds("{} and not {}".format, inner, leaf),
        ),
        max_leaves=depth * 2,
    )


def records() -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "verdict": WORDS | st.none(),
            "src_ip": ADDRESSES | st.none(),
            "service": st.fixed_dictionaries({"host": WORDS | st.none()}),
            "wake": st.fixed_dictionaries({"seen": st.booleans()}),
            "upload": st.fixed_dictionaries({"bytes": NUMBERS | st.none(), "duration": NUMBERS | st.none()}),
        }
    )


SELECTION = st.dictionaries(st.integers(0, 2), lines(), min_size=1, max_size=3).map(lambda d: dict(d.values()))


@settings(max_examples=250, deadline=None)
@given(
    selections=st.fixed_dictionaries(
        {"a_1": SELECTION, "a_2": SELECTION | st.lists(SELECTION, min_size=1, max_size=2), "b": SELECTION}
    ),
    condition=conditions(),
    events=st.lists(records(), min_size=1, max_size=8),
)
def test_pysigma_agrees_on_any_detection(
    oracle: Oracle, selections: dict[str, Any], condition: str, events: list[dict[str, Any]]
) -> None:
    detection = {**selections, "condition": f"({condition}) or (a_1 and a_2 and b and not b)"}
    document = {
        "title": "T",
        "id": "11111111-1111-4111-8111-111111111111",
        "logsource": {"product": "sniffer", "category": "upload"},
        "detection": detection,
    }
    ours = compile_detection(detection, rule_fields())
    assert [ours(event) for event in events] == oracle.matches(document, events), yaml.safe_dump(document)
