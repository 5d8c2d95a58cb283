"""Settings that are valid and probably not meant: each remark with its place and a remedy.

A name that no device has switches off what it was to protect, and a source without a token never reports. Neither is
an error: a device may be found later.
"""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sniffer.app.config import Config, read_secret
from sniffer.errors import ConfigError
from sniffer.model import host_key, key_text
from sniffer.settings.base import Secret, Section
from sniffer.settings.yaml import load_yaml, located, mark_of, read_text
from sniffer.wake.settings import HomeAssistantSource, HttpSource, MqttSource

if TYPE_CHECKING:
    from sniffer.app.build import Rulebook

Place = tuple[str | int, ...]
Said = tuple[Place, str, str]


@dataclass(frozen=True, slots=True)
class Remark:
    """`message` begins with `file:line:column` where the configuration is a file."""

    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}"


def remarks(config: Config, rulebook: Rulebook, file: Path | None = None, seen: Iterable[str] = ()) -> list[Remark]:
    """What to say of a configuration that was read from `file`. `seen` are names of devices that were recognised.
    Raises ConfigError where the file cannot be read any more."""
    return place_remarks(
        [
            *_devices(config, seen),
            *_words(config, rulebook),
            *_sources(config),
            *_hours(config),
            *_clear(config),
            *_reach(config),
        ],
        file,
    )


def unreadable_secrets(config: Config) -> Iterator[Said]:
    """Secrets and certificates that this user cannot read."""
    from sniffer.web.server import tls_options

    for place, secret in _secrets(config, ()):
        try:
            read_secret(secret)
        except ConfigError as error:
            yield place, str(error), "the daemon does not start without"
    try:
        tls_options(config.http.tls)
    except ConfigError as error:
        yield ("http", "tls"), str(error), "the daemon does not start without"


def place_remarks(found: Iterable[Said], file: Path | None) -> list[Remark]:
    node = None if file is None else load_yaml(read_text(file, ConfigError), file, ConfigError)[1]
    return [
        Remark(str(located(ConfigError, message, file, mark_of(node, place))) if file else message, remedy)
        for place, message, remedy in found
    ]


def _secrets(value: object, place: Place) -> Iterator[tuple[Place, Secret]]:
    if isinstance(value, Secret):
        yield place, value
    elif isinstance(value, Section):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name), (*place, name))
    elif isinstance(value, tuple):
        for number, item in enumerate(value):
            yield from _secrets(item, (*place, number))


def unknown_name(name: str, known: Iterable[str]) -> str | None:
    """What to do about a name (or address) that no device has; None where one has it."""
    with contextlib.suppress(ValueError):
        name = key_text(host_key(name))
    names = {other.casefold(): other for other in known}
    if name.casefold() in names:
        return None
    return (
        _nearest(name, names.values()) or "name it (`devices`, --device), or give its MAC; `sniffer devices` lists them"
    )


def _is_address(text: str) -> bool:
    try:
        host_key(text)
    except ValueError:
        return False
    return True


def _nearest(name: str, known: Iterable[str]) -> str | None:
    names = {other.casefold(): other for other in known}
    close = difflib.get_close_matches(name.casefold(), names, n=1)
    return f"did you mean '{names[close[0]]}'?" if close else None


def _devices(config: Config, seen: Iterable[str]) -> Iterator[Said]:
    known = [*(device.name for device in config.devices), *seen]
    for place, name in _named(config):
        remedy = unknown_name(name, known)
        if remedy is not None and not _is_address(name):  # the device of an address may come yet
            yield place, f"no device is called '{name}'", remedy


def _words(config: Config, rulebook: Rulebook) -> Iterator[Said]:
    """A kind nearly like a known one (a camera is judged otherwise than a speaker); a vendor that no device has, which
    limits a listener to no device."""
    kinds = {rule.kind for rule in rulebook.devices.rules}
    for number, device in enumerate(config.devices):
        close = _nearest(device.kind, kinds)
        if close and device.kind not in kinds:
            yield ("devices", number, "kind"), f"no rule knows the kind '{device.kind}'", close
    made = [*(rule.vendor for rule in rulebook.devices.rules), *(device.vendor for device in config.devices)]
    vendors = {vendor.casefold(): vendor for vendor in made if vendor}
    for number, source in enumerate(config.wake.sources):
        if source.vendor and source.vendor.casefold() not in vendors:
            remedy = _nearest(source.vendor, vendors.values()) or f"known: {', '.join(sorted(vendors.values()))}"
            yield ("wake", "sources", number, "vendor"), f"no device is made by '{source.vendor}'", remedy


def _named(config: Config) -> Iterator[tuple[Place, str]]:
    """Every place that names a device."""
    for number, source in enumerate(config.wake.sources):
        here: Place = ("wake", "sources", number)
        yield from (((*here, "devices", i), name) for i, name in enumerate(source.devices))
        if isinstance(source, MqttSource):
            yield from (((*here, "topics", i, "device"), t.device) for i, t in enumerate(source.topics) if t.device)
        if isinstance(source, HomeAssistantSource):
            yield from (((*here, "devices_by_name", key), name) for key, name in source.devices_by_name.items())
            yield from (((*here, "satellites", key), name) for key, name in source.satellites.items() if name)
            yield from (((*here, "entities", i, "device"), e.device) for i, e in enumerate(source.entities) if e.device)
    for number, hours in enumerate(config.judge.quiet_hours):
        yield from ((("judge", "quiet_hours", number, "devices", i), name) for i, name in enumerate(hours.devices))
    for number, exception in enumerate(config.judge.rules.exceptions):
        if exception.device:
            yield ("judge", "rules", "exceptions", number, "device"), exception.device


def _sources(config: Config) -> Iterator[Said]:
    """Tokens and sources that do not find each other."""
    names = [spec.name for spec in config.wake.specs()]
    tokens = {token.source for token in config.http.tokens if "wake" in token.scopes}
    for number, token in enumerate(config.http.tokens):
        if "wake" in token.scopes and token.source not in names:
            yield (
                ("http", "tokens", number, "source"),
                f"no wake source is called '{token.source}': it explains uploads, and its silence says nothing",
                _nearest(token.source, names) or f"add {{type: http, name: {token.source}}} to wake.sources",
            )
    for number, source in enumerate(config.wake.sources):
        place = ("wake", "sources", number, "name")
        if isinstance(source, HttpSource) and not config.http.enabled:
            yield place, f"no event can arrive for '{source.name}': HTTP is off", "set http.enabled"
        elif isinstance(source, HttpSource) and source.name not in tokens:
            yield (
                place,
                f"no token may report for '{source.name}'",
                "give it a token with the scope `wake` (http.tokens)",
            )


def _hours(config: Config) -> Iterator[Said]:
    if config.judge.quiet_hours and "time_zone" not in config.judge.model_fields_set:
        yield (
            ("judge", "quiet_hours"),
            "these hours are read in UTC",
            "set judge.time_zone, such as Europe/Berlin, or UTC",
        )


def _reach(config: Config) -> Iterator[Said]:
    """Reading that is open to a network."""
    http = config.http
    if http.enabled and not http.is_local and not http.reading_needs_token:
        where = "an address of this machine" if http.is_everywhere else http.host
        yield (
            ("http", "read_token"),
            f"every host that reaches {where} can read what was sent, and when",
            "leave read_token out, and give readers a token with the scope `read`",
        )


def _clear(config: Config) -> Iterator[Said]:
    if config.http.in_clear:
        yield (
            ("http", "host"),
            "tokens cross the network in clear, and who reads one can explain uploads away",
            "set http.tls, or listen on 127.0.0.1 behind a TLS proxy or an SSH tunnel (docs/http.md)",
        )
