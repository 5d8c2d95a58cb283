"""From what detectors said to counts.

Where the times of commands are known, an alarm finds the command that it overlaps with, each alarm one command at most;
further alarms on a command that was found count as `more`, and all others are false.

A set without times allows counting only. In a capture with n spoken commands the first n alarms of a detector count as
found. Further ones are false where the set says that nothing else was spoken (CIC), and are counted apart as `more`
where questions are known to end in a re-prompt, so that one command leads to several uploads (VCF). Where nobody spoke,
every alarm is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.evaluation.baselines import Traffic, episodes, per_second
from sniffer.evaluation.run import Played, alarms_of
from sniffer.evaluation.windows import Piece, pieces_of
from sniffer.model import JUDGED_CLASSES
from sniffer.model.clock import SECOND

#: A view or a call is what lasts at least this long with no pause longer than `_PAUSE_S`, in seconds.
_STREAM_S, _PAUSE_S = 5, 2
#: Bytes of a second that is part of one, and the share of its seconds that are.
_STREAM_RATE, _STREAM_SHARE = 1_000, 0.7
#: What is less than this share of the usual second of a view is signalling before or behind it.
_TRICKLE = 0.1
#: How far the length of its upload may be off, as a share and in seconds.
_OFF_SHARE, _OFF_S = 0.15, 2.0


@dataclass(slots=True)
class Counts:
    """One detector on one device."""

    expected: int = 0
    found: int = 0
    more: int = 0
    false: int = 0
    hours: float = 0.0
    delays: list[float] = field(default_factory=list)  # seconds from the first packet to `listening`
    finals: list[float] = field(default_factory=list)  # seconds from the last packet to the class

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
        self.finals += other.finals


@dataclass(slots=True)
class DeviceScore:
    """One device of one set, under every detector."""

    device: str
    tuning: str
    captures: int = 0
    hours: float = 0.0
    classes: dict[str, int] = field(default_factory=dict)
    streams: int = 0  # views and calls that last, by the bytes of each second
    whole: int = 0  # ... that are one `media` upload of their length
    counts: dict[str, Counts] = field(default_factory=dict)
    pieces: list[Piece] = field(default_factory=list)


def score(played: Iterable[Played]) -> list[DeviceScore]:
    """The devices, in the order in which they came."""
    devices: dict[str, DeviceScore] = {}
    for one in played:
        capture = one.capture
        device = devices.setdefault(capture.device, DeviceScore(capture.device, capture.tuning))
        device.captures += 1
        device.hours += one.hours
        device.pieces += pieces_of(one)
        streams, whole = streams_in(one)
        device.streams, device.whole = device.streams + streams, device.whole + whole
        for upload in one.uploads:
            device.classes[str(upload.upload_class)] = device.classes.get(str(upload.upload_class), 0) + 1
        for name, alarms in alarms_of(one).items():
            counts = device.counts.setdefault(name, Counts())
            found, more, false = matched(one, alarms)
            counts.expected, counts.found = counts.expected + capture.expected, counts.found + found
            counts.more, counts.false = counts.more + more, counts.false + false
            counts.hours += one.hours
        delays = {event.start_ns: event.time_ns for event in reversed(one.listening) if not event.ended}
        heard = [upload for upload in one.uploads if upload.upload_class == "speech"]
        ours = device.counts["sniffer"]
        ours.delays += [(delays[u.start_ns] - u.start_ns) / 1e9 for u in heard if u.start_ns in delays]
        ours.finals += [(upload.final_ns - upload.end_ns) / 1e9 for upload in heard]
    return list(devices.values())


def streams_in(played: Played) -> tuple[int, int]:
    """How many views and calls of more than five seconds a capture holds, by the bytes that a connection sent each
    second, and how many of them are one `media` upload of their length, and nothing else that is judged."""
    if not played.capture.streams:
        return 0, 0
    found = whole = 0
    judged = [upload for upload in played.uploads if upload.upload_class in JUDGED_CLASSES]
    for device in played.devices:
        for start_ns, end_ns in _lasting(device.traffic):
            found += 1
            inside = [upload for upload in judged if upload.start_ns < end_ns and upload.end_ns > start_ns]
            if len(inside) == 1 and inside[0].upload_class == "media":
                length = (end_ns - start_ns) / SECOND
                whole += abs(inside[0].duration - length) <= max(_OFF_S, _OFF_SHARE * length)
    return found, whole


def _lasting(traffic: Traffic) -> list[tuple[int, int]]:
    """The views and calls of a device as (start, end): what one of its connections, or several at the same time, keep
    up. Signalling on other connections is no part, nor what trickles before and behind at a tenth of the usual rate."""
    spans: list[tuple[int, int]] = []
    for connection in np.unique(traffic.connection).tolist():
        mine = traffic.of(connection)
        seconds, amounts = per_second(mine.time_ns, mine.payload)
        for span in episodes(seconds[amounts >= _STREAM_RATE], gap=_PAUSE_S + 1):
            during = (seconds * SECOND >= span.start_ns) & (seconds * SECOND < span.end_ns)
            usual = float(np.median(amounts[during]))
            busy = seconds[during & (amounts >= max(_STREAM_RATE, _TRICKLE * usual))]
            inside_ns = mine.between(int(busy[0]) * SECOND, (int(busy[-1]) + 1) * SECOND).time_ns
            start_ns, end_ns = int(inside_ns[0]), int(inside_ns[-1])
            length = (end_ns - start_ns) / SECOND
            if length > _STREAM_S and len(busy) >= _STREAM_SHARE * length:
                spans.append((start_ns, end_ns))
    merged: list[tuple[int, int]] = []
    for start_ns, end_ns in sorted(spans):
        if merged and start_ns <= merged[-1][1] + _PAUSE_S * SECOND:
            merged[-1] = merged[-1][0], max(merged[-1][1], end_ns)
        else:
            merged.append((start_ns, end_ns))
    return merged


def matched(played: Played, alarms: Sequence[tuple[int, int]]) -> tuple[int, int, int]:
    """How many commands were found, and how many alarms were more, and false."""
    capture = played.capture
    if not played.spoken:
        found = min(len(alarms), capture.expected)
        rest = len(alarms) - found
        return (found, rest, 0) if capture.expected and not capture.exact else (found, 0, rest)
    about = [any(start < last and end > first for first, last in played.spoken) for start, end in alarms]
    left = sorted(alarm for alarm, right in zip(alarms, about, strict=True) if right)
    found = 0
    for first, last in sorted(played.spoken, key=lambda window: window[1]):
        hit = min((alarm for alarm in left if alarm[0] < last and alarm[1] > first), key=lambda a: a[1], default=None)
        if hit is not None:
            left.remove(hit)
            found += 1
    return found, len(left), about.count(False)


def together(devices: Sequence[DeviceScore]) -> Mapping[str, Counts]:
    """All devices of each detector."""
    total: dict[str, Counts] = {}
    for device in devices:
        for name, counts in device.counts.items():
            total.setdefault(name, Counts()).add(counts)
    return total
