"""The few columns of an upload that overviews need."""

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
