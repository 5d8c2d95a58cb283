"""The rules that say who a device is and what a host name is for: their format, and the loader at the edge.

docs/devices.md describes the format. A rule file is refused as a whole, with file, line and column.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AfterValidator, Field, field_validator, model_validator

from sniffer.errors import RuleError
from sniffer.identify.facts import FACT_KINDS, NAME_KINDS
from sniffer.identify.oui import EMPTY, MAX_TABLE_BYTES, OuiTable
from sniffer.settings.base import Section
from sniffer.settings.yaml import load_yaml, located, mark_of, parse_yaml, read_text, validate

Role = Literal["voice", "telemetry", "control", "update", "media", "time", "unknown"]
Identity = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=300)]
Weight = Annotated[float, Field(ge=-20, le=20)]
Pattern = Annotated[str, Field(min_length=1, max_length=255)]


def _known_fact(kind: str) -> str:
    if kind not in FACT_KINDS:
        raise ValueError(f"no fact is called '{kind}' ({', '.join(sorted(FACT_KINDS))})")
    return kind


FactKind = Annotated[str, AfterValidator(_known_fact)]


class Matches(Section):
    """Fact kinds, each with patterns in which `*` stands for anything."""

    any: dict[str, Pattern | tuple[Pattern, ...]]

    @field_validator("any")
    @classmethod
    def _known(cls, found: dict[str, Pattern | tuple[Pattern, ...]]) -> dict[str, Pattern | tuple[Pattern, ...]]:
        for kind in found:
            if kind != "name" and kind not in FACT_KINDS:
                raise ValueError(f"no fact is called '{kind}' (name, {', '.join(sorted(FACT_KINDS))})")
        return found

    def patterns(self) -> list[tuple[str, str]]:
        """(fact kind, pattern), `name` spelled out."""
        listed: list[tuple[str, str]] = []
        for kind, value in self.any.items():
            for pattern in (value,) if isinstance(value, str) else value:
                listed.extend((k, pattern) for k in (NAME_KINDS if kind == "name" else (kind,)))
        return listed


class EvidenceItem(Matches):
    """One reason: `weight` (log-odds) counts once where at least `at_least` different patterns are seen, and `absent`
    where they are not. `more` adds to it where still more are seen: `{3: 1.5}`. A negative weight contradicts.
    An item that `lists` is enough, alone, to list what the device sends, without an accusation: most devices that show
    it have a microphone."""

    weight: Weight
    lists: bool = False
    absent: Weight = 0
    at_least: Annotated[int, Field(ge=1, le=32)] = 1
    more: dict[Annotated[int, Field(ge=2, le=32)], Weight] = Field(default_factory=dict)
    text: Text

    def worth(self, seen: int) -> float:
        """What this many different patterns add to the log-odds."""
        if seen < self.at_least:
            return self.absent
        return self.weight + sum(extra for count, extra in self.more.items() if seen >= count)


class ModelItem(Matches):
    """Which model: the first that is seen. `*` as the name stands for what the pattern's `*` stood for."""

    model: Text
    kind: str | None = None
    microphone: bool | None = None


class DeviceTest(Section):
    """Facts that must (or must not) make this rule win with the usual confidence."""

    title: Text
    facts: tuple[dict[FactKind, str], ...]
    match: bool
    model: str | None = None
    kind: str | None = None
    microphone: bool | None = None


class DeviceRule(Section):
    """One thing that may be in a home. `hides`: it may hide other hosts behind its own address (a router with NAT)."""

    id: Identity
    title: Text
    vendor: str | None = None
    kind: str
    model: str | None = None
    microphone: bool
    hides: bool = False
    description: str = ""
    references: tuple[Text, ...] = ()
    prior: Annotated[float, Field(ge=-20, le=0)] = -4
    evidence: Annotated[tuple[EvidenceItem, ...], Field(min_length=1)]
    models: tuple[ModelItem, ...] = ()
    tests: tuple[DeviceTest, ...]

    @model_validator(mode="after")
    def _tested(self) -> DeviceRule:
        if {test.match for test in self.tests} != {True, False}:
            raise ValueError("`tests` needs one that must match and one that must not")
        return self


class ServiceEntry(Section):
    """Host names with one role. With `vendors`, only for devices of these vendors: the name is shared with others."""

    role: Role
    hosts: Annotated[tuple[Pattern, ...], Field(min_length=1)]
    source: Text
    vendors: tuple[str, ...] = ()
    encrypted_dns: bool = False


class ServiceTest(Section):
    """A host name and the role it must have, for a device of `vendor`."""

    host: str
    role: Role
    vendor: str | None = None


class ServiceRule(Section):
    """The services of one vendor."""

    id: Identity
    title: Text
    vendor: str | None = None
    references: tuple[Text, ...] = ()
    entries: Annotated[tuple[ServiceEntry, ...], Field(min_length=1)]
    tests: tuple[ServiceTest, ...]

    @model_validator(mode="after")
    def _tested(self) -> ServiceRule:
        known = {test.role != "unknown" for test in self.tests}
        if known != {True, False}:
            raise ValueError("`tests` needs a host that has a role and one that is unknown to this rule")
        return self


# --- loading -------------------------------------------------------------------------------------------------------

Rule = TypeVar("Rule", DeviceRule, ServiceRule)


def load_device_rules(folders: Sequence[Path]) -> tuple[DeviceRule, ...]:
    """The rules in `FOLDER/devices/*.yml`; one of a later folder replaces one of the same id. Raises RuleError."""
    return tuple(rule for _, rule in _load(folders, "devices", DeviceRule))


def load_service_rules(folders: Sequence[Path]) -> tuple[ServiceRule, ...]:
    """The rules in `FOLDER/services/*.yml`, likewise. Raises RuleError."""
    return tuple(rule for _, rule in _load(folders, "services", ServiceRule))


def load_oui(folders: Sequence[Path]) -> OuiTable:
    """The table in the last folder that has one (`oui.tsv`). Raises RuleError."""
    for folder in reversed(folders):
        path = folder / "oui.tsv"
        if path.is_file():
            return read_oui(path)
    return EMPTY


def read_oui(path: Path) -> OuiTable:
    """One table. Raises RuleError."""
    return OuiTable(read_large(path), path)


def read_large(path: Path) -> bytes:
    """The text of a table, which may be larger than what a person writes. Raises RuleError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise RuleError(f"cannot be read: {error.strerror}", file=path) from None
    if len(data) > MAX_TABLE_BYTES:
        raise RuleError(f"is over {MAX_TABLE_BYTES} bytes: that is no list of prefixes", file=path)
    return data


def _load(folders: Iterable[Path], kind: str, model: type[Rule]) -> list[tuple[Path, Rule]]:
    found: dict[str, tuple[Path, Rule]] = {}
    for folder in folders:
        here: dict[str, Path] = {}
        for path in sorted((folder / kind).glob("*.yml")):
            rule = parse_yaml(read_text(path, RuleError), path, model, RuleError)
            if rule.id in here:
                raise RuleError(f"the id '{rule.id}' is already used by {here[rule.id].name}", file=path)
            here[rule.id] = path
            found[rule.id] = (path, rule)
    return list(found.values())


# --- checking ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RuleReport:
    """One rule file: its id (None where it could not be read), how many tests it carries and what is wrong."""

    file: Path
    id: str | None
    tests: int
    problems: tuple[str, ...] = ()


def check(folders: Sequence[Path]) -> list[RuleReport]:
    """Read every device and service rule by itself and run its tests against all of them. Never raises RuleError."""
    from sniffer.identify.rule_tests import failures_of_devices, failures_of_services

    reports: list[RuleReport] = []
    devices: dict[str, _Read[DeviceRule]] = {}
    services: dict[str, _Read[ServiceRule]] = {}
    for folder in folders:
        _collect(folder / "devices", DeviceRule, devices, reports)
        _collect(folder / "services", ServiceRule, services, reports)
    device_failures = failures_of_devices([read.rule for read in devices.values()])
    service_failures = failures_of_services([read.rule for read in services.values()])
    reports += [read.report(device_failures[id]) for id, read in devices.items()]
    reports += [read.report(service_failures[id]) for id, read in services.items()]
    return sorted(reports, key=lambda report: str(report.file))


@dataclass(frozen=True, slots=True)
class _Read(Generic[Rule]):
    """A rule, and where everything in its file is."""

    path: Path
    rule: Rule
    node: Any

    def report(self, failures: Iterable[tuple[int, str]]) -> RuleReport:
        problems = [
            str(located(RuleError, text, self.path, mark_of(self.node, ("tests", number)))) for number, text in failures
        ]
        return RuleReport(self.path, self.rule.id, len(self.rule.tests), tuple(problems))


def _collect(folder: Path, model: type[Rule], found: dict[str, _Read[Rule]], bad: list[RuleReport]) -> None:
    for path in sorted(folder.glob("*.yml")):
        try:
            value, node = load_yaml(read_text(path, RuleError), path, RuleError)
            rule = validate(value, node, path, model, RuleError)
        except RuleError as error:
            bad.append(RuleReport(path, None, 0, (str(error),)))
        else:
            found[rule.id] = _Read(path, rule, node)
