"""Packets in, events out: who sends what could be somebody's voice, while it lasts and when it is over.

Everything happens in the packets' own time. What one call gives depends on how packets were cut into batches; what all
calls give together does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from sniffer.detect.classify import SPEECH_SCORE, classify, speech_seconds
from sniffer.detect.columns import LocalNetworks, slices
from sniffer.detect.evidence import Case, Weights, probability, weigh
from sniffer.detect.flow import Flow
from sniffer.detect.learning import Learned
from sniffer.detect.run import Run
from sniffer.detect.settings import DetectSettings
from sniffer.detect.shape import BIN, Shape, measure
from sniffer.model import (
    I64,
    PROTO_UDP,
    Drift,
    Listening,
    PacketBatch,
    Service,
    ServiceLookup,
    Upload,
    UploadClass,
)

Event = Listening | Upload | Drift

_SECOND = 1_000_000_000
#: When a run is looked at while it lasts: first after this, then twice a second, later more rarely.
_FIRST_LOOK_NS = 750_000_000
_LOOK_NS = 250_000_000
#: A look sees this much of the past.
_LOOK_BACK_NS = 8 * _SECOND
#: Runs below this are not worth a word, unless they are speech.
_LEAST_BYTES = 2_000
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
        self._weights = weights
        self._services = services
        self._silence_ns = round(settings.closing_silence * _SECOND)
        self._local = LocalNetworks(settings.local_networks)
        self._flows: dict[int, Flow] = {}
        self._learned = dict(learned or {})
        self._now_ns: int | None = None
        self._due: list[tuple[int, int, str, Flow, Run]] = []  # looks and endings of this call
        self._touched: list[tuple[Flow, Run]] = []

    @property
    def flows(self) -> int:
        """How many connections are remembered."""
        return len(self._flows)

    def ask(self, services: ServiceLookup) -> None:
        """From now on, names of services come from here."""
        self._services = services

    def learned(self) -> dict[int, Learned]:
        """What is known of each device's habits; a value of its own."""
        return {key: replace(value) for key, value in self._learned.items()}

    def feed(self, batch: PacketBatch, watched: Mapping[int, int]) -> list[Event]:
        """Take packets, in capture order. `watched` maps a device's key to the time from which on it is watched."""
        events: list[Event] = []
        rest: PacketBatch | None = batch if len(batch) else None
        while rest is not None:
            times = rest.time_ns
            if self._now_ns is not None and times[0] < self._now_ns - _STEP_BACK_NS:
                events += self.finish()
                self._now_ns = None
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
        for piece in slices(batch, watched):
            flow = self._flows.get(piece.flow_id)
            if flow is None:
                key = piece.flow_key()
                flow = self._flows[piece.flow_id] = Flow(piece.key, key, local=self._local.excludes(key))
            flow.push(piece, clock, self._silence_ns, self)
        events = self._settle(int(clock[-1]))
        self._evict()
        return events

    def advance(self, time_ns: int) -> list[Event]:
        """Nothing more will come that is older than `time_ns`: close what is due."""
        return self._settle(max(time_ns, self._now_ns or time_ns))

    def finish(self) -> list[Event]:
        """The capture is over: close everything."""
        if self._now_ns is None:
            return []
        now_ns = self._now_ns
        events = self._settle(now_ns + 2 * self._silence_ns)
        self._now_ns = now_ns
        return events

    # --- what flows tell ---------------------------------------------------------------------------------------------

    def begun(self, flow: Flow, run: Run) -> None:
        run.next_look_ns = run.start_ns + _FIRST_LOOK_NS
        self._touched.append((flow, run))

    def over(self, flow: Flow, run: Run) -> None:
        self._due.append((run.final_ns, 1, str(flow.flow), flow, run))

    def _settle(self, now_ns: int) -> list[Event]:
        """Everything that is due by `now_ns`, in the order of time."""
        self._now_ns = now_ns
        still_open = []
        for flow, run in self._touched:
            while run.next_look_ns <= run.last_ns:
                self._due.append((run.next_look_ns, 0, str(flow.flow), flow, run))
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
            events += self._end(flow, run) if ending else self._look(flow, run, at_ns)
        return events

    def _evict(self) -> None:
        """Forget the connections that were quiet longest."""
        if len(self._flows) <= self._settings.max_flows:
            return
        quiet = sorted((f.seen_ns, flow_id) for flow_id, f in self._flows.items() if f.run is None)
        for _, flow_id in quiet[: max(len(self._flows) - self._settings.max_flows * 9 // 10, 1)]:
            del self._flows[flow_id]

    # --- judging a run -----------------------------------------------------------------------------------------------

    def _case(self, flow: Flow, run: Run, shape: Shape, service: Service, *, final: bool) -> Case:
        opened = None if run.opened_ns is None else (run.start_ns - run.opened_ns) / 1e9
        return Case(
            shape=shape,
            service=service,
            datagrams=flow.flow.proto == PROTO_UDP,
            opened_before=opened,
            down_body=run.received(shape.begin - BIN, shape.end) if final else 0,
            down_after=run.received(shape.end - BIN, 1e9) if final else 0,
            learned=self._learned.get(flow.key),
            final=final,
        )

    def _look(self, flow: Flow, run: Run, at_ns: int) -> list[Event]:
        """Does this run look like live audio now? Says so when it begins to, and takes it back later."""
        shape = measure(run.rows(max(run.start_ns, at_ns - _LOOK_BACK_NS), at_ns))
        elapsed = (at_ns - max(run.start_ns, at_ns - _LOOK_BACK_NS)) / 1e9
        if shape.rate == 0 and not run.listening:
            return []
        service = self._services.service(flow.key, flow.flow, at_ns)
        score, _ = weigh(self._case(flow, run, shape, service, final=False), self._weights)
        lively = score >= SPEECH_SCORE and elapsed - shape.end < 0.6
        if lively == run.listening or (run.listening and score >= SPEECH_SCORE - 1 and elapsed - shape.end < 1):
            return []
        run.listening = lively
        return [Listening(flow.key, flow.flow, service, run.start_ns, at_ns, score, ended=not lively)]

    def _end(self, flow: Flow, run: Run) -> list[Event]:
        """A run is over: what was it?"""
        events: list[Event] = []
        service = self._services.service(flow.key, flow.flow, run.final_ns)
        shape = measure(run.rows())
        case = self._case(flow, run, shape, service, final=True)
        score, evidence = weigh(case, self._weights)
        upload_class = classify(case, score, _two_way(run, shape))
        if run.listening:
            events.append(Listening(flow.key, flow.flow, service, run.start_ns, run.final_ns, score, ended=True))
        if run.bytes < _LEAST_BYTES and upload_class is not UploadClass.SPEECH:
            return events
        paced = shape.body > 0 and shape.constancy > 0
        body = (int(shape.begin / BIN), int(shape.end / BIN) + 1) if shape.body > 0 else None
        events.append(
            Upload(
                key=flow.key,
                flows=(flow.flow,),
                service=service,
                start_ns=run.start_ns,
                end_ns=run.last_ns,
                final_ns=run.final_ns,
                upload_class=upload_class,
                score=score,
                probability=probability(score),
                bytes=run.bytes,
                bytes_toclient=run.bytes_down,
                packets=run.packets,
                chunk_bytes=shape.chunk if paced and shape.chunk else None,
                chunks_per_second=shape.writes_per_second if paced else None,
                speech_seconds=speech_seconds(case, upload_class),
                evidence=evidence,
                answered=case.down_after >= 4_000,
                bins=run.bin_list(),
                body=body,
            )
        )
        return events


def _pause(elapsed_ns: int) -> int:
    """Until the next look at a run that has lasted so long."""
    if elapsed_ns < 3 * _SECOND:
        return _LOOK_NS
    return 2 * _LOOK_NS if elapsed_ns < 20 * _SECOND else 2 * _SECOND if elapsed_ns < 60 * _SECOND else 10 * _SECOND


def _two_way(run: Run, shape: Shape) -> float:
    """The share of the body's bins in which a comparable amount came back."""
    first, last = int(shape.begin / BIN), int(shape.end / BIN) + 1
    both = sum(run.down_bins.get(place, 0) * 4 >= run.bins.get(place, 0) > 0 for place in range(first, last))
    return both / (last - first)
