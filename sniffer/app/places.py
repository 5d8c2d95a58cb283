"""Where captures are: files, folders, globs, lists of them, and object stores by URL (through fsspec)."""

from __future__ import annotations

import glob
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sniffer import extras
from sniffer.errors import CaptureError, UsageError


def is_url(place: str) -> bool:
    """Whether a place is in an object store: `s3://bucket/house/a.pcap`, `https://...`."""
    return "://" in place


def spelled_out(places: Sequence[str]) -> list[str]:
    """Return the places that these stand for: `@FILE` lists places, one a line; globs give what they fit, sorted.

    Raises UsageError where a list cannot be read, CaptureError where a store cannot be listed.
    """
    found: list[str] = []
    for place in places:
        if place.startswith("@"):
            try:
                lines = Path(place[1:]).read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise UsageError(f"{place[1:]}: the list of captures cannot be read: {error}") from None
            found += spelled_out([line.strip() for line in lines if line.strip() and not line.startswith("#")])
        elif not any(mark in place for mark in "*?[") or (not is_url(place) and Path(place).exists()):
            found.append(place)
        elif is_url(place):
            found += _listed(place)
        else:
            found += sorted(glob.glob(place, recursive=True))  # noqa: PTH207 - the pattern may be absolute
    return found


def below(url: str) -> list[str]:
    """Return the URLs of all objects below a folder of a store, sorted; the URL itself where it is an object."""
    system, path = _system(url)
    try:
        if system.isfile(path):
            return [url]
        return sorted(str(system.unstrip_protocol(one)) for one in system.find(path))
    except Exception as error:
        raise CaptureError(f"{url}: cannot be listed: {_line(error)}") from None


@contextmanager
def local(place: str) -> Iterator[Path]:
    """Give a file on this machine that holds the capture: a copy for the time being, where it is in a store.

    Raises CaptureError where it cannot be fetched.
    """
    if not is_url(place):
        yield Path(place)
        return
    system, path = _system(place)
    with tempfile.TemporaryDirectory(prefix="sniffer-") as folder:
        copy = Path(folder) / (Path(path).name or "capture")
        try:
            system.get_file(path, str(copy))
        except Exception as error:
            raise CaptureError(f"{place}: cannot be fetched: {_line(error)}") from None
        yield copy


def _listed(pattern: str) -> list[str]:
    system, path = _system(pattern)
    try:
        return sorted(str(system.unstrip_protocol(one)) for one in system.glob(path))
    except Exception as error:
        raise CaptureError(f"{pattern}: cannot be listed: {_line(error)}") from None


def _system(url: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        raise UsageError(extras.missing("fsspec", "a capture in an object store")) from None
    try:
        system, path = fsspec.core.url_to_fs(url)
    except (ImportError, ValueError) as error:
        raise UsageError(f"{url}: {_line(error)}") from None
    return system, str(path)


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).partition("\n")[0]
