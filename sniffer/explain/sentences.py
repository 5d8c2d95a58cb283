"""One upload in words that need no knowledge of networks: a headline, three sentences, and what would change it.

A pure function of the record that leaves the program: the webhook, the table and `sniffer explain` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

from sniffer.judge.reasons import MEANING


@dataclass(frozen=True, slots=True)
class Explanation:
    """`headline` is one line; `sentences` say what happened, what it looked like, and whether it was asked for;
    `would_change` says what would have led to another verdict."""

    headline: str
    sentences: tuple[str, str, str]
    would_change: str = ""

    def __str__(self) -> str:
        return "\n".join((self.headline, "", *self.sentences))


def explain(record: Mapping[str, Any], zone: tzinfo = UTC) -> Explanation:
    """An `upload` record in words. `zone` is the time zone that the reader lives in."""
    return Explanation(
        headline=_headline(record, zone),
        sentences=(_what_happened(record, zone), _what_it_looked_like(record), _whether_asked(record)),
        would_change=_would_change(record),
    )


# --- the headline ---------------------------------------------------------------------------------------------------


def _headline(record: Mapping[str, Any], zone: tzinfo) -> str:
    return f"{_amount(record)} left {_device(record)} at {_clock(record, zone)}; {_ending(record)}"


def _amount(record: Mapping[str, Any]) -> str:
    upload = record.get("upload") or {}
    seconds = _duration(float(upload.get("speech_seconds") or 0))
    match upload.get("class"):
        case "speech":
            return f"{seconds} of speech could have"
        case "bulk":
            return f"Data that could hold {seconds} of recorded speech"
        case "media":
            return f"A live stream of {_duration(float(upload.get('duration') or 0))}"
        case kind:
            return {"telemetry": "Usage data", "sync": "Data of its own upkeep"}.get(str(kind), "Some data") + (
                f" ({_size(upload.get('bytes'))})"
            )


def _ending(record: Mapping[str, Any]) -> str:
    wake = record.get("wake") or {}
    match record.get("verdict"):
        case "expected":
            return _expected_words(record, wake)
        case "unexpected":
            return _UNEXPECTED.get(_reason(record), "nobody asked for it")
        case "inconclusive":
            return _INCONCLUSIVE.get(_reason(record), "whether anybody asked cannot be told")
        case _:
            return "it does not look like anything that somebody said"


_UNEXPECTED: Mapping[str, str] = {
    "no_wake_event": "nobody said the wake word",
    "muted": "its microphone was switched off",
    "quiet_hours": "it was quiet hours",
    "away": "nobody was at home",
}

_INCONCLUSIVE: Mapping[str, str] = {
    "no_wake_source": "nothing in this house reports wake words, so nobody can tell whether it was asked for",
    "wake_source_down": "the ear that listens for wake words was not working",
    "source_may_have_missed": "no wake word was heard, but the ear that listens for it misses too many to be sure",
    "capture_loss": "some packets were lost, so it cannot be told whether it was asked for",
    "nothing_came_back": "no answer to these packets was captured: they may be forged, or only one direction was seen",
    "may_not_be_speech": "nobody asked, but this was perhaps no sound at all",
    "device_not_recognised": "nobody asked, but whether this device has a microphone is not certain",
    "no_view_source": "nothing reports who looks at this camera",
    "no_call_source": "nothing reports who began the call",
}


def _reason(record: Mapping[str, Any]) -> str:
    return str(record.get("reason"))


def _meaning(record: Mapping[str, Any], otherwise: str) -> str:
    return next((text for reason, text in MEANING.items() if reason == _reason(record)), otherwise)


def _expected_words(record: Mapping[str, Any], wake: Mapping[str, Any]) -> str:
    if record.get("reason") == "vendor_reports_request":
        return "its maker says that somebody asked"
    match wake.get("relation"):
        case "follow_up":
            return "it belongs to a dialogue that somebody had begun"
        case "arbitration":
            return "several speakers had heard one wake word"
        case "call":
            return "a call was going on"
        case "view":
            return "somebody was looking at its pictures"
        case _:
            return "somebody had said the wake word"


# --- the three sentences ---------------------------------------------------------------------------------------------


def _what_happened(record: Mapping[str, Any], zone: tzinfo) -> str:
    upload = record.get("upload") or {}
    service = record.get("service") or {}
    address = f"{record.get('dest_ip') or 'a server'}, whose name was not seen"
    target = service.get("host") or address
    role = _ROLES.get(str(service.get("role")), "")
    amount = _size(upload.get("bytes"))
    return (
        f"At {_clock(record, zone, seconds=True)} {_device(record)} sent {amount} within "
        f"{_duration(float(upload.get('duration') or 0))} to {target}{role}."
    )


_ROLES: Mapping[str, str] = {
    "voice": ", which takes voice recordings",
    "telemetry": ", which collects usage data",
    "media": ", which serves sound and pictures",
    "update": ", which serves updates",
}

_LOOKS: Mapping[str, str] = {
    "speech": "It left like live sound from a microphone",
    "bulk": "It left all at once, not like live sound, but it is large enough to hold a recording",
    "media": "It went on like a call or a camera's picture",
    "telemetry": "It left as usage data does, not like live sound",
    "sync": "It left as a device's own upkeep does, not like live sound",
    "other": "It does not look like live sound",
}


def _what_it_looked_like(record: Mapping[str, Any]) -> str:
    upload = record.get("upload") or {}
    kind = str(upload.get("class"))
    speech = kind == "speech"
    reasons = [
        str(item.get("text"))
        for item in record.get("evidence") or ()
        if (float(item.get("weight") or 0) > 0) == speech and item.get("text")
    ]
    likely = f" ({_percent(upload.get('probability'))} sure)" if speech and upload.get("probability") else ""
    looks = _LOOKS.get(kind, "What it was is not known") + likely
    if kind == "bulk" and not upload.get("packets"):  # added up over minutes
        looks = "It left little by little and nothing stood out, but together it is large enough to hold a recording"
    if kind == "media":  # the evidence is about speech; what makes a stream is how long and how much
        sent, back = (_size(upload.get(name)) for name in ("bytes", "bytes_toclient"))
        return f"{looks}: {sent} left and {back} came back in {_duration(float(upload.get('duration') or 0))}."
    if not reasons:
        return looks + "."
    return f"{looks}: {'; and '.join(reason[:1].lower() + reason[1:] for reason in reasons[:2])}."


def _whether_asked(record: Mapping[str, Any]) -> str:
    wake = record.get("wake") or {}
    confidence = record.get("confidence")
    sure = f" ({_percent(confidence)} sure)" if confidence else ""
    match record.get("verdict"):
        case "expected":
            source = f", says {wake['source']}" if wake.get("source") else ""
            gap = wake.get("gap_seconds")
            when = f", {_duration(abs(gap))} {'before' if gap >= 0 else 'after'} it began" if gap is not None else ""
            return f"It was asked for: {_expected_words(record, wake)}{when}{source}{sure}."
        case "unexpected":
            listened = [str(source) for source in record.get("listened") or ()]
            who = f"; {_joined(listened)} would have noticed" if listened else ""
            words = _UNEXPECTED.get(_reason(record), _meaning(record, "no request is known"))
            return f"Nobody asked for it: {words}{who}{sure}."
        case "inconclusive":
            words = _INCONCLUSIVE.get(_reason(record), _meaning(record, "the evidence does not suffice"))
            if words.startswith("nobody asked, but "):
                return f"Nobody asked for it, and still nobody is accused: {words.partition(', but ')[2]}."
            return f"Whether somebody asked for it cannot be told: {words.partition(', so ')[0]}."
        case _:
            return "So it is listed, and nobody is accused."


def _would_change(record: Mapping[str, Any]) -> str:
    match record.get("verdict"), _reason(record):
        case "unexpected", "no_wake_event":
            return "A wake event for this device within the seconds before it would have made it expected."
        case "unexpected", _:
            return "Without that rule it would have been judged by wake events alone."
        case "inconclusive", "no_wake_source":
            return "A wake source would have told: `sniffer doctor` says how to add one."
        case "inconclusive", "wake_source_down":
            return "It would have been judged if the wake source had been up."
        case "inconclusive", "source_may_have_missed":
            return "A second wake source, or one that misses less, would make the same upload unexpected."
        case "inconclusive", "capture_loss":
            return "It would have been judged if no packets had been lost: `sniffer doctor` says what to do about it."
        case "inconclusive", "no_view_source":
            return "Events of kind `view_start` and `view_end` would tell who looked."
        case "inconclusive", "no_call_source":
            return "Events of kind `call_start` and `call_end` would tell who began it."
        case "inconclusive", "no_independent_source":
            return "An ear of your own that heard nothing would have made it unexpected."
        case "inconclusive", "wake_source_deaf":
            return "It would have been judged if the wake source had heard anything that day: is it in earshot?"
        case "inconclusive", "wake_event_off_time":
            return "It would be expected if the event's time were right: are the clocks the same?"
        case "inconclusive", "wake_event_elsewhere":
            return "A wake event that names this device would have made it expected."
        case "inconclusive", "nothing_came_back":
            return "A capture that sees both directions of the connection would have told."
        case "inconclusive", "may_not_be_speech":
            return "Had it been more like speech, it would be unexpected."
        case "inconclusive", "device_not_recognised":
            return "Name the device in the configuration, and it is judged whatever it looks like."
        case "expected", "vendor_reports_request":
            return "An ear of your own that heard nothing would have made it unexpected."
        case "expected", _:
            return "Without that event nothing would have explained it."
        case None, _ if record.get("upload"):
            return (
                "Only what could hold speech is judged: what keeps a steady pace, or is large enough for a recording."
            )
        case _:
            return ""


# --- words for numbers -----------------------------------------------------------------------------------------------


def _device(record: Mapping[str, Any]) -> str:
    device = record.get("device") or {}
    name = device.get("name") or device.get("mac") or device.get("ip") or "a device"
    named = f"the {name}" if device.get("name") else str(name)
    model, vendor = device.get("model"), device.get("vendor")
    if model and str(model).lower() not in str(name).lower():
        return f"{named} {model}"
    if vendor and not model and str(vendor).lower() not in str(name).lower():
        return f"{named} ({str(vendor).rstrip('.')})"
    return named


def _clock(record: Mapping[str, Any], zone: tzinfo, *, seconds: bool = False) -> str:
    text = str(record.get("timestamp") or "")
    try:
        moment = datetime.fromisoformat(text).astimezone(zone)
    except ValueError:
        return text or "an unknown time"
    shown = f"{moment:%H:%M:%S}" if seconds else f"{moment:%H:%M}"
    return f"{shown} UTC" if zone is UTC else shown


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"


def _size(amount: Any) -> str:
    number = float(amount or 0)
    if number < 1_000:
        return f"{number:.0f} bytes"
    return f"{number / 1_000:.0f} kB" if number < 1_000_000 else f"{number / 1_000_000:.1f} MB"


def _percent(share: Any) -> str:
    number = float(share or 0)
    return "over 99 %" if number > 0.99 else f"{number:.0%}".replace("%", " %")


def _joined(parts: list[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1]
