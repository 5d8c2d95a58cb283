"""The wake sources: which are configured, when each was up, when it was unresponsive, and how good it is."""

from __future__ import annotations

import bisect
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sniffer.judge.case import Case, covers
from sniffer.judge.coverage import Mark, SourceUptime
from sniffer.judge.learning import Learning
from sniffer.judge.outages import OPEN_END_NS, outages
from sniffer.judge.settings import JudgeSettings
from sniffer.judge.wakelog import WakeLog
from sniffer.model import Trust, WakeEvent, WakeKind, WakeSource
from sniffer.model.clock import SECOND

#: An event that arrives this long after its own time, or this long before it, shows that its source's clock is wrong or
#: that it was cut off; around its arrival the source is no witness.
LATE_NS = 10 * SECOND
EARLY_NS = 2 * SECOND
#: The silence of a source does not count for uploads within this time of such an arrival.
MISDATED_REACH_NS = 20 * SECOND
#: A clock whose sign of life is off by more than this is wrong.
CLOCK_ERROR_NS = 5 * SECOND
#: Signs of life that must agree before a clock is believed again.
CLOCK_SAMPLES = 5
#: Arrivals that are kept of each source.
MAX_ARRIVALS = 2000
#: Sources that are not configured: at most this many are remembered, and events of others are refused.
MAX_UNKNOWN_SOURCES = 64


@dataclass(frozen=True, slots=True)
class SourceQuality:
    """How good one source is, as people are shown it.

    `explained` counts the uploads it explained (watch this number: forged wake events hide uploads),
    `share_explained` is the share of the uploads it listened to for which it reported an event, `unused` counts wake
    events that no upload followed. `skew_seconds` is the offset of its events from the uploads they explain (None
    until it is known), `spread_seconds` how much that varies. `requests` is how many requests something else showed
    while it testified, `unheard` the share of them of which it heard no trace (None before the first),
    `clock_offset_seconds` how late its clock is (None if it is wrong or unsteady). `unresponsive_since_ns` is set while
    it is up and reports nothing although requests are made.
    `heard_ns` is when it reported its last request, None if it has not since it went up: its silence is void then.
    `heard_days` are the last days on which it reported any: date, number, and when the last one was (ns).
    """

    name: str
    trust: Trust
    up: bool
    events: int
    explained: int
    unused: int
    share_explained: float | None
    miss_rate: float
    skew_seconds: float | None
    spread_seconds: float | None
    last_event_ns: int | None
    requests: int
    unheard: float | None
    clock_offset_seconds: float | None
    unresponsive_since_ns: int | None
    heard_ns: int | None
    heard_days: tuple[tuple[str, int, int], ...]


class SourceBook:
    """Everything that the judge knows of its wake sources, except what it learned (`Learning`)."""

    def __init__(self, sources: Sequence[WakeSource]) -> None:
        self.configured = {source.name: source for source in sources}
        #: The sources that conclude from the silence of phones that the house is empty.
        self.inferred = frozenset(source.name for source in sources if source.infers_absence)
        self.unknown: dict[str, WakeSource] = {}
        self.uptime = {source.name: _uptime(source) for source in sources}
        self.outages: dict[str, list[tuple[int, int]]] = {}
        self.clocks: dict[str, list[tuple[int, int]]] = {}
        self.misdated: dict[str, list[int]] = {}

    def admit(self, name: str) -> bool:
        """Remember the source of an event. Returns False if there are too many that are not configured."""
        if name not in self.configured and name not in self.unknown:
            if len(self.unknown) >= MAX_UNKNOWN_SOURCES:
                return False
            self.unknown[name] = WakeSource(name, hears=frozenset())
        return True

    def source(self, name: str) -> WakeSource:
        """Return a source that was configured or admitted. Raises KeyError."""
        return self.configured.get(name) or self.unknown[name]

    def covering(self, case: Case) -> dict[str, WakeSource]:
        """Return the configured sources that would report a request for this case, in the order of their names."""
        return {name: source for name, source in sorted(self.configured.items()) if covers(source, case)}

    def note_life(self, event: WakeEvent) -> bool:
        """Record that a source went up or down; each event of a source with heartbeats is a sign of life. Returns
        whether that was news."""
        uptime = self.uptime.get(event.source)
        if uptime is None:
            return False
        if event.kind not in (WakeKind.SOURCE_UP, WakeKind.SOURCE_DOWN) and uptime.expires_ns is None:
            return False
        on = event.kind is not WakeKind.SOURCE_DOWN
        rate = event.miss_rate if event.kind is WakeKind.SOURCE_UP and event.miss_rate is not None else -1.0
        return uptime.add(Mark(event.time_ns, on, event.source, "", rate))

    def note_clock(self, event: WakeEvent) -> bool:
        """Compare the time of an event with its arrival. Returns whether that changes what its source's silence is
        worth."""
        if event.source not in self.configured or not event.received_ns:
            return False
        late_ns = event.received_ns - event.time_ns
        if event.kind is WakeKind.SOURCE_UP:
            samples = self.clocks.setdefault(event.source, [])
            before = self._clock(samples, event.received_ns)
            bisect.insort(samples, (event.received_ns, late_ns))
            del samples[:-MAX_ARRIVALS]
            return (before is None) != (self._clock(samples, event.received_ns) is None)
        wrong = event.kind is WakeKind.WAKE and not -EARLY_NS <= late_ns <= LATE_NS
        if wrong or event.kind is WakeKind.MISDATED:
            arrivals = self.misdated.setdefault(event.source, [])
            bisect.insort(arrivals, event.received_ns)
            del arrivals[:-MAX_ARRIVALS]
            return True
        return False

    def clock_offset(self, name: str, time_ns: int) -> int | None:
        """Return how late a source's clock is (ns), as its signs of life up to a time show; 0 if there are none. None
        if the clock is wrong, or was and is not steady yet."""
        return self._clock(self.clocks.get(name, []), time_ns)

    @staticmethod
    def _clock(samples: Sequence[tuple[int, int]], time_ns: int) -> int | None:
        place = bisect.bisect_right(samples, (time_ns, 1 << 62))
        recent = [late for _, late in samples[max(0, place - CLOCK_SAMPLES) : place]]
        if not recent:
            return 0
        return None if max(map(abs, recent)) > CLOCK_ERROR_NS else int(statistics.median(recent))

    def misled(self, name: str, case: Case) -> bool:
        """Return whether the clock of a source was wrong when an upload began, so that its silence does not count."""
        start = case.upload.start_ns
        arrivals = self.misdated.get(name, [])
        place = bisect.bisect_left(arrivals, start - MISDATED_REACH_NS)
        if place < len(arrivals) and arrivals[place] <= start + MISDATED_REACH_NS:
            return True
        return self.clock_offset(name, case.upload.final_ns) is None

    def unresponsive(self, name: str, time_ns: int) -> bool:
        """Return whether a source was in an outage at a time."""
        return any(start <= time_ns < end for start, end in self.outages.get(name, ()))

    def find_outages(self, cases: Sequence[Case], log: WakeLog, now_ns: int) -> tuple[int, int] | None:
        """Look for outages anew. Returns the interval in which anything changed, or None."""
        changed: list[int] = []
        for name, source in self.configured.items():
            if not source.measured or "wake" not in source.hears:
                continue
            if self.uptime[name].stated_miss_rate(now_ns) is not None:
                continue
            found = outages(source, cases, log.of(name))
            before = self.outages.get(name, [])
            if found != before:
                self.outages[name] = found
                changed += [time for interval in set(found) ^ set(before) for time in interval]
        return (min(changed), min(max(changed), now_ns)) if changed else None

    def set_back(self, time_ns: int) -> None:
        """The clock was set back to `time_ns`."""
        self.clocks = {name: [item for item in items if item[0] <= time_ns] for name, items in self.clocks.items()}
        for uptime in self.uptime.values():
            uptime.marks.set_back(time_ns)
            uptime.rates.set_back(time_ns)

    def prune(self, before_ns: int) -> None:
        """Forget what no longer matters."""
        for uptime in self.uptime.values():
            uptime.prune(before_ns)
        for samples in self.clocks.values():
            del samples[: max(0, bisect.bisect_left(samples, (before_ns, -(1 << 62))) - CLOCK_SAMPLES)]
        for arrivals in self.misdated.values():
            del arrivals[: bisect.bisect_left(arrivals, before_ns)]

    def quality(self, learning: Learning, settings: JudgeSettings, now_ns: int) -> list[SourceQuality]:
        """Return how good each configured source is."""
        return [self._quality(source, learning, settings, now_ns) for source in self.configured.values()]

    def _quality(self, source: WakeSource, learning: Learning, settings: JudgeSettings, now_ns: int) -> SourceQuality:
        learned = learning.sources[source.name]
        traces = learned.traces_as_of(now_ns + 1)
        window = learned.offsets.window(source, round(settings.max_skew * SECOND))
        silent = self.outages.get(source.name, [])
        offset = self.clock_offset(source.name, now_ns)
        return SourceQuality(
            name=source.name,
            trust=source.trust,
            up=self.uptime[source.name].up_throughout(now_ns, now_ns),
            events=learned.events,
            explained=learned.explained,
            unused=learned.unused,
            share_explained=learned.matched / learned.listened if learned.listened else None,
            miss_rate=learned.miss_as_of(now_ns + 1),
            skew_seconds=window.skew_ns / SECOND if window.calibrated else None,
            spread_seconds=window.spread_ns / SECOND if window.calibrated else None,
            last_event_ns=learned.last_event_ns or None,
            requests=traces.requests,
            unheard=traces.unheard() if traces.requests else None,
            clock_offset_seconds=None if offset is None else offset / SECOND,
            unresponsive_since_ns=silent[-1][0] if silent and silent[-1][1] == OPEN_END_NS else None,
            heard_ns=self._heard(source, learned.last_event_ns, now_ns),
            heard_days=tuple((day, *learned.days[day]) for day in sorted(learned.days)),
        )

    def _heard(self, source: WakeSource, last_ns: int, now_ns: int) -> int | None:
        """Return when a source showed last that it hears, if that still counts."""
        lasts = source.heard_within is None or now_ns - last_ns <= source.heard_within * SECOND
        return last_ns if last_ns and lasts and self.uptime[source.name].unbroken(last_ns, now_ns) else None

    def restore(
        self,
        unknown: Iterable[str],
        uptime: dict[str, list[Mark]],
        outages: dict[str, list[tuple[int, int]]],
        clocks: dict[str, list[tuple[int, int]]],
        misdated: dict[str, list[int]],
    ) -> None:
        """Take over what was saved; sources that are no longer configured are left out."""
        for name in unknown:
            self.admit(name)
        for name, marks in uptime.items():
            if name in self.uptime:
                for mark in marks:
                    self.uptime[name].add(mark)
        self.outages = {name: times for name, times in outages.items() if name in self.configured}
        self.clocks = {name: samples for name, samples in clocks.items() if name in self.configured}
        self.misdated = {name: times for name, times in misdated.items() if name in self.configured}


def _uptime(source: WakeSource) -> SourceUptime:
    expires = None if source.expires is None else round(source.expires * SECOND)
    return SourceUptime(source.assumed_up, source.miss_rate, expires)
