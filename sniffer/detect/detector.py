"""Packets in, events out: who sends what could be somebody's voice, while it lasts and when it is over.

Everything happens in the packets' own time. What one call gives depends on how packets were cut into batches; what all
calls give together does not.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sniffer.detect.columns import FlowSlice, LocalNetworks, slices
from sniffer.detect.evidence import Weights
from sniffer.detect.flow import Flow
from sniffer.detect.hearing import Event, Hearing
from sniffer.detect.learning import Learned
from sniffer.detect.run import Run
from sniffer.detect.settings import DetectSettings
from sniffer.model import I64, PROTO_UDP, FlowKey, PacketBatch, ServiceLookup

_SECOND = 1_000_000_000
#: When a run is looked at while it lasts: first after this, then twice a second, later more rarely.
_FIRST_LOOK_NS = 750_000_000
_LOOK_NS = 250_000_000
#: After so long a flow that was never seen is a new one, not one that was there before.
_KNOWS_FLOWS_NS = 60 * _SECOND
#: Clocks of several interfaces differ a little; a step back by more than this begins a new epoch.
_STEP_BACK_NS = 2 * _SECOND


class Detector:
    """One for a capture or a daemon; state is bounded by `settings.max_flows`."""

    def __init__(
        self,
        settings: DetectSettings,
        weights: Weights,
        services: ServiceLookup,
        learned: Mapping[int, Learned] | None = None,
    ) -> None:
        self._settings = settings
        self._silence_ns = round(settings.closing_silence * _SECOND)
        self._local = LocalNetworks(settings.local_networks)
        self._flows: dict[int, Flow] = {}
        self._hearing = Hearing(weights, services, self._silence_ns, dict(learned or {}))
        self._now_ns: int | None = None
        self._since_ns = 0
        self._due: list[tuple[int, int, str, Flow, Run]] = []  # looks and endings of this call
        self._touched: list[tuple[Flow, Run]] = []

    @property
    def flows(self) -> int:
        """How many connections are remembered."""
        return len(self._flows)

    @property
    def runs(self) -> int:
        """How many runs are open: something is being uploaded just now."""
        return len(self._touched)

    def ask(self, services: ServiceLookup) -> None:
        """From now on, names of services come from here."""
        self._hearing.ask(services)

    def learned(self) -> dict[int, Learned]:
        """What is known of each device's habits; a value of its own."""
        return self._hearing.learned()

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
                self._flows.clear()  # their last rows are of another time
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
        for piece in slices(batch, watched):
            flow = self._flows.get(piece.flow_id)
            if flow is None:
                key = piece.flow_key()
                flow = Flow(piece.key, key, local=self._local.excludes(key), opened_ns=self._opened(key, piece, clock))
                self._flows[piece.flow_id] = flow
            flow.push(piece, clock, self._silence_ns, self)
        self._now_ns = int(clock[-1])
        events = self._settle(self._now_ns)
        self._evict()
        return events

    def advance(self, time_ns: int) -> list[Event]:
        """Nothing more will come that is older than `time_ns`: close what is due."""
        return self._settle(max(time_ns, self._now_ns or time_ns))

    def finish(self) -> list[Event]:
        """The capture is over: close everything."""
        if self._now_ns is None:
            return []
        return self._settle(self._now_ns + 2 * self._silence_ns)

    # --- what flows tell ---------------------------------------------------------------------------------------------

    def begun(self, flow: Flow, run: Run) -> None:
        run.next_look_ns = run.start_ns + _FIRST_LOOK_NS
        self._touched.append((flow, run))
        self._hearing.begun(flow, run)

    def over(self, flow: Flow, run: Run) -> None:
        self._due.append((run.final_ns, 1, flow.name, flow, run))

    def _opened(self, key: FlowKey, piece: FlowSlice, clock: I64) -> int | None:
        """Datagrams have no opening that can be seen: a pair of ports that was quiet for a while has one now."""
        first_ns = int(clock[piece.rows[0]])
        return first_ns if key.proto == PROTO_UDP and first_ns - self._since_ns > _KNOWS_FLOWS_NS else None

    def _settle(self, now_ns: int) -> list[Event]:
        """Everything that is due by `now_ns`, in the order of time."""
        still_open = []
        for flow, run in self._touched:
            while run.next_look_ns <= run.last_ns:
                self._due.append((run.next_look_ns, 0, flow.name, flow, run))
                run.next_look_ns += _pause(run.next_look_ns - run.start_ns)
            if flow.run is run:
                flow.close(now_ns, self._silence_ns, self)
            if flow.run is run:
                still_open.append((flow, run))
        self._touched = still_open
        self._due.sort(key=lambda task: (task[0], task[3].key, task[1], task[2]))
        due, self._due = self._due, []
        events: list[Event] = []
        for at_ns, ending, _, flow, run in due:
            events += self._hearing.end(flow, run) if ending else self._hearing.look(flow, run, at_ns)
        return events

    def _evict(self) -> None:
        """Forget the connections that were quiet longest."""
        if len(self._flows) <= self._settings.max_flows:
            return
        quiet = sorted((f.seen_ns, flow_id) for flow_id, f in self._flows.items() if f.run is None)
        for _, flow_id in quiet[: max(len(self._flows) - self._settings.max_flows * 9 // 10, 1)]:
            del self._flows[flow_id]


def _pause(elapsed_ns: int) -> int:
    """Until the next look at a run that has lasted so long."""
    return _LOOK_NS if elapsed_ns < 3 * _SECOND else (2 if elapsed_ns < 60 * _SECOND else 4) * _LOOK_NS
