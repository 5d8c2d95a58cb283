"""What was known of a device before this upload: how often it had sent speech, how often to this destination, how many
uploads nobody asked for within a day. Rules ask for it; nothing here judges.

Bounded: the devices and destinations that were heard of longest ago are forgotten first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any

MAX_DEVICES = 128
MAX_DESTINATIONS = 128
#: Of one device, uploads that may be judged again are remembered, so that they are not counted twice; and those that
#: nobody asked for. More than a speaker sends in the day in which a wake event may come late.
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
        self._destinations: dict[str, int] = dict(state.get("destinations", {}))
        self._remembered: dict[str, list[int]] = dict(state.get("remembered", {}))
        self._unexpected: dict[str, float] = dict(state.get("unexpected", {}))

    def fields(self, record: Mapping[str, Any]) -> dict[str, Any]:
        identity, start = record["id"], datetime.fromisoformat(record["timestamp"]).timestamp()
        if record["verdict"] is None:  # it will not be judged again
            before = [self._speech, self._destinations.get(_destination(record), 0)]
        elif identity in self._remembered:
            before = self._remembered[identity]
        else:
            before = self._remembered[identity] = self._first_look(record)
            _shorten(self._remembered, MAX_REMEMBERED)
        self._unexpected.pop(identity, None)
        if record["verdict"] == "unexpected":
            self._unexpected[identity] = start
            _shorten(self._unexpected, MAX_REMEMBERED)
        within = sum(start - DAY_SECONDS < at <= start for at in self._unexpected.values())
        return {
            "speech_uploads": before[0],
            "destination_uploads": before[1],
            "unexpected_in_24h": within,
        }

    def _first_look(self, record: Mapping[str, Any]) -> list[int]:
        destination = _destination(record)
        before, there = self._speech, self._destinations.get(destination, 0)
        if record["upload"]["class"] == "speech":
            self._speech += 1
            self._destinations.pop(destination, None)
            self._destinations[destination] = there + 1  # the youngest is last
            _shorten(self._destinations, MAX_DESTINATIONS)
        return [before, there]

    def state(self) -> dict[str, Any]:
        return {
            "speech": self._speech,
            "destinations": self._destinations,
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
