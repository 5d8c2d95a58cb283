"""xz, bzip2 and zstandard, from their first bytes on. Memory is bounded, whatever the data claims."""

from __future__ import annotations

import bz2
import lzma
from collections.abc import Callable
from typing import Any, Protocol

from sniffer.capture.files.byte_stream import CHUNK, STEP, Source
from sniffer.errors import CaptureError

#: First bytes -> name.
COMPRESSED = {b"\xfd7zX": "xz", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd"}
#: Memory (bytes) that the data may ask for: what `xz -9` and `zstd --ultra` need, and no more.
_MOST_MEMORY = 256 << 20
_MOST_WINDOW = 128 << 20


class Unpacker(Protocol):
    """A source that says, in `problem`, why it ended early."""

    problem: str | None

    def readinto(self, buffer: memoryview, /) -> int: ...


def unpacker(source: Source, magic: bytes, name: str) -> Unpacker | None:
    """Return the source of what is compressed, or None where the first bytes are none of these formats.

    Raises CaptureError where the library for the format is missing.
    """
    kind = next((kind for first, kind in COMPRESSED.items() if magic.startswith(first)), None)
    if kind == "xz":
        return _Streams(source, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY), kind)
    if kind == "bzip2":
        return _Streams(source, bz2.BZ2Decompressor, kind)
    if kind == "zstd":
        return _Zstandard(source, name)
    return None


class _Streams:
    """One or several compressed streams, one after the other."""

    def __init__(self, source: Source, make: Callable[[], Any], kind: str) -> None:
        self._source, self._make, self._kind = source, make, kind
        self._chunk = memoryview(bytearray(CHUNK))
        self._stream = make()
        self._ended = False
        self.problem: str | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        pending = b""
        while not self._ended:
            if self._stream.eof:
                pending = self._stream.unused_data.lstrip(b"\0") or self._refill()
                if not pending:
                    break
                self._stream = self._make()
            elif self._stream.needs_input and not pending:
                pending = self._refill()
                if not pending:
                    self.problem = f"the {self._kind} data is truncated"
                    break
            try:
                data = self._stream.decompress(pending, min(len(buffer), STEP))
            except (OSError, EOFError, lzma.LZMAError):
                self.problem = f"the {self._kind} data is damaged"
                break
            pending = b""
            if data:
                buffer[: len(data)] = data
                return len(data)
        self._ended = True
        return 0

    def _refill(self) -> bytes:
        count = self._source.readinto(self._chunk) or 0
        return bytes(self._chunk[:count])


class _Zstandard:
    """zstandard, through the package of that name."""

    def __init__(self, source: Source, name: str) -> None:
        try:
            import zstandard
        except ImportError:
            raise CaptureError(
                f"{name}: is compressed with zstd: unpack it (`zstd -d`), or install the package `zstandard`"
            ) from None
        self._error = zstandard.ZstdError
        unpack = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW)
        readable: Any = _Readable(source)
        self._stream = unpack.stream_reader(readable, read_size=CHUNK, read_across_frames=True)
        self._any = False
        self.problem: str | None = None

    def readinto(self, buffer: memoryview, /) -> int:
        try:
            count = int(self._stream.readinto(buffer[: min(len(buffer), STEP)]))
            self._any = self._any or count > 0
            if not self._any:
                self.problem = "the zstd data is truncated"
            return count
        except self._error:
            self.problem = "the zstd data is damaged"
            return 0


class _Readable:
    """What the package asks of a file."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, count: int) -> bytes:
        chunk = memoryview(bytearray(count))
        return bytes(chunk[: self._source.readinto(chunk) or 0])
