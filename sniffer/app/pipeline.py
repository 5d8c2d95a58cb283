"""The order of the stages, and nothing else: packets and events in, records out.

The same pipeline runs under the daemon, over a replayed capture, and offline. It opens nothing and asks no clock:
what it is handed decides what it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sniffer.alerts.policy import AlertPolicy
from sniffer.decode.dissect import Dissector
from sniffer.detect import Detector
from sniffer.explain.question import question_text
from sniffer.identify import Identifier
from sniffer.judge import Judge
from sniffer.model import (
    Drift,
    Judged,
    Listening,
    Loss,
    PacketBatch,
    Record,
    Sample,
    Selection,
    Upload,
    WakeEvent,
    WakeKind,
    sorted_keys,
)
from sniffer.model.clock import SECOND
from sniffer.records import build as records
from sniffer.rules.engine import RuleSet
from sniffer.rules.history import History
from sniffer.wake.adapters.presence import Presence

#: Every row: what a look at who is who needs; and live, where the kernel's filter has chosen already.
EVERYTHING = Selection(keys=None, identity=True)

#: The machine's clock was set back where time goes back by more than this.
STEP_NS = 5 * SECOND


@dataclass(slots=True)
class Stages:
    """One instance of each stage, built by `sniffer.app.build`."""

    dissector: Dissector
    identifier: Identifier
    detector: Detector
    judge: Judge
    rules: RuleSet
    history: History
    alerts: AlertPolicy


@dataclass
class Pipeline:
    """Feed it packets, events and time; each call gives the records that became due.

    `capture` is the interface or the file's path as given; `offline` makes it a part of each upload's id.
    `changes` grows with everything that the saved state of judge and alerts must not miss.
    With `learn_identity` false, who is who was settled by a look at the whole capture before.
    """

    stages: Stages
    capture: str
    offline: bool
    learn_identity: bool = True
    presences: tuple[Presence, ...] = ()
    start_ns: int = 0
    time_ns: int = 0
    changes: int = 0

    @property
    def selection(self) -> Selection:
        """Which rows are needed: those of `wanted`, and the identity protocols where they still teach us."""
        return Selection(keys=sorted_keys(self.captured), identity=self.learn_identity)

    @property
    def captured(self) -> frozenset[int]:
        """By which keys the packets of `wanted` hosts are known on the wire."""
        return self.stages.identifier.aliases(self.wanted)

    @property
    def wanted(self) -> frozenset[int]:
        """Whose packets are needed: watched devices, and the phones whose silence means that the home is empty."""
        watched = frozenset(self.stages.identifier.watched())
        return watched.union(*(presence.keys for presence in self.presences))

    def sample(self) -> Sample | None:
        """The hosts that are known well enough: what they look up and announce is needed now and then only."""
        return self.stages.dissector.sample(self.stages.identifier.watched()) if self.learn_identity else None

    def look(self, batch: PacketBatch) -> Iterator[Record]:
        """Who is who in these packets, and nothing more."""
        identifier = self.stages.identifier
        changed = {device.key: device for device in identifier.seen(batch)}
        observations = self.stages.dissector.dissect(
            batch, identifier.watched(), identifier.known(), identifier.promising()
        )
        changed |= {device.key: device for device in identifier.observe(observations)}
        now_ns = int(batch.time_ns.max()) if len(batch) else self.time_ns
        departed = identifier.departed()
        for device in changed.values():
            if device.microphone or device.configured or device.key in departed:
                yield records.device_record(device, self.capture, now_ns).to_json()

    def look_again(self) -> None:
        """Who is who is settled: from here on the same packets come a second time, and are judged."""
        self.learn_identity = False
        self.stages.dissector = Dissector(self.stages.dissector.settings)
        self.stages.identifier.look_again()

    def packets(self, batch: PacketBatch) -> Iterator[Record]:
        """Packets, in the order in which they were captured."""
        if not len(batch):
            return
        stages = self.stages
        if not self.start_ns:
            self.start_ns = int(batch.time_ns.min())
        batch = stages.identifier.resolve(batch)
        if self.learn_identity:
            yield from self.look(batch)
        else:
            stages.identifier.names_only(batch, stages.dissector.dissect(batch, stages.identifier.watched()))
        yield from self._presence(batch)
        yield from self._detected(stages.detector.feed(batch, self._watched(int(batch.time_ns.max()))))
        yield from self.advance(int(batch.time_ns.max()), detected=True)

    def measured(self, time_ns: int, events: Iterable[Listening | Upload | Drift]) -> Iterator[Record]:
        """What another detector found in the packets up to a time."""
        self.start_ns = self.start_ns or time_ns
        yield from self._detected(events)
        yield from self.advance(time_ns, detected=True)

    def _watched(self, now_ns: int) -> Mapping[int, int]:
        watched = self.stages.identifier.watched()
        if not self.learn_identity:
            return dict.fromkeys(watched, 0)
        if self.offline:
            return watched
        # Who was recognised at a time that has yet to come, since the clock was set back, is watched all the same.
        return {key: since_ns if since_ns <= now_ns + STEP_NS else 0 for key, since_ns in watched.items()}

    def wake(self, event: WakeEvent) -> Iterator[Record]:
        """A wake source said something."""
        self.changes += 1
        self.stages.judge.wake(event)
        made = records.answer_record(event) if event.kind is WakeKind.ANSWER else records.wake_record(event)
        yield made.to_json()

    def loss(self, loss: Loss) -> Iterator[Record]:
        """Packets were lost."""
        self.stages.judge.loss(loss)
        yield from self._lost(loss)

    def _lost(self, loss: Loss) -> Iterator[Record]:
        self.changes += 1
        yield records.loss_record(loss).to_json()
        for presence in self.presences:
            for event in presence.blind(loss.start_ns, loss.end_ns):
                yield from self.wake(event)

    def leap(self, then_ns: int, now_ns: int) -> Iterator[Record]:
        """Note that the clock was set forward, or the machine slept: the time between was not observed."""
        loss = Loss(self.capture, then_ns, now_ns, 0)
        self.stages.judge.leap(loss)
        yield from self._lost(loss)

    def mute(self, device: str, until_ns: int) -> None:
        """A maintenance window: no alerts for a device until then."""
        self.changes += 1
        self.stages.alerts.mute(device, until_ns)

    def take_over(self, old: Pipeline) -> None:
        """Go on where `old` is: its connections, its time. What the stages learned came with the state."""
        old.stages.detector.ask(self.stages.identifier)
        self.stages.detector, self.stages.dissector = old.stages.detector, old.stages.dissector
        self.start_ns, self.time_ns, self.changes = old.start_ns, old.time_ns, old.changes + 1
        if [presence.keys for presence in self.presences] == [presence.keys for presence in old.presences]:
            self.presences = old.presences

    def devices(self, now_ns: int = 0) -> Iterator[Record]:
        """All hosts that are known, as records of the time when each was last seen; configured devices that were never
        seen are dated `now_ns`, and left out without it."""
        identifier = self.stages.identifier
        for device in identifier.devices():
            seen_ns = identifier.last_seen(device.key) or now_ns
            if seen_ns:
                yield records.device_record(device, self.capture, seen_ns).to_json()

    def state(self, *only: str) -> dict[str, Any]:
        """What was learned and what still waits, as JSON values by the name of the stage (all, or `only` some)."""
        stages = self.stages
        parts: dict[str, Callable[[], Any]] = {
            "identify": stages.identifier.state,
            "detect": lambda: {str(key): value.to_dict() for key, value in stages.detector.learned().items()},
            "judge": stages.judge.state,
            "alerts": stages.alerts.state,
            "history": stages.history.state,
        }
        return {name: part() for name, part in parts.items() if not only or name in only}

    def advance(self, time_ns: int, *, detected: bool = False) -> Iterator[Record]:
        """It is `time_ns` now: what was waiting for time to pass becomes due. In a capture time never steps back; live
        it does where the clock is set, and what begins then must not seem to be over already."""
        set_back = not (self.offline or detected) and time_ns < self.time_ns - STEP_NS
        self.time_ns = time_ns if set_back else max(self.time_ns, time_ns)
        for presence in self.presences:
            for event in presence.advance(self.time_ns):
                yield from self.wake(event)
        if not detected:
            yield from self._detected(self.stages.detector.advance(self.time_ns))
        for judged in self.stages.judge.advance(self.time_ns):
            yield from self._judged(judged)
        yield from self._release_delayed()

    def finish(self, *, judge: bool = True) -> Iterator[Record]:
        """No packets will follow. With `judge` false, verdicts that wait for wake events stay in the state."""
        yield from self._detected(self.stages.detector.finish())
        if not judge:
            yield from self.advance(self.time_ns, detected=True)
            return
        for judged in self.stages.judge.finish():
            yield from self._judged(judged)
        yield from self._release_delayed()

    def _detected(self, events: Iterable[Listening | Upload | Drift]) -> Iterator[Record]:
        device = self.stages.identifier.device
        for event in events:
            match event:
                case Upload():
                    self.changes += 1
                    self.stages.judge.upload(event)
                case Listening():
                    yield records.listening_record(event, device(event.key), self.capture).to_json()
                case Drift():
                    yield records.drift_record(event, device(event.key), self.capture).to_json()

    def _presence(self, batch: PacketBatch) -> Iterator[Record]:
        """Who is at home, from phones that send. Only silences between their packets matter, so of the rows only
        those on both sides of one are looked at: the rest would change nothing."""
        for presence in self.presences:
            rows = np.isin(batch.eth_src, sorted_keys(presence.keys))
            times = np.sort(batch.time_ns[rows])
            if len(times):
                silences = np.flatnonzero(np.diff(times) >= presence.after_ns)
                for time_ns in np.unique(np.concatenate((times[[0, -1]], times[silences], times[silences + 1]))):
                    for event in presence.seen(presence.keys, int(time_ns)):
                        yield from self.wake(event)

    def _release_delayed(self) -> Iterator[Record]:
        """Alerts that were held, and the digest."""
        for record in self.stages.alerts.advance(self.time_ns):
            self.changes += 1
            yield record.to_json()

    def _judged(self, judged: Judged) -> Iterator[Record]:
        """Yield the record of a judged upload, then the alerts and resolutions that follow from it."""
        self.changes += 1
        stages = self.stages
        device = stages.identifier.device(judged.upload.key)
        identity = records.upload_id(judged.upload, self.capture if self.offline else None)
        past = stages.history.before(identity, judged)
        record = records.upload_record(judged, device, self.capture, offline=self.offline, history=past)
        matches = stages.rules.evaluate(record.to_json(), self.time_ns)
        record = records.with_rules(record, matches)
        yield record.to_json()
        for alert in stages.alerts.process(record, self.time_ns):
            yield alert.to_json()
        unasked = None if self.offline else stages.judge.question(judged)
        if unasked is not None:
            self.changes += 1
            yield records.question_record(record, self.time_ns, unasked, question_text(record.to_json())).to_json()
