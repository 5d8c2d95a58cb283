"""Unpaced uploads that come by the clock, or for days to one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sniffer.detect.profiles.servers import server_of
from sniffer.model import Drift, Upload
from sniffer.model.clock import SECOND

HOUR_NS = 3600 * SECOND
#: Servers of which such a habit is kept.
MAX_PERIODIC = 16
#: A new value counts for so much; an outlier may move a mean by no more than `_GATE` (as a ratio).
PACE, _GATE = 0.15, 1.5
#: Uploads at one distance that are a habit.
_PERIODIC_TIMES = 5
#: So often, over so long, an unpaced upload has come to one server before it is called usual at any time.
_USUAL_TIMES, _USUAL_NS = 6, 48 * HOUR_NS


@dataclass(slots=True)
class Periodic:
    """Unpaced uploads to one server: how large, how far apart, how often seen; and whether they are a habit, by the
    clock or at any time."""

    bytes: float
    interval: float = 0.0
    regular: int = 0
    first_ns: int = 0
    last_ns: int = 0
    known: bool = False
    times: int = 1
    largest: float = 0.0
    usual: bool = False


def expects(habits: Mapping[str, Periodic], upload: Upload) -> bool:
    """Whether an unpaced upload is of a usual size to a usual server, at a usual time if it has one."""
    habit = habits.get(server_of(upload.service, upload.flows[0]))
    if habit is None:
        return False
    if habit.usual and upload.bytes <= 1.3 * habit.largest:
        return True
    return habit.known and _near(upload.bytes, habit.bytes, 1.3) and _on_time(upload.start_ns, habit)


def learn_periodic(habits: dict[str, Periodic], upload: Upload) -> list[Drift]:
    """One more unpaced upload. Returns what has become a habit."""
    server = server_of(upload.service, upload.flows[0])
    habit = habits.get(server)
    if habit is None:
        if len(habits) >= MAX_PERIODIC:
            del habits[min(habits, key=lambda name: habits[name].last_ns)]
        size, at = float(upload.bytes), upload.start_ns
        habits[server] = Periodic(bytes=size, first_ns=at, last_ns=at, largest=size)
        return []
    drifts = _usually(upload, habit)
    interval = (upload.start_ns - habit.last_ns) / SECOND
    alike = _near(upload.bytes, habit.bytes, 1.3)
    on_time = habit.interval == 0 or _near(interval, habit.interval, 1.15)
    habit.last_ns = upload.start_ns
    if not (alike and on_time):
        habit.bytes, habit.interval, habit.regular, habit.known = float(upload.bytes), 0.0, 0, False
        return drifts
    habit.interval = moved(habit.interval, interval) if habit.interval else interval
    habit.bytes = moved(habit.bytes, float(upload.bytes))
    habit.regular = min(habit.regular + 1, 1_000)
    if habit.known or habit.regular < _PERIODIC_TIMES or habit.interval < 60:
        return drifts
    habit.known = True
    return [*drifts, Drift(upload.key, upload.final_ns, "periodic_upload_bytes", 0.0, round(habit.bytes))]


def _usually(upload: Upload, habit: Periodic) -> list[Drift]:
    """Flushes at any time of day. What is much larger than ever before is no part of the habit."""
    if upload.bytes > 2 * habit.largest:
        return []
    habit.times = min(habit.times + 1, 1_000)
    habit.largest = max(habit.largest, float(upload.bytes))
    if habit.usual or habit.times < _USUAL_TIMES or upload.start_ns - habit.first_ns < _USUAL_NS:
        return []
    habit.usual = True
    return [Drift(upload.key, upload.final_ns, "usual_upload_bytes", 0.0, round(habit.largest))]


def _near(one: float, other: float, factor: float) -> bool:
    return other > 0 and one > 0 and 1 / factor <= one / other <= factor


def _on_time(start_ns: int, habit: Periodic) -> bool:
    return _near((start_ns - habit.last_ns) / SECOND, habit.interval, 1.15)


def moved(mean: float, value: float) -> float:
    """The mean with one more value in it; an outlier moves it by no more than the gate."""
    bounded = max(mean / _GATE, min(mean * _GATE, value)) if mean > 0 else value
    return mean + PACE * (bounded - mean)
