"""Records as the pipeline makes them, with what a test wants to be different."""

import dataclasses
from typing import Any

from sniffer.explain.headline import headline
from sniffer.model import (
    Device,
    Evidence,
    FlowKey,
    Judged,
    Level,
    Record,
    Service,
    Trust,
    Upload,
    UploadClass,
    Verdict,
    VerdictKind,
    WakeMatch,
    address_pair,
    mac_key,
)
from sniffer.model.clock import SECOND
from sniffer.records.build import upload_record
from sniffer.records.types import UploadRecord
from sniffer.sinks.delivery.notice import Notice

START = 1_795_000_000 * SECOND
KITCHEN = Device(
    key=mac_key("68:db:f5:90:19:64"),
    name="kitchen",
    address=address_pair("192.168.1.23"),
    vendor="Amazon",
    model="Echo Dot",
    kind="speaker",
    confidence=0.97,
    microphone=True,
    configured=True,
)
FLOW = FlowKey(address_pair("192.168.1.23"), 40412, address_pair("52.94.233.109"), 443, 6)


def upload(
    verdict: str | None = "unexpected",
    *,
    at: int = 0,
    revision: int = 0,
    device: Device = KITCHEN,
    host: str | None = "avs-alexa-4-na.amazon.com",
    kind: str = "speech",
    seconds: float = 3.4,
    rules: tuple[str, ...] = ("upload-outside-wake",),
    level: Level | None = "high",
    port: int = 40412,
) -> dict[str, Any]:
    """An upload record, as JSON, that begins `at` seconds after START."""
    return upload_value(
        verdict, at=at, revision=revision, device=device, host=host, kind=kind, seconds=seconds, rules=rules,
        level=level, port=port,
    ).to_json()  # fmt: skip


def upload_value(
    verdict: str | None = "unexpected",
    *,
    at: int = 0,
    revision: int = 0,
    device: Device = KITCHEN,
    host: str | None = "avs-alexa-4-na.amazon.com",
    kind: str = "speech",
    seconds: float = 3.4,
    rules: tuple[str, ...] = ("upload-outside-wake",),
    level: Level | None = "high",
    port: int = 40412,
) -> UploadRecord:
    """The same as a value."""
    made = measured(at=at, device=device, host=host, kind=kind, seconds=seconds, port=port)
    seen = verdict == "expected"
    match = WakeMatch(seen, "direct", "ear", Trust.INDEPENDENT, 1.2) if seen else WakeMatch()
    judged = Judged(
        made,
        Verdict(
            VerdictKind(verdict) if verdict else None,
            "wake_event" if seen else "no_wake_event",
            0.97,
            wake=match,
            revision=revision,
            time_ns=made.start_ns + 10 * SECOND,
            listened=("ear",),
        ),
    )
    record = upload_record(judged, device, "br-lan", offline=False)
    matched = verdict == "unexpected"
    return dataclasses.replace(record, rules=rules if matched else (), level=level if matched else None)


def measured(
    *,
    at: int = 0,
    device: Device = KITCHEN,
    host: str | None = "avs-alexa-4-na.amazon.com",
    kind: str = "speech",
    seconds: float = 3.4,
    port: int = 40412,
) -> Upload:
    """The upload itself, before it was judged."""
    flow = FlowKey(FLOW.src, port, FLOW.dst, FLOW.dst_port, FLOW.proto)
    start = START + at * SECOND
    return Upload(
        key=device.key,
        flows=(flow,),
        service=Service(host, "voice", "sni"),
        start_ns=start,
        end_ns=start + round(seconds * SECOND),
        final_ns=start + round((seconds + 1) * SECOND),
        upload_class=UploadClass(kind),
        score=9.5,
        probability=0.999,
        bytes=46_012,
        bytes_toclient=39_121,
        packets=71,
        chunk_bytes=437,
        chunks_per_second=20.0,
        speech_seconds=seconds,
        evidence=(Evidence("chunk_constancy", 0.98, 4.0, "98 % of the packets carry 437 bytes"),),
        bins=(12_000, 2185, 2185),
        body=(1, 3),
    )


def bare_notice(record: Record) -> Notice:
    """A notice of the headline alone, as where no address is configured."""
    return Notice(headline(record, "UTC"))
