"""`labels.csv`: what was spoken in captures of one's own.

The first line names the columns: `capture`, and any of `device`, `home`, `commands`, `start`, `end`. Each further line
is either one spoken command with its time, or one capture with the number of commands in it (0 where nobody spoke).
Files are named from where `labels.csv` is; a pattern (`night/*.pcap`) is fine. docs/detection.md has an example.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sniffer.errors import UsageError
from sniffer.evaluation.datasets import LabelledCapture, Utterance
from sniffer.model import host_key
from sniffer.model.clock import parse_written

NAME = "labels.csv"
COLUMNS = ("capture", "device", "home", "commands", "start", "end")
#: Smaller numbers are seconds from the capture's first packet, larger ones Unix time.
_RELATIVE_BELOW = 100_000_000.0


@dataclass(slots=True)
class _Said:
    home: str
    commands: int | None = None
    spoken: list[Utterance] = field(default_factory=list)


def read_labels(path: Path) -> list[LabelledCapture]:
    """One label for each capture and device. Raises UsageError with file and line."""
    said: dict[tuple[Path, str], _Said] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            head = stream.readline()
            stream.seek(0)
            reader = csv.DictReader(stream, skipinitialspace=True, delimiter=";" if ";" in head else ",")
            columns = [str(name).strip().lower() for name in reader.fieldnames or ()]
            if "capture" not in columns:
                raise UsageError(f"{path}:1: the first line names the columns: {','.join(COLUMNS)}")
            if unknown := [name for name in columns if name not in COLUMNS]:
                raise UsageError(f"{path}:1: no such column: {unknown[0]!r}; there are {', '.join(COLUMNS)}")
            reader.fieldnames = columns
            for row in reader:
                _line(path, reader.line_num, {k: (v or "").strip() for k, v in row.items() if k in COLUMNS}, said)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: cannot be read: {reason}") from None
    return [
        LabelledCapture(
            file,
            "labels",
            f"own/{what.home}",
            len(what.spoken) if what.spoken else what.commands or 0,
            spoken=tuple(what.spoken),
            host=host_key(device) if device else None,
        )
        for (file, device), what in said.items()
    ]


def _line(path: Path, number: int, row: dict[str, str], said: dict[tuple[Path, str], _Said]) -> None:
    """One line of the table into what is known of its captures."""
    where = f"{path}:{number}"
    if not any(row.values()):
        return
    device = row.get("device", "").lower()
    if device:
        try:
            host_key(device)
        except ValueError:
            raise UsageError(f"{where}: device: {device!r} is neither a MAC nor an IP address") from None
    start, end, commands = (row.get(name, "") for name in ("start", "end", "commands"))
    if bool(start) == bool(commands):
        raise UsageError(f"{where}: give either `commands` (a number) or `start` (one command), not both or neither")
    files = list(_files(path.parent, row.get("capture", "")))
    if not files:
        raise UsageError(f"{where}: no such capture: {row.get('capture', '')!r}")
    if commands and not (commands.isdecimal() and len(commands) < 7):
        raise UsageError(f"{where}: commands: {commands!r} is not a number of commands")
    for file in files:
        what = said.setdefault((file, device), _Said(row.get("home", "") or file.resolve().parent.name))
        if what.commands is not None or (commands and what.spoken):
            raise UsageError(f"{where}: {file.name} is labelled twice")
        if commands:
            what.commands = int(commands)
        else:
            what.spoken.append(_utterance(where, start, end))


def _files(folder: Path, name: str) -> Iterator[Path]:
    if not name or Path(name).is_absolute():
        yield from [Path(name)] if name and Path(name).is_file() else []
    elif any(character in name for character in "*?["):
        yield from sorted(file for file in folder.glob(name) if file.is_file() and file.name != NAME)
    elif (folder / name).is_file():
        yield folder / name


def _utterance(where: str, start: str, end: str) -> Utterance:
    first, relative = _moment(where, "start", start)
    last, also = _moment(where, "end", end) if end else (None, relative)
    if also is not relative or (last is not None and last < first):
        raise UsageError(f"{where}: `end` is before `start`, or not of the same kind")
    return Utterance(first, last, relative)


def _moment(where: str, column: str, text: str) -> tuple[int, bool]:
    """Nanoseconds, and whether they are counted from the first packet."""
    try:
        number = float(text)
    except ValueError:
        try:
            return parse_written(text), False
        except (ValueError, OverflowError):
            raise UsageError(f"{where}: {column}: {text!r} is neither a number of seconds nor ISO 8601") from None
    if not 0 <= number < 1e11:
        raise UsageError(f"{where}: {column}: {text!r} is no time in seconds")
    return round(number * 1e9), number < _RELATIVE_BELOW
