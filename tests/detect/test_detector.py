"""What is heard, while it lasts and when it is over, and what is not."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.detect import Detector
from sniffer.detect.scoring.weights import load_weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import Listening, PacketBatch, Service, Upload, UploadClass
from sniffer.resources import shipped
from tests.detect.traffic import BASE, DEVICE, Nobody, Wire

WEIGHTS = load_weights(shipped("rules") / "detect")


def detect(batch: PacketBatch, cuts: list[int] | None = None) -> list[object]:
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    edges = sorted({0, len(batch), *(min(cut, len(batch)) for cut in cuts or [])})
    events: list[object] = []
    for first, last in itertools.pairwise(edges):
        events += detector.feed(batch.take(slice(first, last)), {DEVICE: 0})
    return events + detector.finish()


def uploads(events: list[object]) -> list[Upload]:
    return [event for event in events if isinstance(event, Upload)]


@pytest.mark.parametrize(
    ("chunk", "every"),
    [(118, 0.02), (437, 0.05), (1062, 0.0317), (205, 0.04), (760, 0.1), (333, 0.06)],
)
def test_an_utterance_is_speech_whatever_its_chunk(chunk: int, every: float) -> None:
    wire = Wire()
    wire.speech(1.0, 3.0, chunk=chunk, every=every)
    (upload,) = uploads(detect(wire.batch()))
    assert upload.upload_class is UploadClass.SPEECH
    assert upload.chunk_bytes == chunk
    assert upload.speech_seconds == pytest.approx(3.5, abs=0.4)


def test_one_utterance_that_a_radio_held_up_hides_none_of_those_to_come() -> None:
    wire = Wire()
    for number in range(6):
        at = 100.0 * number
        wire.burst(at, 12_000, mss=1_448, spacing=0.004)
        for index in range(80):
            paced = 0.15 + index * 0.04
            held_up = 0.15 + index // 3 * 0.12 + index % 3 * 0.001
            wire.send(at + (paced if number else held_up), 1_280)
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    found = uploads([*detector.feed(wire.batch(), {DEVICE: 0}), *detector.finish()])
    assert [upload.upload_class for upload in found[1:]] == [UploadClass.SPEECH] * 5
    assert min(upload.score for upload in found[1:]) > 5


def test_listening_is_announced_while_it_lasts_and_taken_back() -> None:
    wire = Wire()
    wire.speech(1.0, 3.0)
    events = detect(wire.batch())
    first, last = [event for event in events if isinstance(event, Listening)]
    assert not first.ended
    assert first.time_ns - first.start_ns <= 1.5e9
    assert last.ended
    (upload,) = uploads(events)
    assert upload.final_ns - upload.end_ns <= 1e9


def test_a_flush_and_a_download_are_not_speech() -> None:
    wire = Wire()
    wire.burst(1.0, 170_000, spacing=0.003)
    for index in range(500):
        wire.send(10 + index * 0.01, 1460, down=True, port=41_000)
        wire.send(10.001 + index * 0.01, 0, port=41_000, flags=0x10)
    events = detect(wire.batch())
    assert [u.upload_class for u in uploads(events)] == [UploadClass.BULK]
    assert not any(isinstance(event, Listening) for event in events)


def test_a_device_that_waits_for_each_answer_is_not_speech() -> None:
    wire = Wire()
    for index in range(40):
        wire.send(1 + index * 0.08, 455)
        wire.send(1.065 + index * 0.08, 55, down=True)
    assert [u.upload_class for u in uploads(detect(wire.batch()))] == [UploadClass.OTHER]


def test_peers_on_the_lan_do_not_count() -> None:
    wire = Wire()
    wire.speech(1.0, 3.0, peer="192.168.1.44")
    assert detect(wire.batch()) == []


def test_retransmissions_count_once() -> None:
    wire, again = Wire(), Wire()
    wire.speech(1.0, 3.0)
    again.speech(1.0, 3.0)
    for row in list(again.rows)[20:60]:
        again.send((row["time_ns"] - BASE) / 1e9 + 0.02, row["payload_len"], sequence=row["tcp_seq"])
    (plain,), (repeated,) = uploads(detect(wire.batch())), uploads(detect(again.batch()))
    assert repeated.bytes == plain.bytes
    assert repeated.upload_class is UploadClass.SPEECH


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), max_size=40))
def test_how_packets_are_cut_into_batches_does_not_matter(cuts: list[int]) -> None:
    wire = Wire()
    wire.speech(1.0, 2.0)
    wire.burst(2.0, 60_000, port=41_000)
    wire.speech(3.95, 1.5, port=42_000, udp=True, chunk=160, every=0.02)
    wire.burst(6.0, 3_000, port=41_000, down=True)
    wire.speech(8.0, 2.0)
    batch = wire.batch()
    assert detect(batch, cuts) == detect(batch)


def test_time_that_steps_back_ends_what_was_open() -> None:
    late, early = Wire(), Wire()
    late.speech(1_000.0, 3.0)
    early.speech(1.0, 3.0)
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    events = detector.feed(late.batch(), {DEVICE: 0}) + detector.feed(early.batch(), {DEVICE: 0}) + detector.finish()
    assert [u.upload_class for u in uploads(events)] == [UploadClass.SPEECH] * 2
    assert [u.start_ns - BASE for u in uploads(events)] == [1_000 * 10**9, 10**9]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-(2**62), 2**62), st.integers(1, 65_000), st.booleans()), min_size=1, max_size=60)
)
def test_nothing_that_a_capture_says_of_time_or_size_raises(packets: list[tuple[int, int, bool]]) -> None:
    wire = Wire()
    for at, size, udp in packets:
        wire.send(0.0, size, udp=udp)
        wire.rows[-1]["time_ns"] = at
    wire.rows.sort(key=lambda row: row["payload_len"])
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    detector.feed(wire.batch(), {DEVICE: 0})
    detector.finish()


def test_a_clock_that_runs_ahead_of_the_packets_changes_nothing() -> None:
    wire = Wire()
    wire.speech(1.0, 3.0)
    batch = wire.batch()
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    events: list[object] = []
    for row in range(len(batch)):
        events += detector.feed(batch.take(slice(row, row + 1)), {DEVICE: 0})
        events += detector.advance(int(batch.time_ns[row]) + 80_000_000)
    events += detector.advance(int(batch.time_ns[-1]) + 10**9)
    assert events == detect(batch)


def test_an_utterance_lasts_while_the_line_stalls() -> None:
    """The radio is gone twice for two seconds; before and after it, segments are repeated."""
    wire = Wire()
    at, sent = 1.0, 0
    wire.burst(at, 18_000)
    for number in range(60):
        moment = at + 0.1 + number * 0.05 + 2.0 * (number >= 20) + 2.0 * (number >= 40)
        wire.send(moment, 437)
        if number in (19, 39):
            place = wire.rows[-1]["tcp_seq"]
            for later in (0.25, 0.7):
                wire.send(moment + later, 437, sequence=place)
        sent += 1
    (upload,) = uploads(detect(wire.batch()))
    assert upload.bytes == 18_000 + 437 * sent
    assert upload.duration == pytest.approx(7, abs=0.2)


def test_a_pause_without_repetitions_ends_an_utterance() -> None:
    wire = Wire()
    wire.speech(1.0, 2.0)
    wire.speech(5.0, 2.0)
    assert len(uploads(detect(wire.batch()))) == 2


def test_a_transport_that_recovers_is_not_paced_by_a_microphone() -> None:
    """Two segments each time the timer runs out, and one of them again."""
    wire = Wire()
    for number in range(30):
        wire.send(1 + number * 0.6, 1_100)
        wire.send(1.001 + number * 0.6, 1_100)
        place = wire.rows[-1]["tcp_seq"]
        wire.send(1.3 + number * 0.6, 1_100, sequence=place)
    assert UploadClass.SPEECH not in [upload.upload_class for upload in uploads(detect(wire.batch()))]


def test_sound_from_before_the_wake_word_counts_in_seconds() -> None:
    """Pieces of 100 ms: fourteen leave at once, then one each 100 ms for three seconds."""
    wire = Wire()
    wire.burst(0.9, 5_000)
    for number in range(14):
        wire.send(1.0 + number * 0.006, 1_062, payload=b"\x17\x03\x03" + (1_057).to_bytes(2, "big"))
    for number in range(30):
        wire.send(1.1 + number * 0.1, 1_062, payload=b"\x17\x03\x03" + (1_057).to_bytes(2, "big"))
    (upload,) = uploads(detect(wire.batch()))
    assert upload.speech_seconds == pytest.approx(4.4, abs=0.4)


def test_speech_that_is_dealt_over_connections_adds_up() -> None:
    wire = Wire()
    for port in range(8):
        wire.send(0.9, 0, port=40_000 + port, flags=2)
    for number in range(160):  # 8 s at 20 pieces a second over 8 connections
        wire.send(1 + number * 0.05, 437, port=40_000 + number % 8)
    found = [upload for upload in uploads(detect(wire.batch())) if upload.upload_class is UploadClass.SPEECH]
    assert len(found) == 1
    assert len(found[0].flows) == 8
    assert found[0].speech_seconds == pytest.approx(8, abs=0.6)
    assert "8 connections" in found[0].evidence[0].text


def test_speech_in_half_seconds_on_connections_one_after_the_other_adds_up() -> None:
    wire = Wire()
    for number in range(160):
        if number % 10 == 0:
            wire.send(0.98 + number * 0.05, 0, port=40_000 + number // 10, flags=2)
        wire.send(1 + number * 0.05, 437, port=40_000 + number // 10)
    found = [upload for upload in uploads(detect(wire.batch())) if upload.upload_class is UploadClass.SPEECH]
    assert len(found) == 1
    assert len(found[0].flows) == 16


def test_bursts_to_a_voice_service_add_up_and_others_do_not() -> None:
    for role, classes in (("voice", {UploadClass.SYNC, UploadClass.BULK}), ("control", {UploadClass.SYNC})):
        wire = Wire()
        for number in range(3):
            wire.burst(1.0 + 4 * number, 40_000)
        detector = Detector(DetectSettings(), WEIGHTS, Nobody(Service("voice.example", role, "sni", 1.0)), {})
        events = [*detector.feed(wire.batch(), {DEVICE: 0}), *detector.finish()]
        assert {upload.upload_class for upload in uploads(events)} == classes
        bulk = [upload for upload in uploads(events) if upload.upload_class is UploadClass.BULK]
        assert [upload.speech_seconds for upload in bulk] == ([30.0] if role == "voice" else [])


def test_pages_of_a_browser_over_many_connections_are_no_speech() -> None:
    wire = Wire()
    for number in range(12):
        wire.burst(1 + 0.4 * (number // 4), 3_000, port=40_000 + number)
        wire.send(1.1 + 0.4 * (number // 4), 1_400, port=40_000 + number, down=True)
    assert UploadClass.SPEECH not in [upload.upload_class for upload in uploads(detect(wire.batch()))]


def test_state_in_rows_of_two_pieces_that_are_answered_is_no_speech() -> None:
    for seconds in (0.5, 3.0):
        wire = Wire()
        for number in range(round(seconds / 0.045)):
            at = 1 + number * 0.045
            wire.send(at, 853)
            wire.send(at + 0.005, 1_045)
            wire.send(at + 0.03, 300, down=True)
            wire.send(at + 0.031, 200, down=True)
        assert UploadClass.SPEECH not in [upload.upload_class for upload in uploads(detect(wire.batch()))]
