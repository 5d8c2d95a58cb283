"""The daily digest: the uploads since the last one, by device. A value that is handed in and out; no I/O."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sniffer.explain.times import local_time, shown_span, zone_named
from sniffer.judge.settings import AlertSettings
from sniffer.model import VerdictKind
from sniffer.model.clock import SECOND, timestamp
from sniffer.records.alerts import digest_record
from sniffer.records.build import device_key
from sniffer.records.types import DigestDevice, DigestRecord, UploadRecord

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
#: Devices that are counted apart; a flood of invented ones is counted as `others`.
MAX_DEVICES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """As much of an upload as the digest counts, and needs to take it back."""

    key: str
    name: str
    mac: str | None
    verdict: VerdictKind
    speech_seconds: float
    bytes: int

    @classmethod
    def of(cls, record: UploadRecord) -> Counted | None:
        """Return what is counted of an upload; None where it has no verdict."""
        if record.verdict is None:
            return None
        device, upload = record.device, record.upload
        return cls(
            key=device_key(device),
            name=device.name,
            mac=device.mac,
            verdict=record.verdict,
            speech_seconds=upload.speech_seconds,
            bytes=upload.bytes,
        )


class Digest:
    """Counts uploads with their newest verdict."""

    def __init__(self, settings: AlertSettings, state: Mapping[str, Any] | None = None) -> None:
        self._at = settings.digest_at
        self._zone = zone_named(settings.time_zone)
        state = state or {}
        self._since: int | None = state.get("since")
        self._devices: dict[str, dict[str, Any]] = {k: dict(v) for k, v in state.get("devices", {}).items()}

    def state(self) -> dict[str, Any]:
        """Return what a restart must keep, as JSON."""
        return {"since": self._since, "devices": {key: dict(value) for key, value in self._devices.items()}}

    def begin(self, now_ns: int) -> int:
        """Return the beginning of the period that is being counted."""
        if self._since is None:
            self._since = now_ns
        return self._since

    def add(self, upload: Counted, sign: int = 1) -> None:
        """Count an upload with its verdict; with -1 take it back, because it is judged again."""
        key, name = upload.key, upload.name
        if key not in self._devices and len(self._devices) >= MAX_DEVICES:
            key = name = "others"
        counts = self._devices.setdefault(key, {"name": name, "mac": upload.mac, **_ZERO})
        counts["uploads"] += sign
        counts["speech_seconds"] += sign * upload.speech_seconds
        counts["bytes"] += sign * upload.bytes
        counts[str(upload.verdict)] += sign
        if upload.verdict is VerdictKind.UNEXPECTED:
            counts["unexpected_speech_seconds"] += sign * upload.speech_seconds

    def muted(self, key: str) -> None:
        """Count an alert that a maintenance window held back."""
        counts = self._devices.get(key)
        if counts is not None:
            counts["muted"] += 1

    def advance(self, now_ns: int) -> list[DigestRecord]:
        """Return the digest once its hour has come; none where there were no uploads."""
        since = self.begin(now_ns)
        if now_ns < self._next(since):
            return []
        devices, self._devices, self._since = self._devices, {}, now_ns
        counted = [_device(counts) for counts in devices.values() if counts["uploads"] > 0]
        if not counted:
            return []
        counted.sort(key=lambda device: (-device.unexpected, device.name))
        span = shown_span(local_time(timestamp(since), self._zone), local_time(timestamp(now_ns), self._zone))
        total = _counts(
            sum(device.uploads for device in counted),
            sum(device.speech_seconds for device in counted),
            sum(device.unexpected for device in counted),
        )
        text = "\n".join(_line(device) for device in counted)
        return [digest_record(counted, since, now_ns, summary=f"{span}: {total}", text=text)]

    def _next(self, since_ns: int) -> int:
        """Return the first time after `since_ns` at which local clocks show `digest_at`."""
        moment = datetime.datetime.fromtimestamp(since_ns // SECOND, datetime.UTC).astimezone(self._zone)
        day = moment.date()
        while True:
            local = datetime.datetime.combine(day, self._at, self._zone)
            due = round(local.astimezone(datetime.UTC).timestamp()) * SECOND
            if due > since_ns:
                return due
            day += datetime.timedelta(days=1)


def _device(counts: Mapping[str, Any]) -> DigestDevice:
    seconds = {name: round(max(0.0, counts[name]), 1) for name in ("speech_seconds", "unexpected_speech_seconds")}
    return DigestDevice(**{**counts, **seconds})


def _line(device: DigestDevice) -> str:
    line = f"{device.name}: {_counts(device.uploads, device.speech_seconds, device.unexpected)}"
    if device.inconclusive:
        line += f", {device.inconclusive} inconclusive"
    if device.muted:
        line += f", {device.muted} alert{'' if device.muted == 1 else 's'} held back while muted"
    return line


def _counts(uploads: int, seconds: float, unexpected: int) -> str:
    plural = "" if uploads == 1 else "s"
    return f"{uploads} upload{plural}, {seconds:.0f} s of possible speech, {unexpected or 'none'} not asked for"
