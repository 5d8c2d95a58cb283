"""A record in one dated sentence for people. Host names, which come from the network, are not in it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from sniffer.errors import RecordError
from sniffer.explain.sentences import explain
from sniffer.explain.times import local_time, shown, shown_duration, zone_named
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.records.codec import from_json
from sniffer.records.types import UploadRecord

#: What a device is doing, by the kind of a `listening` record.
LIVE = {
    "voice": "is sending what looks like live speech",
    "view": "is sending live pictures: somebody may be watching",
    "call": "is in a call",
}


def headline(record: Mapping[str, Any], time_zone: str | None = None) -> str:
    """Return one line about a record (a JSON object). Without a `time_zone` the machine's own is used."""
    if record.get("summary"):
        return str(record["summary"])
    zone = zone_named(time_zone)
    if record["event_type"] == "upload":
        return _upload(record, zone)
    words = _words(record)
    return f"{words} at {shown(local_time(record['timestamp'], zone))}" if "timestamp" in record else words


def _upload(record: Mapping[str, Any], zone: tzinfo | None) -> str:
    try:
        return explain(from_json(UploadRecord, record), zone).headline
    except RecordError:  # shortened, or of another version: still worth a line
        return f"{_name(record)} sent data ({record.get('verdict') or 'not judged'})"


def _words(record: Mapping[str, Any]) -> str:
    name = _name(record)
    match record["event_type"]:
        case "listening":
            return f"{name} {LIVE[record.get('kind', 'voice')] if record['listening'] else 'stopped sending'}"
        case "drift":
            return f"{name} changed its behaviour: {record['what']} was {record['before']:g} and is {record['after']:g}"
        case "loss" if not record["packets"]:
            unseen = (parse_timestamp(record["end"]) - parse_timestamp(record["timestamp"])) / SECOND
            return f"Nothing was seen on {record['interface']} for {shown_duration(unseen)}"
        case "loss":
            return f"{record['packets']} packets were lost on {record['interface']}"
        case "wake":
            return f"{record['source']} reported {record['kind']} ({name})"
        case "device":
            return f"{name} is on the network"
        case kind:
            return str(kind).capitalize()


def _name(record: Mapping[str, Any]) -> str:
    device = record.get("device")
    name = device.get("name") if isinstance(device, Mapping) else device  # text in logs of versions before 0.2
    return str(name or "every speaker")
