"""What is learned of sources and devices, from uploads that are settled; and what was known when.

A verdict uses what was known when its upload was final, so judging it again later gives the same answer.
"""

from __future__ import annotations

import bisect
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sniffer.judge.offsets import Offsets, Window
from sniffer.judge.probability import Answers, Habit, MissRate
from sniffer.judge.settings import JudgeSettings
from sniffer.model import WakeSource
from sniffer.model.clock import SECOND

#: Devices whose habits are kept; more than a house has.
MAX_DEVICES = 1024
HISTORY = 64
#: Of so many last events the slowest says how long to wait; but never longer than this, nor for one that was offline.
DELAYS, MOST_DELAY_NS = 16, 90 * SECOND


@dataclass(frozen=True, slots=True)
class Known:
    """What was believed of one source at one time."""

    window: Window
    miss_rate: float


@dataclass(slots=True)
class SourceLearning:
    """One source: its clock, its misses, and the counts that people are shown."""

    source: WakeSource
    miss: MissRate
    offsets: Offsets = field(default_factory=Offsets)
    misses: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=HISTORY))
    delays: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=DELAYS))
    events: int = 0
    explained: int = 0
    unused: int = 0
    last_event_ns: int = 0
    listened: int = 0
    matched: int = 0

    def miss_as_of(self, time_ns: int) -> float:
        """Its miss rate as believed before a time: what is learned at that very time comes later."""
        if not self.source.measured:
            return self.source.miss_rate
        place = bisect.bisect_left(self.misses, time_ns, key=lambda item: item[0])
        return self.misses[place - 1][1] if place else MissRate.guess(self.source.miss_rate).rate

    def hold_off_ns(self) -> int:
        """How long to wait for it: what was configured, or longer where it has been found to be slower."""
        slow = max((delay for _, delay in self.delays), default=0)
        return max(round(self.source.hold_off * SECOND), min(MOST_DELAY_NS, slow + SECOND if slow else 0))

    def count(self, time_ns: int, heard: bool, weight: float) -> None:
        """A request that something else vouches for was, or was not, heard."""
        if self.source.measured and weight > 0:
            self.miss.count(heard, weight)
            self.misses.append((time_ns, self.miss.rate))


@dataclass(slots=True)
class DeviceLearning:
    """One device: how often it is asked, against how often it is not; and how often requests are answered."""

    answers: Answers
    habit: Habit = field(default_factory=Habit)
    history: deque[tuple[int, float, float]] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Learning:
    """Everything the judge has learned."""

    def __init__(self, settings: JudgeSettings, sources: Sequence[WakeSource]) -> None:
        self._settings = settings
        self._max_skew_ns = round(settings.max_skew * SECOND)
        self.sources = {source.name: _fresh(source) for source in sources}
        self.devices: dict[int, DeviceLearning] = {}

    def source(self, name: str) -> SourceLearning | None:
        """What is known of a configured source."""
        return self.sources.get(name)

    def known(self, name: str, source: WakeSource, time_ns: int) -> Known:
        """What was believed of a source before a time."""
        learning = self.sources.get(name)
        if learning is None:
            return Known(Offsets().window(source, self._max_skew_ns), source.miss_rate)
        window = learning.offsets.as_of(time_ns, learning.source, self._max_skew_ns)
        return Known(window, learning.miss_as_of(time_ns))

    def learn_gaps(self, name: str, time_ns: int, gaps: Sequence[int]) -> None:
        """One settled upload's gaps to the source's events around it."""
        learning = self.sources.get(name)
        if learning is not None:
            learning.offsets.learn(time_ns, gaps, learning.source, self._max_skew_ns)

    def odds(self, key: int, time_ns: int) -> tuple[float, float]:
        """The base odds of a device, and how often its requests are answered, as believed before a time."""
        device = self.devices.get(key)
        if device is not None:
            place = bisect.bisect_left(device.history, time_ns, key=lambda item: item[0])
            if place:
                return device.history[place - 1][1:]
        rates = self._settings.rates
        return Habit().odds(time_ns, rates), rates.answered_if_asked

    def learn_habit(self, key: int, time_ns: int, unasked: float, answered: bool | None) -> None:
        """One settled upload of a device, with the probability that nobody asked. `answered` where somebody did."""
        device = self.devices.get(key)
        if device is None:
            if len(self.devices) >= MAX_DEVICES:
                return
            device = self.devices[key] = self._new_device()
        device.habit.count(time_ns, unasked)
        if answered is not None:
            device.answers.count(answered)
        device.history.append((time_ns, device.habit.odds(time_ns, self._settings.rates), device.answers.rate))

    def _new_device(self) -> DeviceLearning:
        return DeviceLearning(Answers.guess(self._settings.rates.answered_if_asked))

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "sources": {
                name: {
                    "miss": [item.miss.missed, item.miss.heard],
                    "misses": [list(entry) for entry in item.misses],
                    "gaps": [list(gaps) for gaps in item.offsets.gaps],
                    "windows": [
                        [at, w.skew_ns, w.before_ns, w.after_ns, w.calibrated, w.spread_ns, w.reach_ns]
                        for at, w in item.offsets.history
                    ],
                    "delays": [list(entry) for entry in item.delays],
                    "counts": [
                        item.events,
                        item.explained,
                        item.unused,
                        item.last_event_ns,
                        item.listened,
                        item.matched,
                    ],
                }
                for name, item in self.sources.items()
            },
            "devices": {
                str(key): {
                    "habit": [d.habit.asked, d.habit.since_ns],
                    "answers": [d.answers.answered, d.answers.silent],
                    "history": [list(e) for e in d.history],
                }
                for key, d in self.devices.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """From JSON; sources that are no longer configured are forgotten."""
        for name, saved in state["sources"].items():
            item = self.sources.get(name)
            if item is None:
                continue
            item.miss = MissRate(*saved["miss"])
            item.misses.extend(tuple(entry) for entry in saved["misses"])
            item.delays.extend(tuple(entry) for entry in saved["delays"])
            item.offsets.gaps.extend(tuple(gaps) for gaps in saved["gaps"])
            item.offsets.history.extend((e[0], Window(*e[1:])) for e in saved["windows"])
            item.events, item.explained, item.unused, item.last_event_ns, item.listened, item.matched = saved["counts"]
        for key, saved in state["devices"].items():
            device = self.devices[int(key)] = DeviceLearning(Answers(*saved["answers"]), Habit(*saved["habit"]))
            device.history.extend(tuple(entry) for entry in saved["history"])


def _fresh(source: WakeSource) -> SourceLearning:
    return SourceLearning(source, MissRate.guess(source.miss_rate))
