"""From measurements and a score to one of six classes."""

from __future__ import annotations

from sniffer.detect.scoring.evidence import Observation
from sniffer.model import UploadClass

#: Longer than any utterance: a stream.
_STREAM_SECONDS = 75.0
#: An unpaced upload this large could hold a recording that is worth a question: 20 seconds at 4 kB/s; more to
#: the vendor's own servers, which get state and logs of that size.
BULK_BYTES, VENDOR_BULK_BYTES = 80_000, 128_000
#: Bytes a second that moving pictures take, and speech does not.
_PICTURES = 60_000
#: Bytes a second of compressed speech, for what an unpaced upload could hold (Opus, 32 kbit/s).
STORED_RATE = 4_000
#: Log-odds from which a run is speech.
SPEECH_SCORE = 0.0


def classify(case: Observation, score: float, two_way: float) -> UploadClass:
    """`two_way` is the share of the body's quarter seconds in which as much came back."""
    shape = case.shape
    if _stream(case, two_way):
        return UploadClass.MEDIA
    if score >= SPEECH_SCORE:
        return UploadClass.SPEECH
    if case.service.role == "telemetry":
        return UploadClass.TELEMETRY
    download = case.down_total > 8 * shape.bytes
    vendor = case.service.role in ("voice", "control", "update")
    if shape.bytes >= (VENDOR_BULK_BYTES if vendor else BULK_BYTES) and not _lock_step(case) and not download:
        return UploadClass.BULK
    if case.service.role in ("control", "update", "time", "voice", "media") or case.opened_before is not None:
        return UploadClass.SYNC
    return UploadClass.OTHER


def _stream(case: Observation, two_way: float) -> bool:
    """Calls and camera views: longer than anybody speaks to a speaker, in both directions, or in pictures."""
    shape = case.shape
    mean = shape.bytes / max(shape.duration, 0.25)
    if (
        shape.duration >= _STREAM_SECONDS
        and mean >= 1_000
        and not _lock_step(case)
        and case.down_body < 8 * shape.bytes
    ):
        return True
    if shape.bursts >= 3 and shape.duration >= 4 and mean >= 8_000 and shape.constancy < 0.6:
        return True
    download = case.down_body > 8 * shape.body_bytes
    if case.datagrams and shape.duration >= 3 and two_way >= 0.7 and shape.body >= 2 and not download:
        return True
    # A short burst of datagrams may be the head of an utterance (a Nest Mini's 200 kB last two seconds), and few large
    # writes a second make every other quarter look faster than they are.
    fast = shape.typical_rate >= _PICTURES and (shape.body == 0 or shape.rate >= _PICTURES)
    return case.datagrams and shape.duration >= 3 and fast


def _lock_step(case: Observation) -> bool:
    return not case.datagrams and case.shape.answer_share > 0.7 and case.shape.writes > 8


def speech_seconds(case: Observation, upload_class: UploadClass) -> float:
    """How much speech this could hold."""
    shape = case.shape
    if upload_class is UploadClass.SPEECH:
        return shape.spoken
    if upload_class is UploadClass.MEDIA:
        return shape.duration
    return shape.bytes / STORED_RATE if upload_class is UploadClass.BULK else 0.0
