"""Runs with a meaning: what detect hands to judge."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from sniffer.model.hosts import FlowKey, Service


class UploadClass(enum.StrEnum):
    """What an upload is shaped like. The first three are judged."""

    SPEECH = "speech"
    BULK = "bulk"
    MEDIA = "media"
    SYNC = "sync"
    TELEMETRY = "telemetry"
    OTHER = "other"


JUDGED_CLASSES: frozenset[UploadClass] = frozenset({UploadClass.SPEECH, UploadClass.BULK, UploadClass.MEDIA})


class StreamKind(enum.StrEnum):
    """What a live upload is: a voice alone, a camera that is watched, or a call."""

    VOICE = "voice"
    VIEW = "view"
    CALL = "call"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: `value` as measured, `weight` as added to the score (log-odds), `text` for a lay person."""

    name: str
    value: float
    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A live upload that still lasts: what could be a voice, or a camera's view, or a call (`kind`). `ended` marks the
    message that takes it back; it has the `kind` and `start_ns` of the one that it ends."""

    key: int
    flow: FlowKey
    service: Service
    start_ns: int
    time_ns: int
    score: float
    ended: bool = False
    kind: StreamKind = StreamKind.VOICE


@dataclass(frozen=True, slots=True)
class Upload:
    """A run with a meaning. `start_ns` and `end_ns` are its first and last upstream payload packet; it became
    final at `final_ns` (packet time). `score` is in log-odds, `probability` the same as a probability of speech.
    `bins` are upstream payload bytes a 250 ms bin from `start_ns` on, `body` the first and one-past-last bin
    of the audio. `one_sided` is set where no packet of the other side was ever seen on the connection. `stream` says
    what a `media` upload is, where its shape shows it.
    """

    key: int
    flows: tuple[FlowKey, ...]
    service: Service
    start_ns: int
    end_ns: int
    final_ns: int
    upload_class: UploadClass
    score: float
    probability: float
    bytes: int
    bytes_toclient: int
    packets: int
    chunk_bytes: int | None
    chunks_per_second: float | None
    speech_seconds: float
    evidence: tuple[Evidence, ...] = ()
    answered: bool = False
    one_sided: bool = False
    bins: tuple[int, ...] = ()
    body: tuple[int, int] | None = None
    stream: StreamKind | None = None

    @property
    def duration(self) -> float:
        """Seconds from the first to the last upstream payload packet."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Drift:
    """A device's habits have moved away from what was learned: announced, never absorbed silently."""

    key: int
    time_ns: int
    what: str
    before: float
    after: float
