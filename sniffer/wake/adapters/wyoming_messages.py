"""The messages of the Wyoming protocol: a JSON line each, with optional data and payload behind it.

https://github.com/rhasspy/wyoming
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sniffer.errors import WakeError

#: The most bytes of a header or of its data.
MAX_HEADER = 64 * 1024
#: The most bytes of a payload (audio), which is thrown away unread.
MAX_PAYLOAD = 16 << 20


class Messages:
    """Takes bytes as they come and gives whole messages; holds no more than one header and its data."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[str, Mapping[str, Any]]]:
        """Raises WakeError where it is not the protocol."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        self._buffer += data
        while True:
            if self._skip:
                cut = min(self._skip, len(self._buffer))
                del self._buffer[:cut]
                self._skip -= cut
                if self._skip:
                    return found
            if self._header is None:
                end = self._buffer.find(b"\n")
                if end < 0:
                    if len(self._buffer) > MAX_HEADER:
                        raise WakeError("not the Wyoming protocol: a line without an end")
                    return found
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if not line.strip():
                    continue
                self._header = _object(line)
            length = _length(self._header, "data_length", MAX_HEADER)
            if len(self._buffer) < length:
                return found
            values = self._header.get("data")
            merged = dict(values) if isinstance(values, Mapping) else {}
            if length:
                merged |= _object(bytes(self._buffer[:length]))
                del self._buffer[:length]
            self._skip = _length(self._header, "payload_length", MAX_PAYLOAD)
            found.append((str(self._header.get("type")), merged))
            self._header = None


def message(kind: str, data: Mapping[str, Any] | None = None) -> bytes:
    """One message without payload."""
    body = json.dumps(data).encode() if data else b""
    header: dict[str, Any] = {"type": kind, "version": "1.5.4"}
    if body:
        header["data_length"] = len(body)
    return json.dumps(header).encode() + b"\n" + body


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WakeError("not the Wyoming protocol: not a JSON object")
    return value


def _length(header: Mapping[str, Any], key: str, most: int) -> int:
    value = header.get(key) or 0
    if not isinstance(value, int) or not 0 <= value <= most:
        raise WakeError(f"not the Wyoming protocol: {key} {str(value)[:20]}")
    return value
