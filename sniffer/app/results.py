"""Results of a study in a folder: a file of records for each capture, house and day, and a note when it is done.

::

    RESULTS/records/house=H/day=2026-11-27/ID.jsonl   (or .parquet)
    RESULTS/done/ID.json                              written last: what is not there is judged again
    RESULTS/surveys/ID.json                           what the hosts of a capture show

`ID` is a hash of everything that a result depends on: a result that is written twice is the same file.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sniffer import __version__
from sniffer.app.study import Judged
from sniffer.errors import UsageError
from sniffer.model import Fact
from sniffer.sinks.storage.jsonl import encode

#: Columns of the Parquet files: where each is in a record, and its kind. The whole record is in `record` as JSON.
COLUMNS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("event_type", ("event_type",), "text"),
    ("timestamp", ("timestamp",), "time"),
    ("version", ("version",), "text"),
    ("capture", ("capture",), "text"),
    ("id", ("id",), "text"),
    ("device_mac", ("device", "mac"), "text"),
    ("device_name", ("device", "name"), "text"),
    ("device_vendor", ("device", "vendor"), "text"),
    ("device_model", ("device", "model"), "text"),
    ("service_name", ("service", "name"), "text"),
    ("service_role", ("service", "role"), "text"),
    ("dest_ip", ("dest_ip",), "text"),
    ("dest_port", ("dest_port",), "number"),
    ("end", ("end",), "time"),
    ("class", ("upload", "class"), "text"),
    ("probability", ("upload", "probability"), "real"),
    ("verdict", ("verdict",), "text"),
    ("confidence", ("confidence",), "real"),
    ("revision", ("revision",), "number"),
)


class Results:
    """A folder of results. Raises UsageError where it cannot be written."""

    def __init__(self, folder: Path, output_format: str) -> None:
        self._folder, self._format = folder, output_format
        try:
            for name in ("records", "done", "surveys"):
                (folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None

    def done(self, identity: str) -> Mapping[str, Any] | None:
        """Return the note about a capture that was judged before, or None."""
        try:
            found = json.loads((self._folder / "done" / f"{identity}.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) and found.get("format") == self._format else None

    def survey(self, identity: str) -> tuple[Fact, ...] | None:
        """Return the facts of a capture that was surveyed before, or None."""
        try:
            rows = json.loads((self._folder / "surveys" / f"{identity}.json").read_text(encoding="utf-8"))
            return tuple(Fact(int(time_ns), int(key), str(kind), str(value)) for time_ns, key, kind, value in rows)
        except (OSError, ValueError, TypeError):
            return None

    def keep_survey(self, identity: str, facts: Sequence[Fact]) -> None:
        """Write what the hosts of a capture show."""
        rows = [(fact.time_ns, fact.key, fact.kind, fact.value) for fact in facts]
        self._write(self._folder / "surveys" / f"{identity}.json", json.dumps(rows).encode())

    def keep(self, identity: str, judged: Judged) -> dict[str, Any]:
        """Write the records of a capture, and then the note that it is done; return the note."""
        house = judged.item.house
        by_day: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for record in judged.records:
            row = {**record, "house": house, "version": __version__, "capture": judged.item.capture}
            by_day[str(record["timestamp"])[:10]].append(row)
        for day, rows in by_day.items():
            folder = self._folder / "records" / f"house={house or 'all'}" / f"day={day}"
            folder.mkdir(parents=True, exist_ok=True)
            body = _parquet(rows) if self._format == "parquet" else _lines(rows)
            self._write(folder / f"{identity}.{self._format}", body)
        counts: dict[str, int] = defaultdict(int)
        for record in judged.records:
            if record["event_type"] == "upload" and record["revision"] == 0:
                counts[str(record["verdict"] or "not judged")] += 1
        outcome = judged.outcome
        note = {
            "format": self._format,
            "capture": judged.item.capture,
            "house": house,
            "version": __version__,
            "records": len(judged.records),
            "uploads": dict(counts),
            "watched": len(outcome.watched) if outcome else 0,
            "problems": list(outcome.problems) if outcome else [],
            "error": judged.error,
        }
        if not judged.lost:
            self._write(self._folder / "done" / f"{identity}.json", json.dumps(note).encode())
        return note

    def _write(self, path: Path, body: bytes) -> None:
        """Write a file as a whole or not at all."""
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            draft.write_bytes(body)
            draft.replace(path)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def _lines(rows: Sequence[Mapping[str, Any]]) -> bytes:
    return b"".join(encode(row).encode() + b"\n" for row in rows)


def _parquet(rows: Sequence[Mapping[str, Any]]) -> bytes:
    import io
    from datetime import datetime

    import pyarrow
    from pyarrow import parquet

    kinds = {
        "text": pyarrow.string(),
        "number": pyarrow.int64(),
        "real": pyarrow.float64(),
        "time": pyarrow.timestamp("us", "UTC"),
    }

    def value(row: Mapping[str, Any], path: Sequence[str], kind: str) -> Any:
        found: Any = row
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            return None
        if kind == "time":
            return datetime.fromisoformat(found)
        return str(found).encode(errors="replace").decode() if kind == "text" else found

    columns = {
        name: pyarrow.array([value(row, path, kind) for row in rows], kinds[kind]) for name, path, kind in COLUMNS
    }
    columns["record"] = pyarrow.array([encode(row) for row in rows], pyarrow.string())
    out = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), out)
    return out.getvalue()
