"""A store whose file was removed while it was open: the system keeps it until it is closed, so nothing is lost yet."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from sniffer.sinks.storage.ownership import beside


def is_removed(path: Path) -> bool:
    """Return whether nothing stands at a path. Where the folder may not be searched, that is not known: an open file
    can be used all the same."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def write_again(db: sqlite3.Connection, path: Path) -> None:
    """Write what an open store holds to the path from which it was removed. Raises sqlite3.Error and OSError."""
    with contextlib.suppress(FileExistsError):
        path.parent.mkdir(mode=0o700)
    fresh = beside(path, ".again")
    fresh.unlink(missing_ok=True)
    db.execute("VACUUM INTO ?", [str(fresh)])
    fresh.chmod(0o600)
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink(missing_ok=True)
    fresh.replace(path)
