"""What was known of a device before this upload: how much speech it had sent, whether to this destination, and how many
uploads nobody asked for within a day. Rules ask for it; nothing here judges.

Bounded: the devices and destinations that were heard of longest ago are forgotten first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

MAX_DEVICES = 512
MAX_DESTINATIONS = 256
#: Uploads that may be judged again are remembered, so that they are not counted twice.
MAX_REMEMBERED = 256
DAY_SECONDS = 86_400.0


class History:
    """`fill` is called with every upload record, in the order in which they are judged."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._devices: dict[str, _Past] = {}
        for device, past in (state or {}).items():
            self._devices[device] = _Past(past)

    def fill(self, record: dict[str, Any]) -> None:
        """Fill in the record's `history`, and remember the upload. A judged-again upload gets what it had before."""
        device = record["device"]["mac"] or record["src_ip"]
        past = self._devices.pop(device, None) or _Past({})
        self._devices[device] = past  # the youngest is last
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        record["history"] = past.fields(record)

    def state(self) -> dict[str, Any]:
        """What a restart must not forget, as JSON."""
        return {device: past.state() for device, past in self._devices.items()}


class _Past:
    """One device."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._speech: int = state.get("speech", 0)
        self._destinations: dict[str, None] = dict.fromkeys(state.get("destinations", ()))
        self._remembered: dict[str, list[Any]] = dict(state.get("remembered", {}))
        self._unexpected: dict[str, float] = dict(state.get("unexpected", {}))

    def fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        identity, start = record["id"], datetime.fromisoformat(record["timestamp"]).timestamp()
        if identity not in self._remembered:
            self._remembered[identity] = self._first_look(record)
            _shorten(self._remembered, MAX_REMEMBERED)
        speech_uploads, new_destination = self._remembered[identity]
        self._unexpected.pop(identity, None)
        if record["verdict"] == "unexpected":
            self._unexpected[identity] = start
            _shorten(self._unexpected, MAX_REMEMBERED)
        within = sum(start - DAY_SECONDS < at <= start for at in self._unexpected.values())
        return {
            "speech_uploads": speech_uploads,
            "new_destination": new_destination,
            "unexpected_in_24h": within,
        }

    def _first_look(self, record: Mapping[str, Any]) -> list[Any]:
        destination = _destination(record)
        before, new = self._speech, destination not in self._destinations
        if record["upload"]["class"] == "speech":
            self._speech += 1
            self._destinations.pop(destination, None)
            self._destinations[destination] = None
            _shorten(self._destinations, MAX_DESTINATIONS)
        return [before, new]

    def state(self) -> dict[str, Any]:
        return {
            "speech": self._speech,
            "destinations": list(self._destinations),
            "remembered": self._remembered,
            "unexpected": self._unexpected,
        }


def _destination(record: Mapping[str, Any]) -> str:
    """The host, or the network around an address without a name (a service has many addresses)."""
    host = record["service"]["host"]
    if host:
        return str(host)
    address = ipaddress.ip_address(record["dest_ip"])
    return str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))


def _shorten(remembered: dict[str, Any], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
