"""The past of each device, for rules: its speech uploads, their destinations, and its unexpected uploads of a day.

Bounded: the devices and destinations that were heard of longest ago are forgotten first.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

from sniffer.model import Judged, Upload, UploadClass, VerdictKind, address_text, mac_text
from sniffer.records.types import HistoryFields

#: Devices that are remembered.
MAX_DEVICES = 128
#: Destinations that are remembered for each device.
MAX_DESTINATIONS = 128
#: Uploads that are remembered for each device, so that none counts twice when it is judged again; and as many
#: unexpected ones. More than a speaker sends in the day in which a wake event may arrive late.
MAX_REMEMBERED = 256
DAY_SECONDS = 86_400.0


class History:
    """The past of all devices. Hand it each judged upload once per revision, in order."""

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self._devices: dict[str, _Past] = {device: _Past(past) for device, past in (state or {}).items()}

    def before(self, identity: str, judged: Judged) -> HistoryFields:
        """Return the device's past before this upload, and remember the upload under its id.

        An upload that is judged again gets the same counts as before.
        """
        device = mac_text(judged.upload.key) or address_text(*judged.upload.flows[0].src)
        past = self._devices.pop(device, None) or _Past({})
        self._devices[device] = past  # the most recent is last
        if len(self._devices) > MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return past.before(identity, judged.upload, judged.verdict.kind)

    def state(self) -> dict[str, Any]:
        """Return what a restart must keep, as JSON."""
        return {device: past.state() for device, past in self._devices.items()}


class _Past:
    """The past of one device."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._speech: int = state.get("speech", 0)
        self._destinations: dict[str, int] = dict(state.get("destinations", {}))
        self._remembered: dict[str, list[int]] = dict(state.get("remembered", {}))
        self._unexpected: dict[str, float] = dict(state.get("unexpected", {}))

    def before(self, identity: str, upload: Upload, verdict: VerdictKind | None) -> HistoryFields:
        start = upload.start_ns // 1000 / 1_000_000  # microseconds, as in the record
        if verdict is None:  # it will not be judged again
            counts = [self._speech, self._destinations.get(_destination(upload), 0)]
        elif identity in self._remembered:
            counts = self._remembered[identity]
        else:
            counts = self._remembered[identity] = self._count(upload)
            _shorten(self._remembered, MAX_REMEMBERED)
        self._unexpected.pop(identity, None)
        if verdict is VerdictKind.UNEXPECTED:
            self._unexpected[identity] = start
            _shorten(self._unexpected, MAX_REMEMBERED)
        within = sum(start - DAY_SECONDS < at <= start for at in self._unexpected.values())
        return HistoryFields(speech_uploads=counts[0], destination_uploads=counts[1], unexpected_in_24h=within)

    def _count(self, upload: Upload) -> list[int]:
        """Return the counts before a new upload, and count it."""
        destination = _destination(upload)
        before, there = self._speech, self._destinations.get(destination, 0)
        if upload.upload_class is UploadClass.SPEECH:
            self._speech += 1
            self._destinations.pop(destination, None)
            self._destinations[destination] = there + 1  # the most recent is last
            _shorten(self._destinations, MAX_DESTINATIONS)
        return [before, there]

    def state(self) -> dict[str, Any]:
        return {
            "speech": self._speech,
            "destinations": self._destinations,
            "remembered": self._remembered,
            "unexpected": self._unexpected,
        }


def _destination(upload: Upload) -> str:
    """Return the host, or the network around an address without a name (a service has many addresses)."""
    if upload.service.host:
        return upload.service.host
    address = ipaddress.ip_address(address_text(*upload.flows[0].dst))
    return str(ipaddress.ip_network((address, 16 if address.version == 4 else 32), strict=False))


def _shorten(remembered: dict[str, Any], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
