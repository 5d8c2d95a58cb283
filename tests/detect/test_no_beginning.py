"""What begins without a burst: reports in rows are silent, and streams are views."""

from __future__ import annotations

import numpy as np
import pytest

from sniffer.model import Upload, UploadClass
from tests.detect.test_sessions import detect
from tests.detect.traffic import Wire


def row(wire: Wire, *, size: int, gap: float, count: int, seed: int = 3) -> None:
    luck = np.random.default_rng(seed)
    for number in range(count):
        wire.send(1.0 + number * gap + float(luck.uniform(0, 0.03 * gap)), size)


def judged(wire: Wire) -> list[Upload]:
    uploads, _, _ = detect(wire)
    return [upload for upload in uploads if upload.upload_class not in (UploadClass.SYNC, UploadClass.OTHER)]


@pytest.mark.parametrize(
    ("size", "gap", "count"), [(261, 0.205, 15), (512, 0.1, 12), (853, 0.045, 11), (300, 0.06, 30), (700, 0.2, 30)]
)
def test_pieces_of_one_size_at_one_distance_are_no_request(size: int, gap: float, count: int) -> None:
    wire = Wire()
    row(wire, size=size, gap=gap, count=count)
    assert judged(wire) == []


@pytest.mark.parametrize(("size", "gap", "count"), [(512, 0.1, 20), (437, 0.05, 30), (300, 0.06, 30)])
def test_the_same_pieces_behind_a_wake_word_are(size: int, gap: float, count: int) -> None:
    wire = Wire()
    wire.burst(1.0, 9_000)
    row(wire, size=size, gap=gap, count=count)
    assert [upload.upload_class for upload in judged(wire)] == [UploadClass.SPEECH]


ROWS = [
    (261, 0.205, 30, 1_500), (512, 0.1, 20, 400), (853, 0.045, 30, 1_500), (300, 0.06, 30, 900), (500, 0.2, 30, 1_500)
]  # fmt: skip


def headed(size: int, gap: float, count: int, header: int) -> Wire:
    wire = Wire()
    wire.burst(0.95, header)
    row(wire, size=size, gap=gap, count=count)
    return wire


@pytest.mark.parametrize(("size", "gap", "count", "header"), ROWS)
def test_a_row_behind_a_header_that_is_taken_and_not_answered_is_no_request(
    size: int, gap: float, count: int, header: int
) -> None:
    wire = headed(size, gap, count, header)
    for number in range(count):
        wire.send(1.02 + number * gap, 0, down=True, flags=0x10)
    assert judged(wire) == []
    assert detect(wire)[1] == []


def test_what_is_answered_so_is_a_request() -> None:
    wire = headed(512, 0.05, 40, 3_000)
    for number in range(8):
        wire.send(1.2 + number * 0.2, 90, down=True)
    assert [upload.upload_class for upload in judged(wire)] == [UploadClass.SPEECH]


def test_whether_it_is_answered_is_not_known_where_the_other_side_is_not_captured() -> None:
    assert [upload.upload_class for upload in judged(headed(512, 0.05, 40, 3_000))] == [UploadClass.SPEECH]


@pytest.mark.parametrize("seconds", [2.0, 8.0])
def test_two_equal_streams_to_two_peers_are_no_microphone(seconds: float) -> None:
    wire = Wire()
    wire.burst(1.0, 6_000, port=50_001)
    wire.burst(1.0, 6_000, port=50_002, peer="52.94.233.110")
    for moment in np.arange(1.1, 1.1 + seconds, 0.04):
        wire.send(float(moment), 444, port=50_001)
        wire.send(float(moment) + 0.0004, 444, port=50_002, peer="52.94.233.110")
    assert UploadClass.SPEECH not in [upload.upload_class for upload in judged(wire)]


def test_signs_of_life_behind_a_view_are_no_part_of_it() -> None:
    wire = Wire()
    for number in range(160):
        wire.send(1.0 + number * 0.05, 1_200, udp=True, port=41_000, server_port=30_733)
    for number in range(6):
        wire.send(9.6 + number * 0.3, 300, udp=True, port=41_000, server_port=30_733)
    (upload,) = judged(wire)
    assert (upload.upload_class, upload.duration) == (UploadClass.MEDIA, pytest.approx(8, abs=0.4))


def test_spurts_of_a_fast_call_are_one_upload() -> None:
    wire = Wire()
    for begin in (1.0, 5.0, 12.0, 19.0):
        for number in range(120):
            moment = begin + number * 0.02
            wire.send(moment, 800, udp=True, port=41_000, server_port=3_478)
            wire.send(moment + 1.3, 800, udp=True, port=41_000, server_port=3_478, down=True)
    (upload,) = judged(wire)
    assert (upload.upload_class, upload.stream) == (UploadClass.MEDIA, "call")
    assert upload.duration == pytest.approx(20.4, abs=0.5)


def test_one_mistaken_stream_does_not_take_the_requests_behind_it_along() -> None:
    wire = Wire()
    for number in range(260):
        wire.send(1.0 + number * 0.05, 437)
    wire.speech(26.0, 2.0)
    assert [upload.upload_class for upload in judged(wire)] == [UploadClass.MEDIA, UploadClass.SPEECH]
