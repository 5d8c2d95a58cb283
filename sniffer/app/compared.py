"""The last result of `sniffer reconcile --page`: a JSON file beside the store, which the page shows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sniffer.errors import UsageError

SUFFIX = ".record.json"
#: A result with 500 items of each kind has at most this many bytes.
MAX_BYTES = 16 << 20
MOST_ITEMS = 500


def result_path(store: Path) -> Path:
    """Return the path of the file that belongs to a store."""
    return store.with_name(store.name + SUFFIX)


def read_result(store: Path) -> dict[str, Any] | None:
    """Return the result, or None where there is none that can be read."""
    try:
        with result_path(store).open("rb") as stream:
            text = stream.read(MAX_BYTES + 1)
        value = json.loads(text) if len(text) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and value.get("version") == 1 else None


def write_result(store: Path, result: Mapping[str, Any]) -> Path:
    """Write a result, readable by the owner of the store only. Raises UsageError."""
    path, partial = result_path(store), store.with_name(store.name + SUFFIX + ".new")
    try:
        owner = store.stat()
        partial.unlink(missing_ok=True)
        opened = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(opened, "w", encoding="utf-8") as stream:
            json.dump({**result, "version": 1}, stream)
            if os.geteuid() == 0:
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
        partial.replace(path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    return path
