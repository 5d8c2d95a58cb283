"""One upload in words that need no knowledge of networks: a headline, three sentences, and what to do.

A pure function of the record: notifications, the table and `sniffer explain` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from sniffer.explain.times import local_time, shown, shown_duration, shown_share, shown_size
from sniffer.explain.words import words_of
from sniffer.model import UploadClass, VerdictKind
from sniffer.records.types import DeviceFields, TestimonyFields, UploadRecord


@dataclass(frozen=True, slots=True)
class Explanation:
    """An upload in words.

    `headline` is one line; `why` its last part, the reason; `sentences` say what happened, what it looked like, and
    whether it was asked for; `advice` says what the reader can do.
    """

    headline: str
    why: str
    sentences: tuple[str, str, str]
    advice: str

    def __str__(self) -> str:
        return "\n".join((self.headline, "", *self.sentences))


def explain(record: UploadRecord, zone: tzinfo | None = UTC) -> Explanation:
    """Return an upload in words, with times in the reader's `zone` (None: the machine's own)."""
    words = words_of(record.reason, record.verdict)
    moment = local_time(record.timestamp, zone)
    return Explanation(
        headline=f"{_device(record.device)} {_amount(record)} at {shown(moment)}; {words.headline}",
        why=words.headline,
        sentences=(
            _what_happened(record, shown(moment, seconds=True)),
            _what_it_looked_like(record),
            words.sentence + _known_from(record) + "." + _heard(record),
        ),
        advice=words.advice,
    )


# --- what was sent ---------------------------------------------------------------------------------------------------


def _amount(record: UploadRecord) -> str:
    upload = record.upload
    match upload.upload_class:
        case UploadClass.SPEECH:
            return f"sent {shown_duration(upload.speech_seconds)} of possible speech"
        case UploadClass.BULK:
            return f"sent data that could hold {shown_duration(upload.speech_seconds)} of recorded speech"
        case UploadClass.MEDIA:
            return f"streamed for {shown_duration(upload.duration)}"
        case UploadClass.TELEMETRY:
            return f"sent usage data ({shown_size(upload.bytes)})"
        case UploadClass.SYNC:
            return f"sent housekeeping data ({shown_size(upload.bytes)})"
        case UploadClass.OTHER:
            return f"sent data ({shown_size(upload.bytes)})"


_ROLES: Mapping[str, str] = {
    "voice": ", which receives voice recordings",
    "telemetry": ", which collects usage data",
    "media": ", which serves sound and pictures",
    "update": ", which serves updates",
}


def _what_happened(record: UploadRecord, time: str) -> str:
    target = record.service.host or f"{record.dest_ip} (name unknown)"
    return (
        f"At {time} {_device(record.device)} sent {shown_size(record.upload.bytes)} in "
        f"{shown_duration(record.upload.duration)} to {target}{_ROLES.get(record.service.role, '')}."
    )


def _device(device: DeviceFields) -> str:
    """Return the name, and the model or the maker where the name does not hold it."""
    name = device.name or device.mac or device.ip or "A device"
    if device.model and device.model.lower() not in name.lower():
        return f"{name} ({device.model})"
    if device.vendor and not device.model and device.vendor.lower() not in name.lower():
        return f"{name} ({device.vendor.rstrip('.')})"
    return name


# --- what it looked like ---------------------------------------------------------------------------------------------

_LOOKS: Mapping[UploadClass, str] = {
    UploadClass.SPEECH: "Its timing looks like a live microphone",
    UploadClass.BULK: "It was sent all at once, unlike live speech, but it is large enough to hold a recording",
    UploadClass.MEDIA: "It lasted like a call or a camera picture",
    UploadClass.TELEMETRY: "Its timing looks like usage data, not like a live microphone",
    UploadClass.SYNC: "Its timing looks like the device's own housekeeping, not like a live microphone",
    UploadClass.OTHER: "Its timing does not look like a live microphone",
}
_ADDED_UP = "It was sent in small pieces, none of which stood out, but together they could hold a recording"


def _what_it_looked_like(record: UploadRecord) -> str:
    upload = record.upload
    speech = upload.upload_class is UploadClass.SPEECH
    if upload.upload_class is UploadClass.MEDIA:  # the evidence is about speech; a stream shows in length and amount
        return (
            f"{_LOOKS[UploadClass.MEDIA]}: {shown_size(upload.bytes)} sent and {shown_size(upload.bytes_toclient)} "
            f"received in {shown_duration(upload.duration)}."
        )
    looks = _ADDED_UP if upload.upload_class is UploadClass.BULK and not upload.packets else _LOOKS[upload.upload_class]
    if speech:
        looks += f" ({shown_share(upload.probability)} sure)"
    reasons = [item.text for item in record.evidence if (item.weight > 0) == speech and item.text]
    if not reasons:
        return looks + "."
    return f"{looks}: {'; and '.join(reason[:1].lower() + reason[1:] for reason in reasons[:2])}."


# --- whether it was asked for ----------------------------------------------------------------------------------------


#: Below this share of the span, no voice was heard.
LEAST_VOICE = 0.05
#: From this score on, something like the wake word was heard; from the second on, the wake word itself.
ALIKE, HEARD = 0.1, 0.9


def _heard(record: UploadRecord) -> str:
    """Return what listeners testify, one sentence each."""
    return "".join(f" {item.source} {_heard_by(item.heard)}." for item in record.wake.testimony)


def _heard_by(heard: TestimonyFields) -> str:
    best = max(heard.scores.values(), default=0.0)
    if best >= HEARD:
        return "heard the wake word"
    if best >= ALIKE:
        return f"heard something like the wake word ({shown_share(best)} alike)"
    if heard.voice < LEAST_VOICE:
        return "heard no voice"
    return "heard voices, and nothing like the wake word"


def _known_from(record: UploadRecord) -> str:
    """Return the sources and figures that belong to the verdict, to follow its sentence."""
    sure = f" ({shown_share(record.confidence)} sure)"
    match record.verdict:
        case VerdictKind.EXPECTED:
            if not record.wake.source:
                return sure
            gap = record.wake.gap_seconds
            side = "before" if gap is None or gap >= 0 else "after"
            when = "" if gap is None else f" {shown_duration(abs(gap))} {side} the upload began"
            return f"; {record.wake.source} reported it{when}{sure}"
        case VerdictKind.UNEXPECTED:
            listened = f"; {_joined(record.listened)} would have noticed" if record.listened else ""
            return f"{listened}{sure}"
        case _:
            return ""


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1]
