"""From measurements and a score to a class, where nothing says that a run is a stream (`streams`)."""

from __future__ import annotations

from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.streams import lock_step
from sniffer.model import UploadClass

#: Bytes of an unpaced upload that could hold a recording worth a question: 20 seconds at `STORED_RATE`.
BULK_BYTES = 80_000
#: ... to the vendor's own servers, which get state and logs of up to 127 kB from an Echo Show 5 (BehavIoT).
VENDOR_BULK_BYTES = 128_000
#: Bytes a second of compressed speech, for what an unpaced upload could hold (Opus, 32 kbit/s).
STORED_RATE = 4_000
#: Log-odds from which a run is speech.
SPEECH_SCORE = 0.0
#: So many times more coming back is a download.
_DOWNLOAD = 8


def classify(seen: Observation, score: float) -> UploadClass:
    """The class of a run that is no stream."""
    shape = seen.shape
    if score >= SPEECH_SCORE:
        return UploadClass.SPEECH
    if seen.service.role == "telemetry":
        return UploadClass.TELEMETRY
    download = seen.down_total > _DOWNLOAD * shape.bytes
    vendor = seen.service.role in ("voice", "control", "update")
    if shape.bytes >= (VENDOR_BULK_BYTES if vendor else BULK_BYTES) and not lock_step(seen) and not download:
        return UploadClass.BULK
    if seen.service.role in ("control", "update", "time", "voice", "media") or seen.opened_before is not None:
        return UploadClass.SYNC
    return UploadClass.OTHER


def speech_seconds(seen: Observation, upload_class: UploadClass) -> float:
    """How many seconds of speech an upload of this class could hold."""
    shape = seen.shape
    if upload_class is UploadClass.SPEECH:
        return shape.spoken
    if upload_class is UploadClass.MEDIA:
        return shape.duration
    return shape.bytes / STORED_RATE if upload_class is UploadClass.BULK else 0.0
