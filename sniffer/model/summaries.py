"""What overviews need of uploads: a few columns of each, or their number."""

from __future__ import annotations

from typing import NamedTuple


class UploadSummary(NamedTuple):
    """One upload without its record. `time_ns` is its start, `duration` and `speech_seconds` are in seconds."""

    id: str
    time_ns: int
    device: str
    mac: str
    upload_class: str
    verdict: str | None
    reason: str
    level: str | None
    duration: float
    speech_seconds: float


class UploadCount(NamedTuple):
    """The uploads of one device with one verdict. `key` is the device's address, or its name where there is none;
    `device` its newest name, `newest_ns` the start of the newest upload; `speech_seconds` the sum."""

    key: str
    device: str
    verdict: str | None
    uploads: int
    speech_seconds: float
    newest_ns: int
