"""Make the records of `sniffer.records.types` from the values of the stages.

Records are made here and in `sniffer.records.alerts`, and nowhere else.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import ipaddress
import struct
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from sniffer.model import (
    PROTO_NAMES,
    Device,
    Drift,
    FlowKey,
    Judged,
    Level,
    Listening,
    Loss,
    Service,
    Testimony,
    Upload,
    WakeEvent,
    WakeMatch,
    address_text,
    key_text,
    mac_key,
    mac_text,
)
from sniffer.model.clock import SECOND, timestamp
from sniffer.records.types import (
    AnswerRecord,
    DeviceFields,
    DeviceRecord,
    DriftRecord,
    EvidenceFields,
    HeardFields,
    HistoryFields,
    ListeningRecord,
    LossRecord,
    MeasuredFields,
    QuestionRecord,
    ServiceFields,
    StatsRecord,
    TestimonyFields,
    UploadRecord,
    WakeFields,
    WakeRecord,
)

#: The history of an upload that no history was kept for.
UNKNOWN_HISTORY = HistoryFields(speech_uploads=None, destination_uploads=None, unexpected_in_24h=None)


# --- parts ------------------------------------------------------------------------------------------------------------

#: A question can be answered for this long.
QUESTION_VALID_NS = 24 * 3600 * SECOND


def upload_id(upload: Upload, capture: str | None) -> str:
    """Return the start time and a hash of the device, the first flow and (offline) the capture.

    The same inputs give the same id.
    """
    seconds, rest = divmod(upload.start_ns, SECOND)
    seed = "\0".join((key_text(upload.key), str(upload.flows[0]), str(upload.start_ns), capture or ""))
    digest = hashlib.sha256(seed.encode()).hexdigest()[:8]
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{rest // 1_000_000:03d}-{digest}"


def community_id(flow: FlowKey) -> str:
    """Return the Community ID v1 of a TCP or UDP flow, seed 0 (https://github.com/corelight/community-id-spec)."""
    ends = sorted(
        (ipaddress.ip_address(address_text(*address)).packed, port)
        for address, port in ((flow.src, flow.src_port), (flow.dst, flow.dst_port))
    )
    packed = (
        struct.pack("!H", 0) + ends[0][0] + ends[1][0] + struct.pack("!BBHH", flow.proto, 0, ends[0][1], ends[1][1])
    )
    return "1:" + base64.b64encode(hashlib.sha1(packed, usedforsecurity=False).digest()).decode()


def device_fields(device: Device) -> DeviceFields:
    """Return the `device` object of a record."""
    return DeviceFields(
        mac=mac_text(device.key),
        ip=address_text(*device.address) if device.address else None,
        name=device.name,
        vendor=device.vendor,
        model=device.model,
        kind=device.kind,
        confidence=round(device.confidence, 3),
    )


def named_device(name: str) -> DeviceFields:
    """Return the `device` object for a name or MAC address, where nothing else is known."""
    try:
        mac = mac_text(mac_key(name))
    except ValueError:
        mac = None
    return DeviceFields(mac=mac, ip=None, name=name, vendor=None, model=None, kind="unknown", confidence=0.0)


def device_key(device: DeviceFields) -> str:
    """Return the identity of a device, whatever its name: its MAC address, else its IP address."""
    return device.mac or device.ip or device.name


def service_fields(service: Service) -> ServiceFields:
    """Return the `service` object of a record."""
    return ServiceFields(host=service.host, role=service.role, source=service.source)


def testimony_fields(testimony: Testimony) -> TestimonyFields:
    """Return what a listener heard, as it can be read back."""
    return TestimonyFields(
        from_time=timestamp(testimony.from_ns),
        to=timestamp(testimony.to_ns),
        scores={word: round(score, 4) for word, score in testimony.scores},
        voice=round(testimony.voice, 3),
        level_db=round(testimony.level_db, 1),
        noise_db=round(testimony.noise_db, 1),
        seconds=round(testimony.seconds, 2),
    )


def wake_fields(wake: WakeMatch) -> WakeFields:
    """Return the `wake` object of a record."""
    return WakeFields(
        seen=wake.seen,
        relation=wake.relation,
        source=wake.source,
        trust=wake.trust,
        gap_seconds=None if wake.gap_seconds is None else round(wake.gap_seconds, 3),
        testimony=tuple(
            HeardFields(source=heard.source, weight=round(heard.log_odds, 2), heard=testimony_fields(heard.testimony))
            for heard in wake.testimony
        ),
        answer=wake.answer,
    )


def flow_fields(flow: FlowKey) -> dict[str, Any]:
    """Return the fields at the top of a record that name a connection."""
    return {
        "src_ip": address_text(*flow.src),
        "src_port": flow.src_port,
        "dest_ip": address_text(*flow.dst),
        "dest_port": flow.dst_port,
        "proto": PROTO_NAMES.get(flow.proto, str(flow.proto)),
        "community_id": community_id(flow),
    }


def _measured(upload: Upload) -> MeasuredFields:
    return MeasuredFields(
        upload_class=upload.upload_class,
        score=round(upload.score, 2),
        probability=round(upload.probability, 4),
        bytes=upload.bytes,
        bytes_toclient=upload.bytes_toclient,
        packets=upload.packets,
        duration=round(upload.duration, 3),
        bytes_per_second=round(upload.bytes / upload.duration, 1) if upload.duration > 0 else None,
        chunk_bytes=upload.chunk_bytes,
        chunks_per_second=None if upload.chunks_per_second is None else round(upload.chunks_per_second, 1),
        speech_seconds=round(upload.speech_seconds, 1),
        answered=upload.answered,
        bins=tuple(upload.bins),
        body=upload.body or None,
    )


# --- records ----------------------------------------------------------------------------------------------------------


def upload_record(
    judged: Judged, device: Device, capture: str, *, offline: bool, history: HistoryFields = UNKNOWN_HISTORY
) -> UploadRecord:
    """Return the record of an upload and its verdict, without rules: `with_rules` adds those that match."""
    upload, verdict = judged.upload, judged.verdict
    about = device_fields(device)
    if about.ip is None:
        about = dataclasses.replace(about, ip=address_text(*upload.flows[0].src))
    return UploadRecord(
        id=upload_id(upload, capture if offline else None),
        revision=verdict.revision,
        capture=capture,
        timestamp=timestamp(upload.start_ns),
        end=timestamp(upload.end_ns),
        device=about,
        **flow_fields(upload.flows[0]),
        service=service_fields(upload.service),
        upload=_measured(upload),
        evidence=tuple(
            EvidenceFields(name=e.name, value=round(e.value, 4), weight=round(e.weight, 2), text=e.text)
            for e in upload.evidence
        ),
        flows=tuple(str(flow) for flow in upload.flows),
        wake=wake_fields(verdict.wake),
        verdict=verdict.kind,
        confidence=round(verdict.confidence, 4),
        reason=verdict.reason,
        decided_by=verdict.decided_by or None,
        listened=tuple(verdict.listened),
        history=history,
        level=None,
        rules=(),
    )


class Match(Protocol):
    """A rule that matches."""

    @property
    def id(self) -> str: ...
    @property
    def level(self) -> Level: ...


def with_rules(record: UploadRecord, matches: Sequence[Match]) -> UploadRecord:
    """Return the record with the rules that match it, the gravest first, and their highest level."""
    level = matches[0].level if matches else None
    return dataclasses.replace(record, rules=tuple(match.id for match in matches), level=level)


def listening_record(listening: Listening, device: Device, capture: str) -> ListeningRecord:
    """Return the record of a stretch that looks like live audio and lasts (or, where `ended`, is over)."""
    return ListeningRecord(
        capture=capture,
        timestamp=timestamp(listening.time_ns),
        start=timestamp(listening.start_ns),
        listening=not listening.ended,
        kind=listening.kind,
        device=device_fields(device),
        **flow_fields(listening.flow),
        service=service_fields(listening.service),
        score=round(listening.score, 2),
    )


def device_record(device: Device, capture: str, time_ns: int) -> DeviceRecord:
    """Return the record of a device that was recognised, or of which more is known."""
    return DeviceRecord(
        capture=capture,
        timestamp=timestamp(time_ns),
        device=device_fields(device),
        host=key_text(device.key),
        microphone=device.microphone,
        configured=device.configured,
        rules=tuple(device.rules),
        reasons=tuple(device.reasons),
    )


def device_listing(device: Device, capture: str, time_ns: int, traffic: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the `device` record as `sniffer devices` prints it: with its facts and the amount of its traffic."""
    facts = [{"kind": fact.kind, "value": fact.value} for fact in device.facts]
    return {**device_record(device, capture, time_ns).to_json(), "facts": facts, "traffic": traffic}


def wake_record(event: WakeEvent) -> WakeRecord:
    """Return the record of a wake event, as `--wake` reads it back."""
    return WakeRecord(
        timestamp=timestamp(event.time_ns),
        received=timestamp(event.received_ns or event.time_ns),
        device=None if event.device is None else named_device(event.device),
        source=event.source,
        kind=event.kind,
        trust=event.trust,
        vendor=event.vendor,
        miss_rate=event.miss_rate,
        testimony=testimony_fields(event.testimony) if event.testimony else None,
    )


def answer_record(event: WakeEvent) -> AnswerRecord:
    """Return the record of a person's answer about an upload, as `--wake` reads it back."""
    assert event.upload is not None
    assert event.answer is not None
    return AnswerRecord(
        timestamp=timestamp(event.time_ns),
        received=timestamp(event.received_ns or event.time_ns),
        source=event.source,
        upload_id=event.upload,
        answer=event.answer,
    )


def question_record(record: UploadRecord, time_ns: int, unasked: float, text: str) -> QuestionRecord:
    """Return the question to a person about an upload. `unasked` is the probability that nobody asked for it."""
    return QuestionRecord(
        id=f"question-{record.id}",
        timestamp=timestamp(time_ns),
        expires=timestamp(time_ns + QUESTION_VALID_NS),
        capture=record.capture,
        device=record.device,
        upload_id=record.id,
        level="low",
        unasked=round(unasked, 4),
        first=record.timestamp,
        speech_seconds=record.upload.speech_seconds,
        summary=text,
        text=text,
    )


def loss_record(loss: Loss) -> LossRecord:
    """Return the record of lost packets."""
    return LossRecord(
        timestamp=timestamp(loss.start_ns),
        end=timestamp(loss.end_ns),
        interface=loss.interface,
        packets=loss.packets,
    )


def drift_record(drift: Drift, device: Device, capture: str) -> DriftRecord:
    """Return the record of a device whose behaviour has moved away from what was learned."""
    return DriftRecord(
        capture=capture,
        timestamp=timestamp(drift.time_ns),
        device=device_fields(device),
        what=drift.what,
        before=drift.before,
        after=drift.after,
    )


def stats_record(
    capture: str,
    time_ns: int,
    *,
    uptime_seconds: float,
    packets: int,
    dropped: int,
    decode_errors: int,
    flows: int,
    devices: int,
    watched: int,
    uploads: int,
) -> StatsRecord:
    """Return the record of the daemon's state."""
    return StatsRecord(
        capture=capture,
        timestamp=timestamp(time_ns),
        uptime_seconds=round(uptime_seconds, 1),
        packets=packets,
        dropped=dropped,
        decode_errors=decode_errors,
        open_flows=flows,
        devices=devices,
        watched=watched,
        uploads=uploads,
    )
