"""Files, folders and zip archives as a stream of named members, opened in place and bounded.

Nothing is unpacked to disk. A zip inside a zip is opened once. A member whose name would lead out of the archive, or
whose size is out of proportion, is refused and named. No more is read of a member than its archive states.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from sniffer.errors import UsageError
from sniffer.model.clock import SECOND

#: Members of one archive, and of archives inside it.
MAX_MEMBERS = 500_000
#: Unpacked bytes of one member: two years of voice history in JSON are about 100 MiB.
MAX_MEMBER_BYTES = 2 << 30
#: Unpacked bytes for each packed byte: text compresses to a tenth, a bomb to a thousandth.
MAX_RATIO = 200
#: Unpacked bytes of all members together.
MAX_TOTAL_BYTES = 20 << 30
#: A nested archive is held in memory.
MAX_NESTED_BYTES = 256 << 20
#: What reading a damaged member can raise.
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


@dataclass(frozen=True, slots=True)
class Member:
    """One file: its name as shown to people, its stream, its size in bytes, and when it (or its archive) was
    written."""

    name: str
    stream: IO[bytes]
    size: int
    saved_ns: int


def members(path: Path, refused: list[str]) -> Iterator[Member]:
    """Yield the files at a path: itself, the files below a folder, or the members of a zip. Each stream is closed when
    the next is asked for. What is refused is appended to `refused`, one line each; symbolic links are not followed.

    Raises UsageError where the path cannot be read.
    """
    try:
        if path.is_dir():
            for place, found in enumerate(sorted(path.rglob("*"))):
                if place >= MAX_MEMBERS:
                    raise UsageError(f"{path}: holds more than {MAX_MEMBERS} files")
                if found.is_file() and not found.is_symlink():
                    yield from _file(found, refused)
        else:
            yield from _file(path, refused)
    except OSError as error:
        raise UsageError(f"{error.filename or path}: cannot be read: {error.strerror}") from None


def _file(path: Path, refused: list[str]) -> Iterator[Member]:
    about = path.stat()
    saved_ns = round(about.st_mtime) * SECOND
    with path.open("rb") as stream:
        if stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06"):
            stream.seek(0)
            yield from _zip(str(path), stream, saved_ns, refused, nested=False)
            return
        stream.seek(0)
        yield Member(str(path), stream, about.st_size, saved_ns)


def _zip(name: str, source: IO[bytes], saved_ns: int, refused: list[str], *, nested: bool) -> Iterator[Member]:
    try:
        archive = zipfile.ZipFile(source)
    except (*BROKEN, ValueError, OSError) as error:
        if nested:
            refused.append(f"{name}: the archive is damaged ({error})")
            return
        raise UsageError(f"{name}: the archive is damaged or incomplete ({error}): download it again") from None
    with closing(archive):
        infos = archive.infolist()
        if len(infos) > MAX_MEMBERS:
            raise UsageError(f"{name}: holds {len(infos)} files; more than {MAX_MEMBERS} are not read")
        total = 0
        for info in infos:
            shown = f"{name}/{info.filename}"
            if info.is_dir():
                continue
            if reason := _suspicious(info):
                refused.append(f"{shown}: {reason}")
                continue
            total += info.file_size
            if total > MAX_TOTAL_BYTES:
                refused.append(f"{shown}: the archive unpacks to more than {MAX_TOTAL_BYTES >> 30} GiB")
                return
            try:
                stream = archive.open(info)
            except (*BROKEN, ValueError, OSError) as error:
                refused.append(f"{shown}: cannot be unpacked ({error or type(error).__name__})")
                continue
            with stream:
                if not info.filename.lower().endswith(".zip"):
                    yield Member(shown, stream, info.file_size, saved_ns)
                elif nested or info.file_size > MAX_NESTED_BYTES:
                    refused.append(f"{shown}: an archive this deep or this large is not opened")
                elif (content := _content(stream, shown, refused)) is not None:
                    yield from _zip(shown, io.BytesIO(content), saved_ns, refused, nested=True)


def _content(stream: IO[bytes], shown: str, refused: list[str]) -> bytes | None:
    try:
        return stream.read(MAX_NESTED_BYTES)
    except (*BROKEN, OSError) as error:
        refused.append(f"{shown}: cannot be unpacked ({error or type(error).__name__})")
        return None


def _suspicious(info: zipfile.ZipInfo) -> str | None:
    """Return why a member is refused, or None."""
    parts = PurePosixPath(info.filename.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts:
        return "its name leads out of the archive"
    if info.flag_bits & 0x1:
        return "it is encrypted"
    if info.file_size > MAX_MEMBER_BYTES or info.file_size > MAX_RATIO * max(info.compress_size, 1024):
        return f"{info.file_size} bytes out of {info.compress_size} are out of proportion"
    return None
