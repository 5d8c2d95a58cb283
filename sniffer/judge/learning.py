"""What the judge learns of sources and devices from settled uploads, and what it knew at each time.

A verdict uses what was known when its upload became final, so judging it again later gives the same answer.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sniffer.judge.offsets import Offsets, Window, remember
from sniffer.judge.probability import LEAST_ODDS, Answers, Habit, MissRate
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.testimony import Traces, Untraced
from sniffer.model import Answer, WakeSource
from sniffer.model.clock import SECOND

#: Devices of which something is learned; far more than a house has.
MAX_DEVICES = 1024
#: Past values that are kept of each source and device.
HISTORY = 64
#: The slowest of this many last events says how long to wait for a source.
DELAYS = 16
#: Answers that the assumption about a device is worth.
PRIOR_ANSWERS = 3.0
#: Answers make a device at most this many times as suspect; more would break the bound on false accusations.
MOST_SUSPICION = 3.0
#: Days of which it is kept when a source heard last.
DAYS = 14
#: Events slower than this do not count: their source was offline.
MOST_DELAY_NS = 90 * SECOND


@dataclass(frozen=True, slots=True)
class Known:
    """What was believed of one source at one time. `traces` is what requests left in it, if it testifies."""

    window: Window
    miss_rate: float
    traces: Traces = field(default_factory=Traces)


@dataclass(slots=True)
class SourceLearning:
    """One source: its clock, its misses, and the counts that people are shown. `misses` are (time, miss rate),
    `traces` (time, what requests left in it so far), `delays` (time, delay) in nanoseconds."""

    source: WakeSource
    miss: MissRate
    traces: list[tuple[int, Traces]] = field(default_factory=list)
    offsets: Offsets = field(default_factory=Offsets)
    misses: list[tuple[int, float]] = field(default_factory=list)
    delays: list[tuple[int, int]] = field(default_factory=list)
    events: int = 0
    explained: int = 0
    unused: int = 0
    last_event_ns: int = 0
    days: dict[str, tuple[int, int]] = field(default_factory=dict)
    listened: int = 0
    matched: int = 0

    def miss_as_of(self, time_ns: int) -> float:
        """Return the miss rate as known before a time."""
        if not self.source.measured:
            return self.source.miss_rate
        place = bisect.bisect_left(self.misses, time_ns, key=lambda item: item[0])
        return self.misses[place - 1][1] if place else MissRate.guess(self.source.miss_rate).rate

    def traces_as_of(self, time_ns: int) -> Traces:
        """Return what requests left in it, as known before a time."""
        place = bisect.bisect_left(self.traces, time_ns, key=lambda item: item[0])
        return self.traces[place - 1][1] if place else Traces()

    def count_trace(self, time_ns: int, untraced: Untraced | None = None) -> None:
        """Count a request that left a trace, or an upload that left none."""
        known = self.traces[-1][1] if self.traces else Traces()
        remember(self.traces, (time_ns, known.plus(untraced)), HISTORY)

    def hold_off_ns(self) -> int:
        """Return how long to wait for it: as configured, or longer if it has been slower."""
        slow = max((delay for _, delay in self.delays), default=0)
        return max(round(self.source.hold_off * SECOND), min(MOST_DELAY_NS, slow + SECOND if slow else 0))

    def count(self, time_ns: int, heard: bool, weight: float) -> None:
        """Count a request, shown by something else, that it did or did not report."""
        if self.source.measured and weight > 0:
            self.miss.count(heard, weight)
            remember(self.misses, (time_ns, self.miss.rate), HISTORY)

    def note_heard(self, day: str, time_ns: int) -> None:
        """Remember that it reported a request on a day (ISO date): how many so far, and when the last one was."""
        number, last_ns = self.days.get(day, (0, 0))
        self.days[day] = (number + 1, max(last_ns, time_ns))
        for old in sorted(self.days)[:-DAYS]:
            del self.days[old]

    def note_delay(self, time_ns: int, delay_ns: int) -> None:
        """Remember how late an event arrived."""
        if 0 <= delay_ns <= MOST_DELAY_NS:
            remember(self.delays, (time_ns, delay_ns), DELAYS)


@dataclass(slots=True)
class DeviceLearning:
    """One device: how often it is asked, and how often its requests are answered. `said_no` counts the questions to
    which a person answered that nobody asked, `expected_no` how many such answers were expected. In the same way
    `found_unasked` and `expected_unasked` are about uploads of which listeners testified. `history` is (time, base
    odds, share answered, suspicion)."""

    answers: Answers
    expected_no: float = 0.0
    said_no: float = 0.0
    habit: Habit = field(default_factory=Habit)
    expected_unasked: float = 0.0
    found_unasked: float = 0.0
    history: list[tuple[int, float, float, float]] = field(default_factory=list)

    @property
    def suspicion(self) -> float:
        """How many times as often it sends unasked as was assumed, from 1 to 3. Nothing makes a device less suspect:
        a person who always says "I asked" must not hide uploads."""
        found = self.said_no + self.found_unasked + PRIOR_ANSWERS
        return min(MOST_SUSPICION, max(1.0, found / (self.expected_no + self.expected_unasked + PRIOR_ANSWERS)))


@dataclass(slots=True)
class Learned:
    """What was learned, as it is saved."""

    sources: dict[str, SourceLearning] = field(default_factory=dict)
    devices: dict[int, DeviceLearning] = field(default_factory=dict)


class Learning:
    """Everything that the judge has learned."""

    def __init__(self, settings: JudgeSettings, sources: Sequence[WakeSource]) -> None:
        self._settings = settings
        self._max_skew_ns = round(settings.max_skew * SECOND)
        self.sources = {source.name: SourceLearning(source, MissRate.guess(source.miss_rate)) for source in sources}
        self.devices: dict[int, DeviceLearning] = {}

    def source(self, name: str) -> SourceLearning | None:
        """Return what was learned of a configured source."""
        return self.sources.get(name)

    def known(self, name: str, source: WakeSource, time_ns: int) -> Known:
        """Return what was believed of a source before a time."""
        learned = self.sources.get(name)
        if learned is None:
            return Known(Offsets().window(source, self._max_skew_ns), source.miss_rate)
        window = learned.offsets.as_of(time_ns, learned.source, self._max_skew_ns)
        return Known(window, learned.miss_as_of(time_ns), learned.traces_as_of(time_ns))

    def learn_gaps(self, name: str, time_ns: int, gaps: Sequence[int]) -> None:
        """Learn from the gaps between one settled upload and the source's events around it."""
        learned = self.sources.get(name)
        if learned is not None:
            learned.offsets.learn(time_ns, gaps, learned.source, self._max_skew_ns)

    def odds(self, key: int, time_ns: int) -> tuple[float, float, float]:
        """Return the base odds of a device, the share of its requests that is answered, and how many times as suspect
        as was assumed it is, as known before a time."""
        device = self.devices.get(key)
        if device is not None:
            place = bisect.bisect_left(device.history, time_ns, key=lambda item: item[0])
            if place:
                return device.history[place - 1][1:]
        rates = self._settings.rates
        return Habit().odds(time_ns, rates), rates.answered_if_asked, 1.0

    def learn_habit(self, key: int, time_ns: int, unasked: float, answered: bool | None) -> None:
        """Learn from one settled upload with the probability that nobody asked. `answered` is given for requests."""
        device = self.devices.get(key)
        if device is None:
            if len(self.devices) >= MAX_DEVICES:
                return
            device = self.devices[key] = DeviceLearning(Answers.guess(self._settings.rates.answered_if_asked))
        device.habit.count(time_ns, unasked)
        if answered is not None:
            device.answers.count(answered)
        self._remember(device, time_ns)

    def learn_testimony(self, key: int, expected: float, found: float) -> None:
        """Learn from an upload of which a listener testified: how probable it was that nobody asked before that, and
        after it, both as if the device were not suspect."""
        device = self.devices.get(key)
        if device is not None:
            device.expected_unasked += expected
            device.found_unasked += found

    def learn_answer(self, key: int, time_ns: int, unasked: float, answer: Answer) -> None:
        """Learn from a person's answer about an upload of which nobody had asked with the probability `unasked`."""
        device = self.devices.get(key)
        if device is not None and answer is not Answer.UNSURE:
            device.expected_no += unasked
            device.said_no += answer is Answer.NO
            self._remember(device, time_ns)

    def _remember(self, device: DeviceLearning, time_ns: int) -> None:
        odds = max(LEAST_ODDS, device.habit.odds(time_ns, self._settings.rates) / device.suspicion)
        remember(device.history, (time_ns, odds, device.answers.rate, device.suspicion), HISTORY)

    def state(self) -> Learned:
        """Return what was learned."""
        return Learned(self.sources, self.devices)

    def restore(self, learned: Learned) -> None:
        """Take over what was saved; sources that are no longer configured are left out."""
        for name, saved in learned.sources.items():
            if name in self.sources:
                self.sources[name] = replace(saved, source=self.sources[name].source)
        self.devices = dict(learned.devices)
