"""What can still be read of a damaged store, copied into a new one."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sniffer.sinks.storage.jsonl import decode, intact

#: Seconds that reading may take: on a router the watch must go on.
LIMIT_SECONDS = 20.0
#: Of a larger file no copy is made.
MAX_COPY_BYTES = 64 << 20
#: The size of a page: SQLite's default, which the store does not change.
_PAGE_BYTES = 4096
#: Rows that are read at once in between damaged ones.
_CHUNK = 64

#: Table -> its columns; the last two are the text and its checksum.
_TABLES: Mapping[str, tuple[str, ...]] = {
    "state": ("name", "value", "crc"),
    "messages": (
        *("target", "id", "status", "created_ns", "next_ns", "attempts", "refusals", "error", "size"),
        *("record", "crc"),
    ),
    "records": (
        *("type", "id", "revision", "time_ns", "device", "mac", "class", "verdict", "level", "keep", "size"),
        *("record", "crc"),
    ),
}


def salvage(damaged: Path, into: sqlite3.Connection) -> str:
    """Copy every row that can be read and whose text is intact; return how many, in words. Raises sqlite3.Error where
    the new store cannot be written."""
    counts = _copy_all(damaged, into)
    if not any(counts.values()):
        counts = _copy_truncated(damaged, into)
    words = {"records": "records", "messages": "messages", "state": "parts of what was learned"}
    return ", ".join(f"{counts[table]} {words[table]}" for table in words)


def _copy_truncated(damaged: Path, into: sqlite3.Connection) -> dict[str, int]:
    """Of a file that was cut, or whose header is damaged, SQLite reads nothing: try a copy with a header that fits."""
    copy = damaged.with_name(damaged.name + ".part")
    try:
        size = damaged.stat().st_size // _PAGE_BYTES * _PAGE_BYTES
        if not 0 < size <= MAX_COPY_BYTES:
            return dict.fromkeys(_TABLES, 0)
        with damaged.open("rb") as source, copy.open("wb") as target:
            header = bytearray(source.read(_PAGE_BYTES))
            header[:24] = b"SQLite format 3\0" + _PAGE_BYTES.to_bytes(2, "big") + bytes((1, 1, 0, 64, 32, 32))
            header[28:32] = (size // _PAGE_BYTES).to_bytes(4, "big")
            header[92:96] = header[24:28]  # the page count is valid for this change counter
            target.write(header)
            shutil.copyfileobj(source, target)
        return _copy_all(copy, into)
    except OSError:
        return dict.fromkeys(_TABLES, 0)
    finally:
        copy.unlink(missing_ok=True)


def _copy_all(damaged: Path, into: sqlite3.Connection) -> dict[str, int]:
    end = time.monotonic() + LIMIT_SECONDS
    counts = dict.fromkeys(_TABLES, 0)
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_open(damaged)) as source:
        for table, columns in _TABLES.items():
            into.execute("BEGIN")
            try:
                for row in _rows(source, table, columns, end):
                    counts[table] += _copied(into, table, columns, row)
            finally:
                into.execute("COMMIT")
    damaged.with_name(damaged.name + "-shm").unlink(missing_ok=True)
    return counts


def _open(damaged: Path) -> sqlite3.Connection:
    """The damaged file, which stays as it is."""
    source = sqlite3.connect(f"{damaged.absolute().as_uri()}?mode=ro", uri=True, timeout=1, isolation_level=None)
    source.text_factory = lambda data: data.decode(errors="replace")
    return source


def _rows(source: sqlite3.Connection, table: str, columns: tuple[str, ...], end: float) -> Iterator[tuple[Any, ...]]:
    """The rows of a table, from its beginning, its end, and in small pieces from between."""
    names = ", ".join(columns)
    if table == "state":
        for name in _names(source):
            with contextlib.suppress(sqlite3.Error):
                yield from source.execute(f"SELECT {names} FROM state WHERE name = ?", [name])  # noqa: S608
        return
    low, high = 0, 1 << 62
    try:
        for seq, *row in source.execute(f"SELECT seq, {names} FROM {table} NOT INDEXED ORDER BY seq"):  # noqa: S608
            low = seq
            yield tuple(row)
        return
    except sqlite3.Error:
        pass
    try:
        backwards = f"SELECT seq, {names} FROM {table} NOT INDEXED WHERE seq > ? ORDER BY seq DESC"  # noqa: S608
        for seq, *row in source.execute(backwards, [low]):
            high = seq
            yield tuple(row)
        return
    except sqlite3.Error:
        pass
    between = f"SELECT {names} FROM {table} NOT INDEXED WHERE seq BETWEEN ? AND ?"  # noqa: S608
    while low + 1 < high < 1 << 62 and time.monotonic() < end:
        with contextlib.suppress(sqlite3.Error):
            yield from source.execute(between, [low + 1, min(low + _CHUNK, high - 1)])
        low += _CHUNK


def _names(source: sqlite3.Connection) -> list[str]:
    names = []
    with contextlib.suppress(sqlite3.Error):
        for (name,) in source.execute("SELECT name FROM state"):
            names.append(str(name))
    return names


def _copied(into: sqlite3.Connection, table: str, columns: tuple[str, ...], row: tuple[Any, ...]) -> int:
    """1 where the row was copied, 0 where it is damaged or there already."""
    try:
        text = intact(row[-2], row[-1])
        if table != "state":
            decode(text)
    except (ValueError, TypeError, AttributeError):
        return 0
    try:
        cursor = into.execute(
            f"INSERT OR IGNORE INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            row,
        )
    except (sqlite3.IntegrityError, sqlite3.InterfaceError, OverflowError):
        return 0
    return cursor.rowcount
