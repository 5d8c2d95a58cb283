"""Make the records of alerts, their resolutions and the digest."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Literal

from sniffer.model import Level, VerdictKind
from sniffer.model.clock import SECOND, timestamp
from sniffer.records.types import (
    AlertRecord,
    DeviceFields,
    DigestDevice,
    DigestRecord,
    ResolvedRecord,
    UploadRecord,
)


def without_bins(record: UploadRecord) -> UploadRecord:
    """Return the record without its longest part, for messages."""
    return dataclasses.replace(record, upload=dataclasses.replace(record.upload, bins=(), body=None))


def alert_record(
    *,
    kind: Literal["upload", "rollup"],
    where: str,
    rule: str,
    rules: Sequence[str],
    level: Level,
    title: str,
    device: DeviceFields | None,
    uploads: Sequence[str],
    count: int,
    speech_seconds: float,
    time_ns: int,
    first: str,
    last: str,
    verdict: VerdictKind | None,
    confidence: float | None,
    reason: str,
    summary: str,
    text: str,
    triage: Sequence[str],
    record: UploadRecord | None,
) -> AlertRecord:
    """Return an alert about uploads. `where` is the device's key, or `all`; the same cause gives the same id."""
    dedup_key = f"{where}/{rule}"
    revision = record.revision if record is not None else 0
    seed = "\0".join((kind, dedup_key, str(revision), str(count), *uploads))
    return AlertRecord(
        id="alert-" + hashlib.sha256(seed.encode(errors="replace")).hexdigest()[:16],
        timestamp=timestamp(time_ns),
        kind=kind,
        dedup_key=dedup_key,
        level=level,
        rule=rule,
        rules=tuple(rules),
        title=title,
        device=device,
        upload_id=uploads[-1] if uploads else None,
        upload_ids=tuple(uploads),
        count=count,
        speech_seconds=round(speech_seconds, 1),
        first=first,
        last=last,
        verdict=verdict,
        confidence=confidence,
        reason=reason,
        summary=summary,
        text=text,
        triage=tuple(triage),
        record=without_bins(record) if record is not None else None,
    )


def resolved_record(
    alert_id: str,
    time_ns: int,
    record: UploadRecord,
    *,
    dedup_key: str,
    level: Level,
    rule: str,
    rules: Sequence[str],
    device: DeviceFields | None,
    uploads: Sequence[str],
    count: int,
    first: str,
    summary: str,
) -> ResolvedRecord:
    """Return the resolution of an alert by the upload that was explained last."""
    return ResolvedRecord(
        id=alert_id,
        timestamp=timestamp(time_ns),
        dedup_key=dedup_key,
        level=level,
        rule=rule,
        rules=tuple(rules),
        device=device,
        upload_id=uploads[-1] if uploads else None,
        upload_ids=tuple(uploads),
        count=count,
        first=first,
        verdict=record.verdict,
        reason=record.reason,
        wake=record.wake,
        summary=summary,
    )


def digest_record(
    devices: Sequence[DigestDevice], since_ns: int, until_ns: int, *, summary: str, text: str
) -> DigestRecord:
    """Return the digest of a period; `devices` are in the order in which they are shown."""
    return DigestRecord(
        id=f"digest-{since_ns // SECOND}",
        timestamp=timestamp(until_ns),
        since=timestamp(since_ns),
        until=timestamp(until_ns),
        by_device=tuple(devices),
        uploads=sum(device.uploads for device in devices),
        speech_seconds=round(sum(device.speech_seconds for device in devices), 1),
        unexpected=sum(device.unexpected for device in devices),
        summary=summary,
        text=text,
    )


def _health_record(
    identity: str,
    time_ns: int,
    *,
    kind: Literal["health", "test"],
    rule: str,
    dedup_key: str,
    level: Level,
    title: str,
    text: str,
    count: int = 1,
    triage: Sequence[str] = (),
) -> AlertRecord:
    at = timestamp(time_ns)
    return AlertRecord(
        id=identity,
        timestamp=at,
        kind=kind,
        dedup_key=dedup_key,
        level=level,
        rule=rule,
        rules=(rule,),
        title=title,
        device=None,
        upload_id=None,
        upload_ids=(),
        count=count,
        speech_seconds=0.0,
        first=at,
        last=at,
        verdict=None,
        confidence=None,
        reason=rule.replace("-", "_"),
        summary=text,
        text=text,
        triage=tuple(triage),
        record=None,
    )


def dropped_record(target: str, count: int, time_ns: int) -> AlertRecord:
    """Return the alert that states how many messages a receiver will never get."""
    return _health_record(
        f"dropped-{target}-{time_ns}",
        time_ns,
        kind="health",
        rule="outbox-dropped",
        dedup_key=f"outbox/{target}",
        level="high",
        title="Messages were dropped",
        text=f"{count} messages to '{target}' were dropped: it was unreachable for so long that the outbox was full.",
        count=count,
        triage=(
            "Find out why the receiver was down. You still find every upload with `sniffer uploads` and in the "
            "event log.",
        ),
    )


def setup_test_record(time_ns: int) -> AlertRecord:
    """Return the alert of `sniffer setup --test`, which says that it is a test."""
    return _health_record(
        f"setup-{time_ns}",
        time_ns,
        kind="test",
        rule="setup-test",
        dedup_key="setup/test",
        level="informational",
        title="Test notification",
        text="This is a test from sniffer. It works: alerts about your speakers will arrive here.",
    )
