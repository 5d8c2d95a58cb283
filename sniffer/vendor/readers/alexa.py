"""Amazon's voice history as JSON, in both generations, as browsers, export scripts and Home Assistant save it.

`customerHistoryRecords`: `recordKey` is `CUSTOMER#ms#DEVICETYPE#SERIAL`, `timestamp` is in ms UTC, `device.deviceName`,
`utteranceType`, and `voiceHistoryRecordItems` with `utteranceId`, `timestamp`, `recordItemType`, `transcriptText`.
`alexaHistoryRecords`: `activityKey` of the same form, `recordType`, `deviceInfo` (an object, a list of them, or null).
An utterance id `TYPE:1.0/YYYY/MM/DD/HH/SERIAL/MM:SS::TNIH...` holds the start of its stream in UTC, one to two seconds
before the row's own time. Ids that end in `/0` and `/1` are the wake word and the command behind it: one request.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from typing import Any

from sniffer.model.clock import SECOND
from sniffer.vendor.rows import MAX_NAME, MAX_TRANSCRIPT, Meaning, Reading, VendorRow, name
from sniffer.vendor.times import Moment, from_number, from_text

ARRAYS = ("customerHistoryRecords", "alexaHistoryRecords")
#: Clocks: the start of the stream, the time that a row states, and such a time without a zone.
STREAM_CLOCK, STATED_CLOCK, LOCAL_CLOCK = "alexa stream", "alexa row", "alexa row, times without a zone"

#: Parts of one row lie this far apart, in ns, where they are several utterances; and at most, in a conversation.
SEVERAL_NS, MOST_CONVERSATION_NS = 4 * SECOND, 600 * SECOND

#: By the beginning of `utteranceType`.
_MEANINGS: Mapping[str, Meaning] = {
    "DISCARDED_NON_DEVICE_DIRECTED_INTENT": Meaning.NOT_FOR_DEVICE,
    "NO_EXPRESSED_INTENT": Meaning.NO_SPEECH,
    "DEVICE_ARBITRATION": Meaning.OTHER_SPEAKER_ANSWERED,
    "FALSE_WAKE_WORD": Meaning.FALSE_ACTIVATION,
    "WAKE_WORD_ONLY": Meaning.WAKE_WORD_ONLY,
    "ASR_TIMEOUT": Meaning.NO_SPEECH,
    "ROUTINE": Meaning.AUTOMATION,
    "GENERAL": Meaning.REQUEST,
}
_KEYS = frozenset({"recordKey", "activityKey", "voiceHistoryRecordItems", "utteranceType", "utterance_type"})
_TIMES = ("timestamp", "creationTimestamp", "createdTime", "time")
_STREAM_ID = re.compile(r":\d+\.\d+/(\d{4})/(\d\d)/(\d\d)/(\d\d)/([^/]+)/(\d\d):(\d\d)::")
_PART = re.compile(r"/\d+$")


@functools.lru_cache(maxsize=1000)
def meaning_of(utterance_type: str) -> Meaning:
    """Return what the vendor's word for a row means; UNKNOWN for a word that is not known."""
    for beginning, meaning in _MEANINGS.items():
        if utterance_type.startswith(beginning):
            return meaning
    return Meaning.UNKNOWN


def is_row(value: Mapping[str, Any]) -> bool:
    """Return whether an object looks like a row of this history."""
    return not _KEYS.isdisjoint(value)


def read_row(value: Mapping[str, Any], reading: Reading, zone: tzinfo, *, transcripts: bool) -> None:
    """Add what one object says to a reading. Fields that are not known are ignored. Times in text without a zone are
    read in `zone`."""
    key = str(value.get("recordKey") or value.get("activityKey") or "").split("#")
    items = _items(value)
    identity = next((str(item["utteranceId"]) for item in items if item.get("utteranceId")), None)
    stream = _STREAM_ID.search(identity) if identity is not None else None
    start_ns = _start(stream) if stream is not None else None
    if start_ns is not None:
        moment, clock = Moment(start_ns, True), STREAM_CLOCK
    else:
        stated = _stated(value, key, items, zone)
        if stated is None:
            reading.skipped["rows without a time"] += 1
            return
        moment, clock = stated, STATED_CLOCK if stated.zoned else LOCAL_CLOCK
        reading.without_zone += not stated.zoned
    device = _device(value)
    serial = device.get("serialNumber") or device.get("deviceSerialNumber") or value.get("deviceSerialNumber")
    serial = serial or value.get("serial") or (key[3] if len(key) > 3 else None) or (stream[5] if stream else None)
    said = value.get("utteranceType") or value.get("utterance_type") or value.get("recordType") or ""
    reading.add(
        VendorRow(
            moment.time_ns,
            meaning_of(str(said)),
            name(said) or "",
            device=name(device.get("deviceName") or value.get("deviceName")),
            serial=name(serial),
            reference=_hashed(_PART.sub("", identity)) if identity is not None else None,
            clock=clock,
            also_ns=moment.also_ns,
            until_ns=_until(items, moment.time_ns, zone) if len(items) > 1 else None,
            account=name(key[0]) if len(key) > 3 else None,
            transcript=_transcript(value, items) if transcripts else "",
        )
    )


def _stated(
    value: Mapping[str, Any], key: Sequence[str], items: Sequence[Mapping[str, Any]], zone: tzinfo
) -> Moment | None:
    """Return the time that a row states: in a field of its own, in its key, or in an item."""
    given = [value.get(field) for field in _TIMES] + [key[1] if len(key) > 1 else None]
    given += [item.get("timestamp") for item in items]
    return next((moment for text in given if text is not None and (moment := _time(text, zone)) is not None), None)


def _until(items: Sequence[Mapping[str, Any]], start_ns: int, zone: tzinfo) -> int | None:
    """Return when the last thing was said, of a row with several: a conversation. Answers of the device do not
    count."""
    last = start_ns
    for item in items:
        if "RESPONSE" in str(item.get("recordItemType")) or "TTS" in str(item.get("recordItemType")):
            continue
        stream = _STREAM_ID.search(str(item.get("utteranceId")))
        moment = _time(item.get("timestamp"), zone)
        stated = _start(stream) if stream is not None else moment.time_ns if moment is not None else None
        if stated is not None and stated - start_ns <= MOST_CONVERSATION_NS:
            last = max(last, stated)
    return last if last - start_ns >= SEVERAL_NS else None


def _transcript(value: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> str:
    texts = [str(item["transcriptText"]) for item in items if item.get("transcriptText")]
    if not texts and value.get("title"):
        texts = [str(value["title"])]
    return " ".join(texts)[:MAX_TRANSCRIPT]


def merge_parts(reading: Reading) -> None:
    """Make one row of the wake word and the command behind it, which the history lists under one stream."""
    first: dict[tuple[str | None, int], int] = {}
    kept: list[VendorRow] = []
    for row in sorted(reading.rows, key=lambda row: row.time_ns):
        key = (row.serial, row.reference) if row.reference is not None else None
        if key is None or key not in first:
            if key is not None:
                first[key] = len(kept)
            kept.append(row)
            continue
        reading.skipped["rows that continue another row (wake word and command are one request)"] += 1
        other = kept[first[key]]
        if other.meaning in (Meaning.WAKE_WORD_ONLY, Meaning.UNKNOWN):
            kept[first[key]] = replace(other, meaning=row.meaning, said=row.said, device=other.device or row.device)
        if row.transcript:
            both = f"{other.transcript} {row.transcript}".strip()[:MAX_TRANSCRIPT]
            kept[first[key]] = replace(kept[first[key]], transcript=both)
    reading.rows[:] = kept


def _start(found: re.Match[str]) -> int | None:
    """Return the start of the stream in an utterance id, in ns, or None."""
    year, month, day, hour, minute, second = map(int, found.group(1, 2, 3, 4, 6, 7))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND


def _time(value: object, zone: tzinfo) -> Moment | None:
    ns = from_number(value)
    if ns is not None:
        return Moment(ns, True)
    return from_text(value, zone) if isinstance(value, str) else None


def _device(value: Mapping[str, Any]) -> Mapping[str, Any]:
    device = value.get("device") or value.get("deviceInfo")
    if isinstance(device, list):
        device = next(iter(device), None)
    if isinstance(device, str):
        return {"deviceName": device[:MAX_NAME]}
    return device if isinstance(device, Mapping) else {}


def _items(value: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the items of a row: of a field with `item` in its name, or the row itself."""
    found = value.get("voiceHistoryRecordItems")
    if not isinstance(found, list):
        found = next((inner for key, inner in value.items() if isinstance(inner, list) and "item" in key.lower()), [])
    items: list[Mapping[str, Any]] = [item for item in found if isinstance(item, Mapping)]
    return [*items, value] if "utteranceId" in value else items


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest(), "big")
