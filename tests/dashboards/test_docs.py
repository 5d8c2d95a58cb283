"""The documentation names what there is: rules, fields, modifiers, metrics, alerts, and it runs."""

import re
from pathlib import Path

import pytest
import yaml

from sniffer.app.config import parse_config
from sniffer.resources import shipped
from sniffer.rules.engine import RULE_STATUSES, load_upload_rules, parse_rule
from sniffer.rules.sigma import MODIFIERS
from tests.dashboards.test_prometheus import ALERTS, metric_names

DOCS = Path(__file__).parents[2] / "docs"
RULES = (DOCS / "rules.md").read_text()
DASHBOARDS = (DOCS / "dashboards.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_shipped_rule_is_described_with_its_level() -> None:
    rows = dict(re.findall(r"^\| `([a-z0-9-]+)` \| (\w+) \|", RULES, re.MULTILINE))
    assert rows == {rule.id: rule.level for rule in load_upload_rules([shipped("rules") / "uploads"]).rules}


@pytest.mark.parametrize("word", [*MODIFIERS, *RULE_STATUSES])
def test_every_word_of_the_format_is_described(word: str) -> None:
    assert re.search(rf"\b{word}\b", RULES)


def test_the_examples_are_right(tmp_path: Path) -> None:
    configuration, rule = blocks(RULES, "yaml")
    config = parse_config(configuration, "docs/rules.md")
    load_upload_rules([shipped("rules") / "uploads"], config.judge.rules)
    (tmp_path / "rule.yml").write_text(rule)
    assert parse_rule(tmp_path / "rule.yml").document.model_dump()["detection"] == yaml.safe_load(rule)["detection"]


def test_every_metric_is_described() -> None:
    described = set(re.findall(r"`(sniffer_\w+)`", DASHBOARDS))
    ours = {name for name in metric_names() if name.startswith("sniffer_")}
    exposed = {re.sub(r"(duration_seconds)_(bucket|count|sum)$", r"\1", name) for name in ours}
    assert exposed == described


def test_every_alert_is_described_with_its_severity() -> None:
    rows = dict(re.findall(r"^\| `(Sniffer\w+)` \| (\w+) \|", DASHBOARDS, re.MULTILINE))
    assert rows == {alert["alert"]: alert["labels"]["severity"] for alert in ALERTS}
