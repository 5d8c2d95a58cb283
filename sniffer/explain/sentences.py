"""One upload in words that need no knowledge of networks: a headline, three sentences, and what to do.

A pure function of the record: notifications, the table and `sniffer explain` say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo

from sniffer.explain.times import local_time, shown, shown_duration, shown_share, shown_size
from sniffer.explain.words import words_of
from sniffer.judge.reasons import Reason
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
    words = words_of(record.reason, record.verdict, record.upload.upload_class)
    moment = local_time(record.timestamp, zone)
    return Explanation(
        headline=f"{_device(record.device)} {_amount(record)} at {shown(moment)}; {words.headline}",
        why=words.headline,
        sentences=(
            _what_happened(record, shown(moment, seconds=True)),
            _what_it_looked_like(record),
            _whether_asked(record, words.sentence) + "." + _heard(record),
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
    UploadClass.BULK: "It is large enough to hold a recording, but does not look like live speech",
    UploadClass.MEDIA: "It went on like a call or the picture of a camera",
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
#: Reasons that rest on a silence, and what the sources that kept it would have noticed.
_SILENCE: Mapping[str, str] = {
    Reason.NO_WAKE_EVENT: "one",
    Reason.PERSON_SAYS_UNASKED: "a request",
}


def _whether_asked(record: UploadRecord, sentence: str) -> str:
    """Return the sentence of a reason with how sure the verdict is, directly behind it, and with its sources."""
    if record.verdict not in (VerdictKind.EXPECTED, VerdictKind.UNEXPECTED):
        return sentence
    verdict, colon, why = sentence.partition(":")
    return f"{verdict} ({shown_share(record.confidence)} sure){colon}{why}{_known_from(record)}"


def _known_from(record: UploadRecord) -> str:
    """Return the sources of a verdict, to follow its sentence. What a listener testifies has a sentence of its own."""
    wake = record.wake
    testified = {item.source for item in wake.testimony}
    if record.verdict is VerdictKind.EXPECTED:
        if not wake.source or (wake.gap_seconds is None and wake.source in testified):
            return ""
        if wake.gap_seconds is None:
            return f"; {wake.source} reported it"
        side = "before" if wake.gap_seconds >= 0 else "after"
        return f"; {wake.source} reported it {shown_duration(abs(wake.gap_seconds))} {side} the upload began"
    silent = [name for name in record.listened if name not in testified]
    if record.reason not in _SILENCE or not silent:
        return ""
    return f"; {_joined(silent)} would have noticed {_SILENCE[record.reason]}"


def _heard(record: UploadRecord) -> str:
    """Return what listeners testify, one sentence each."""
    reported = (
        record.wake.source if record.verdict is VerdictKind.EXPECTED and record.wake.gap_seconds is not None else ""
    )
    return "".join(
        f" {item.source} was listening and {_heard_by(item.heard)}."
        for item in record.wake.testimony
        if not (item.source == reported and _best(item.heard) >= HEARD)  # that it heard the wake word has been said
    )


def _best(heard: TestimonyFields) -> float:
    return max(heard.scores.values(), default=0.0)


def _heard_by(heard: TestimonyFields) -> str:
    best = _best(heard)
    if best >= HEARD:
        return "heard the wake word"
    if best >= ALIKE:
        return f"heard something like the wake word ({shown_share(best)} by its own measure)"
    if heard.voice < LEAST_VOICE:
        return "heard no voice"
    return "heard voices, but nothing like the wake word"


def _joined(parts: Sequence[str]) -> str:
    return " and ".join(parts) if len(parts) < 3 else ", ".join(parts[:-1]) + " and " + parts[-1]
