"""Rules over uploads: Sigma documents with their tests and what to do about a match, read once and evaluated often.

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
    """Sigma's log source, which is always ours."""

    product: Literal["sniffer"]
    category: Literal["upload"]


class RuleTest(Section):
    """An upload's record (as much of it as matters) and whether the rule must match it."""

    name: Text
    record: dict[str, Any]
    match: bool


class RuleDocument(Section):
    """One rule file. `name` is what people call the rule and records carry; `id` is the UUID that Sigma wants."""

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
    """A rule that was read and understood. `level` is the one in force, `file` where it came from."""

    document: RuleDocument
    level: Level
    file: Path
    test: Test

    @property
    def id(self) -> str:
        """What records and exceptions call it."""
        return self.document.name


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule that an upload matches; `triage` and `falsepositives` say what to do, and what else it may be."""

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
        """The rules that an upload record matches and that nobody has silenced for its device, the gravest first."""
        found = [
            RuleMatch(rule.id, rule.document.title, rule.level, rule.document.triage, rule.document.falsepositives)
            for rule in self.rules
            if rule.test(record) and not any(applies(e, rule.id, record, now_ns) for e in self.exceptions)
        ]
        return sorted(found, key=lambda match: (-LEVELS.index(match.level), match.id))


def load_upload_rules(folders: Iterable[Path], settings: RuleSettings | None = None) -> RuleSet:
    """Read all rules under these folders. `settings` changes levels and makes exceptions.

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
    """The rule files under a folder, in order. Raises RuleError where there is none such folder."""
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
    """The place of a mistake in a detection; inside a condition on one line, the very word."""
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
    """The rule's own tests that it does not pass, as sentences."""
    return [
        f"{rule.id}: '{case.name}' must {'' if case.match else 'not '}match"
        for case in rule.document.tests
        if rule.test(case.record) is not case.match
    ]
