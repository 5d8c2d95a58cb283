"""Whether a daemon can start here with a configuration: used by `config check`, by the start and by every reload.

A configuration that passes the schema can still name a folder where a file is needed, a user or an interface that does
not exist, or a secret that cannot be read. Each such problem is found here, without a side effect, before anything is
opened, sent or replaced.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from sniffer.app.config import Config, read_secret
from sniffer.app.config_lint import Place, Remark, Said, place_remarks, unreadable_secrets
from sniffer.capture.live.interfaces import resolve
from sniffer.capture.live.netlink import links
from sniffer.capture.live.privileges import account
from sniffer.capture.settings import CaptureSettings
from sniffer.capture.source_settings import InterfaceSource, LibpcapSource, MirrorSource
from sniffer.errors import ConfigError, SnifferError
from sniffer.explain.headline import headline
from sniffer.model import Record
from sniffer.model.clock import SystemClock
from sniffer.settings.places import state_folder
from sniffer.sinks.delivery.notice import Notice
from sniffer.sinks.delivery.targets import check_targets
from sniffer.wake.sources import feed_of
from sniffer.web.auth import read_tokens
from sniffer.web.settings import HttpSettings

REMEDY = "the daemon does not start with this"


def problems(
    config: Config, file: Path | None = None, *, live: bool = True, deliver: bool = True, bound: str | None = None
) -> list[Remark]:
    """Return what would keep a daemon from starting here, each with its place in `file`.

    Without `live` a capture is replayed: nothing is captured, and no wake source is asked. Without `deliver` no
    receiver is built. `bound` is the address that the running daemon listens on.
    """
    found: list[Said] = [*_http(config, bound)]
    if live:
        found += [*unreadable_secrets(config), *_capture(config), *_files(config), *_sources(config)]
    if deliver:
        found += _targets(config)
    return place_remarks(_once(found), file)


def require_startable(
    config: Config, file: Path | None = None, *, live: bool = True, deliver: bool = True, bound: str | None = None
) -> None:
    """Raise ConfigError with the first problem, and how many more there are."""
    found = problems(config, file, live=live, deliver=deliver, bound=bound)
    if found:
        more = f" (and {len(found) - 1} more: `sniffer config check`)" if len(found) > 1 else ""
        raise ConfigError(f"{found[0].message}{more}")


def _once(found: list[Said]) -> Iterator[Said]:
    """One problem for each place: a secret that cannot be read is found by whatever needs it, too."""
    places: list[Place] = []
    for place, message, remedy in found:
        if not any(place == other[: len(place)] or other == place[: len(other)] for other in places):
            places.append(place)
            yield place, message, remedy


def _tried(place: Place, act: Callable[[], object]) -> Iterator[Said]:
    try:
        act()
    except SnifferError as error:
        yield place, str(error), REMEDY


def _capture(config: Config) -> Iterator[Said]:
    settings = config.capture
    yield from _tried(("capture", "user"), lambda: account(settings.user))
    if "auto" in settings.interfaces:
        yield from _tried(("capture", "interface"), lambda: resolve("auto"))
    there = {link.name for link in links()}
    for place, name in _interfaces(settings):
        # An alternative name of an interface is one too, and only the kernel knows it.
        if name not in (*there, "auto") and not _has_index(name):
            known = ", ".join(sorted(there))
            yield place, f"{name}: no such interface; there are {known}", REMEDY
    for number, source in enumerate(settings.sources):
        for key in ("key", "known_hosts", "ca"):
            path = getattr(source, key, None)
            if path is not None and not os.access(path, os.R_OK):
                yield ("capture", "sources", number, key), f"{path}: cannot be read by this user", REMEDY


def _interfaces(settings: CaptureSettings) -> Iterator[tuple[Place, str]]:
    """Every interface of this machine that is named, with its place."""
    if not settings.sources:
        names = (settings.interface,) if isinstance(settings.interface, str) else settings.interface
        yield from ((("capture", "interface"), name) for name in names)
    for number, source in enumerate(settings.sources):
        if isinstance(source, InterfaceSource | MirrorSource | LibpcapSource):
            yield ("capture", "sources", number, "interface"), source.interface


def _has_index(name: str) -> bool:
    try:
        return socket.if_nametoindex(name) > 0
    except OSError:
        return False


def _files(config: Config) -> Iterator[Said]:
    paths: list[tuple[Place, Path, bool]] = [(("store", "path"), config.store.path, False)]
    if config.sinks.event_log is not None:
        paths.append((("sinks", "event_log", "path"), config.sinks.event_log.path, False))
    if config.sinks.evidence is not None:
        paths.append((("sinks", "evidence", "folder"), config.sinks.evidence.folder, True))
    seen: dict[Path, Place] = {}
    for place, path, folder in paths:
        absolute = Path(os.path.normpath(path.absolute()))
        if absolute in seen:
            yield place, f"{path} is {'.'.join(map(str, seen[absolute]))} too", REMEDY
        seen[absolute] = place
        with contextlib.suppress(PermissionError):  # the daemon may be another user
            problem = _folder_problem(path) if folder else _file_problem(path)
            if problem is not None:
                yield place, problem, REMEDY


def _file_problem(path: Path) -> str | None:
    try:
        if path.is_symlink():
            return f"{path} is a symbolic link, which is not followed: give the path that it leads to"
        if path.is_dir():
            return f"{path} is a folder: give the path of a file, such as {path / 'sniffer.db'}"
        if path.exists() and not path.is_file():
            return f"{path} is no regular file"
        made = path.parent == state_folder()  # it is created at the start
        return None if made or path.parent.is_dir() else f"{path.parent} is no folder: create it, or give another path"
    except PermissionError:
        raise
    except OSError as error:  # a name that is too long
        return f"{path}: {error.strerror}"


def _folder_problem(path: Path) -> str | None:
    """Missing folders are created, as far as something above them is one."""
    try:
        for above in (path, *path.parents):
            if above.is_dir():
                return None
            if above.exists() or above.is_symlink():
                return f"{above} is no folder"
    except PermissionError:
        raise
    except OSError as error:
        return f"{path}: {error.strerror}"
    return None


def _sources(config: Config) -> Iterator[Said]:
    for number, source in enumerate(config.wake.sources):
        yield from _tried(("wake", "sources", number), lambda source=source: feed_of(source, read_secret))  # type: ignore[misc]


def _targets(config: Config) -> Iterator[Said]:
    def notice(record: Record) -> Notice:
        return Notice(headline(record))

    for place, error in check_targets(config.sinks, read_secret, notice, SystemClock()):
        yield ("sinks", *place), str(error), REMEDY


def _http(config: Config, bound: str | None) -> Iterator[Said]:
    if not config.http.enabled:
        return
    # One source after the other, so that each problem has its place.
    for number, token in enumerate(config.http.tokens):
        yield from _tried(("http", "tokens", number), lambda token=token: read_tokens((token,), read_secret))  # type: ignore[misc]
    yield from _tried(("http", "tokens"), lambda: read_tokens(config.http.tokens, read_secret))
    if config.http.host != bound:
        yield from _tried(("http", "host"), lambda: _bindable(config.http))


def _bindable(http: HttpSettings) -> None:
    """Bind the address at any free port: the configured port may be in use by the daemon that is running."""
    from sniffer.web.server import bind

    bind(http.host, 0).close()
