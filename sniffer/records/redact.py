"""What leaves a house for a collector: records with a pseudonym of the house, and with less where that is wanted.

Nothing is taken out by guessing where names are: each level keeps the fields that it names, and no others.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, Literal

#: `full`: the record. `no_names`: no name, address or host of anybody. `counts`: what kind of thing happened, by hour.
Redaction = Literal["full", "no_names", "counts"]

#: Hexadecimal digits of a pseudonym: among a million houses two share one once in 10^7 times.
PSEUDONYM_DIGITS = 16
#: The same of a message's id: messages of all houses are many more than houses.
MESSAGE_DIGITS = 32

_PLAIN = ("event_type", "revision", "timestamp", "end", "proto", "verdict", "confidence", "reason", "decided_by",
          "level", "microphone", "kind", "score", "count")  # fmt: skip
_PARTS: Mapping[str, tuple[str, ...]] = {
    "device": ("vendor", "model", "kind", "confidence"),
    "service": ("role", "source"),
    "upload": ("class", "score", "probability", "bytes", "bytes_toclient", "packets", "duration", "bytes_per_second",
               "chunk_bytes", "chunks_per_second", "speech_seconds", "answered"),
    "wake": ("seen", "relation", "trust", "gap_seconds"),
}  # fmt: skip
_COUNTED = ("event_type", "revision", "verdict", "level")
#: `2026-11-27T21` of a time: what is kept of it where things are counted.
_HOUR_DIGITS = 13


def pseudonym(key: bytes, name: str, digits: int = PSEUDONYM_DIGITS) -> str:
    """Return a name that stands for another, to those who do not have the key (HMAC-SHA-256, shortened)."""
    return hmac.digest(key, name.encode(), "sha256").hex()[:digits]


def redacted(record: Mapping[str, Any], level: Redaction, key: bytes) -> dict[str, Any]:
    """Return what a level lets out of a record. Without names, its id and the MAC address of its device become
    pseudonyms."""
    if level == "full":
        return dict(record)
    if level == "counts":
        kept = {name: record[name] for name in _COUNTED if name in record}
        kept["timestamp"] = f"{str(record['timestamp'])[:_HOUR_DIGITS]}:00:00Z"
        upload = record.get("upload")
        return kept | ({"upload": {"class": upload.get("class")}} if isinstance(upload, Mapping) else {})
    kept = {name: record[name] for name in _PLAIN if name in record}
    if record.get("id") is not None:
        kept["id"] = pseudonym(key, f"id {record['id']}")
    for name, fields in _PARTS.items():
        part = record.get(name)
        if isinstance(part, Mapping):
            kept[name] = {field: part[field] for field in fields if field in part}
    device = record.get("device")
    if isinstance(device, Mapping) and device.get("mac"):
        kept["device"]["mac"] = pseudonym(key, f"mac {device['mac']}")
    return kept


def message_pseudonym(key: bytes, message_id: str) -> str:
    """Return the id of a message as a collector sees it: the same at each attempt."""
    return pseudonym(key, f"message {message_id}", MESSAGE_DIGITS)
