"""Room that is held on the disk, so that a daemon that ends on a full one can write what waited."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: The state of all stages is under a megabyte.
RESERVE_BYTES, RESERVE_SUFFIX = 2 << 20, ".reserve"


def hold(path: Path) -> None:
    """Fill a file with room. Where there is none, nothing is held."""
    with contextlib.suppress(OSError):
        if path.stat().st_size == RESERVE_BYTES:
            return
    with contextlib.suppress(OSError):
        held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            os.posix_fallocate(held, 0, RESERVE_BYTES)
        except OSError:
            path.unlink(missing_ok=True)
        finally:
            os.close(held)


def release(path: Path) -> None:
    """Give up what is held."""
    with contextlib.suppress(OSError):  # emptied first: the folder may not be ours any more
        os.truncate(path, 0)
        path.unlink()
