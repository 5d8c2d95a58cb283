"""Records as rows of the store, and the conditions by which they are selected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sniffer.model import Record
from sniffer.model.clock import parse_timestamp
from sniffer.sinks.storage.jsonl import checksum, encode

#: The columns of `row_of`, in its order.
_COLUMNS = (
    *("type", "id", "revision", "time_ns", "device", "mac", "class", "verdict", "level", "keep", "size"),
    *("record", "crc"),
)
INSERT = (
    f"INSERT INTO records ({','.join(_COLUMNS)}) VALUES ({','.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (type, id) DO UPDATE SET {','.join(f'{name} = excluded.{name}' for name in _COLUMNS)} "
    "WHERE excluded.revision >= records.revision"
)


def conditions(
    types: Sequence[str],
    device: str | None,
    since: int | None,
    until: int | None,
    verdict: str | None,
    upload_class: str | None,
) -> tuple[str, list[Any]]:
    tests = [f"type IN ({','.join('?' * len(types))})"]
    values: list[Any] = list(types)
    for test, value in (("time_ns >= ?", since), ("time_ns < ?", until), ("class = ?", upload_class)):
        if value is not None:
            tests.append(test)
            values.append(value)
    if device is not None:
        tests.append("(device = ? COLLATE NOCASE OR mac = ? COLLATE NOCASE)")
        values += [device, device]
    if verdict == "judged":
        tests.append("verdict IS NOT NULL")
    elif verdict is not None:
        tests.append("verdict IS ?")
        values.append(None if verdict == "none" else verdict)
    return " AND ".join(tests), values


def row_of(record: Record) -> tuple[Any, ...]:
    device, upload = record.get("device"), record.get("upload")
    text = encode(record)
    kind = str(record["event_type"])
    verdict = record.get("verdict")
    told = kind in ("alert", "resolved", "digest") or (kind == "upload" and verdict == "unexpected")
    return (
        kind,
        record.get("host") if kind == "device" else record.get("id"),  # of a device only the newest is kept
        int(record.get("revision") or 0),
        _time_ns(record),
        _text(device.get("name") if isinstance(device, Mapping) else device),
        _text(device.get("mac") or device.get("ip")) if isinstance(device, Mapping) else None,
        _text(upload.get("class")) if isinstance(upload, Mapping) else None,
        _text(verdict),
        _text(record.get("level")),
        2 if told else 1 if kind == "upload" and verdict is not None else 0,
        len(text),
        text,
        checksum(text),
    )


def _time_ns(record: Record) -> int:
    try:
        return parse_timestamp(str(record["timestamp"]))
    except (KeyError, ValueError, OverflowError):
        return 0


def _text(value: object) -> str | None:
    """A string that SQLite can hold: a lone surrogate is not one."""
    return None if value is None else str(value).encode(errors="replace").decode()
