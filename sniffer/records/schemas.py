"""The JSON Schemas of the records, one for each event type: the contract with whoever reads what we write."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

#: Every type of record that leaves the program.
EVENT_TYPES = (
    "upload",
    "listening",
    "device",
    "wake",
    "alert",
    "resolved",
    "loss",
    "stats",
    "drift",
    "digest",
)


def schema(event_type: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one event type."""
    text = files("sniffer").joinpath("schemas", f"{event_type}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded
