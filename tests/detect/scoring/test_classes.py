"""Which live uploads are streams, and what else is only a large beginning."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sniffer.detect.features.pacing import Shape
from sniffer.detect.features.video import KeyFrames
from sniffer.detect.scoring.classes import classify
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.streams import Live, stream_of
from sniffer.model import Service, StreamKind, UploadClass

#: Over QUIC: 100 kB at once, then 55 kB a second in writes of 9 kB, two of which fall into every other quarter.
QUIC = Shape(
    duration=4.0, bytes=300_000, packets=230, begin=0.4, end=4.0, body_bytes=200_000, rate=55_000, writes=22,
    writes_per_second=6.2, typical_rate=70_000,
)  # fmt: skip
#: A codec's frames of 140 bytes, 25 times a second.
FRAMES = Shape(
    duration=3.0, bytes=10_500, packets=75, begin=0.0, end=3.0, body_bytes=10_500, rate=3_500, writes=75,
    writes_per_second=25, typical_rate=3_500, constancy=1.0, chunk=140,
)  # fmt: skip


def seen(shape: Shape, *, datagrams: bool = True, down: int = 2_000, role: str = "unknown") -> Observation:
    service = Service("x.example", role, "sni", 1.0)  # type: ignore[arg-type]
    return Observation(shape, service, datagrams=datagrams, opened_before=None, down_body=down, down_after=0)


def live(shape: Shape, *, port: int = 443, score: float = 5.0, two_way: float = 0.0, **more: object) -> Live:
    return Live(seen(shape, **more), port, score, two_way, None)  # type: ignore[arg-type]


def test_speech_over_quic_in_large_writes_is_no_picture() -> None:
    assert stream_of(live(QUIC)) is None
    assert stream_of(live(replace(QUIC, duration=1.8, typical_rate=110_000, rate=90_000))) is None
    assert classify(seen(QUIC), 5.0) is UploadClass.SPEECH


@pytest.mark.parametrize("rate", [90_000, 0.0])
def test_what_no_codec_sends_is_a_picture(rate: float) -> None:
    fast = replace(QUIC, rate=rate, typical_rate=95_000, end=4.0 if rate else 0.4)
    stream = stream_of(live(fast))
    assert stream is not None
    assert (stream.kind, stream.sure) == (StreamKind.VIEW, True)


def test_a_file_on_a_slow_line_is_no_picture() -> None:
    file = replace(QUIC, duration=20.0, end=20.0, rate=90_000, typical_rate=95_000, full_share=0.97)
    assert stream_of(live(file, datagrams=False)) is None
    assert stream_of(live(replace(file, full_share=0.3), datagrams=False)) is not None


def test_key_frames_are_a_view_whatever_the_score() -> None:
    frames = KeyFrames((0.0, 2.0, 4.0), 18_000)
    stream = stream_of(replace(live(FRAMES, datagrams=False), frames=frames))
    assert stream is not None
    assert stream.kind is StreamKind.VIEW
    assert "3 bursts of about 18 kB" in stream.why.text


def test_datagrams_both_ways_are_a_call_once_they_last() -> None:
    short, long = stream_of(live(FRAMES, port=3478, two_way=0.9)), replace(FRAMES, duration=6.0, end=6.0)
    assert short is not None
    assert (short.kind, short.sure) == (StreamKind.CALL, False)
    lasting = stream_of(live(long, port=3478, two_way=0.9))
    assert lasting is not None
    assert lasting.sure
    assert stream_of(live(FRAMES, two_way=0.6)) is None  # QUIC: an answer may come back


def test_live_datagrams_that_are_not_quic_are_no_assistant_s() -> None:
    assert stream_of(live(FRAMES, port=30_000)) is not None
    assert stream_of(live(FRAMES, port=30_000, score=-3.0)) is None
    assert stream_of(live(FRAMES, port=30_000, role="voice")) is None
    assert stream_of(live(FRAMES)) is None


def test_the_same_to_two_peers_is_no_microphone() -> None:
    stream = stream_of(replace(live(FRAMES, datagrams=False), twin=True))
    assert stream is not None
    assert not stream.sure


def test_what_lasts_longer_than_anybody_speaks_is_a_stream_and_was_a_voice_before() -> None:
    stream = stream_of(live(replace(FRAMES, duration=80.0, bytes=280_000), datagrams=False))
    assert stream is not None
    assert not stream.from_the_start
