"""Views and calls: one upload each, announced as what they are."""

from __future__ import annotations

import numpy as np
import pytest

from sniffer.detect import Detector
from sniffer.detect.scoring.weights import load_weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import Drift, Listening, StreamKind, Upload, UploadClass
from sniffer.resources import shipped
from tests.detect.traffic import DEVICE, Nobody, Wire

WEIGHTS = load_weights(shipped("rules") / "detect")


def detect(wire: Wire) -> tuple[list[Upload], list[Listening], Detector]:
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    batch = wire.batch()
    events: list[Upload | Listening | Drift] = []
    for first in range(0, len(batch), 300):
        events += detector.feed(batch.take(slice(first, first + 300)), {DEVICE: 0})
    events += detector.finish()
    uploads = [event for event in events if isinstance(event, Upload)]
    return uploads, [event for event in events if isinstance(event, Listening)], detector


def view(
    wire: Wire, at: float, seconds: float, *, distance: float, key: int, rate: float, size: int, udp: bool
) -> None:
    luck = np.random.default_rng(5)
    moments = [(float(t), int(size * luck.uniform(0.6, 1.4))) for t in np.arange(0, seconds, 1 / rate)]
    for begin in np.arange(0.4, seconds, distance):
        moments += [(float(begin) + 0.003 * number, 1_380) for number in range(key // 1_380)]
    for moment, amount in sorted(moments):
        wire.send(at + moment, min(amount, 1_380), udp=udp, port=41_000)


@pytest.mark.parametrize("distance", [1.25, 1.9, 2.05, 3.0])
@pytest.mark.parametrize(
    ("rate", "size", "key", "udp"), [(8, 700, 17_000, False), (25, 1_000, 60_000, True), (15, 400, 9_000, False)]
)
def test_a_view_is_one_upload_of_its_length(distance: float, rate: float, size: int, key: int, udp: bool) -> None:
    wire = Wire()
    view(wire, 1.0, 30.0, distance=distance, key=key, rate=rate, size=size, udp=udp)
    (upload,), live, _ = detect(wire)
    assert (upload.upload_class, upload.stream) == (UploadClass.MEDIA, StreamKind.VIEW)
    assert upload.speech_seconds == pytest.approx(30, abs=1)
    assert upload.evidence[0].name in ("key_frames", "picture_rate", "datagrams")
    views = [event for event in live if event.kind is StreamKind.VIEW]
    assert [event.ended for event in views] == [False, True]
    voices = [event.ended for event in live if event.kind is StreamKind.VOICE]
    assert voices in ([], [False, True])  # taken back, if it was announced within the first key frame
    assert voices == [] or live[1].time_ns <= views[0].time_ns


def test_a_call_with_pauses_is_one_upload_and_its_signalling_is_none() -> None:
    wire = Wire()
    for begin in (1.0, 4.5, 7.2, 12.0):  # somebody speaks, for two seconds at a time, and is answered meanwhile
        for number in range(33):
            wire.send(begin + number * 0.06, 100 + number % 7, udp=True, port=41_000, server_port=3_478)
            wire.send(begin + 0.03 + number * 0.06, 95, udp=True, port=41_000, down=True, server_port=3_478)
    for number in range(12):
        wire.send(40 + number * 0.08, 156, udp=True, port=42_000, server_port=3_478)
        wire.send(40.04 + number * 0.08, 156, udp=True, port=42_000, down=True, server_port=3_478)
    uploads, live, _ = detect(wire)
    assert [upload.upload_class for upload in uploads] == [UploadClass.MEDIA, UploadClass.OTHER]
    assert uploads[0].stream is StreamKind.CALL
    assert uploads[0].duration == pytest.approx(13, abs=0.5)
    assert [(event.kind, event.ended) for event in live] == [(StreamKind.CALL, False), (StreamKind.CALL, True)]


def test_a_view_teaches_nothing_of_speech() -> None:
    """What it was taken for within its first key frame is forgotten."""
    wire = Wire()
    view(wire, 1.0, 4.0, distance=9.0, key=17_000, rate=8, size=700, udp=False)
    view(wire, 8.0, 30.0, distance=3.0, key=17_000, rate=8, size=700, udp=False)
    uploads, _, detector = detect(wire)
    assert uploads[-1].upload_class is UploadClass.MEDIA
    profile = detector.learned()[DEVICE]
    assert (profile.speech, profile.chunks, profile.rate.times) == (0, {}, 0)


def test_an_utterance_beside_a_call_stays_speech() -> None:
    wire = Wire()
    for number in range(400):
        wire.send(1 + number * 0.04, 160, udp=True, port=41_000, server_port=3_478)
        wire.send(1.02 + number * 0.04, 160, udp=True, port=41_000, down=True, server_port=3_478)
    wire.speech(6.0, 3.0)
    uploads, _, _ = detect(wire)
    assert {upload.upload_class for upload in uploads} == {UploadClass.SPEECH, UploadClass.MEDIA}
