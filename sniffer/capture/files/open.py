"""Captures in files: pcap, pcapng, and gzip of either, whatever the file is called."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from sniffer.capture.files.reader import CaptureReader
from sniffer.errors import CaptureError


class FileReader(CaptureReader):
    """A capture in a file; closes it at the end of a `with`."""

    def __init__(self, stream: io.FileIO, name: str, size: int | None) -> None:
        super().__init__(stream, name, size=size)
        self._stream = stream

    def close(self) -> None:
        self._stream.close()


def open_capture(path: Path) -> FileReader:
    """Open one capture and look at its first bytes. Raises CaptureError."""
    try:
        stream = io.FileIO(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise CaptureError(f"{path}: cannot be opened: {reason}") from None
    status = os.fstat(stream.fileno())
    reader = FileReader(stream, str(path), status.st_size if stat.S_ISREG(status.st_mode) else None)
    try:
        reader.detect()
    except CaptureError:
        reader.close()
        raise
    return reader
