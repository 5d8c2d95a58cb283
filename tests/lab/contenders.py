"""Detectors that listen to a simulated house, behind one small interface. Ours is used as anyone would use it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import numpy as np

from sniffer.model import Listening, PacketBatch, ServiceLookup, Upload
from tests.lab.months import START_NS
from tests.lab.score import Claim


class Contender(Protocol):
    """Takes packets in the order of time, gives claims."""

    def feed(self, batch: PacketBatch) -> None: ...

    def finish(self) -> None: ...

    @property
    def claims(self) -> list[Claim]: ...

    @property
    def listening(self) -> list[tuple[int, float]]: ...


def seconds(time_ns: int) -> float:
    """Seconds after the start of the month."""
    return (time_ns - START_NS) / 1e9


class Ours:
    """`sniffer.detect.Detector` with its shipped weights; fed `piece` packets at a time."""

    def __init__(self, watched: Iterable[int], services: ServiceLookup, *, piece: int = 8192) -> None:
        from sniffer.detect import Detector
        from sniffer.detect.settings import DetectSettings
        from sniffer.detect.weights import load_weights
        from sniffer.resources import shipped

        weights = load_weights(shipped("rules") / "detect")
        self._detector = Detector(DetectSettings(), weights, services, {})
        self._watched: Mapping[int, int] = dict.fromkeys(watched, 0)
        self._piece = piece
        self.uploads: list[Upload] = []
        self.claims: list[Claim] = []
        self.listening: list[tuple[int, float]] = []

    def feed(self, batch: PacketBatch) -> None:
        """Let the detector see packets."""
        for first in range(0, len(batch), self._piece):
            self._take(self._detector.feed(batch.take(slice(first, first + self._piece)), self._watched))

    def finish(self) -> None:
        """The month is over."""
        self._take(self._detector.finish())

    def _take(self, results: Iterable[object]) -> None:
        for result in results:
            if isinstance(result, Upload):
                self.uploads.append(result)
                self.claims.append(claim_of(result))
            elif isinstance(result, Listening) and not result.ended:
                self.listening.append((result.key, seconds(result.time_ns)))


def claim_of(upload: Upload) -> Claim:
    """An upload as the score reads it."""
    return Claim(
        upload.key, seconds(upload.start_ns), seconds(upload.end_ns), str(upload.upload_class), upload.probability,
        seconds(upload.final_ns), upload.speech_seconds,
    )  # fmt: skip


class Threshold:
    """Bytes in bins of one second against one threshold, as in PETS 2020: active while a bin is over it."""

    def __init__(self, watched: Iterable[int], *, bytes_per_second: int = 12_172) -> None:
        self._watched = sorted(watched)
        self._limit = bytes_per_second
        self.claims: list[Claim] = []
        self.listening: list[tuple[int, float]] = []

    def feed(self, batch: PacketBatch) -> None:
        """Count bytes; batches begin at whole days, so no bin is cut."""
        for mac in self._watched:
            rows = (batch.eth_src == mac) & (batch.dst_port == 443)
            second = (batch.time_ns[rows] - START_NS) // 1_000_000_000
            if not len(second):
                continue
            number, where = np.unique(second, return_inverse=True)
            total = np.bincount(where, weights=batch.wire_len[rows])
            hot = number[total > self._limit]
            for run in np.split(hot, np.flatnonzero(np.diff(hot) > 1) + 1):
                if len(run):
                    self.claims.append(Claim(mac, float(run[0]), float(run[-1] + 1), "speech"))

    def finish(self) -> None:
        """Nothing is held back."""
