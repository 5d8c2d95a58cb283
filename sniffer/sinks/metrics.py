"""Prometheus metrics: a sink that counts records, and methods for what is no record.

A counter never goes back: uploads are counted with their first verdict, and a verdict that changes is counted apart
(`sniffer_verdict_changes_total`). Labels carry configured or recognised device names; a flood of invented devices ends
in the one name `other`. It is over 400 lines since every metric and what sets it stand in one place.
"""

from __future__ import annotations

import contextlib
import math
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    Info,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import choose_encoder

from sniffer.model import JUDGED_CLASSES, Record, UploadClass, VerdictKind, mac_key
from sniffer.model.clock import SECOND, parse_timestamp

OTHER = "other"
DURATION_BUCKETS = (0.5, 1, 2, 3, 5, 8, 15, 30, 60, 300, 900, 3600)

#: Where packets can be wrong, and what a device's habits are: these series begin at zero.
LAYERS = ("link", "encrypted", "tunnel", "ether_type", "ipv4", "ipv6", "tcp", "udp")
#: What packets claim that was not on the wire.
SUSPICIOUS = ("length", "sequence", "source")
HABITS = (
    "chunk_bytes", "bytes_per_second", "opening_bytes", "idle_bytes_per_hour", "periodic_upload_bytes",
    "usual_upload_bytes",
)  # fmt: skip

#: Uploads whose verdict is remembered, so that a change can be counted.
_REMEMBERED = 4096


class Labels:
    """The values one label may take: those that were announced, others up to `most`, and then `other`."""

    def __init__(self, most: int, known: Iterable[str] = ()) -> None:
        self._most = most
        self._known = set(known)
        self._seen: set[str] = set()

    def announce(self, known: Iterable[str]) -> None:
        """These values are always kept apart, whatever else comes."""
        self._known |= set(known)

    def __call__(self, value: object) -> str:
        text = str(value) if value is not None else "unknown"
        if text in self._known or text in self._seen:
            return text
        if len(self._seen) < self._most and len(text) <= 100:
            self._seen.add(text)
            return text
        return OTHER


#: Open questions that are counted: one a day and device.
MAX_QUESTIONS = 1000


class Metrics:
    """All of the program's metrics in a registry of their own. `render` is what `/metrics` answers."""

    name = "metrics"

    def __init__(
        self,
        version: str = "",
        devices: Iterable[str] = (),
        *,
        max_devices: int = 64,
        registry: CollectorRegistry | None = None,
        process: bool = True,
    ) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = registry or CollectorRegistry()
        names = list(devices)
        self._device = Labels(max_devices, (*names, "all"))
        self._source, self._sink = Labels(64), Labels(64)
        self._rule, self._interface, self._protocol = Labels(200), Labels(32), Labels(32)
        self._what = Labels(32)
        self._verdicts: OrderedDict[str, tuple[str, float]] = OrderedDict()
        self._runs: dict[str, set[tuple[Any, ...]]] = {}
        self._infos: dict[str, tuple[str, str, str]] = {}
        self._names: dict[int, str] = {}
        self._sources: set[str] = set()
        self._begun: set[str] = set()
        self._announced: set[str] = set()
        if process:
            ProcessCollector(registry=registry)
            PlatformCollector(registry=registry)
            GCCollector(registry=registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        Info("sniffer_build", "The version that runs.", registry=registry).info({"version": version})
        self._device_info = gauge("sniffer_device_info", "A watched device; always 1.", "device", "vendor", "model")
        self._listening = gauge("sniffer_listening", "1 while a device sends what looks like live speech.", "device")
        self._uploads = counter(
            "sniffer_uploads_total", "Uploads, with their first verdict.", "device", "class", "verdict"
        )
        self._changes = counter(
            "sniffer_verdict_changes_total", "Uploads whose verdict changed later.", "device", "from", "to"
        )
        self._changed_seconds = counter(
            "sniffer_verdict_changed_speech_seconds_total",
            "Seconds of speech in uploads whose verdict changed later.",
            "device",
            "from",
            "to",
        )
        self._bytes = counter("sniffer_upload_bytes_total", "Payload bytes sent in uploads.", "device", "class")
        self._speech = counter(
            "sniffer_speech_seconds_total",
            "Seconds of speech that uploads could hold, by their first verdict.",
            "device",
            "verdict",
        )
        self._durations = Histogram(
            "sniffer_upload_duration_seconds",
            "How long judged uploads lasted.",
            registry=registry,
            buckets=DURATION_BUCKETS,
        )
        self._role_bytes = counter(
            "sniffer_service_bytes_total",
            "Payload bytes sent in uploads, by the role of the other side.",
            "device",
            "role",
        )
        self._reasons = counter(
            "sniffer_verdict_reasons_total",
            "Judged uploads, with the reason of their first verdict.",
            "device",
            "verdict",
            "reason",
        )
        self._explained = counter(
            "sniffer_explained_uploads_total", "Uploads that a wake source explained.", "device", "source", "relation"
        )
        self._chunk_bytes = gauge(
            "sniffer_speech_chunk_bytes", "The size of the audio chunks in the last speech upload.", "device"
        )
        self._chunk_rate = gauge(
            "sniffer_speech_chunks_per_second", "The rate of the audio chunks in the last speech upload.", "device"
        )
        self._drift = counter(
            "sniffer_drift_total", "Habits of a device that moved away from what was learned.", "device", "what"
        )
        self._wakes = counter("sniffer_wake_events_total", "Wake events.", "device", "source")
        self._source_up = gauge("sniffer_wake_source_up", "1 where a wake source is connected and responds.", "source")
        self._source_heard = gauge(
            "sniffer_wake_source_last_heard_timestamp_seconds",
            "When a wake source reported its last request.",
            "source",
        )
        self._source_proven = gauge(
            "sniffer_wake_source_proven",
            "1 where a wake source has reported a request since it connected, and lately: its silence counts.",
            "source",
        )
        self._open = gauge("sniffer_open_questions", "Questions to people that wait for an answer.")
        self._questions: dict[str, int] = {}
        self._source_misses = gauge(
            "sniffer_wake_source_missed_ratio", "Share of wake words that a source misses, as learned.", "source"
        )
        self._source_unheard = gauge(
            "sniffer_wake_source_unheard_ratio", "Share of requests that leave no trace in a listener.", "source"
        )
        self._source_clock = gauge(
            "sniffer_wake_source_clock_offset_seconds", "How late the clock of a wake source is; NaN: wrong.", "source"
        )
        self._alerts = counter("sniffer_alerts_total", "Alerts raised.", "device", "rule", "level")
        self._packets = counter("sniffer_capture_packets_total", "Packets captured.", "interface")
        self._dropped = counter(
            "sniffer_capture_dropped_packets_total", "Packets the kernel dropped before we read them.", "interface"
        )
        self._fragments = counter(
            "sniffer_capture_fragments_total", "Parts of IP packets that were cut up.", "interface"
        )
        self._merged = counter(
            "sniffer_capture_merged_packets_total", "Packets that were merged before we saw them.", "interface"
        )
        self._hidden = counter(
            "sniffer_capture_hidden_bytes_total",
            "Bytes that watched devices sent past us, told from their sequence numbers.",
            "interface",
        )
        self._capturing = gauge("sniffer_capture_up", "1 where the interface is there and up.", "interface")
        self._sees_others = gauge(
            "sniffer_capture_sees_others", "0 where no packets between other hosts arrive.", "interface"
        )
        self._clock_offset = gauge(
            "sniffer_source_clock_offset_seconds",
            "What is added to the times of a sender's packets: its clock compared with ours.",
            "interface",
        )
        self._reconnects = gauge(
            "sniffer_source_reconnects", "How often the connection to a sender of packets was made anew.", "interface"
        )
        self._decode_errors = counter("sniffer_decode_errors_total", "Packets that could not be decoded.", "protocol")
        self._suspicious = counter(
            "sniffer_suspicious_packets_total",
            "Packets that claim what is not so: a length, bytes far ahead, or to come from the Internet.",
            "kind",
        )
        for kind in SUSPICIOUS:
            self._suspicious.labels(kind)
        for layer in LAYERS:
            self._decode_errors.labels(self._protocol(layer))
        self._identity_skipped = counter(
            "sniffer_identity_skipped_total", "Identity packets that were not believed or not read.", "reason"
        )
        for reason in ("limited", "sampled", "dns.work", "dns.unasked"):
            self._identity_skipped.labels(reason)
        self._identity_changes = counter(
            "sniffer_identity_changes_total", "Hosts whose identity changed in a way that matters.", "change"
        )
        for change in ("lost", "refused", "shared"):
            self._identity_changes.labels(change)
        self._last_packet = gauge(
            "sniffer_last_packet_timestamp_seconds", "When the last packet was captured.", "interface"
        )
        self._flows = gauge("sniffer_flows", "Flows that are being followed.")
        self._deliveries = counter(
            "sniffer_deliveries_total", "Attempts to deliver a message, by what came of them.", "sink", "outcome"
        )
        self._waiting = gauge("sniffer_outbox_messages", "Messages that wait for delivery.", "sink")
        self._store_errors = counter("sniffer_store_errors_total", "Times the store could not be written.")
        self._reload = gauge(
            "sniffer_config_last_reload_successful", "1 where the configuration was last read without error."
        )
        self._reload.set(1)
        self.announce(names)

    # --- records ---

    def emit(self, record: Record) -> None:
        """Count one record."""
        count = {
            "upload": self._upload,
            "listening": self._listens,
            "device": self._describe,
            "wake": self._wake,
            "alert": self._alert,
            "drift": self._drifts,
            "question": self._ask,
            "answer": self._answered,
        }.get(str(record.get("event_type")))
        if count is not None:
            count(record)

    def _ask(self, record: Record) -> None:
        if len(self._questions) < MAX_QUESTIONS:
            self._questions[record["upload_id"]] = parse_timestamp(record["expires"])
        self._open.set(len(self._questions))

    def _answered(self, record: Record) -> None:
        self._questions.pop(record["upload_id"], None)
        self._open.set(len(self._questions))

    def expire(self, now_ns: int) -> None:
        """Close the questions that nobody can answer any more."""
        self._questions = {upload: until for upload, until in self._questions.items() if until > now_ns}
        self._open.set(len(self._questions))

    def close(self) -> None:
        """Nothing is held open."""

    def announce(self, devices: Iterable[str]) -> None:
        """Devices that the configuration names always have their own series, which begin at zero."""
        names = list(devices)
        self._announced = set(names)
        self._device.announce(names)
        for name in names:
            self._begin(name)

    def _begin(self, device: str) -> None:
        """A device's series begin at zero, so that `increase()` sees the first upload too."""
        self._listening.labels(device)
        self._begun.add(device)
        for verdict in VerdictKind:
            self._speech.labels(device, str(verdict))
            for kind in JUDGED_CLASSES:
                self._uploads.labels(device, str(kind), str(verdict))

    def _begin_uploads(self, device: str) -> None:
        """What only a device that uploads has."""
        for before, after in permutations(VerdictKind, 2):
            self._changes.labels(device, str(before), str(after))
            self._changed_seconds.labels(device, str(before), str(after))
        for habit in HABITS:
            self._drift.labels(device, self._what(habit))

    def remember(self, upload: Record) -> None:
        """An upload that was counted before this process began: only a change of its verdict counts now."""
        self._remember(upload["id"], upload["verdict"] or "none", float(upload["upload"]["speech_seconds"] or 0))

    def _upload(self, record: Record) -> None:
        upload = record["upload"]
        device, kind = self._name(record), str(upload["class"])
        verdict = record["verdict"] or "none"
        seconds = float(upload["speech_seconds"] or 0)
        self._run_over(record)
        before = self._verdicts.get(record["id"])
        self._remember(record["id"], verdict, seconds)
        if before is not None or record["revision"] > 0:
            was = before[0] if before is not None else "unknown"
            if was not in (verdict, "unknown"):
                self._changes.labels(device, was, verdict).inc()
                self._changed_seconds.labels(device, was, verdict).inc(seconds)
            return
        exemplar = {"upload": str(record["id"])[:100]}
        self._uploads.labels(device, kind, verdict).inc(exemplar=exemplar)
        self._bytes.labels(device, kind).inc(max(0, upload["bytes"]))
        self._speech.labels(device, verdict).inc(max(0.0, seconds))
        self._begin_uploads(device)
        self._role_bytes.labels(device, str(record["service"]["role"])).inc(max(0, upload["bytes"]))
        if kind == UploadClass.SPEECH and upload["chunk_bytes"] and upload["chunks_per_second"]:
            self._chunk_bytes.labels(device).set(upload["chunk_bytes"])
            self._chunk_rate.labels(device).set(upload["chunks_per_second"])
        if record["verdict"] is not None:
            self._durations.observe(max(0.0, upload["duration"]), exemplar=exemplar)
            self._reasons.labels(device, verdict, str(record["reason"])).inc()
            if record["wake"]["seen"] and record["wake"]["source"]:
                source = self._source(record["wake"]["source"])
                self._explained.labels(device, source, str(record["wake"]["relation"])).inc()

    def _remember(self, upload_id: str, verdict: str, seconds: float) -> None:
        self._verdicts[upload_id] = (verdict, seconds)
        self._verdicts.move_to_end(upload_id)
        if len(self._verdicts) > _REMEMBERED:
            self._verdicts.popitem(last=False)

    def _listens(self, record: Record) -> None:
        if record["kind"] != "voice":
            return
        device = self._name(record)
        runs = self._runs.setdefault(device, set())
        if not record["listening"]:
            runs.discard(_run(record, record["start"]))
        elif len(runs) < 64:
            runs.add(_run(record, record["start"]))
        self._listening.labels(device).set(1 if runs else 0)

    def _run_over(self, record: Record) -> None:
        """An upload is the end of its runs, should the message that ends them not have come."""
        device = self._name(record)
        runs = self._runs.get(device)
        if runs:
            runs -= {run for run in runs if record["timestamp"] <= run[0] <= record["end"]}
            self._listening.labels(device).set(1 if runs else 0)

    def describe(self, devices: Iterable[Record]) -> None:
        """Describe exactly these devices: after a start or a reload. The series of all others end."""
        shown = [record for record in devices if record["microphone"] or record["configured"]]
        for record in shown:
            self._describe(record)
        names = {self._name(record) for record in shown} | self._announced
        for name in [name for name in self._infos if name not in names]:
            self._device_info.remove(*self._infos.pop(name))
        for name in self._begun - names:
            self._runs.pop(name, None)
            with contextlib.suppress(KeyError):
                self._listening.remove(name)
        self._begun &= names

    def _describe(self, record: Record) -> None:
        if not record["microphone"]:
            self._forget(record)
            return
        device = self._name(record)
        labels = (device, str(record["device"]["vendor"] or ""), str(record["device"]["model"] or ""))
        before = self._infos.get(device)
        if before == labels or device == OTHER:
            return
        if before is not None:
            self._device_info.remove(*before)
        self._infos[device] = labels
        if record["device"]["mac"]:
            key = mac_key(record["device"]["mac"])
            self._renamed(self._names.get(key), device)
            self._names[key] = device
        self._device_info.labels(*labels).set(1)
        self._begin(device)

    def _forget(self, record: Record) -> None:
        """A device is not watched, or not any more: it is not described."""
        mac = record["device"]["mac"]
        old = self._infos.pop(self._names.pop(mac_key(mac), ""), None) if mac else None
        if old is not None:
            self._device_info.remove(*old)

    def _renamed(self, before: str | None, now: str) -> None:
        """A device is called otherwise: it listens under its new name only, and is described once."""
        if before is None or before == now:
            return
        runs = self._runs.pop(before, set())
        if runs:
            self._listening.labels(before).set(0)
            self._runs.setdefault(now, set()).update(runs)
            self._listening.labels(now).set(1)
        old = self._infos.pop(before, None)
        if old is not None:
            self._device_info.remove(*old)

    def _wake(self, record: Record) -> None:
        if record["kind"] in ("source_up", "source_down"):
            self.source_up(record["source"], record["kind"] == "source_up")
            return
        source = self._source(record["source"])
        device = record["device"]
        self._wakes.labels(self._named(device["mac"] or device["name"] if device else None), source).inc()
        if source not in self._sources:  # its start was not reported, but it sends events
            self.source_up(record["source"], True)

    def _named(self, device: str | None) -> str:
        """What a wake event calls a device, as a label: its name, never its address."""
        if device is None:
            return "all"
        try:
            return self._names.get(mac_key(device), OTHER)
        except ValueError:
            return self._device(device)

    def _alert(self, record: Record) -> None:
        device = self._name(record) if record.get("device") else "all"
        self._alerts.labels(device, self._rule(record["rule"]), str(record["level"])).inc()

    def _drifts(self, record: Record) -> None:
        self._drift.labels(self._name(record), self._what(record["what"])).inc()

    def _name(self, record: Record) -> str:
        device = record["device"]
        return self._device(device["name"] if isinstance(device, Mapping) else device)

    # --- what is no record ---

    def packets(self, interface: str, count: int) -> None:
        """Count captured packets."""
        self._packets.labels(self._interface(interface)).inc(count)
        for other in (self._dropped, self._fragments, self._merged, self._hidden):
            other.labels(self._interface(interface))

    def dropped(self, interface: str, count: int) -> None:
        """Count packets that the kernel dropped."""
        self._dropped.labels(self._interface(interface)).inc(count)

    def fragments(self, interface: str, count: int) -> None:
        """Count fragments of IP packets. Those after the first have no ports."""
        self._fragments.labels(self._interface(interface)).inc(count)

    def merged(self, interface: str, count: int) -> None:
        """Count packets that are longer than a frame can be."""
        self._merged.labels(self._interface(interface)).inc(count)

    def hidden(self, interface: str, count: int) -> None:
        """Count bytes that did not pass the capture."""
        self._hidden.labels(self._interface(interface)).inc(count)

    def capturing(self, interface: str, up: bool) -> None:
        """Whether the interface is there and up."""
        self._capturing.labels(self._interface(interface)).set(up)

    def sees_others(self, interface: str, seen: bool) -> None:
        """Whether packets between other hosts arrive at the interface."""
        self._sees_others.labels(self._interface(interface)).set(seen)

    def sender(self, interface: str, clock_offset_seconds: float | None, reconnects: int) -> None:
        """How a sender of packets is: its clock compared with ours, and connections that were made anew."""
        if clock_offset_seconds is not None:
            self._clock_offset.labels(self._interface(interface)).set(clock_offset_seconds)
        self._reconnects.labels(self._interface(interface)).set(reconnects)

    def decode_error(self, protocol: str, count: int = 1) -> None:
        """Count packets that could not be decoded."""
        self._decode_errors.labels(self._protocol(protocol)).inc(count)

    def identity_skipped(self, reason: str, count: int) -> None:
        """More identity packets were left out: `limited`, `sampled`, `dns.work` or `dns.unasked`."""
        self._identity_skipped.labels(reason).inc(count)

    def identity_change(self, change: str, count: int) -> None:
        """More hosts were `lost` (no speaker any more), `refused` (too many speakers) or found to be `shared`."""
        self._identity_changes.labels(change).inc(count)

    def suspicious(self, kind: str, count: int) -> None:
        """Count packets that claim what was not on the wire; `kind` is one of `SUSPICIOUS`."""
        self._suspicious.labels(kind).inc(count)

    def last_packet(self, interface: str, time_ns: int) -> None:
        """When the last packet was captured."""
        self._last_packet.labels(self._interface(interface)).set(time_ns / SECOND)

    def flows(self, count: int) -> None:
        """Flows that are being followed now."""
        self._flows.set(count)

    def source_up(self, source: str, up: bool) -> None:
        """Whether a wake source is connected and hears."""
        label = self._source(source)
        self._sources.add(label)
        self._source_up.labels(label).set(up)

    def source_heard(self, source: str, last_ns: int | None, proven: bool) -> None:
        """When a wake source reported its last request, and whether that shows that it hears."""
        label = self._source(source)
        self._sources.add(label)
        self._source_proven.labels(label).set(proven)
        if last_ns:
            self._source_heard.labels(label).set(last_ns / SECOND)

    def source_hearing(self, source: str, missed: float, unheard: float | None, clock_offset: float | None) -> None:
        """How well a wake source hears: shares from 0 to 1, a clock offset in seconds (None: the clock is wrong)."""
        label = self._source(source)
        self._sources.add(label)
        self._source_misses.labels(label).set(missed)
        self._source_clock.labels(label).set(math.nan if clock_offset is None else clock_offset)
        if unheard is not None:
            self._source_unheard.labels(label).set(unheard)

    def config_reload(self, ok: bool) -> None:
        """Whether the configuration could be read the last time."""
        self._reload.set(ok)

    def store_error(self) -> None:
        """The store could not be written."""
        self._store_errors.inc()

    def delivery(self, sink: str, outcome: str, count: int = 1) -> None:
        """What came of an attempt: `delivered`, `retried`, `refused`, `dead`, `dropped`, `gone`."""
        self._deliveries.labels(self._sink(sink), outcome).inc(count)

    def outbox(self, sink: str, waiting: int) -> None:
        """Messages that wait for delivery now."""
        self._waiting.labels(self._sink(sink)).set(waiting)

    # --- out ---

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The body and its content type for what the scraper accepts; OpenMetrics carries upload ids as exemplars."""
        encoder, content_type = choose_encoder(accept)
        return encoder(self.registry), content_type


def _run(record: Record, start: str) -> tuple[Any, ...]:
    return (start, record["src_ip"], record["src_port"], record["dest_ip"], record["dest_port"])
