"""`sniffer rules`: what is in force, is it well formed, does it do what its own tests say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.table import Column, Table

from sniffer.app.build import load_rulebook, own_folder
from sniffer.cli._common import config_option, effective_config
from sniffer.errors import RuleError
from sniffer.identify.rules import check as check_identity
from sniffer.judge.settings import ExceptionSettings
from sniffer.model.clock import SystemClock
from sniffer.resources import shipped
from sniffer.rules.engine import failed_tests, parse_rule, rule_files
from sniffer.rules.exceptions import expired

#: Columns of a terminal in which kind, rule, level, status and title have room beside each other.
WIDE = 120
FOLDERS = click.argument("folders", nargs=-1, type=click.Path(path_type=Path))


@dataclass(frozen=True, slots=True)
class Report:
    """One rule file: how many tests it carries, and what is wrong with it (`broken`: it cannot even be read)."""

    file: Path
    tests: int
    problems: tuple[str, ...] = ()
    broken: bool = False


@click.group()
def command() -> None:
    """List, check and test the rules: which hosts are speakers, what a server is for, and which uploads raise alerts.

    \b
    Example:  sniffer rules list --effective -c sniffer.yaml
              sniffer rules test my-rules/
    """


@command.command("list")
@config_option
@click.option("--effective", is_flag=True, help="With the exceptions in force, and until when.")
def list_rules(config_path: Path | None, *, effective: bool) -> None:
    """The rules that a configuration puts in force, with their levels.

    \b
    Example:  sniffer rules list --effective -c sniffer.yaml
    """
    config = effective_config(config_path, ())
    rules = load_rulebook(config)
    # In a narrow terminal the words that explain a rule get a line of their own, instead of a column of one letter.
    terminal = Console()
    narrow = terminal.is_terminal and terminal.width < WIDE
    columns = [Column(name, no_wrap=True) for name in ("kind", "rule", "level", "status")]
    table = Table(*columns, *([] if narrow else ["title"]), box=None, pad_edge=False)

    def add(kind: str, rule: str, level: str, status: str, title: str) -> None:
        table.add_row(kind, rule, level, status, *([] if narrow else [title]))

    for upload in sorted(rules.uploads.rules, key=lambda rule: rule.id):
        level = (
            upload.level if upload.level == upload.document.level else f"{upload.level} (was {upload.document.level})"
        )
        add("upload", upload.id, level, upload.document.status, upload.document.title)
    for device in sorted(rules.devices.rules, key=lambda rule: rule.id):
        add("device", device.id, "", "", device.title)
    for service in sorted(rules.services.rules, key=lambda rule: rule.id):
        add("service", service.id, "", "", service.title)
    (terminal if terminal.is_terminal else Console(width=200)).print(table)
    if effective:
        now_ns = SystemClock().now_ns()
        click.echo("\nExceptions:" if rules.uploads.exceptions else "\nNo exceptions.")
        for exception in rules.uploads.exceptions:
            click.echo(f"  {exception.rule}: {_sentence(exception, over=expired(exception, now_ns))}")


@command.command("check")
@FOLDERS
def check(folders: tuple[Path, ...]) -> None:
    """Are the rules in these folders (none: those that ship) well formed? Every bad file is reported.

    A folder has devices/, services/ or uploads/ in it. Your rules are looked at beside those that ship.

    \b
    Example:  sniffer rules check my-rules/
    """
    reports = _reports(folders)
    _complain([problem for report in reports if report.broken for problem in report.problems])
    click.echo(f"{len(reports)} rule files, all well formed")


@command.command("test")
@FOLDERS
def test(folders: tuple[Path, ...]) -> None:
    """Do the rules in these folders (none: those that ship) do what their own tests say?

    \b
    Example:  sniffer rules test my-rules/
    """
    reports = _reports(folders)
    _complain([problem for report in reports for problem in report.problems])
    click.echo(f"{len(reports)} rule files, {sum(report.tests for report in reports)} tests, all passed")


def _complain(problems: Sequence[str]) -> None:
    """Print all problems but the last, which ends the command."""
    for problem in problems[:-1]:
        click.echo(f"sniffer: {problem}", err=True)
    if problems:
        raise RuleError(problems[-1])


def _reports(given: Sequence[Path]) -> list[Report]:
    folders = [shipped("rules"), *(own_folder(path) for path in given)]
    identity = [
        Report(report.file, report.tests, report.problems, report.id is None) for report in check_identity(folders)
    ]
    return [*_uploads(folders), *identity]


def _uploads(folders: Sequence[Path]) -> Iterator[Report]:
    for folder in folders:
        if not (folder / "uploads").is_dir():
            continue
        for file in rule_files(folder / "uploads"):
            try:
                rule = parse_rule(file)
            except RuleError as problem:
                yield Report(file, 0, (str(problem),), broken=True)
            else:
                yield Report(file, len(rule.document.tests), tuple(f"{file}: {text}" for text in failed_tests(rule)))


def _sentence(exception: ExceptionSettings, *, over: bool) -> str:
    until = "for ever" if exception.expires == "never" else f"until {exception.expires}"
    device = exception.device or "every device"
    return f"{device}, {'EXPIRED ' if over else ''}{until}: {exception.reason}"
