"""Rules over uploads: Sigma documents with their tests and triage steps, read once and evaluated often.

`load_upload_rules` is the edge and reads files; a `RuleSet` is a value and does no I/O.
"""

from __future__ import annotations

import datetime
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from uuid import UUID

import yaml
from pydantic import Field

from sniffer.errors import ConfigError, RuleError
from sniffer.judge.settings import ExceptionSettings, RuleSettings
from sniffer.model import LEVELS, Level
from sniffer.records.schemas import rule_fields
from sniffer.rules.exceptions import applies
from sniffer.rules.sigma import DetectionError, Test, compile_detection
from sniffer.settings.base import Section
from sniffer.settings.yaml import built, located, mark_of, read_text, validate

Text = Annotated[str, Field(min_length=1, max_length=4000)]
Status = Literal["stable", "test", "experimental", "deprecated", "unsupported"]
RULE_STATUSES: tuple[Status, ...] = get_args(Status)
MAX_RULES = 1000


class LogSource(Section):
    """Sigma's log source; it is always the same."""

    product: Literal["sniffer"]
    category: Literal["upload"]


class RuleTest(Section):
    """An upload record (the fields that matter) and whether the rule must match it."""

    name: Text
    record: dict[str, Any]
    match: bool


class RuleDocument(Section):
    """One rule file. `name` is the rule's id in records and exceptions; `id` is the UUID that Sigma requires."""

    title: Annotated[str, Field(min_length=1, max_length=256)]
    id: UUID
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    status: Status
    description: Text
    references: tuple[Text, ...] = ()
    author: str | None = None
    date: datetime.date
    modified: datetime.date | None = None
    tags: tuple[str, ...] = ()
    logsource: LogSource
    detection: dict[str, Any]
    falsepositives: Annotated[tuple[Text, ...], Field(min_length=1)]
    level: Level
    tests: Annotated[tuple[RuleTest, ...], Field(min_length=2)]
    triage: Annotated[tuple[Text, ...], Field(min_length=1)]


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled rule. `level` is the level in force, `file` the file that defines it."""

    document: RuleDocument
    level: Level
    file: Path
    test: Test

    @property
    def id(self) -> str:
        """The rule's id in records and exceptions."""
        return self.document.name


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that an upload matches, with what to do (`triage`) and what else it may be (`falsepositives`)."""

    id: str
    title: str
    level: Level
    triage: tuple[str, ...]
    falsepositives: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All rules in force, and the exceptions to them."""

    rules: tuple[Rule, ...] = ()
    exceptions: tuple[ExceptionSettings, ...] = ()

    def evaluate(self, record: Mapping[str, Any], now_ns: int) -> list[RuleMatch]:
        """Return the rules that match an upload record and have no exception for its device, the gravest first."""
        found = [
            RuleMatch(rule.id, rule.document.title, rule.level, rule.document.triage, rule.document.falsepositives)
            for rule in self.rules
            if rule.test(record) and not any(applies(e, rule.id, record, now_ns) for e in self.exceptions)
        ]
        return sorted(found, key=lambda match: (-LEVELS.index(match.level), match.id))


def load_upload_rules(folders: Iterable[Path], settings: RuleSettings | None = None) -> RuleSet:
    """Read all rules under these folders; `settings` holds levels and exceptions.

    Raises RuleError with file, line and column; ConfigError where the settings name a rule that does not exist.
    """
    settings = settings or RuleSettings()
    rules: dict[str, Rule] = {}
    for folder in folders:
        for file in rule_files(folder):
            rule = parse_rule(file)
            for other in rules.values():
                if rule.id == other.id or rule.document.id == other.document.id:
                    raise RuleError(f"the name or id of '{rule.id}' is also that of {other.file}", file=file)
            rules[rule.id] = rule
            if len(rules) > MAX_RULES:
                raise RuleError(f"more than {MAX_RULES} rules", file=folder)
    for name in (*settings.levels, *(exception.rule for exception in settings.exceptions)):
        if name not in rules:
            close = difflib.get_close_matches(name, rules, n=1)
            where = "levels" if name in settings.levels else "exceptions"
            raise ConfigError(
                f"judge.rules.{where}: no rule is called '{name}'" + (f"; did you mean '{close[0]}'?" if close else "")
            )
    in_force = (
        Rule(rule.document, settings.levels.get(name, rule.level), rule.file, rule.test) for name, rule in rules.items()
    )
    return RuleSet(tuple(in_force), settings.exceptions)


def rule_files(folder: Path) -> list[Path]:
    """Return the rule files under a folder, sorted. Raises RuleError if there is no such folder."""
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise RuleError("no such folder of rules", file=folder)
    return sorted(path for path in folder.rglob("*") if path.suffix in (".yml", ".yaml") and path.is_file())


def parse_rule(file: Path) -> Rule:
    """Read one rule document. Raises RuleError with file, line and column."""
    return built(read_text(file, RuleError), file, RuleError, partial(_rule, file))


def _rule(file: Path, value: Any, node: yaml.Node | None) -> Rule:
    document = validate(value, node, file, RuleDocument, RuleError)
    try:
        test = compile_detection(document.detection, rule_fields())
    except DetectionError as problem:
        raise _located(problem, node, file) from None
    for wanted in (True, False):
        if not any(case.match is wanted for case in document.tests):
            mark = mark_of(node, ("tests",))
            raise located(RuleError, f"no test in which the rule must {'' if wanted else 'not '}match", file, mark)
    return Rule(document, document.level, file, test)


def _located(problem: DetectionError, node: yaml.Node | None, file: Path) -> RuleError:
    """Return the error with its place in the file; inside a one-line condition, the place of the word."""
    mark = mark_of(node, ("detection", *problem.location), key=problem.key)
    error = located(RuleError, problem.message, file, mark)
    if problem.offset and error.line is not None and error.column is not None:
        line = mark.buffer.split("\n")[error.line - 1] if mark.buffer else ""
        quote = line[error.column - 1 : error.column] in ("'", '"')
        if line[error.column - 1 : error.column] not in ("|", ">"):
            column = error.column + problem.offset + quote
            return RuleError(problem.message, file=file, line=error.line, column=column)
    assert isinstance(error, RuleError)
    return error


def failed_tests(rule: Rule) -> list[str]:
    """Return the rule's own tests that fail, as sentences."""
    return [
        f"{rule.id}: '{case.name}' must {'' if case.match else 'not '}match"
        for case in rule.document.tests
        if rule.test(case.record) is not case.match
    ]
