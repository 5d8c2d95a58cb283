"""`sniffer rules`: what is in force, is it well formed, does it do what its own tests say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from sniffer.clock import SystemClock
from sniffer.config import Config, load_config
from sniffer.errors import RuleError
from sniffer.judge.exceptions import expired
from sniffer.judge.rules import Rule, failed_tests, load_upload_rules, parse_rule, rule_files, tests_of
from sniffer.judge.settings import ExceptionSettings
from sniffer.resources import shipped

FOLDERS = click.argument("folders", nargs=-1, type=click.Path(path_type=Path))


@click.group()
def command() -> None:
    """List, check and test the rules.

    \b
    Example:  sniffer rules list --effective -c sniffer.yaml
              sniffer rules test my-rules/
    """


@command.command("list")
@click.option(
    "-c", "--config", "path", type=click.Path(path_type=Path), help="A configuration: its folders and levels."
)
@click.option("--effective", is_flag=True, help="With the exceptions in force, and until when.")
def list_rules(path: Path | None, *, effective: bool) -> None:
    """The rules over uploads, with their levels.

    \b
    Example:  sniffer rules list --effective -c sniffer.yaml
    """
    config = load_config(path) if path else Config()
    rules = load_upload_rules(upload_folders(config), config.judge.rules)
    columns = [Column(name, no_wrap=True) for name in ("rule", "level", "status")]
    table = Table(*columns, "title", box=None, pad_edge=False)
    for rule in sorted(rules.rules, key=lambda rule: rule.id):
        shown = rule.level if rule.level == rule.document.level else f"{rule.level} (was {rule.document.level})"
        table.add_row(rule.id, shown, rule.document.status, rule.document.title)
    terminal = Console()
    (terminal if terminal.is_terminal else Console(width=200)).print(table)
    if effective:
        now_ns = SystemClock().now_ns()
        click.echo("\nExceptions:" if rules.exceptions else "\nNo exceptions.")
        for exception in rules.exceptions:
            click.echo(f"  {exception.rule}: {_sentence(exception, over=expired(exception, now_ns))}")


@command.command("check")
@FOLDERS
def check(folders: tuple[Path, ...]) -> None:
    """Are these rule files (or folders; none: the shipped ones) well formed? Every bad one is reported.

    \b
    Example:  sniffer rules check my-rules/
    """
    rules = _read(folders)
    click.echo(f"{len(rules)} rules, all well formed")


@command.command("test")
@FOLDERS
def test(folders: tuple[Path, ...]) -> None:
    """Do these rules (none: the shipped ones) match what their own tests say they match?

    \b
    Example:  sniffer rules test my-rules/
    """
    rules = _read(folders)
    failures = [failure for rule in rules for failure in failed_tests(rule)]
    for failure in failures:
        click.echo(failure, err=True)
    if failures:
        raise RuleError(f"{len(failures)} of {tests_of(rules)} tests failed")
    click.echo(f"{len(rules)} rules, {tests_of(rules)} tests, all passed")


def upload_folders(config: Config) -> list[Path]:
    """Where the rules over uploads come from: those that ship, then one's own."""
    return [shipped("rules") / "uploads", *config.judge.rules.folders]


def _read(folders: Sequence[Path]) -> list[Rule]:
    """All rules under the folders. Every bad file is reported before the command ends."""
    rules: list[Rule] = []
    problems: list[RuleError] = []
    for folder in folders or [shipped("rules") / "uploads"]:
        for file in rule_files(folder):
            try:
                rules.append(parse_rule(file))
            except RuleError as problem:
                problems.append(problem)
    for earlier in problems[:-1]:
        click.echo(f"sniffer: {earlier}", err=True)
    if problems:
        raise problems[-1]
    return rules


def _sentence(exception: ExceptionSettings, *, over: bool) -> str:
    until = "for ever" if exception.expires == "never" else f"until {exception.expires}"
    device = exception.device or "every device"
    return f"{device}, {'EXPIRED ' if over else ''}{until}: {exception.reason}"
