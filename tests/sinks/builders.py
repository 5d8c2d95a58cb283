"""Records as the pipeline makes them, with what a test wants to be different."""

from typing import Any

from sniffer.model import (
    Device,
    Evidence,
    FlowKey,
    Judged,
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
    level: str | None = "high",
    port: int = 40412,
) -> dict[str, Any]:
    """An upload record that begins `at` seconds after START."""
    flow = FlowKey(FLOW.src, port, FLOW.dst, FLOW.dst_port, FLOW.proto)
    start = START + at * SECOND
    measured = Upload(
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
    seen = verdict == "expected"
    match = WakeMatch(seen, "direct", "ear", Trust.INDEPENDENT, 1.2) if seen else WakeMatch()
    judged = Judged(
        measured,
        Verdict(
            VerdictKind(verdict) if verdict else None,
            "wake_event" if seen else "no_wake_event",
            0.97,
            wake=match,
            revision=revision,
            time_ns=start + 10 * SECOND,
            listened=("ear",),
        ),
    )
    record = upload_record(judged, device, "br-lan", offline=False)
    matched = verdict == "unexpected"
    return record | {"rules": list(rules) if matched else [], "level": level if matched else None}
