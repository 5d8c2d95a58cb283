"""Recording rules and alerts: well formed, tested, explained, and about metrics that exist."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from sniffer.resources import shipped
from sniffer.sinks.metrics import Metrics
from tests.conftest import ToolFinder

pytestmark = pytest.mark.slow

FOLDER = shipped("dashboards")
RULE_FILES = sorted((FOLDER / "prometheus").glob("*.rules.yml"))
TEST_FILES = sorted((FOLDER / "prometheus" / "tests").glob("*.test.yml"))
RULES = [rule for file in RULE_FILES for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]]
ALERTS = [rule for rule in RULES if "alert" in rule]
RECORDS = [rule for rule in RULES if "record" in rule]
NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def metric_names() -> set[str]:
    """Every series name that the program can expose, and those that Prometheus makes of itself."""
    names: set[str] = {"up", "ALERTS", "process_resident_memory_bytes", "process_start_time_seconds"}
    names |= {"process_cpu_seconds_total", "process_open_fds"}
    for family in Metrics("1").registry.collect():
        suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"], "info": ["_info"]}
        names |= {family.name + suffix for suffix in suffixes.get(family.type, [""])}
    return names


def names_in(expression: str) -> set[str]:
    """The series that an expression asks for: those that begin like ours, or are known of Prometheus itself."""
    bare = re.sub(r'"[^"]*"', '""', expression)
    return {
        name
        for name in NAME.findall(bare)
        if ":" in name or name.startswith(("sniffer_", "process_")) or name in ("up", "ALERTS")
    }


def run(*command: str | Path) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_are_well_formed(tool: ToolFinder) -> None:
    run(tool("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *RULE_FILES)


def test_the_rules_do_what_their_tests_say(tool: ToolFinder) -> None:
    run(tool("promtool"), "test", "rules", *TEST_FILES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_asks_for_metrics_that_exist(rule: dict[str, Any]) -> None:
    known = metric_names() | {other["record"] for other in RECORDS}
    asked = names_in(rule["expr"])
    assert asked and asked <= known, asked - known


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_says_what_it_means_and_what_to_do(alert: dict[str, Any]) -> None:
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url"}
    assert alert["labels"]["severity"] in ("info", "warning", "critical")
    assert alert["labels"]["component"] in ("detection", "monitor")
    assert alert["annotations"]["runbook_url"].endswith(f"/{alert['alert']}.md")
    runbook = (FOLDER / "runbooks" / f"{alert['alert']}.md").read_text()
    parts = ["## What it means", "## What to look at", "## What to do"]
    assert runbook.startswith(f"# {alert['alert']}\n") and all(part in runbook for part in parts)
    assert "{{" not in runbook, "Prometheus serves it as a template"


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(alert: dict[str, Any]) -> None:
    checks = [
        check
        for file in TEST_FILES
        for case in yaml.safe_load(file.read_text())["tests"]
        for check in case.get("alert_rule_test", [])
        if check["alertname"] == alert["alert"]
    ]
    assert {bool(check["exp_alerts"]) for check in checks} == {True, False}


def test_every_runbook_has_its_alert() -> None:
    assert {path.stem for path in (FOLDER / "runbooks").glob("*.md")} == {alert["alert"] for alert in ALERTS}


def test_the_metrics_are_named_as_prometheus_wants_them(tool: ToolFinder) -> None:
    body, _ = Metrics("1").render()
    done = subprocess.run([tool("promtool"), "check", "metrics"], input=body, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()


def test_prometheus_and_alertmanager_accept_their_configuration(tool: ToolFinder) -> None:
    run(tool("promtool"), "check", "config", "--syntax-only", FOLDER / "provisioning/prometheus/prometheus.yml")
    run(tool("amtool"), "check-config", FOLDER / "provisioning/alertmanager/alertmanager.yml")
