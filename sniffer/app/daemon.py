"""The daemon: packets and events come in on one thread, records go out to the sinks.

The main thread alone touches the pipeline. The HTTP server, the wake sources and the deliveries have threads of their
own; they reach the pipeline through one queue, and read snapshots.

It is over 400 lines since the loop, what it saves and what other threads may ask of it share one state; what does not
(reports of the capture, answers, subscribers, mutes, late records) is in files beside it.
"""

from __future__ import annotations

import dataclasses
import logging
import queue
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sniffer.alerts.policy import EVERY_DEVICE
from sniffer.app.answers import USED_LINKS, Answers
from sniffer.app.capture_report import CaptureReport
from sniffer.app.capture_state import CaptureState
from sniffer.app.config_lint import unknown_name
from sniffer.app.late_records import LateRecords
from sniffer.app.mutes import Mute, mute_until, parse_any_time
from sniffer.app.packet_source import PacketSource
from sniffer.app.pipeline import EVERYTHING, STEP_NS, Pipeline
from sniffer.app.subscribers import Subscribers
from sniffer.app.turns import Turns
from sniffer.decode import decode
from sniffer.diagnostics.clock_state import REMEDY, ClockState, doubt
from sniffer.diagnostics.silence import SilenceWatch
from sniffer.errors import MisdatedError, SnifferError, StoreError, WakeError
from sniffer.model import (
    FrameBlock,
    Record,
    Sink,
    WakeEvent,
    WakeKind,
    key_text,
)
from sniffer.model.clock import SECOND, Clock, timestamp
from sniffer.records import build as records
from sniffer.rules.engine import RuleSet
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.storage.pcap_evidence import EvidenceKeeper
from sniffer.sinks.storage.store import Store
from sniffer.wake.events import parse_event

logger = logging.getLogger("sniffer")

#: Seconds between two savings of what was learned, and between two `stats` records.
SAVE_INTERVAL = 30.0
STATS_INTERVAL = 60.0
#: Wake events that wait for the pipeline. The sources are few and rate-limited: more than this is a flood.
MAX_WAITING = 10_000
#: Unknown device names that are reported, each once.
MAX_REPORTED_NAMES = 64


@dataclass(frozen=True, slots=True)
class Edges:
    """What a new configuration replaces: the pipeline, and where records go beside the store and the metrics."""

    pipeline: Pipeline
    sinks: Sequence[Sink]


class Daemon:
    """Runs until `stop` is called or the source ends. Also what the HTTP API asks (`sniffer.web.api.Backend`).

    `reload` is called when a reload was asked for: it gives the new edges (the pipeline built on the state of the old
    one), or raises SnifferError, and then everything stays as it was. `events` are known before the first packet.
    `silence` watches whether packets of other hosts arrive, `clock_state` tells whether the clock is synchronised.
    """

    def __init__(
        self,
        *,
        source: PacketSource,
        edges: Edges,
        store: Store,
        metrics: Metrics,
        clock: Clock,
        poll_timeout: float,
        reload: Callable[[Pipeline], Edges] | None = None,
        replayed: bool = False,
        events: Sequence[WakeEvent] = (),
        silence: SilenceWatch | None = None,
        clock_state: Callable[[], ClockState] | None = None,
    ) -> None:
        self._source, self._store, self._metrics, self._clock = source, store, metrics, clock
        self._pipeline, self._sinks = edges.pipeline, edges.sinks
        self._poll_timeout, self._reload, self._replayed = poll_timeout, reload, replayed
        self._clock_state = clock_state
        self._known_events = events
        self._stopping, self._reloading = threading.Event(), threading.Event()
        self._waiting: queue.Queue[WakeEvent | Mute] = queue.Queue(MAX_WAITING)
        self._subscribers, self.turns = Subscribers(), Turns()
        self._answers = Answers(store, clock, self.deliver)
        self._report = CaptureReport(metrics, clock, silence, replayed=replayed)
        self._devices: tuple[Record, ...] = ()
        self._sources: tuple[Record, ...] = ()
        self._watched: frozenset[int] | None = None
        self._captured: frozenset[int] | None = None
        self._reported_unknown: set[str] = set()
        self.capture = CaptureState(metrics, clock)
        self._totals: Counter[str] = Counter()
        self._looked = clock.now_ns(), clock.monotonic()
        self._began = self._next_save = self._next_stats = clock.monotonic()
        self._last_packet_ns = 0
        self._polled = self._ended = False
        self._saved_changes = 0
        self._unsaved: set[str] = set()
        self._mutes: tuple[tuple[str, int], ...] = ()
        self._habits: Mapping[str, Any] = {}
        self.reloads = 0
        self._turn: list[Record] = []
        self._late = LateRecords(store)

    # --- the loop -------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Until the end: read, judge, report. Nothing that was already seen is lost on the way out."""
        self._watch()
        with self._store.transaction():
            for event in self._known_events:
                self._emit(self._pipeline.wake(event))
        try:
            while not self._stopping.is_set() and self.step():
                pass
        finally:
            self._finish()

    def step(self) -> bool:
        """One turn: False where the source has ended."""
        if self._reloading.is_set():
            self._reloading.clear()
            self._do_reload()
        blocks = self._source.poll(self._poll_timeout)
        if blocks is None:
            return False
        with self.turns:
            self._handle(blocks)
        self._polled = True
        return True

    def _handle(self, blocks: Sequence[FrameBlock]) -> None:
        """One turn behind the source. What it found and what follows from it is kept together or not at all: an alert
        and its messages, an upload that waits for its verdict and the packets that are gone."""
        try:
            with self._store.transaction():
                self._late.write(self._sinks)
                self._leap()
                self._drain()
                for block in blocks:
                    self._block(block)
                self._losses()
                due_ns = self._source.complete_ns()
                if due_ns > 0:
                    self._emit(self._pipeline.advance(due_ns))
                self._keep_house()
        except StoreError as error:
            self._metrics.store_error()
            self._late.hold(self._turn, self._sinks, error)
            self._saved_changes, self._next_save = -1, self._clock.monotonic()
        else:
            self._late.written()
        self._turn.clear()
        self._watch()
        self._source.hurry(self._pipeline.stages.detector.runs > 0)

    def stop(self) -> None:
        """End after the current turn (safe from a signal handler)."""
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def wait(self) -> None:
        """Until `stop` is called. What is asked, answered or changed after the end of a capture still takes effect."""
        while not self._stopping.wait(0.1):
            if self._reloading.is_set():
                self._reloading.clear()
                self._do_reload()
            if not self._waiting.empty():
                with self._store.transaction():
                    self._drain()
                    self._emit(self._pipeline.finish(judge=True))
                    self._save()
                self._turn.clear()

    def reload(self) -> None:
        """Take the configuration anew after the current turn (safe from a signal handler)."""
        self._reloading.set()

    def _block(self, block: FrameBlock) -> None:
        batch, errors = decode(block, dataclasses.replace(EVERYTHING, sample=self._pipeline.sample()))
        if errors.sampled:
            self._metrics.identity_skipped("sampled", errors.sampled)
        stages = self._pipeline.stages
        self._report.frames(block, errors, stages)
        if len(block):
            self._totals["packets"] += len(block)
            newest_ns = int(block.time_ns.max())
            if newest_ns > self._last_packet_ns or self._last_packet_ns > self._clock.now_ns():  # or it was set back
                self._last_packet_ns = newest_ns
            self._metrics.packets(block.interface, len(block))
            self._metrics.fragments(block.interface, errors.fragments)
            self._metrics.last_packet(block.interface, self._last_packet_ns)
            self.capture.packets(block.interface, len(block), newest_ns)
        for sink in self._sinks:
            if isinstance(sink, EvidenceKeeper):
                sink.feed(batch, self._watched or ())
        lost = self.capture.is_losing(self._source, batch.interface)
        self._report.packets(batch, self._watched or (), lost=lost)
        self._emit(self._pipeline.packets(batch))
        self._report.identified(stages)

    def _leap(self) -> None:
        """Where the clock was set forward, or the machine slept, the time between was not observed: what was not seen
        then, such as phones or a wake word, is no absence and no silence."""
        (then_ns, then), self._looked = self._looked, (self._clock.now_ns(), self._clock.monotonic())
        now_ns, now = self._looked
        leap_ns = now_ns - then_ns - round((now - then) * SECOND)
        if leap_ns > STEP_NS and not self._replayed:
            logger.warning("the clock went forward by %.0f s: what lies between was not seen", leap_ns / SECOND)
            self._emit(self._pipeline.leap(then_ns, now_ns))
        elif leap_ns < -STEP_NS and not self._replayed:
            logger.warning("the clock was set back by %.0f s: silence around that proves nothing", -leap_ns / SECOND)

    def _doubt_clock(self) -> None:
        """Ask whether the clock is synchronised: quiet hours need the time of day."""
        if self._clock_state is None or self._replayed:
            return
        state = self._clock_state()
        if self._pipeline.stages.judge.doubt_clock(self._clock.now_ns(), state.doubt_ns):
            doubtful = doubt(state)
            right = "the clock is synchronised: quiet hours hold again"
            logger.warning("%s", right if doubtful is None else f"{doubtful}; {REMEDY}")

    def _losses(self) -> None:
        self._totals["dropped"] += self.capture.look(self._source)
        for loss in self._source.losses():
            self._report.forget(loss.interface)
            self._emit(self._pipeline.loss(loss))
        for line in self._source.events():
            logger.warning("%s", line)

    def _drain(self) -> None:
        while True:
            try:
                waiting = self._waiting.get_nowait()
            except queue.Empty:
                return
            if isinstance(waiting, Mute):
                self._pipeline.mute(waiting.device, waiting.until_ns)
            else:
                self._report_unknown(waiting)
                self._subscribers.answered(waiting)
                self._emit(self._pipeline.wake(waiting))

    def _report_unknown(self, event: WakeEvent) -> None:
        """Who speaks of a device that does not exist explains nothing, and mutes nothing: said once a name."""
        name = event.device or ""
        if name in self._reported_unknown or len(self._reported_unknown) >= MAX_REPORTED_NAMES:
            return
        warning = self.unknown(name)
        if warning is not None:
            self._reported_unknown.add(name)
            logger.warning("wake source %s: %s", event.source, warning)

    def _describe_devices(self) -> None:
        """Take the devices and their names anew: the API, mutes and metrics have them at once."""
        self._devices = tuple(self._pipeline.devices(self._clock.now_ns()))
        self._metrics.describe(self._devices)
        watched = {key_text(key) for key in self._pipeline.wanted}
        shown = [record for record in self._devices if record["host"] in watched]
        for sink in self._sinks:
            if isinstance(sink, Outbox):
                sink.watch(shown)

    def _watch(self) -> None:
        captured = self._pipeline.captured
        if captured != self._captured:
            self._source.watch(captured)
            self._captured, self._watched = captured, self._pipeline.wanted
            self._describe_devices()

    def _keep_house(self) -> None:
        now = self._clock.monotonic()
        self._metrics.flows(self._pipeline.stages.detector.flows)
        if now >= self._next_save:
            self._doubt_clock()
            self._next_save = now + SAVE_INTERVAL
            self._save()
        elif self._pipeline.changes != self._saved_changes:
            self._save("judge", "history", "alerts")
        if self._last_packet_ns:
            self._report.unseen(self._pipeline.stages)
        self._report.silent(self.capture.up())
        if now >= self._next_stats:
            self._next_stats = now + STATS_INTERVAL
            self._emit([self._stats_record()])

    def _describe_sources(self) -> None:
        """Look at the wake sources anew, for the API and for metrics alike."""
        sources = self._pipeline.stages.judge.sources()
        self._sources = tuple(dataclasses.asdict(source) for source in sources)
        for name, hears in self._pipeline.stages.judge.listeners().items():
            self._metrics.source_up(name, hears)  # one whose heart has stopped says nothing: it must be looked at
        for source in sources:
            self._metrics.source_heard(source.name, source.last_event_ns, source.heard_ns is not None)
            self._metrics.source_hearing(source.name, source.miss_rate, source.unheard, source.clock_offset_seconds)
        self._metrics.expire(self._clock.now_ns())

    def _save(self, *stages: str) -> None:
        """What was learned, and what waits. A replay leaves the memory of the real house alone."""
        self._saved_changes = self._pipeline.changes
        self._mutes = tuple(self._pipeline.stages.alerts.mutes(self._clock.now_ns()).items())
        if not stages:
            self._habits = self._pipeline.state("detect")["detect"]
            self._devices = tuple(self._pipeline.devices(self._clock.now_ns()))
        self._describe_sources()
        if not self._replayed:
            states = {f"stage.{name}": state for name, state in self._pipeline.state(*stages).items()}
            for name, state in {**states, USED_LINKS: self._answers.state()}.items():
                try:
                    self._store.state_set(name, state)
                except MemoryError:  # what was learned since the last time is not worth the watch
                    if name not in self._unsaved:
                        logger.error("%s: there is not enough memory to save what was learned", name)
                    self._unsaved.add(name)
                else:
                    self._unsaved.discard(name)

    def _do_reload(self) -> None:
        if self._reload is None:
            return
        try:
            edges = self._reload(self._pipeline)
        except SnifferError as error:
            self.reloads += 1
            self._metrics.config_reload(False)
            logger.error("the new configuration is not used: %s", error)
            return
        except Exception as error:  # whatever a file holds, the watch goes on with the old one
            self._metrics.config_reload(False)
            logger.exception("the new configuration is not used: %s", type(error).__name__)
            return
        self._pipeline, self._sinks = edges.pipeline, edges.sinks
        self._describe_devices()
        self._devices = tuple(self._pipeline.devices(self._clock.now_ns()))
        self.reloads += 1
        self._metrics.config_reload(True)
        logger.info("the configuration was read again and is in force")

    def _emit(self, new: Iterable[Record]) -> None:
        for record in new:
            if record["event_type"] == "digest":
                record = self._answers.summed_up(record)
            self._turn.append(record)
            self._totals[f"{record['event_type']}s"] += 1
            sinks: tuple[Sink, ...] = (self._store, self._metrics, *self._sinks)
            for sink in sinks:
                try:
                    sink.emit(record)
                except SnifferError as error:  # one sink that fails must not silence the others
                    logger.error("%s: %s", sink.name, error)
            self._subscribers.publish(record)
            if not self._replayed:
                self._subscribers.ask(record, self._clock.now_ns())

    def _finish(self) -> None:
        """Live, verdicts that still wait for wake events stay in the state and are judged after the restart."""
        self._turn.clear()
        try:
            with self._store.transaction():
                self._late.write(self._sinks)
                self._drain()
                self._emit(self._pipeline.finish(judge=self._replayed))
                self._save()
        except StoreError:
            self._finish_without_room()
        for event in self._known_events:  # by now everybody is known who is in the capture
            self._report_unknown(event)
        self._ended = True

    def _finish_without_room(self) -> None:
        """The disk is full: the store gives up the room that it holds in reserve. Raises StoreError where that is not
        enough, with the number of records that are lost."""
        self._store.release_reserve()
        try:
            with self._store.transaction():
                self._late.write(self._sinks)
                self._late.write_turn(self._turn, self._sinks)
                self._save()
        except StoreError as error:
            raise self._late.lost(self._turn, error) from None
        logger.warning("the disk is full: what waited was written to the room that the store holds in reserve")

    # --- what the HTTP API asks (from other threads) ----------------------------------------------------------------

    def metrics(self, accept: str) -> tuple[bytes, str]:
        """The exposition in the format that the scraper accepts, and its content type."""
        return self._metrics.render(accept)

    def ready(self) -> tuple[bool, str]:
        """Whether packets are read, and if not why."""
        if self._ended:
            return (True, "the capture has ended") if self._replayed else (False, "stopping")
        return (True, "capturing") if self._polled else (False, "starting")

    def deliver(self, event: WakeEvent) -> None:
        """A wake source said something. Raises WakeError where too many wait."""
        try:
            self._waiting.put_nowait(event)
        except queue.Full:
            raise WakeError("too many events are waiting") from None

    def wake(self, event: Mapping[str, Any], source: str) -> Record:
        """An event over HTTP: it speaks for the token's source, whatever it says. Raises WakeError."""
        now_ns = self._clock.now_ns()
        try:
            parsed = parse_event({**event, "source": source}, now_ns)
        except MisdatedError:  # something was heard all the same: the source is no witness that heard nothing
            self.deliver(WakeEvent(now_ns, source, WakeKind.MISDATED, received_ns=now_ns))
            raise
        self.deliver(parsed)
        return records.wake_record(parsed).to_json()

    def mute(self, request: Mapping[str, Any]) -> Record:
        """No alerts for `device` until `until` (ISO-8601) or for `seconds`. Raises WakeError."""
        device, now_ns = request.get("device"), self._clock.now_ns()
        if not isinstance(device, str) or not device or len(device) > 64:
            raise WakeError("device: a configured name or a MAC address is needed")
        warning = self.unknown(device)
        if warning is not None and device.casefold() != EVERY_DEVICE:  # else the caller believes that alerts are off
            raise WakeError(warning)
        until_ns = mute_until(request, now_ns)
        try:
            self._waiting.put_nowait(Mute(device, until_ns))
        except queue.Full:
            raise WakeError("too many requests are waiting") from None
        return {"device": device, "until": timestamp(until_ns)}

    def unknown(self, device: str) -> str | None:
        """Return the message for a device name that is not known; None where it is known, or no device is yet."""
        if not device or not self._devices:
            return None
        known = (record["device"] for record in self._devices)
        remedy = unknown_name(device, [name for one in known for name in (one["name"], one["mac"]) if name])
        return None if remedy is None else f"no device is called '{device}'; {remedy}"

    def uploads(
        self, device: str | None, verdict: str | None, since: str | None, until: str | None, limit: int
    ) -> Sequence[Record]:
        """Uploads out of the store, newest first; times in ISO-8601. Raises UsageError."""
        start, end = (None if text is None else parse_any_time(text) for text in (since, until))
        return self._store.uploads(device, verdict, start, end, limit)

    def upload(self, identifier: str) -> Record | None:
        """One upload, by its id."""
        return self._store.upload(identifier)

    def devices(self) -> Sequence[Record]:
        """Who is on the network, as of the last change."""
        return self._devices

    @property
    def last_packet_ns(self) -> int:
        """When the newest packet was captured; 0 before the first."""
        return self._last_packet_ns

    @property
    def rules(self) -> RuleSet:
        """The upload rules in force."""
        return self._pipeline.stages.rules

    def interfaces(self) -> dict[str, bool]:
        """By interface, whether it is captured from."""
        return self.capture.up()

    def mutes(self) -> tuple[tuple[str, int], ...]:
        """Devices without alerts, and until when."""
        return self._mutes

    def habits(self) -> Mapping[str, Any]:
        """What was learned of each device, by its key as text."""
        return self._habits

    def stats(self) -> Record:
        """Counters for people; Prometheus has its own."""
        last_packet = timestamp(self._last_packet_ns) if self._last_packet_ns else None
        return {**self._stats_record(), "last_packet": last_packet, "sources": self._sources}

    def _stats_record(self) -> dict[str, Any]:
        return records.stats_record(
            self._pipeline.capture,
            self._clock.now_ns(),
            uptime_seconds=self._clock.monotonic() - self._began,
            packets=self._totals["packets"],
            dropped=self._totals["dropped"],
            decode_errors=self._report.decode_errors,
            flows=self._pipeline.stages.detector.flows,
            devices=len(self._devices),
            watched=len(self._watched or ()),
            uploads=self._totals["uploads"],
        ).to_json()

    def answer(self, upload: str, answer: str, way: str) -> Record:
        """Take a person's answer about an upload, which came by `way`. Raises WakeError."""
        return self._answers.take(upload, answer, way)

    def answer_link(self, upload: str, answer: str) -> str:
        """Take the answer of a signed link, once. Returns a sentence for the reader. Raises WakeError."""
        return self._answers.take_link(upload, answer)

    def question(self, upload: str) -> str:
        """Return the question about an upload. Raises WakeError."""
        return self._answers.question(upload)

    def subscribe(self, subscriber: Callable[[Record], None], source: str | None = None) -> Callable[[], None]:
        """Call `subscriber` with each record, and with what was asked in the last ten minutes and `source` has not
        answered; the returned function ends it."""
        return self._subscribers.subscribe(subscriber, source, self._clock.now_ns())

    def ask_listeners(self) -> None:
        """Ask all listeners what they heard in the last seconds."""
        self._subscribers.ask_now(self._clock.now_ns())
