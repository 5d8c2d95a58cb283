"""A capture that arrives on a stream, such as `ssh router tcpdump -U -w - | sniffer analyze -`.

What has arrived is handed out at once: nothing waits for the end, or for a full buffer.
"""

from __future__ import annotations

import contextlib
import fcntl
from typing import BinaryIO

from sniffer.capture.files.reader import CaptureReader

#: Asked of the kernel for a pipe: fewer, larger blocks when much arrives at once.
PIPE_BYTES = 1 << 20
READ_BYTES = 1 << 18


class _Arriving:
    """Hands out what one reading of the stream gives, rather than wait until the buffer is full."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        # Not `readinto1`: CPython's goes on reading behind what it had buffered, and so waits.
        self._read1 = getattr(stream, "read1", stream.read)

    def readinto(self, buffer: memoryview, /) -> int:
        data: bytes = self._read1(min(len(buffer), READ_BYTES)) or b""
        buffer[: len(data)] = data
        return len(data)


def read_stream(stream: BinaryIO, name: str = "standard input") -> CaptureReader:
    """The capture on a stream: iterate over it. Raises CaptureError, at the first block, where it is none."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        fcntl.fcntl(stream.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    return CaptureReader(_Arriving(stream), name)
