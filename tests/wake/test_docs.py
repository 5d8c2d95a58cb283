"""docs/wake.md: every configuration in it is valid, and it names everything there is."""

import json
import re
from pathlib import Path

import pytest

from sniffer.app.config import parse_config
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


def test_every_kind_key_and_type_is_named() -> None:
    for word in [*WakeKind, *(KEYS - {"event_type", "note"})]:
        assert f"`{word}`" in DOCS, word
    for name in TYPES:
        assert f"type: {name}" in DOCS, name
