"""Records of version 0.1, as they stand in logs and stores, are still read. New fields need a default for that."""

import json
from pathlib import Path
from typing import Any

import pytest

from sniffer.explain.headline import headline
from sniffer.explain.sentences import explain
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.sinks.metrics import Metrics
from sniffer.wake.events import parse_event

OLD: dict[str, Any] = json.loads((Path(__file__).parent / "records_of_version_0_1.json").read_text())


def test_an_upload_of_version_0_1_is_explained() -> None:
    assert explain(from_json(UploadRecord, OLD["upload"])).headline.startswith("kitchen sent")


@pytest.mark.parametrize("event_type", OLD)
def test_every_record_of_version_0_1_has_a_headline(event_type: str) -> None:
    assert headline(OLD[event_type], "UTC")


def test_a_wake_event_of_version_0_1_is_read_back() -> None:
    assert parse_event(OLD["wake"]).device == "kitchen"


def test_an_upload_of_version_0_1_is_counted() -> None:
    Metrics("1", []).remember(OLD["upload"])
