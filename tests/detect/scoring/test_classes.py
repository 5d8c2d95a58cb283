"""What streams, and what is only a large beginning."""

from __future__ import annotations

from dataclasses import replace

from sniffer.detect.features.pacing import Shape
from sniffer.detect.scoring.classes import classify
from sniffer.detect.scoring.evidence import Observation
from sniffer.model import Service, UploadClass

#: Over QUIC: 100 kB at once, then 55 kB a second in writes of 9 kB, two of which fall into every other quarter.
QUIC = Shape(
    duration=4.0, bytes=300_000, packets=230, begin=0.4, end=4.0, body_bytes=200_000, rate=55_000, writes=22,
    writes_per_second=6.2, typical_rate=70_000,
)  # fmt: skip


def case(shape: Shape) -> Observation:
    return Observation(shape, Service(), datagrams=True, opened_before=None, down_body=2_000, down_after=0)


def test_speech_over_quic_in_large_writes_is_no_picture() -> None:
    assert classify(case(QUIC), 5.0, 0.0) is UploadClass.SPEECH
    assert (
        classify(case(replace(QUIC, duration=1.8, typical_rate=110_000, rate=90_000)), 5.0, 0.0) is UploadClass.SPEECH
    )


def test_pictures_are() -> None:
    assert classify(case(replace(QUIC, rate=90_000, typical_rate=95_000)), 5.0, 0.0) is UploadClass.MEDIA
    assert classify(case(replace(QUIC, rate=0.0, end=0.4, typical_rate=95_000)), 5.0, 0.0) is UploadClass.MEDIA
