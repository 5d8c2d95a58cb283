"""Changes made on the page: an overlay file beside the store, never the user's own configuration.

A change is a piece of configuration in the shape of the configuration. The user's file is always right: what it sets
cannot be changed on the page, and a change that it contradicts later is left out and reported.
"""

from __future__ import annotations

import copy
import os
import secrets
import stat
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sniffer.app.config import Config
from sniffer.errors import ConfigError, UsageError
from sniffer.model import host_key, key_text
from sniffer.settings.base import Section
from sniffer.settings.yaml import parse_yaml, read_text

#: The name of the file in the folder of the store.
FILE_NAME = "sniffer.overlay.yaml"
MAX_CHANGES = 500

#: What the page may change, and for lists the key of an item (None: items are only added).
CHANGEABLE: Mapping[tuple[str, ...], str | None] = {
    ("devices",): "mac",
    ("wake", "sources"): "name",
    ("http", "tokens"): "source",
    ("sinks", "webhooks"): "name",
    ("judge", "rules", "exceptions"): None,
    ("judge", "rules", "levels"): None,
    ("judge", "quiet_hours"): None,
    ("judge", "time_zone"): None,
    ("alerts", "level"): None,
    ("alerts", "time_zone"): None,
}
HEADER = (
    "# Changes made on sniffer's page. Undo them there (Set-up), or delete their entry here.\n"
    "# `sniffer config check --effective FILE` prints the configuration with them.\n"
)


class Change(Section):
    """One change. `what` is a text key of the page and `about` its object; `set` is a piece of configuration."""

    id: str
    time: str
    what: str
    about: str = ""
    set: dict[str, Any]


class OverlayFile(Section):
    """The content of the file, oldest change first."""

    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A configuration with changes. `problems` say by the change's id why it was left out."""

    config: Config
    problems: Mapping[str, str]


def overlay_path(store: Path) -> Path:
    """Where the overlay of a daemon with this store is."""
    return store.with_name(FILE_NAME)


def read_overlay(path: Path) -> tuple[Change, ...]:
    """The changes in a file; none where there is no file. Raises ConfigError."""
    if not path.exists():
        return ()
    return parse_yaml(read_text(path, ConfigError), path, OverlayFile, ConfigError).changes


def write_overlay(path: Path, changes: Iterable[Change]) -> None:
    """Replace the file in one step. Raises ConfigError."""
    value = {"changes": [change.model_dump(mode="json") for change in changes]}
    half = path.with_name(f"{path.name}.part")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        with os.fdopen(os.open(half, flags, stat.S_IRUSR | stat.S_IWUSR), "w", encoding="utf-8") as stream:
            stream.write(HEADER + yaml.safe_dump(value, sort_keys=False, allow_unicode=True))
        half.replace(path)
    except OSError as error:
        raise ConfigError(f"the change cannot be kept: {error.strerror}", file=path) from None


def overlaid(config: Config, changes: Sequence[Change]) -> Overlaid:
    """A configuration with changes put over it, the newest last."""
    if not changes:
        return Overlaid(config, {})
    own = config.model_dump(exclude_unset=True)
    problems: dict[str, str] = {}
    merged = copy.deepcopy(own)
    for change in changes:
        attempt = copy.deepcopy(merged)
        try:
            _merge(attempt, own, change.set, ())
            _readable(change)
            Config.model_validate(attempt)
        except UsageError as error:
            problems[change.id] = str(error)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            problems[change.id] = f"{where}: {first['msg'].removeprefix('Value error, ')}"
        else:
            merged = attempt
    return Overlaid(Config.model_validate(merged), problems)


def _readable(change: Change) -> None:
    """A token whose file is gone must not keep the daemon from starting. Raises UsageError."""
    for token in change.set.get("http", {}).get("tokens", ()):
        path = Path(str(token.get("secret", {}).get("file", "")))
        if not os.access(path, os.R_OK):
            raise UsageError(f"{path}: the token cannot be read; undo this change and add the listener again")


def _merge(target: dict[str, Any], own: Mapping[str, Any], piece: Mapping[str, Any], path: tuple[str, ...]) -> None:
    """Put a piece into `target`. Raises UsageError where the user's configuration (`own`) has a say in it."""
    for name, value in piece.items():
        here = (*path, str(name))
        known = own.get(name) if isinstance(own, Mapping) else None
        if isinstance(value, list) and here in CHANGEABLE:
            target[name] = _merged_list(list(target.get(name) or ()), list(known or ()), value, here)
        elif here in CHANGEABLE or path in CHANGEABLE:
            if isinstance(value, dict):
                _merge(target.setdefault(name, {}), known or {}, value, here)
            elif known is not None and known != value:
                raise UsageError(f"the configuration file says {'.'.join(here)}: {known}; change it there")
            else:
                target[name] = value
        elif isinstance(value, dict) and any(allowed[: len(here)] == here for allowed in CHANGEABLE):
            _merge(target.setdefault(name, {}), known or {}, value, here)
        else:
            raise UsageError(f"{'.'.join(here)} cannot be changed on the page")


def _merged_list(target: list[Any], own: list[Any], items: list[Any], path: tuple[str, ...]) -> list[Any]:
    key = CHANGEABLE[path]
    if key is None:
        return [*target, *items]
    taken = {_identity(key, item) for item in own}
    for item in items:
        identity = _identity(key, item)
        if identity in taken:
            raise UsageError(
                f"the configuration file has this one already ({'.'.join(path)}, {item[key]}); change it there"
            )
        target = [*(other for other in target if _identity(key, other) != identity), item]
    return target


def _identity(key: str, item: Mapping[str, Any]) -> str:
    text = str(item.get(key, "")).casefold()
    if key != "mac":
        return text
    try:
        return key_text(host_key(text))
    except ValueError:
        return text


def _signature(path: Path) -> tuple[int, ...] | None:
    """What differs where a file was replaced or written to; None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class OverlaidConfig:
    """The user's configuration with what was changed on the page; keeps the file. Safe to use from several threads.

    `read_base` reads the user's configuration. Raises what that raises.
    """

    def __init__(self, read_base: Callable[[], Config]) -> None:
        self._read_base = read_base
        self._lock = threading.Lock()
        self.problems: Mapping[str, str] = {}
        self._path: Path | None = None
        self._kept: tuple[tuple[int, ...] | None, tuple[Change, ...]] = (None, ())

    def read(self) -> Config:
        """The configuration in force. A change that cannot be put over it is left out."""
        base = self._read_base()
        path = overlay_path(base.store.path)
        found = overlaid(base, read_overlay(path))
        self._path, self.problems = path, found.problems
        return found.config

    def changes(self) -> tuple[Change, ...]:
        """What was changed, oldest first, of the configuration that was read last. The file is read again where it is
        another than before. Raises ConfigError."""
        path = self._path or overlay_path(self._read_base().store.path)
        now = _signature(path)
        before, changes = self._kept
        if now is None or now != before:
            changes = read_overlay(path)
            self._kept = now, changes
        return changes

    def add(
        self, piece: Mapping[str, Any], what: str, about: str, time: str, check: Callable[[Config], object]
    ) -> Change:
        """Keep a change. Raises UsageError where the configuration or `check` refuses it, ConfigError."""
        with self._lock:
            base = self._read_base()
            path = overlay_path(base.store.path)
            changes = read_overlay(path)
            if len(changes) >= MAX_CHANGES:
                raise UsageError(f"{MAX_CHANGES} changes are kept; undo some, or move them into the configuration file")
            change = Change(id=secrets.token_hex(4), time=time, what=what, about=about, set=dict(piece))
            found = overlaid(base, [*changes, change])
            if change.id in found.problems:
                raise UsageError(found.problems[change.id])
            check(found.config)
            write_overlay(path, [*changes, change])
            return change

    def undo(self, change_id: str) -> Change:
        """Take a change back. Raises UsageError where there is none with this id, ConfigError."""
        with self._lock:
            path = overlay_path(self._read_base().store.path)
            changes = read_overlay(path)
            gone = next((change for change in changes if change.id == change_id), None)
            if gone is None:
                raise UsageError("this change was undone already")
            write_overlay(path, [change for change in changes if change.id != change_id])
            return gone
