"""The event log: JSON Lines in Suricata's EVE spelling, rotated by size, never half a line."""

from __future__ import annotations

import errno
import logging
import os
import stat
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

from sniffer.errors import StoreError
from sniffer.model import Record
from sniffer.sinks.settings import EventLogSettings
from sniffer.sinks.storage.jsonl import encode
from sniffer.sinks.storage.removal import is_removed

logger = logging.getLogger("sniffer")

#: Lines that wait in memory while the file cannot be written; the oldest are dropped, and counted.
MAX_LATE_BYTES = 4 << 20


class EventLog:
    """Appends each record as one write of one line. A line that a crash or a full disk left half written is cut off,
    and a file that was moved away (logrotate) is created anew. Lines that cannot be written wait in memory, and are
    written before the next ones.

    Raises StoreError where the file cannot be opened; where it cannot be written, once until it can be again.
    """

    name = "eventlog"

    def __init__(self, settings: EventLogSettings) -> None:
        self._path, self._max_bytes, self._keep = settings.path, settings.max_bytes, settings.keep
        self._lock = threading.Lock()
        self._file = -1
        self._size = 0
        self._late: deque[bytes] = deque()
        self._late_bytes = self._lost = 0
        with self._lock:
            self._guarded(self._open)

    def emit(self, record: Record) -> None:
        """Append one record."""
        with self._lock:
            self._hold(encode(record).encode() + b"\n")
            self._write_late(first=len(self._late) == 1 and not self._lost)

    def close(self) -> None:
        """Write what waits, and close the file."""
        with self._lock:
            try:
                if self._late:
                    self._write_late(first=True)
            finally:
                self._close()

    def _hold(self, line: bytes) -> None:
        self._late.append(line)
        self._late_bytes += len(line)
        while self._late_bytes > MAX_LATE_BYTES:
            self._late_bytes -= len(self._late.popleft())
            self._lost += 1

    def _write_late(self, *, first: bool) -> None:
        """Append what waits. Raises StoreError if this is the `first` failure."""
        waited = len(self._late)
        try:
            while self._late:
                self._append(self._late[0])
                self._late_bytes -= len(self._late.popleft())
        except OSError as error:
            if first:
                raise StoreError(
                    f"{self._path}: the event log cannot be written: {error.strerror or error}; lines wait in memory"
                ) from None
            return
        if waited > 1 or self._lost:
            lost = f", {self._lost} older ones are lost" if self._lost else ""
            logger.warning("%s: the event log is written again; %d lines had waited%s", self._path, waited, lost)
            self._lost = 0

    def _append(self, line: bytes) -> None:
        if self._file < 0 or self._moved_away():
            if is_removed(self._path.parent):
                logger.error(
                    "%s: the folder of the event log was removed while it was in use; it is made again", self._path
                )
                self._path.parent.mkdir(mode=0o700)
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
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        self._file = os.open(self._path, flags, 0o600)
        if not stat.S_ISREG(os.fstat(self._file).st_mode):
            self._close()
            raise OSError(errno.EINVAL, "not a regular file")
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
            reason = "a symbolic link is not followed" if error.errno == errno.ELOOP else error.strerror or error
            raise StoreError(f"{self._path}: the event log cannot be opened: {reason}") from None


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
