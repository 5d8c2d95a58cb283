"""From what detectors said to counts with their intervals.

Matching: a set without utterance times allows counting only. In a capture with n spoken commands the first n alarms of
a detector count as found. Further ones are false where the set says that nothing else was spoken (CIC), and are
counted apart as `more` where questions are known to end in a re-prompt, so that one command leads to several uploads
(VCF). Where nobody spoke, every alarm is false.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sniffer.evaluation.play import Played, alarms_of


@dataclass(slots=True)
class Counts:
    """One detector on one device."""

    expected: int = 0
    found: int = 0
    more: int = 0
    false: int = 0
    hours: float = 0.0
    delays: list[float] = field(default_factory=list)

    @property
    def recall(self) -> float | None:
        return self.found / self.expected if self.expected else None

    @property
    def precision(self) -> float | None:
        said = self.found + self.false
        return self.found / said if said else None

    def add(self, other: Counts) -> None:
        """One more device of the same detector."""
        self.expected, self.found = self.expected + other.expected, self.found + other.found
        self.more, self.false, self.hours = self.more + other.more, self.false + other.false, self.hours + other.hours
        self.delays += other.delays


@dataclass(slots=True)
class DeviceScore:
    """One device of one set, under every detector."""

    device: str
    tuning: str
    captures: int = 0
    classes: dict[str, int] = field(default_factory=dict)
    counts: dict[str, Counts] = field(default_factory=dict)
    scores: list[tuple[bool, float]] = field(default_factory=list)  # was anything spoken in the capture; log-odds


def score(played: Iterable[Played]) -> list[DeviceScore]:
    """The devices, in the order in which they came."""
    devices: dict[str, DeviceScore] = {}
    for one in played:
        capture = one.capture
        device = devices.setdefault(capture.device, DeviceScore(capture.device, capture.tuning))
        device.captures += 1
        for upload in one.uploads:
            device.classes[str(upload.upload_class)] = device.classes.get(str(upload.upload_class), 0) + 1
            device.scores.append((capture.expected > 0, upload.score))
        for name, alarms in alarms_of(one).items():
            counts = device.counts.setdefault(name, Counts())
            found = min(len(alarms), capture.expected)
            rest = len(alarms) - found
            counts.expected += capture.expected
            counts.found += found
            counts.hours += one.hours
            if capture.expected and not capture.exact:
                counts.more += rest
            else:
                counts.false += rest
        delays = {event.start_ns: event.time_ns for event in reversed(one.listening) if not event.ended}
        heard = [u.start_ns for u in one.uploads if u.upload_class == "speech" and u.start_ns in delays]
        device.counts["sniffer"].delays += [(delays[start] - start) / 1e9 for start in heard]
    return list(devices.values())


def together(devices: Sequence[DeviceScore]) -> Mapping[str, Counts]:
    """All devices of each detector."""
    total: dict[str, Counts] = {}
    for device in devices:
        for name, counts in device.counts.items():
            total.setdefault(name, Counts()).add(counts)
    return total


def wilson(found: int, of: int, z: float = 1.96) -> tuple[float, float] | None:
    """The 95 % interval of a share (Wilson 1927), None of nothing."""
    if of <= 0:
        return None
    share = found / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of)) / (1 + z * z / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def at_most(count: int, hours: float) -> float | None:
    """The 95 % upper bound of a rate an hour, exact for Poisson counts; None where nothing was watched."""
    if hours <= 0:
        return None
    low, high = 0.0, count + 10 * math.sqrt(count + 1) + 10
    for _ in range(60):
        middle = (low + high) / 2
        below = math.fsum(math.exp(-middle + k * math.log(middle) - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (middle, high) if below > 0.05 else (low, middle)
    return high / hours


def median(delays: Sequence[float]) -> float | None:
    return statistics.median(delays) if delays else None
