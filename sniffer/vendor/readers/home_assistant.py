"""What Home Assistant's Alexa integrations log: events of Alexa Media Player, and the debug log of both integrations.

Alexa Media Player fires `alexa_media_last_called_event` (as JSON where an automation saves it, as `<Event ...>` in the
debug log). Alexa Devices (aioamazondevices) logs whole rows of the voice history as Python literals.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from sniffer.vendor.jsonstream import Readable
from sniffer.vendor.readers import alexa
from sniffer.vendor.rows import MAX_TRANSCRIPT, Meaning, Reading, VendorRow, name
from sniffer.vendor.times import from_number

LAST_CALLED = "alexa_media_last_called_event"
#: What the first lines of a log hold.
MARKS = (b"homeassistant.", b"custom_components.", b"aioamazondevices", b"alexa_media")
CLOCK = "home assistant"
#: Bytes that are read at a time, and of the longest line that is read.
_CHUNK, _MAX_LINE = 1 << 20, 1 << 20
_EVENT = re.compile(rf"<Event {LAST_CALLED}\[\w\]: (.*)>")
_FIELD = re.compile(r"(\w+)=(.*?)(?=, \w+=|$)")
_LITERAL = re.compile(r"(?:[Vv]ocal history (?:record|data)|[Vv]oice history\w*)[^{\[]{0,40}([{\[].*[}\]])")


def is_event(value: Mapping[str, Any]) -> bool:
    """Return whether an object is the event of Alexa Media Player."""
    return value.get("event_type") == LAST_CALLED and isinstance(value.get("data"), Mapping)


def read_event(data: Mapping[str, Any], reading: Reading, *, transcripts: bool) -> None:
    """Add one event to a reading."""
    time_ns = from_number(data.get("timestamp")) or from_number(data.get("last_called_timestamp"))
    if time_ns is None:
        reading.skipped["rows without a time"] += 1
        return
    called = data.get("last_called")
    reading.add(
        VendorRow(
            time_ns,
            Meaning.REQUEST,
            "last called",
            device=name(data.get("name") or data.get("device_name")),
            serial=name(
                data.get("serial") or data.get("serial_number") or (called if isinstance(called, str) else None)
            ),
            clock=CLOCK,
            transcript=str(data.get("summary") or "")[:MAX_TRANSCRIPT] if transcripts else "",
        )
    )


def read_log(stream: Readable, reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    """Add the rows in a log to a reading. Lines about anything else are passed over."""
    rest = b""
    while chunk := stream.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _line(line, reading, zone, transcripts=transcripts)
        if len(rest) > _MAX_LINE:
            rest = b""
            reading.skipped["lines that are too long"] += 1
    _line(rest, reading, zone, transcripts=transcripts)


def _line(line: bytes, reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    if b"istory" not in line and LAST_CALLED.encode() not in line:
        return
    text = line.decode(errors="replace")
    if found := _EVENT.search(text):
        read_event(dict(_FIELD.findall(found[1])), reading, transcripts=transcripts)
    elif found := _LITERAL.search(text):
        try:
            value = ast.literal_eval(found[1])
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            reading.skipped["lines with a row that cannot be read"] += 1
            return
        for row in _rows(value):
            alexa.read_row(row, reading, zone, transcripts=transcripts)


def _rows(value: Any) -> list[Mapping[str, Any]]:
    if isinstance(value, Mapping):
        value = next((value[key] for key in alexa.ARRAYS if isinstance(value.get(key), list)), [value])
    found = value if isinstance(value, list) else []
    return [row for row in found if isinstance(row, Mapping) and alexa.is_row(row)]
