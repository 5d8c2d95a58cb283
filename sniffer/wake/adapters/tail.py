"""A file of JSON lines that something else appends to, followed like `tail -F`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from sniffer.errors import WakeError
from sniffer.wake.events import MAX_LINE, parse_json
from sniffer.wake.session import Session
from sniffer.wake.settings import FileSource


class FileFeed:
    """Starts at the end of the file: what was written before we looked is not known to be complete. Survives that
    it is replaced or cut (log rotation); while there is no file, the source is down."""

    def __init__(self, settings: FileSource) -> None:
        self.name = settings.name
        self._path, self._poll = settings.path, settings.poll

    def run(self, session: Session) -> None:
        """Read lines until the session is stopped."""
        try:
            stream = self._path.open("rb")
        except OSError as error:
            raise WakeError(f"{self._path} cannot be read: {error.strerror}") from None
        try:
            stream.seek(0, os.SEEK_END)
            session.up()
            rest = b""
            while not session.stopped:
                rest = self._read(stream, rest, session)
                if _replaced(stream, self._path):
                    rest = self._read(stream, rest, session)  # what was written until the very end
                    stream.close()
                    stream, rest = self._path.open("rb"), b""
                elif session.wait(self._poll):
                    return
        finally:
            stream.close()

    def _read(self, stream: BinaryIO, rest: bytes, session: Session) -> bytes:
        while chunk := stream.read(MAX_LINE):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                _line(line, session)
            if len(rest) > MAX_LINE:
                session.refuse(f"a line of over {MAX_LINE} bytes")
                rest = b""
        return rest


def _line(line: bytes, session: Session) -> None:
    text = line.strip()
    if not text or text.startswith(b"#"):
        return
    try:
        session.mapping(parse_json(text))
    except WakeError as error:
        session.refuse(str(error))


def _replaced(stream: BinaryIO, path: Path) -> bool:
    """Is the file at the path another one by now, or shorter than we have read?"""
    mine = os.fstat(stream.fileno())
    now = path.stat()
    return (mine.st_dev, mine.st_ino) != (now.st_dev, now.st_ino) or now.st_size < stream.tell()
