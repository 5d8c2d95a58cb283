"""Judge recorded uploads again with wake events that came long after: rows that were imported from a vendor's record.

The recorded uploads, wake events and losses go through a judge of their own, in the order of their times and without
the limit of a day. Of its verdicts only those count that the imported events can change: an upload during which no
listener of one's own listened, and that nothing explained, becomes what the judge makes of the vendor's word. Every
other upload keeps its verdict; where the vendor's word lies beside it, it is shown.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sniffer.app.build import Rulebook
from sniffer.app.config import Config
from sniffer.errors import SnifferError
from sniffer.judge import Judge
from sniffer.judge.reasons import Reason
from sniffer.model import (
    JUDGED_CLASSES,
    PROTO_NAMES,
    Device,
    FlowKey,
    Loss,
    Service,
    Trust,
    Upload,
    Verdict,
    VerdictKind,
    WakeEvent,
    address_pair,
    host_key,
)
from sniffer.model.clock import parse_timestamp
from sniffer.records import build as made
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord
from sniffer.wake.events import parse_event
from sniffer.wake.file_sources import file_sources

_PROTO_NUMBERS = {name: number for number, name in PROTO_NAMES.items()}


def rejudge(
    records: Iterable[Mapping[str, Any]],
    imported: Sequence[WakeEvent],
    config: Config,
    rulebook: Rulebook,
    now_ns: int,
) -> Iterator[UploadRecord]:
    """Yield the next revision of each upload that the imported events change, in the order of time.

    `records` are uploads, losses, wake events and answers, in any order; what cannot be read is passed over. `now_ns`
    is the time at which exceptions to rules hold.
    """
    uploads, losses, events = _read(records)
    devices = {_key(record): _device(record, config) for record in uploads.values()}
    values = {identity: _upload(record) for identity, record in uploads.items()}
    names = {_identity(upload): identity for identity, upload in values.items()}
    specs = {source.name: source for source in [*file_sources([*events, *imported]), *config.wake.specs()]}
    judge = Judge(
        config.judge, list(specs.values()), devices.__getitem__, None, rulebook.testimony, lambda u: names[_identity(u)]
    )
    verdicts: dict[str, Verdict] = {}
    moments: list[tuple[int, int, Any]] = [(value.final_ns, 0, value) for value in values.values()]
    moments += [(loss.end_ns, 1, loss) for loss in losses]
    moments += [(event.received_ns, 2, event) for event in (*events, *imported)]
    for time_ns, _, item in sorted(moments, key=lambda moment: moment[:2]):
        for judged in judge.advance(time_ns):
            verdicts[names[_identity(judged.upload)]] = judged.verdict
        if isinstance(item, Upload):
            judge.upload(item)
        elif isinstance(item, Loss):
            judge.loss(item)
        else:
            judge.wake(item)
    for judged in judge.finish():
        verdicts[names[_identity(judged.upload)]] = judged.verdict
    sources = {event.source for event in imported}
    for identity, record in sorted(uploads.items()):
        changed = _changed(record, verdicts.get(identity), sources)
        if changed is not None:
            matches = rulebook.uploads.evaluate(changed.to_json(), now_ns)
            yield made.with_rules(changed, matches)


def _changed(record: UploadRecord, verdict: Verdict | None, sources: set[str]) -> UploadRecord | None:
    """Return the next revision of a record, or None if the imported events do not concern it."""
    if verdict is None or verdict.wake.source not in sources or verdict.wake.trust is not Trust.SELF_REPORT:
        return None
    said = dataclasses.replace(
        record.wake, source=verdict.wake.source, trust=Trust.SELF_REPORT,
        gap_seconds=made.wake_fields(verdict.wake).gap_seconds,
    )  # fmt: skip
    open_case = record.verdict is VerdictKind.INCONCLUSIVE and not record.listened and not record.wake.seen
    if open_case and verdict.reason == Reason.VENDOR_REPORTS_REQUEST:
        return dataclasses.replace(
            record,
            revision=record.revision + 1,
            wake=dataclasses.replace(said, seen=True, relation=verdict.wake.relation),
            verdict=verdict.kind,
            reason=verdict.reason,
            confidence=round(verdict.confidence, 4),
            decided_by=verdict.decided_by,
        )
    if record.wake.seen or record.wake.source is not None:
        return None
    return dataclasses.replace(record, revision=record.revision + 1, wake=said)


def _read(
    records: Iterable[Mapping[str, Any]],
) -> tuple[dict[str, UploadRecord], list[Loss], list[WakeEvent]]:
    """Return the newest revision of each judged upload, by id; losses; wake events and answers."""
    uploads: dict[str, UploadRecord] = {}
    losses: list[Loss] = []
    events: list[WakeEvent] = []
    for record in records:
        try:
            match record["event_type"]:
                case "upload" if record["upload"]["class"] in _JUDGED:
                    found = from_json(
                        UploadRecord, {**record, "upload": {**record["upload"], "bins": [], "body": None}}
                    )
                    if found.id not in uploads or found.revision >= uploads[found.id].revision:
                        uploads[found.id] = found
                case "loss":
                    start, end = parse_timestamp(record["timestamp"]), parse_timestamp(record["end"])
                    losses.append(Loss(str(record["interface"]), start, end, int(record["packets"])))
                case "wake" | "answer":
                    events.append(parse_event(record))
        except (SnifferError, LookupError, TypeError, ValueError):
            continue
    return uploads, losses, events


_JUDGED = frozenset(map(str, JUDGED_CLASSES))


def _key(record: UploadRecord) -> int:
    return host_key(record.device.mac or record.src_ip)


def _device(record: UploadRecord, config: Config) -> Device:
    key = _key(record)
    configured = next((device for device in config.devices if device.key == key), None)
    return Device(
        key,
        record.device.name,
        vendor=record.device.vendor,
        kind=record.device.kind,
        microphone=record.reason != Reason.DEVICE_NOT_RECOGNISED,
        earshot=configured.earshot if configured is not None else None,
    )


def _upload(record: UploadRecord) -> Upload:
    """Return the part of an upload that the judge uses. It became final soon after its end; the record has no more."""
    flow = FlowKey(
        address_pair(record.src_ip), record.src_port or 0, address_pair(record.dest_ip), record.dest_port or 0,
        _PROTO_NUMBERS.get(record.proto, 0),
    )  # fmt: skip
    measured, end_ns = record.upload, parse_timestamp(record.end)
    return Upload(
        key=_key(record), flows=(flow,), service=Service(), start_ns=parse_timestamp(record.timestamp),
        end_ns=end_ns, final_ns=end_ns, upload_class=measured.upload_class, score=measured.score,
        probability=measured.probability, bytes=measured.bytes, bytes_toclient=measured.bytes_toclient,
        packets=measured.packets, chunk_bytes=measured.chunk_bytes, chunks_per_second=measured.chunks_per_second,
        speech_seconds=measured.speech_seconds, answered=measured.answered,
        one_sided=record.reason == Reason.NOTHING_CAME_BACK,
    )  # fmt: skip


def _identity(upload: Upload) -> tuple[int, int, str]:
    return upload.key, upload.start_ns, str(upload.flows[0])
