"""The records that leave the program, in Suricata's EVE spelling: docs/events.md says what each field means.

Everything that is written, sent or shown to people is one of these, made here and nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import struct
from datetime import UTC, datetime
from typing import Any

from sniffer.model import (
    PROTO_NAMES,
    Device,
    Drift,
    FlowKey,
    Judged,
    Listening,
    Loss,
    Service,
    Upload,
    WakeEvent,
    address_text,
    key_text,
    mac_text,
)
from sniffer.model.clock import timestamp as timestamp


def upload_id(upload: Upload, capture: str | None) -> str:
    """Start time and a hash of the device, the first flow and (offline) the capture: the same inputs, the same id."""
    seconds, rest = divmod(upload.start_ns, 1_000_000_000)
    seed = "\0".join((key_text(upload.key), str(upload.flows[0]), str(upload.start_ns), capture or ""))
    digest = hashlib.sha256(seed.encode()).hexdigest()[:8]
    return f"{datetime.fromtimestamp(seconds, UTC):%Y%m%dT%H%M%S}.{rest // 1_000_000:03d}-{digest}"


def community_id(flow: FlowKey) -> str:
    """Community ID v1 of a TCP or UDP flow, seed 0 (https://github.com/corelight/community-id-spec)."""
    ends = sorted(
        (ipaddress.ip_address(address_text(*address)).packed, port)
        for address, port in ((flow.src, flow.src_port), (flow.dst, flow.dst_port))
    )
    packed = (
        struct.pack("!H", 0) + ends[0][0] + ends[1][0] + struct.pack("!BBHH", flow.proto, 0, ends[0][1], ends[1][1])
    )
    return "1:" + base64.b64encode(hashlib.sha1(packed, usedforsecurity=False).digest()).decode()


def device_fields(device: Device) -> dict[str, Any]:
    """The `device` object of a record."""
    return {
        "mac": mac_text(device.key),
        "ip": address_text(*device.address) if device.address else None,
        "name": device.name,
        "vendor": device.vendor,
        "model": device.model,
        "kind": device.kind,
        "confidence": round(device.confidence, 3),
    }


def service_fields(service: Service) -> dict[str, Any]:
    """The `service` object of a record."""
    return {"host": service.host, "role": service.role, "source": service.source}


def flow_fields(flow: FlowKey) -> dict[str, Any]:
    """The tuple at the top of a record."""
    return {
        "src_ip": address_text(*flow.src),
        "src_port": flow.src_port,
        "dest_ip": address_text(*flow.dst),
        "dest_port": flow.dst_port,
        "proto": PROTO_NAMES.get(flow.proto, str(flow.proto)),
        "community_id": community_id(flow),
    }


def upload_record(judged: Judged, device: Device, capture: str, *, offline: bool) -> dict[str, Any]:
    """One upload and its verdict. `sniffer.judge` fills in `history`, and its rules `level` and `rules`."""
    upload, verdict = judged.upload, judged.verdict
    wake = verdict.wake
    return {
        "event_type": "upload",
        "id": upload_id(upload, capture if offline else None),
        "revision": verdict.revision,
        "capture": capture,
        "timestamp": timestamp(upload.start_ns),
        "end": timestamp(upload.end_ns),
        "device": device_fields(device) | ({} if device.address else {"ip": address_text(*upload.flows[0].src)}),
        **flow_fields(upload.flows[0]),
        "service": service_fields(upload.service),
        "upload": {
            "class": str(upload.upload_class),
            "score": round(upload.score, 2),
            "probability": round(upload.probability, 4),
            "bytes": upload.bytes,
            "bytes_toclient": upload.bytes_toclient,
            "packets": upload.packets,
            "duration": round(upload.duration, 3),
            "bytes_per_second": round(upload.bytes / upload.duration, 1) if upload.duration > 0 else None,
            "chunk_bytes": upload.chunk_bytes,
            "chunks_per_second": None if upload.chunks_per_second is None else round(upload.chunks_per_second, 1),
            "speech_seconds": round(upload.speech_seconds, 1),
            "answered": upload.answered,
            "bins": list(upload.bins),
            "body": list(upload.body) if upload.body else None,
        },
        "evidence": [
            {"name": e.name, "value": round(e.value, 4), "weight": round(e.weight, 2), "text": e.text}
            for e in upload.evidence
        ],
        "flows": [str(flow) for flow in upload.flows],
        "wake": {
            "seen": wake.seen,
            "relation": wake.relation,
            "source": wake.source,
            "trust": str(wake.trust) if wake.trust else None,
            "gap_seconds": None if wake.gap_seconds is None else round(wake.gap_seconds, 3),
        },
        "verdict": str(verdict.kind) if verdict.kind else None,
        "confidence": round(verdict.confidence, 4),
        "reason": verdict.reason,
        "listened": list(verdict.listened),
        "history": {"speech_uploads": None, "destination_uploads": None, "unexpected_in_24h": None},
        "level": None,
        "rules": [],
    }


def listening_record(listening: Listening, device: Device, capture: str) -> dict[str, Any]:
    """A run that looks like live audio and still lasts (or, with `listening` false, has ended)."""
    return {
        "event_type": "listening",
        "capture": capture,
        "timestamp": timestamp(listening.time_ns),
        "start": timestamp(listening.start_ns),
        "listening": not listening.ended,
        "device": device_fields(device),
        **flow_fields(listening.flow),
        "service": service_fields(listening.service),
        "score": round(listening.score, 2),
    }


def device_record(device: Device, capture: str, time_ns: int) -> dict[str, Any]:
    """A device was recognised, or what is known of it changed."""
    return {
        "event_type": "device",
        "capture": capture,
        "timestamp": timestamp(time_ns),
        "device": device_fields(device),
        "host": key_text(device.key),
        "microphone": device.microphone,
        "configured": device.configured,
        "rules": list(device.rules),
        "reasons": list(device.reasons),
    }


def wake_record(event: WakeEvent) -> dict[str, Any]:
    """A wake event, as it can be read back with `--wake`."""
    return {
        "event_type": "wake",
        "timestamp": timestamp(event.time_ns),
        "received": timestamp(event.received_ns or event.time_ns),
        "device": event.device,
        "source": event.source,
        "kind": str(event.kind),
        "trust": str(event.trust),
        "vendor": event.vendor,
        "miss_rate": event.miss_rate,
    }


def loss_record(loss: Loss) -> dict[str, Any]:
    """Packets were lost."""
    return {
        "event_type": "loss",
        "timestamp": timestamp(loss.start_ns),
        "end": timestamp(loss.end_ns),
        "interface": loss.interface,
        "packets": loss.packets,
    }


def drift_record(drift: Drift, device: Device, capture: str) -> dict[str, Any]:
    """A device's habits have moved away from what was learned."""
    return {
        "event_type": "drift",
        "capture": capture,
        "timestamp": timestamp(drift.time_ns),
        "device": device_fields(device),
        "what": drift.what,
        "before": drift.before,
        "after": drift.after,
    }


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
) -> dict[str, Any]:
    """How the daemon is doing."""
    return {
        "event_type": "stats",
        "capture": capture,
        "timestamp": timestamp(time_ns),
        "uptime_seconds": round(uptime_seconds, 1),
        "packets": packets,
        "dropped": dropped,
        "decode_errors": decode_errors,
        "flows": flows,
        "devices": devices,
        "watched": watched,
        "uploads": uploads,
    }
