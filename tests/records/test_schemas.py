"""The schemas describe what is really written, and docs/events.md describes every field."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sniffer.model import Drift, Listening, Loss, Service, WakeEvent
from sniffer.records.build import device_record, drift_record, listening_record, loss_record, stats_record, wake_record
from sniffer.records.schemas import EVENT_TYPES, schema
from sniffer.sinks.delivery.outbox import dropped_record
from tests.sinks.builders import FLOW, KITCHEN, START, upload

DOCS = Path(__file__).parents[2] / "docs" / "events.md"


def samples() -> Iterator[dict[str, Any]]:
    yield upload("unexpected")
    yield upload("expected", revision=3)
    yield upload(None, kind="telemetry", host=None)
    yield listening_record(Listening(KITCHEN.key, FLOW, Service(), START, START, 3.0), KITCHEN, "br-lan")
    yield device_record(KITCHEN, "br-lan", START)
    yield wake_record(WakeEvent(START, "ear"))
    yield loss_record(Loss("br-lan", START, START + 10**9, 7))
    yield drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437, 900), KITCHEN, "br-lan")
    yield stats_record(
        "br-lan",
        START,
        uptime_seconds=1,
        packets=2,
        dropped=0,
        decode_errors=0,
        flows=1,
        devices=3,
        watched=1,
        uploads=0,
    )
    yield dict(dropped_record("home", 3, START))


def check(record: dict[str, Any]) -> None:
    """Valid, and without a field that the schema does not know."""
    described = schema(record["event_type"])
    jsonschema.validate(record, described, cls=jsonschema.Draft202012Validator)
    unknown = set(fields(record, described)) - {path for path, _ in described_fields(described)}
    assert not unknown


def fields(value: Any, described: dict[str, Any], path: str = "") -> Iterator[str]:
    if isinstance(value, dict) and "properties" in described:
        for name, item in value.items():
            yield f"{path}{name}"
            yield from fields(item, described["properties"].get(name, {}), f"{path}{name}.")
    elif isinstance(value, list):
        for item in value:
            yield from fields(item, described.get("items", {}), path)


def described_fields(described: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, part in described.get("properties", {}).items():
        yield f"{path}{name}", part
        yield from described_fields(part, f"{path}{name}.")
        yield from described_fields(part.get("items", {}), f"{path}{name}.")


@pytest.mark.parametrize("record", list(samples()), ids=lambda record: record["event_type"])
def test_real_records_are_as_described(record: dict[str, Any]) -> None:
    check(record)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_a_schema_is_one_and_says_what_each_field_means(event_type: str) -> None:
    described = schema(event_type)
    jsonschema.Draft202012Validator.check_schema(described)
    assert described["properties"]["event_type"]["const"] == event_type
    assert all(part["description"] for _, part in described_fields(described))


def test_there_is_a_schema_for_each_type_and_no_other() -> None:
    folder = Path(__file__).parents[2] / "sniffer" / "schemas"
    assert {file.stem for file in folder.glob("*.json")} == set(EVENT_TYPES)


@pytest.mark.parametrize("record", list(samples()), ids=lambda record: record["event_type"])
def test_a_field_that_is_missing_is_noticed(record: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema(record["event_type"]))
    for name in record:
        if name == "event_type":
            continue
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({k: v for k, v in record.items() if k != name})


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_docs_say_what_each_field_means(event_type: str) -> None:
    """`device` and `service` are described once, under `upload`."""
    section = DOCS.read_text().split(f"\n## {event_type}\n")[1].split("\n## ")[0]
    described = schema(event_type)
    assert described["description"] in section
    for path, part in described_fields(described):
        if path.startswith(("device.", "service.")) and event_type != "upload":
            continue
        name = path.rsplit(".", 1)[-1]
        row = next((line for line in section.splitlines() if f".{name}` |" in line or f"| `{name}` |" in line), None)
        assert row is not None, path
        assert part["description"] in section, path
