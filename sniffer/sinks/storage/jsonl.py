"""A record as one line of JSON, whatever text from the network it holds."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping
from typing import Any

#: A record that is longer than this loses its bins first, and then its evidence.
MAX_RECORD_BYTES = 128 << 10


def encode(record: Mapping[str, Any]) -> str:
    """The record as ASCII JSON without a line break: control characters, line separators and lone surrogates are
    escaped, and a number that JSON has no word for becomes null."""
    try:
        text = json.dumps(record, separators=(",", ":"), allow_nan=False)
    except (ValueError, TypeError):
        text = json.dumps(_plain(record), separators=(",", ":"), allow_nan=False)
    if len(text) <= MAX_RECORD_BYTES:
        return text
    return json.dumps(_plain(_shortened(record)), separators=(",", ":"), allow_nan=False)


def decode(text: str) -> dict[str, Any]:
    """The record of one line. Raises ValueError."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def checksum(text: str) -> int:
    """Return the CRC-32 of a text as it is stored."""
    return zlib.crc32(text.encode(errors="surrogatepass"))


def intact(text: object, crc: int | None) -> str:
    """Return a stored text. Raises ValueError where it is not the one that was stored."""
    if not isinstance(text, str) or (crc is not None and checksum(text) != crc):
        raise ValueError("damaged")
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if hasattr(value, "item"):  # a numpy scalar
        return _plain(value.item())
    return str(value)


def _shortened(record: Mapping[str, Any]) -> dict[str, Any]:
    short = dict(record)
    if isinstance(short.get("upload"), Mapping):
        short["upload"] = {**short["upload"], "bins": [], "body": None}
    for name in ("record", "flows", "evidence", "reasons", "by_device", "upload_ids"):
        if isinstance(short.get(name), (list, tuple)):
            short[name] = list(short[name])[:100]
    if isinstance(short.get("record"), Mapping):
        short["record"] = _shortened(short["record"])
    return {name: _cut(value) for name, value in short.items()}


def _cut(value: Any) -> Any:
    """Strings from the network can be long in any field."""
    if isinstance(value, str):
        return value[:1000]
    if isinstance(value, Mapping):
        return {key: _cut(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_cut(item) for item in value]
    return value
