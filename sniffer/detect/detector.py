"""Packets in, events out: who sends what could be somebody's voice, while it lasts and when it is over.

Everything happens in the packets' own time. What one call gives depends on how packets were cut into batches; what all
calls give together does not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import numpy as np

from sniffer.detect.flows.dealt import SETTLED_NS, Piece
from sniffer.detect.flows.gateways import Gateways
from sniffer.detect.flows.repeats import Repeats
from sniffer.detect.flows.rows import LocalNetworks, acknowledgements_to, packets_of
from sniffer.detect.flows.segmenter import Segmenter, ShortBurst, Task
from sniffer.detect.parts import ALL, OnScored, Parts
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.detect.scorer import Event, Scorer
from sniffer.detect.scoring.evidence import Weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import I64, PacketBatch, ServiceLookup
from sniffer.model.clock import SECOND

#: Clocks of several interfaces differ a little; a step back by more than this begins a new epoch.
_STEP_BACK_NS = 2 * SECOND


class Detector:
    """One for a capture or a daemon; state is bounded by `settings.max_flows`."""

    def __init__(
        self,
        settings: DetectSettings,
        weights: Weights,
        services: ServiceLookup,
        learned: Mapping[int, DeviceProfile] | None = None,
        *,
        parts: Parts = ALL,
        on_scored: OnScored | None = None,
    ) -> None:
        """`learned` are profiles of before; `parts` switches some off; `on_scored` sees each part of a run that is
        scored finally, with everything that was measured."""
        self._settings = settings
        self._silence_ns = round(settings.closing_silence * SECOND)
        self._local = LocalNetworks(settings.local_networks)
        self._scorer = Scorer(weights, services, self._silence_ns, dict(learned or {}), parts, on_scored)
        self._now_ns: int | None = None
        self._since_ns = 0
        self._count = 0  # packets so far
        self._repeats = Repeats()
        self._gateways, self._forged = Gateways(), 0
        self._segmenter = self._new_segmenter()

    def _new_segmenter(self) -> Segmenter:
        return Segmenter(self._settings.max_flows, self._local, self._silence_ns)

    @property
    def flows(self) -> int:
        """How many connections are remembered."""
        return len(self._segmenter.flows)

    @property
    def runs(self) -> int:
        """How many runs are open: something is being uploaded just now."""
        return len(self._segmenter.open)

    @property
    def suspicious_segments(self) -> int:
        """Segments of devices whose sequence numbers left out many bytes or scattered."""
        return self._segmenter.flows.streams.suspicious

    @property
    def repeated_datagrams(self) -> int:
        """Datagrams of devices that were captured twice, and count once."""
        return self._repeats.count

    @property
    def forged_packets(self) -> int:
        """Packets to devices that claimed to come from the Internet, and did not come from the gateway."""
        return self._forged + self._gateways.forged

    def ask(self, services: ServiceLookup) -> None:
        """From now on, names of services come from here."""
        self._scorer.ask(services)

    def learned(self) -> dict[int, DeviceProfile]:
        """What is known of each device's habits; a value of its own."""
        return self._scorer.profiles()

    def feed(self, batch: PacketBatch, watched: Mapping[int, int]) -> list[Event]:
        """Take packets, in capture order. `watched` maps a device's key to the time from which on it is watched."""
        events: list[Event] = []
        rest: PacketBatch | None = batch if len(batch) else None
        while rest is not None:
            times = rest.time_ns
            if self._now_ns is not None and times[0] < self._now_ns - _STEP_BACK_NS:
                events += self.finish()
                self._now_ns = None
                self._since_ns = 0
                self._segmenter = self._new_segmenter()  # their last rows are of another time
                self._forged, self._gateways = self.forged_packets, Gateways()
            clock = np.maximum.accumulate(times if self._now_ns is None else np.maximum(times, self._now_ns))
            back = np.flatnonzero(times < clock - _STEP_BACK_NS)
            if back.size:  # time went back: what was open ends there, and another epoch begins
                epoch, rest = rest.take(slice(0, int(back[0]))), rest.take(slice(int(back[0]), None))
                events += self._feed(epoch, watched, clock[: len(epoch)])
            else:
                events += self._feed(rest, watched, clock)
                rest = None
        return events

    def _feed(self, batch: PacketBatch, watched: Mapping[int, int], clock: I64) -> list[Event]:
        if not self._since_ns:
            self._since_ns = int(clock[0])
        packets, acknowledgements = (take(batch, watched, clock) for take in (packets_of, acknowledgements_to))
        packets, acknowledgements = self._gateways.drop(packets, acknowledgements)
        packets = self._repeats.drop(packets)
        now_ns = int(clock[-1])
        events: list[Event] = []
        while len(packets):
            places = self._segmenter.flows.admit(packets, self._since_ns)
            full = len(places) < len(packets)
            until_ns = int(packets.time_ns[len(places)]) if full else now_ns
            self._segmenter.push(packets.part(slice(len(places))), places, until_ns, self._count)
            row = int(packets.rows[len(places)]) if full else len(batch)
            heard = int(acknowledgements.rows.searchsorted(row))
            self._segmenter.flows.hear_acknowledgements(acknowledgements.part(slice(heard)))
            acknowledgements = acknowledgements.part(slice(heard, None))
            if full:
                events += self._settle(until_ns)
                self._segmenter.forget(until_ns, self._count + row)
            packets = packets.part(slice(len(places), None))
        self._segmenter.flows.hear_acknowledgements(acknowledgements)
        self._count += len(batch)
        self._now_ns = now_ns
        return events + self._settle(now_ns)

    def advance(self, time_ns: int) -> list[Event]:
        """Nothing more will come that is older than `time_ns`: close what is due."""
        return self._settle(max(time_ns, self._now_ns or time_ns))

    def finish(self) -> list[Event]:
        """The capture is over: close everything."""
        if self._now_ns is None:
            return []
        settled_ns = self._now_ns + max(3 * self._silence_ns, SETTLED_NS + SECOND)
        return [*self._settle(settled_ns), *self._scorer.finish()]

    def _settle(self, now_ns: int) -> list[Event]:
        """Everything that is known by `now_ns`, in the order in which it became known."""
        begun, tasks, short_bursts = self._segmenter.settle(now_ns)
        for flow, run in begun:
            self._scorer.begun(flow, run)
        events: list[Event] = []
        dealt = deque(self._segmenter.dealt(now_ns))
        done = 0
        for task in tasks:
            while dealt and dealt[0].due_ns < task.known_ns:
                events += self._dealt(dealt.popleft())
            while done < len(short_bursts) and _before(short_bursts[done], task):
                events += self._scorer.short_burst(short_bursts[done])
                done += 1
            events += self._scorer.expire(task.known_ns)
            if task.look_ns is None:
                events += self._scorer.end(task.flow, task.run)
            else:
                events += self._scorer.look(task.flow, task.run, task.look_ns)
        for short_burst in short_bursts[done:]:
            events += self._scorer.short_burst(short_burst)
        for piece in dealt:
            events += self._dealt(piece)
        return [*events, *self._scorer.expire(now_ns)]

    def _dealt(self, piece: Piece) -> list[Event]:
        return [*self._scorer.expire(piece.due_ns), *self._scorer.dealt(piece)]


def _before(short_burst: ShortBurst, task: Task) -> bool:
    return short_burst[0] < task.known_ns or (
        short_burst[0] == task.known_ns and (1, short_burst[1], short_burst[2]) < task[1:4]
    )
