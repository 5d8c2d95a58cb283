"""The event log: JSON Lines in Suricata's EVE spelling, rotated by size, never half a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from sniffer.errors import StoreError
from sniffer.model import Record
from sniffer.sinks.settings import EventLogSettings
from sniffer.sinks.storage.jsonl import encode


class EventLog:
    """Appends each record as one write of one line. A line that a crash or a full disk left half written is cut off,
    and a file that somebody else moved away (logrotate) is made anew.

    Raises StoreError where the file cannot be opened or written.
    """

    name = "eventlog"

    def __init__(self, settings: EventLogSettings) -> None:
        self._path, self._max_bytes, self._keep = settings.path, settings.max_bytes, settings.keep
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0
        with self._lock:
            self._guarded(self._open)

    def emit(self, record: Record) -> None:
        """Append one record."""
        line = encode(record).encode() + b"\n"
        with self._lock:
            self._guarded(lambda: self._append(line))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()

    def _append(self, line: bytes) -> None:
        if self._file < 0 or self._moved_away():
            self._open()
        if self._size and self._size + len(line) > self._max_bytes:
            self._rotate()
        written = os.write(self._file, line)
        if written != len(line):  # the disk is full: half a line is none
            os.ftruncate(self._file, self._size)
            raise OSError(28, "No space left on device")
        self._size += written

    def _moved_away(self) -> bool:
        try:
            here, held = self._path.stat(), os.fstat(self._file)
        except FileNotFoundError:
            return True
        return (here.st_dev, here.st_ino) != (held.st_dev, held.st_ino)

    def _open(self) -> None:
        self._close()
        self._file = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._size = _whole_lines(self._file)
        os.ftruncate(self._file, self._size)

    def _rotate(self) -> None:
        try:
            for number in range(self._keep - 1, 0, -1):
                older = _numbered(self._path, number)
                if older.exists():
                    older.replace(_numbered(self._path, number + 1))
            if self._keep:
                self._path.replace(_numbered(self._path, 1))
            else:
                self._path.unlink()
        except PermissionError:  # the file is ours and its folder is not, since we gave up root
            self._halve()
        else:
            self._open()

    def _halve(self) -> None:
        """Without a place for old files the newer half stays."""
        rest = os.pread(self._file, self._max_bytes // 2, max(0, self._size - self._max_bytes // 2))
        rest = rest[rest.find(b"\n") + 1 :]
        os.ftruncate(self._file, 0)
        self._size = os.write(self._file, rest)

    def _close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _guarded(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OSError as error:
            raise StoreError(f"{self._path}: the event log cannot be written: {error.strerror or error}") from None


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _whole_lines(file: int) -> int:
    """How much of the file is whole lines: all that is behind the last line break is half a line."""
    end = os.fstat(file).st_size
    while end > 0:
        start = max(0, end - 65_536)
        found = os.pread(file, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0
