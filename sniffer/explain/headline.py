"""A record in one sentence, for people, at the reader's time. Host names, which strangers choose, are not in it."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Mapping
from typing import Any

from sniffer.explain.sentences import Explanation, explain
from sniffer.model.clock import SECOND, parse_timestamp


def headline(record: Mapping[str, Any], time_zone: str | None = None) -> str:
    """One sentence without a line break. Without a `time_zone` the machine's is used."""
    if record.get("summary"):
        return str(record["summary"])
    kind = str(record["event_type"])
    device = record.get("device")
    name = device["name"] if isinstance(device, Mapping) else device or "every speaker"
    match kind:
        case "upload":
            return explained(record, time_zone).headline
        case "listening":
            return (
                f"{name} {'is sending what looks like live speech' if record['listening'] else 'has stopped sending'}"
            )
        case "drift":
            return (
                f"{name} has changed its habits: {record['what']} was {record['before']:g} and is {record['after']:g}"
            )
        case "loss":
            if not record["packets"]:
                unseen = (parse_timestamp(record["end"]) - parse_timestamp(record["timestamp"])) / SECOND
                return f"nothing was seen on {record['interface']} for {unseen:.0f} s"
            return f"{record['packets']} packets were lost on {record['interface']}"
        case "wake":
            return f"{record['source']}: {record['kind']} ({name})"
        case "device":
            return f"{name} is on the network"
        case _:
            return kind


def explained(upload: Mapping[str, Any], time_zone: str | None = None) -> Explanation:
    """An upload in words, with the time that the clock on the wall showed."""
    seconds = parse_timestamp(upload["timestamp"]) // SECOND
    zone = zoneinfo.ZoneInfo(time_zone) if time_zone else None
    local = datetime.datetime.fromtimestamp(seconds, datetime.UTC).astimezone(zone)
    return explain(upload, local.tzinfo or datetime.UTC)
