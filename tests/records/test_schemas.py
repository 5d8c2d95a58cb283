"""The schemas, the rule fields, the export columns and docs/events.md describe what is really written."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from sniffer.model import Answer, Drift, Listening, Loss, Service, Trust, VerdictKind, WakeEvent, WakeKind
from sniffer.model import Testimony as Heard
from sniffer.records.alerts import digest_record, dropped_record, resolved_record, setup_test_record
from sniffer.records.build import (
    answer_record,
    device_record,
    drift_record,
    listening_record,
    loss_record,
    question_record,
    stats_record,
    wake_record,
)
from sniffer.records.codec import from_json
from sniffer.records.schemas import described_fields, export_columns, field_table, rule_fields, schema
from sniffer.records.types import EVENTS, DigestDevice
from tests.sinks.builders import FLOW, KITCHEN, START, upload, upload_value

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "events.md"


def samples() -> Iterator[dict[str, Any]]:
    yield upload("unexpected")
    yield upload("expected", revision=3)
    yield upload(None, kind="telemetry", host=None)
    yield listening_record(Listening(KITCHEN.key, FLOW, Service(), START, START, 3.0), KITCHEN, "br-lan").to_json()
    yield device_record(KITCHEN, "br-lan", START).to_json()
    yield wake_record(WakeEvent(START, "ear")).to_json()
    yield wake_record(WakeEvent(START, "ear", WakeKind.MUTE, "68-db-f5-90-19-64", Trust.SELF_REPORT)).to_json()
    heard = Heard(START - 8 * 10**9, START, (("alexa", 0.01),), 0.4, -38.2, -61.0, 8.0)
    yield wake_record(WakeEvent(START, "ear", WakeKind.TESTIMONY, testimony=heard)).to_json()
    answer = WakeEvent(START, "link", WakeKind.ANSWER, trust=Trust.PERSON, upload="a", answer=Answer.NO)
    yield answer_record(answer).to_json()
    yield question_record(upload_value(VerdictKind.INCONCLUSIVE), START, 0.31, "Was that you?").to_json()
    yield loss_record(Loss("br-lan", START, START + 10**9, 7)).to_json()
    yield drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437, 900), KITCHEN, "br-lan").to_json()
    counts = dict.fromkeys(("uptime_seconds", "packets", "dropped", "decode_errors", "flows"), 1)
    yield stats_record("br-lan", START, **counts, devices=3, watched=1, uploads=0).to_json()
    yield dropped_record("home", 3, START).to_json()
    yield setup_test_record(START).to_json()
    value = upload_value(VerdictKind.EXPECTED, revision=1)
    yield resolved_record(
        "alert-1", START, value, dedup_key="a/b", level="high", rule="b", rules=("b",), device=value.device,
        uploads=(value.id,), count=1, first=value.timestamp, summary="It was you",
    ).to_json()  # fmt: skip
    device = DigestDevice(name="kitchen", mac=None, uploads=1, speech_seconds=3.0, expected=1, unexpected=0,
                          inconclusive=0, unexpected_speech_seconds=0.0, bytes=1, muted=0)  # fmt: skip
    yield digest_record([device], START, START + 10**9, summary="a", text="b").to_json()


SAMPLES = list(samples())


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
            yield from fields(item, described.get("items", {}), path.removesuffix(".") + "[].")


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record["event_type"])
def test_real_records_are_as_described(record: dict[str, Any]) -> None:
    check(record)


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record["event_type"])
def test_a_record_is_read_back_as_it_was_written(record: dict[str, Any]) -> None:
    assert from_json(EVENTS[record["event_type"]], record).to_json() == record


def test_each_type_has_a_sample() -> None:
    assert {record["event_type"] for record in SAMPLES} == set(EVENTS)


@pytest.mark.parametrize("event_type", EVENTS)
def test_a_schema_is_valid_and_describes_each_field(event_type: str) -> None:
    described = schema(event_type)
    jsonschema.Draft202012Validator.check_schema(described)
    assert described["$id"] == f"https://github.com/speaker-sniffer/speaker-sniffer/schemas/{event_type}.json"
    assert described["properties"]["event_type"]["const"] == event_type
    assert all(part["description"] for _, part in described_fields(described))


@pytest.mark.parametrize("record", SAMPLES, ids=lambda record: record["event_type"])
def test_a_field_that_is_missing_is_noticed(record: dict[str, Any]) -> None:
    validator = jsonschema.Draft202012Validator(schema(record["event_type"]))
    for name in record:
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({k: v for k, v in record.items() if k != name})


def test_a_field_has_one_json_type_in_all_event_types() -> None:
    """Column stores lock a field to the first type that they see."""
    kinds: dict[str, set[str]] = {}
    for event_type in EVENTS:
        for path, part in described_fields(schema(event_type)):
            for kind in [part["type"]] if isinstance(part["type"], str) else part["type"]:
                if kind != "null":
                    kinds.setdefault(path.removeprefix("record."), set()).add(kind)
    assert {path: found for path, found in kinds.items() if len(found) > 1} == {}


def test_the_rule_fields_are_the_leaves_of_an_upload_record() -> None:
    assert {"upload.class", "evidence.name", "history.unexpected_in_24h", "decided_by"} <= rule_fields()
    assert not {"upload", "device", "evidence", "evidence[].name"} & rule_fields()


def test_the_export_columns_are_found_in_a_record() -> None:
    columns = {column.name: column.path for column in export_columns()}
    assert columns["device"] == ("device", "name")
    assert columns["class"] == ("upload", "class")
    for path in columns.values():
        value: Any = upload()
        for name in path:
            value = value[name]


@pytest.mark.parametrize("event_type", EVENTS)
def test_the_docs_have_the_generated_table(event_type: str) -> None:
    section = DOCS.read_text().split(f"\n## {event_type}\n")[1].split("\n## ")[0]
    assert schema(event_type)["description"] in section
    assert "\n".join(field_table(event_type)) in section


def test_records_are_made_in_their_room_alone() -> None:
    """No other room writes an `event_type`, or calls the constructor of a record."""
    makers = {kind.__name__ for kind in EVENTS.values()}
    found = []
    for path in (ROOT / "sniffer").rglob("*.py"):
        if path.parent.name == "records":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            keys = node.keys if isinstance(node, ast.Dict) else ()
            if any(isinstance(key, ast.Constant) and key.value == "event_type" for key in keys):
                found.append(f"{path}:{node.lineno}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in makers:
                found.append(f"{path}:{node.lineno}")
    # Home Assistant's own messages have a key of that name.
    assert [place for place in found if "homeassistant.py" not in place.replace("_", "")] == []
