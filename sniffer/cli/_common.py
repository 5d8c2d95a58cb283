"""What several commands share: options, and how paths become captures."""

from __future__ import annotations

import gzip
import os
import shlex
import shutil
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sniffer.errors import UsageError
from sniffer.model import host_key
from sniffer.model.pcap import PCAP_MAGICS, PCAPNG_MAGIC

if TYPE_CHECKING:  # a listener reads no configuration: it need not hold what one is made of
    from sniffer.app.config import Config
    from sniffer.settings.base import DeviceSettings
    from sniffer.sinks.storage.store import Store

#: What `sniffer setup` writes, and `sniffer config check` looks for.
DEFAULT_CONFIG = Path("sniffer.yaml")
CAPTURE_SUFFIXES = frozenset({".pcap", ".pcapng", ".cap", ".dmp", ".ntar"})
COMPRESSED_SUFFIXES = frozenset({".gz", ".xz", ".bz2", ".zst"})
#: First bytes of pcap and pcapng.
CAPTURE_MAGIC = frozenset({*PCAP_MAGICS, PCAPNG_MAGIC})

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def count(number: int, noun: str) -> str:
    """Return `1 device`, `2 devices`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def write_whole(path: Path, text: str, mode: int) -> None:
    """Write a file whole or not at all. Raises UsageError."""
    half = path.with_name(path.name + ".part")
    try:
        half.unlink(missing_ok=True)  # one left by an earlier run may be readable to others
        with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
            stream.write(text)
        half.replace(path)
    except OSError as error:
        half.unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None


def config_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`-c FILE`: the configuration."""
    return click.option(
        "-c",
        "--config",
        "config_path",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_implied,
        help="Configuration (YAML). Default: sniffer.yaml in this folder, where there is one.",
    )(function)


def _implied(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """`sniffer.yaml` in this folder, said on standard error; not that of another user, who could have put it there."""
    if value is not None or context.resilient_parsing:
        return value
    try:
        owner = DEFAULT_CONFIG.stat().st_uid
    except OSError:
        return None
    if owner not in (0, os.geteuid(), int(os.environ.get("SUDO_UID", "0") or 0)):
        click.echo(f"sniffer: {DEFAULT_CONFIG} belongs to another user and is not read; -c reads it", err=True)
        return None
    click.echo(f"sniffer: reading {DEFAULT_CONFIG}", err=True)
    return DEFAULT_CONFIG


def program(*words: str, root: bool = False) -> str:
    """Return the command line that runs this installation with these words, from any folder and by `sudo` too."""
    own = Path(sys.prefix) / "bin" / "sniffer"
    found = shutil.which("sniffer")
    if own.exists():
        on_path = found is not None and os.path.realpath(found) == os.path.realpath(own)
        start = ["sniffer"] if on_path and not root else [str(own)]
    else:
        start = [sys.executable, "-m", "sniffer"]
    sudo = ["sudo"] if root and os.geteuid() != 0 else []
    return shlex.join([*sudo, *start, *words])


def device_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """`--device MAC=NAME`, repeatable."""
    return click.option(
        "--device", "devices", multiple=True, metavar="MAC=NAME", help="Judge this device, whatever it looks like."
    )(function)


def format_option(*formats: str) -> Decorator:
    """`--format`; the first is the default."""
    return click.option("--format", "output_format", type=click.Choice(formats), default=formats[0], show_default=True)


def effective_config(config_path: Path | None, devices: Sequence[str]) -> Config:
    """The configuration file (or the defaults) with the devices named on the command line. Raises ConfigError,
    UsageError."""
    from sniffer.app.config import Config, load_config

    config = load_config(config_path) if config_path else Config()
    named = tuple(_device(text) for text in devices)
    keys = {device.key for device in named}
    if len(keys) != len(named) or len({device.name for device in named}) != len(named):
        raise UsageError("--device: the same device or name is given twice")
    kept = tuple(device for device in config.devices if device.key not in keys)
    return config.model_copy(update={"devices": (*kept, *named)})


def _device(text: str) -> DeviceSettings:
    from sniffer.settings.base import DeviceSettings

    mac, equals, name = text.partition("=")
    try:
        host_key(mac)
        return DeviceSettings(mac=mac, name=name if equals else mac)
    except ValueError:
        raise UsageError(
            f"--device {text!r}: expected MAC=NAME, for example 68:db:f5:90:19:64=kitchen "
            "(letters, digits, space, dot, dash, colon)"
        ) from None


def nothing_of(device: str | None, store: Store) -> str:
    """What to add where nothing was found: that no device has that name."""
    from sniffer.app.config_lint import unknown_name

    remedy = unknown_name(device, store.names()) if device else None
    return "" if remedy is None else f": no device in there is called '{device}'; {remedy}"


def captures_in(paths: Iterable[Path]) -> Iterator[Path]:
    """Files as given; of folders, all files below them that are captures by name or by their first bytes, sorted."""
    for path in paths:
        if path.is_dir():
            yield from (found for found in sorted(path.rglob("*")) if found.is_file() and looks_like_capture(found))
        else:
            yield path


def looks_like_capture(path: Path) -> bool:
    """By name, or by the first four bytes, also inside gzip."""
    suffix = Path(path.stem).suffix if path.suffix in COMPRESSED_SUFFIXES else path.suffix
    if suffix.lower() in CAPTURE_SUFFIXES:
        return True
    try:
        with path.open("rb") as stream:
            magic = stream.read(4)
        if magic[:2] == b"\x1f\x8b":
            with gzip.open(path) as unpacked:
                magic = unpacked.read(4)
    except (OSError, EOFError, zlib.error):
        return False
    return magic in CAPTURE_MAGIC
