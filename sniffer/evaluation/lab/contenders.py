"""Detectors that listen to a simulated house, behind one small interface. Ours is used as anyone would use it; the
others are the comparison detectors of `sniffer.evaluation.baselines`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from sniffer.detect.flows.rows import LocalNetworks
from sniffer.evaluation.baselines import BASELINES, Alarm, Traffic, lsh, together, traffic_of
from sniffer.evaluation.lab.months import SESSIONS, SPOKEN, START_NS, Truth
from sniffer.evaluation.lab.score import Claim
from sniffer.model import Listening, PacketBatch, ServiceLookup, Upload

#: What a home router hands out: no upload goes there.
LOCAL = LocalNetworks(("192.168.0.0/16", "fe80::/10"))


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

    def __init__(
        self, watched: Iterable[int], services: ServiceLookup, *, piece: int = 8192, off: frozenset[str] = frozenset()
    ) -> None:
        from sniffer.detect import Detector
        from sniffer.detect.parts import Parts
        from sniffer.detect.scoring.weights import load_weights
        from sniffer.detect.settings import DetectSettings
        from sniffer.resources import shipped

        weights = load_weights(shipped("rules") / "detect")
        weights = replace(weights, curves={name: c for name, c in weights.curves.items() if name not in off})
        self._detector = Detector(DetectSettings(), weights, services, {}, parts=Parts(off))
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


class Published:
    """A comparison detector of `sniffer.evaluation.baselines`, over all that each speaker sent."""

    def __init__(self, name: str, watched: Iterable[int], services: ServiceLookup) -> None:
        self._baseline = BASELINES[name]
        self._services = services
        self._sent: dict[int, list[Traffic]] = {key: [] for key in watched}
        self.claims: list[Claim] = []
        self.listening: list[tuple[int, float]] = []

    def feed(self, batch: PacketBatch) -> None:
        """Keep what was sent."""
        for key, parts in self._sent.items():
            parts.append(traffic_of([batch], key, LOCAL, self._services))

    def finish(self) -> None:
        """The month is over: look at it."""
        for key, parts in self._sent.items():
            self.claims += [_speech(key, alarm) for alarm in self._baseline.detect(together(parts), None)]


class Trained:
    """The trained comparison detector: it keeps the fingerprints of all flows, and is told what some days held."""

    def __init__(self, watched: Iterable[int]) -> None:
        self._watched = set(watched)
        self._cutter = lsh.Stretches(LOCAL)
        self._stretches: list[lsh.Stretch] = []
        self._commands: list[lsh.Digest] = []
        self._others: list[lsh.Digest] = []
        self.claims: list[Claim] = []
        self.listening: list[tuple[int, float]] = []

    def feed(self, batch: PacketBatch) -> None:
        """Fingerprint what is to be judged."""
        self._stretches += self._cutter.feed(batch, self._watched)

    def learn(self, batch: PacketBatch, truths: Sequence[Truth]) -> None:
        """Days of which it is told what was spoken, these speakers' own or others'. As with real captures, the flow
        that sent the most while somebody spoke is the command; calls and camera views are left out."""
        cutter = lsh.Stretches(LOCAL)
        keys = {truth.mac for truth in truths}
        stretches = [*cutter.feed(batch, keys), *cutter.finish()]
        taken: set[int] = set()
        for truth in truths:
            if truth.kind in SPOKEN | SESSIONS:
                near = [s for s in stretches if s.key == truth.mac and _near(s, truth)]
                taken |= {id(stretch) for stretch in near}
                if near and truth.kind in SPOKEN:
                    self._commands.append(max(near, key=lambda stretch: stretch.sent).digest)
        self._others += [stretch.digest for stretch in stretches if id(stretch) not in taken]

    def finish(self) -> None:
        """The month is over: compare it with what was learned."""
        self._stretches += self._cutter.finish()
        trained = lsh.Trained(self._commands, self._others)
        for key in self._watched if trained.usable else ():
            mine = [stretch for stretch in self._stretches if stretch.key == key]
            self.claims += [_speech(key, alarm) for alarm in lsh.alarms(mine, trained.scores(mine))]


def _near(stretch: lsh.Stretch, truth: Truth) -> bool:
    return seconds(stretch.start_ns) < truth.end + 0.5 and seconds(stretch.end_ns) > truth.begin - 0.5


def _speech(key: int, alarm: Alarm) -> Claim:
    return Claim(key, seconds(alarm.start_ns), seconds(alarm.end_ns), "speech")
