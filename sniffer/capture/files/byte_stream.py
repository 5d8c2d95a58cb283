"""Where bytes come from: a file, a stream, or either of them through gzip. Nothing here knows of packets."""

from __future__ import annotations

import zlib
from typing import Protocol

#: Compressed bytes taken, and bytes made of them, at a time: so few that the allocator keeps their place.
CHUNK = 64 * 1024
STEP = 128 * 1024

GZIP_MAGIC = b"\x1f\x8b"


class Source(Protocol):
    """What a reader may ask: fill (a part of) this buffer; 0 is the end."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


class Counted:
    """Counts what passes, and puts back a few bytes that were looked at."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._returned = b""
        self.bytes_read = 0

    def readinto(self, buffer: memoryview, /) -> int:
        if self._returned:
            count = min(len(self._returned), len(buffer))
            buffer[:count] = self._returned[:count]
            self._returned = self._returned[count:]
            return count
        count = self._source.readinto(buffer) or 0
        self.bytes_read += count
        return count

    def peek(self, count: int) -> bytes:
        """The first bytes, fewer at the end; they are read again afterwards."""
        found = b""
        view = memoryview(bytearray(count))
        while len(found) < count:
            got = self.readinto(view[: count - len(found)])
            if not got:
                break
            found += bytes(view[:got])
        self._returned = found + self._returned
        return found


class Gunzip:
    """A gzip stream, of one or several members. What is whole is handed out; `problem` says why it ended early."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._chunk = memoryview(bytearray(CHUNK))
        self._pending = b""
        self._member = zlib.decompressobj(wbits=31)
        self._ended = False
        self.problem: str | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        filled = 0
        while not self._ended and filled < len(buffer):
            if self._member.eof:
                self._pending = self._member.unused_data
                if not self._pending and (filled or not self._refill()):
                    break
                if self._pending[0] != GZIP_MAGIC[0]:  # padding or rubbish behind the last member
                    if self._pending.strip(b"\0"):
                        self.problem = "the gzip data is followed by something else"
                    break
                self._member = zlib.decompressobj(wbits=31)
            if filled and not self._pending:  # what has arrived is handed out before more is waited for
                break
            more = bool(self._pending) or self._refill()
            data = self._inflate(min(len(buffer) - filled, STEP))
            if not (data or more or self._member.eof):
                self.problem, self._ended = "the gzip data is truncated", True
            buffer[filled : filled + len(data)] = data
            filled += len(data)
        self._ended = self._ended or not filled
        return filled

    def _refill(self) -> bool:
        count = self._source.readinto(self._chunk) or 0
        self._pending = bytes(self._chunk[:count])
        return count > 0

    def _inflate(self, most: int) -> bytes:
        before = self._member.copy()
        try:
            data = self._member.decompress(self._pending, most)
        except zlib.error:
            self.problem, self._ended = "the gzip data is damaged", True
            return _whole(before, self._pending, most)
        self._pending = self._member.unconsumed_tail
        return data


def _whole(member: zlib._Decompress, pending: bytes, most: int) -> bytes:
    """What comes out of damaged data before the damage: in steps, and the last of them byte by byte."""
    out = b""
    for step in (4096, 1):
        trial = member.copy()
        data = pending
        try:
            while len(out) < most and (piece := trial.decompress(data, step)):
                out += piece
                data, member, pending = trial.unconsumed_tail, trial.copy(), trial.unconsumed_tail
        except zlib.error:
            continue
    return out[:most]
