"""The daily digest: what left the house since the last one, by device. A value that is handed in and out; no I/O."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Mapping
from typing import Any

from sniffer.judge.settings import AlertSettings
from sniffer.model import Record
from sniffer.model.clock import SECOND, timestamp

_ZERO: Mapping[str, Any] = {
    "uploads": 0,
    "speech_seconds": 0.0,
    "expected": 0,
    "unexpected": 0,
    "inconclusive": 0,
    "unexpected_speech_seconds": 0.0,
    "bytes": 0,
    "muted": 0,
}
#: Devices that a digest tells apart; a flood of invented ones ends in `others`.
MAX_DEVICES = 100


class Digest:
    """Counts uploads with their newest verdict."""

    def __init__(self, settings: AlertSettings, state: Mapping[str, Any] | None = None) -> None:
        self._at = settings.digest_at
        self._zone = zoneinfo.ZoneInfo(settings.time_zone) if settings.time_zone else None
        state = state or {}
        self._since: int | None = state.get("since")
        self._devices: dict[str, dict[str, Any]] = {k: dict(v) for k, v in state.get("devices", {}).items()}

    def state(self) -> dict[str, Any]:
        """What a restart must not forget, as JSON."""
        return {"since": self._since, "devices": {key: dict(value) for key, value in self._devices.items()}}

    def begin(self, now_ns: int) -> int:
        """When the day that is being counted began."""
        if self._since is None:
            self._since = now_ns
        return self._since

    def add(self, record: Record, sign: int = 1) -> None:
        """Count an upload with its verdict; with -1 take it back, because it is judged anew."""
        key = device_key(record)
        if key not in self._devices and len(self._devices) >= MAX_DEVICES:
            key = "others"
        counts = self._devices.setdefault(
            key, {"name": record["device"]["name"] if key != "others" else key, "mac": record["device"]["mac"], **_ZERO}
        )
        seconds = float(record["upload"]["speech_seconds"])
        counts["uploads"] += sign
        counts["speech_seconds"] += sign * seconds
        counts["bytes"] += sign * record["upload"]["bytes"]
        counts[record["verdict"]] += sign
        if record["verdict"] == "unexpected":
            counts["unexpected_speech_seconds"] += sign * seconds

    def muted(self, record: Record) -> None:
        """An alert was kept back by a maintenance window."""
        counts = self._devices.get(device_key(record))
        if counts is not None:
            counts["muted"] += 1

    def advance(self, now_ns: int) -> list[dict[str, Any]]:
        """The digest, once its hour has come."""
        since = self.begin(now_ns)
        if now_ns < self._next(since):
            return []
        devices, self._devices, self._since = self._devices, {}, now_ns
        counted = [counts for counts in devices.values() if counts["uploads"] > 0]
        return [_record(sorted(counted, key=lambda c: (-c["unexpected"], c["name"])), since, now_ns)] if counted else []

    def _next(self, since_ns: int) -> int:
        """The first time after `since_ns` at which the clock on the wall shows `digest_at`."""
        moment = datetime.datetime.fromtimestamp(since_ns // SECOND, datetime.UTC).astimezone(self._zone)
        day = moment.date()
        while True:
            local = datetime.datetime.combine(day, self._at, self._zone)
            due = round(local.astimezone(datetime.UTC).timestamp()) * SECOND
            if due > since_ns:
                return due
            day += datetime.timedelta(days=1)


def device_key(record: Record) -> str:
    """What tells one device from another, whatever it is called."""
    device = record["device"]
    return str(device["mac"] or device["ip"] or device["name"])


def _record(devices: list[dict[str, Any]], since: int, until: int) -> dict[str, Any]:
    for counts in devices:
        for name in ("speech_seconds", "unexpected_speech_seconds"):
            counts[name] = round(max(0.0, counts[name]), 1)
    unexpected = sum(counts["unexpected"] for counts in devices)
    uploads = sum(counts["uploads"] for counts in devices)
    seconds = round(sum(counts["speech_seconds"] for counts in devices), 1)
    return {
        "event_type": "digest",
        "id": f"digest-{since // SECOND}",
        "timestamp": timestamp(until),
        "since": timestamp(since),
        "until": timestamp(until),
        "devices": devices,
        "uploads": uploads,
        "speech_seconds": seconds,
        "unexpected": unexpected,
        "summary": f"Since the last digest: {_counts(uploads, seconds, unexpected)}",
        "text": "\n".join(_line(counts) for counts in devices),
    }


def _line(counts: Mapping[str, Any]) -> str:
    line = f"{counts['name']}: {_counts(counts['uploads'], counts['speech_seconds'], counts['unexpected'])}"
    if counts["inconclusive"]:
        line += f", {counts['inconclusive']} that nobody can tell"
    if counts["muted"]:
        line += f", {counts['muted']} kept back by a maintenance window"
    return line


def _counts(uploads: int, seconds: float, unexpected: int) -> str:
    plural = "" if uploads == 1 else "s"
    return f"{uploads} upload{plural}, {seconds:.0f} s of speech, {unexpected or 'none'} that nobody asked for"
