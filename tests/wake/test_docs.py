"""docs/wake.md: every configuration in it is valid, and it names everything there is."""

import json
import re
from pathlib import Path

import pytest

from sniffer.app.config import parse_config
from sniffer.judge import KIND, Reason
from sniffer.model import WakeKind
from sniffer.wake.events import KEYS, parse_event
from sniffer.wake.settings import TYPES

DOCS = (Path(__file__).parents[2] / "docs" / "wake.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", DOCS, re.DOTALL)


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "yaml"])
def test_configurations_can_be_copied(text: str) -> None:
    assert parse_config(text, "docs/wake.md")


@pytest.mark.parametrize("text", [text for language, text in BLOCKS if language == "json"])
def test_events_can_be_copied(text: str) -> None:
    assert parse_event(json.loads(text))


def test_every_kind_key_type_and_reason_is_named() -> None:
    for word in [*WakeKind, *(KEYS - {"event_type", "note"})]:
        assert f"`{word}`" in DOCS, word
    for name in TYPES:
        assert f"type: {name}" in DOCS, name
    for reason in Reason:
        if KIND[reason] is not None:
            assert f"`{reason}`" in DOCS, reason


def test_every_reason_stands_beside_its_verdict() -> None:
    for reason, kind in KIND.items():
        if kind is not None:
            row = next(line for line in DOCS.splitlines() if line.startswith(f"| `{kind}` | `"))
            assert f"`{reason}`" in row, reason
