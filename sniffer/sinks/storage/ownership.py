"""Which process may write to the store, and whether a file is a store at all."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import IO

from sniffer.errors import StoreError
from sniffer.sinks.storage.schema import APPLICATION_ID


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def is_marked(path: Path) -> bool:
    """Whether the header of the file, as far as it can be read, says that it is ours."""
    try:
        with path.open("rb") as stream:
            return stream.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
    except OSError:
        return False


def own(path: Path) -> IO[bytes]:
    """One process writes. The lock is on a file beside the store, and ends with the process however that ends."""
    if not path.name:
        raise StoreError(f"'{path}': the path of the store must name a file (store.path)")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    stream = os.fdopen(os.open(beside(path, ".lock"), flags, 0o600), "r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        if isinstance(error, BlockingIOError):
            raise StoreError(f"{path}: another sniffer is writing to it; stop that one, or give another path") from None
        raise
    return stream
