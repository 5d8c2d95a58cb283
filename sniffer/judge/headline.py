"""A record in one sentence, for people. Host names, which strangers choose, are not in it."""

from __future__ import annotations

from sniffer.judge.reasons import MEANING, Reason
from sniffer.model import Record

_WHAT = {"speech": "what could be speech", "bulk": "what could be stored sound", "media": "a stream"}


def headline(record: Record) -> str:
    """One sentence without a line break."""
    made = record.get("summary")
    if made:
        return str(made)
    kind = str(record["event_type"])
    device = record.get("device")
    name = device["name"] if isinstance(device, dict) else device or "every speaker"
    if kind == "upload":
        return upload_headline(record)
    if kind == "listening":
        return f"{name} {'is sending what looks like live speech' if record['listening'] else 'has stopped sending'}"
    if kind == "drift":
        return f"{name} has changed its habits: {record['what']} was {record['before']:g} and is {record['after']:g}"
    if kind == "loss":
        return f"{record['packets']} packets were lost on {record['interface']}"
    if kind == "wake":
        return f"{record['source']}: {record['kind']} ({name})"
    if kind == "device":
        return f"{name} is on the network"
    return kind


def upload_headline(record: Record) -> str:
    """Who sent how much of what, and whether anybody asked."""
    upload, name = record["upload"], record["device"]["name"]
    what = _WHAT.get(upload["class"])
    if what is None or record["verdict"] is None:
        return f"{name} sent {upload['bytes']} bytes of what it sends by itself ({upload['class']})"
    length = f"{upload['speech_seconds']:.1f} s" if upload["class"] != "media" else f"{upload['duration']:.0f} s"
    sent = f"{name} sent {length} of {what}"
    if record["verdict"] == "expected":
        return f"{sent}, and somebody had asked"
    if record["verdict"] == "unexpected":
        return f"{sent}, and nobody had asked: {meaning(record['reason'])} ({percent(record['confidence'])} sure)"
    return f"{sent}, and nobody can tell whether it was asked to: {meaning(record['reason'])}"


def meaning(reason: str) -> str:
    """What a verdict's reason means."""
    try:
        return MEANING[Reason(reason)]
    except ValueError:
        return reason.replace("_", " ")


def percent(share: float) -> str:
    """Never 100 %: nothing is that sure."""
    return f"{min(99, round(100 * share))} %" if share < 0.995 else "over 99 %"
