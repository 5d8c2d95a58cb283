"""What a disobedient speaker or a neighbour may try with TCP: nothing that was said disappears."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from sniffer.detect import Detector
from sniffer.detect.scoring.weights import load_weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import JUDGED_CLASSES, Upload, UploadClass, mac_key
from sniffer.resources import shipped
from tests.detect.traffic import BASE, DEVICE, SECOND, Nobody, Wire

WEIGHTS = load_weights(shipped("rules") / "detect")
PORT = 50_000


def uploads(wire: Wire) -> list[Upload]:
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    events = [*detector.feed(wire.batch(), {DEVICE: 0}), *detector.finish()]
    return [event for event in events if isinstance(event, Upload)]


def speech(wire: Wire) -> int:
    return sum(upload.upload_class is UploadClass.SPEECH for upload in uploads(wire))


def house(attack: str = "", *, answers: bool = True) -> Wire:
    """Five utterances of 4 s on one connection, the first before anything is forged."""
    wire = Wire()
    for number in range(5):
        at = 70.0 + 20 * number
        here = wire.sequence.get((PORT, False), 1_000)
        if number:
            forge(wire, attack, at - 6, here)
        wire.speech(at, 4.0, port=PORT)
        if answers:
            wire.send(at + 0.3, 0, port=PORT, down=True, flags=0x10)
    return wire


def forge(wire: Wire, attack: str, at: float, here: int) -> None:
    ahead: list[tuple[int, int]] = {
        "": [],
        "17 segments of a byte, 3 MB ahead": [(3_000_000 + 10 * n, 1) for n in range(17)],
        "17 segments of a byte, 200 kB ahead": [(200_000 + 10 * n, 1) for n in range(17)],
        "200 segments of a byte, scattered over what follows": [(300 * n, 1) for n in range(200)],
        "what follows, ahead of time": [(1_460 * n, 1_460) for n in range(40)],
        "a byte far behind, then one far ahead": [(-4_000_000, 1), (4_000_000, 1)] * 10,
    }[attack]
    for index, (distance, size) in enumerate(ahead):
        wire.send(at + index * 0.001, size, port=PORT, sequence=here + distance)


@pytest.mark.parametrize(
    "attack",
    [
        "",
        "17 segments of a byte, 3 MB ahead",
        "17 segments of a byte, 200 kB ahead",
        "200 segments of a byte, scattered over what follows",
        "what follows, ahead of time",
        "a byte far behind, then one far ahead",
    ],
)
def test_forged_segments_hide_nothing(attack: str) -> None:
    assert speech(house(attack)) == 5


def test_an_upload_without_any_answer_is_one_sided() -> None:
    assert {upload.one_sided for upload in uploads(house(answers=False))} == {True}
    assert {upload.one_sided for upload in uploads(house())} == {False}


@pytest.mark.parametrize("flags", [0x04, 0x14])
def test_a_refusal_is_no_answer(flags: int) -> None:
    wire = house(answers=False)
    wire.send(69.0, 0, port=PORT, down=True, flags=flags)
    wire.send(71.0, 0, port=PORT, down=True, flags=flags)
    assert {upload.one_sided for upload in uploads(wire)} == {True}


@pytest.mark.parametrize("udp", [False, True])
def test_packets_to_the_speaker_on_other_connections_make_no_call_of_it(udp: bool) -> None:
    wire = house()
    for number in range(5):
        for packet in range(200):
            at = 70.01 + 20 * number + packet * 0.02
            wire.send(at, 400, port=PORT + 1, down=True, udp=udp)
    assert speech(wire) == 5


def uploads_in_pieces(wire: Wire, size: int) -> list[tuple[object, ...]]:
    """The uploads of what was sent, handed to the detector in batches of `size` rows."""
    batch = wire.batch()
    detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
    events = [
        event
        for first in range(0, len(batch), size)
        for event in detector.feed(batch.take(slice(first, first + size)), {DEVICE: 0})
    ]
    return [dataclasses.astuple(event) for event in [*events, *detector.finish()] if isinstance(event, Upload)]


def test_cuts_do_not_change_who_is_one_sided() -> None:
    wire = house(answers=False)
    wire.send(60.0, 0, port=PORT, down=True, flags=0x10)  # before the connection is known
    wire.send(115.0, 0, port=PORT, down=True, flags=0x10)
    pieces = [uploads_in_pieces(wire, size) for size in (1, 37, len(wire.batch()))]
    assert pieces[0] == pieces[1] == pieces[2]
    assert {upload.one_sided for upload in uploads(wire)} == {True, False}


@pytest.mark.parametrize("proto", [1, 4, 33, 41, 47, 50, 51, 58, 115, 132, 136, 253])
def test_no_ip_protocol_hides_a_voice(proto: int) -> None:
    wire = Wire()
    how = {"port": 0, "server_port": 0, "flags": 0, "udp": True, "proto": proto}
    for number in range(3):
        wire.speech(70 + 20 * number, 4.0, **how)
        wire.send(70.3 + 20 * number, 40, down=True, **how)
    found = uploads(wire)
    assert [upload.upload_class for upload in found] == [UploadClass.SPEECH] * 3
    assert {upload.one_sided for upload in found} == {False}


# --- repetitions, and pieces that look like acknowledgements ----------------------------------------------------------


def chunks(at: float, seconds: float, rate: float, size: int) -> list[tuple[float, int]]:
    """Times and bytes of one utterance: a head, then pieces at a steady rate."""
    head = [(at + index * 0.002, 1_400) for index in range(10)]
    return [*head, *((at + 0.1 + index / rate, size) for index in range(round(seconds * rate)))]


def probes(wire: Wire, at: float, place: int, size: int) -> None:
    wire.send(at - 0.005, 1, port=PORT, sequence=place - 1)


def small_repetitions(wire: Wire, at: float, place: int, size: int) -> None:
    wire.send(at + 0.025, 10, port=PORT, sequence=place + size - 10)


def soon_repeated(wire: Wire, at: float, place: int, size: int) -> None:
    wire.send(at + 0.03, size, port=PORT, sequence=place)


def repeated_by_a_timer(wire: Wire, at: float, place: int, size: int) -> None:
    wire.send(at + 0.3, size, port=PORT, sequence=place)


def larger_ones_before(wire: Wire, at: float, place: int, size: int) -> None:
    wire.send(at - 0.0005, 1_400, port=PORT, sequence=place)


def with_each_piece(attack: Callable[[Wire, float, int, int], None], rate: float = 20, size: int = 437) -> Wire:
    """Three utterances of 8 s; of the second and third each piece has something forged beside it."""
    wire = Wire()
    for number in range(3):
        for at, amount in chunks(70 + 20 * number, 8, rate, size):
            place = wire.sequence.get((PORT, False), 1_000)
            wire.send(at, amount, port=PORT)
            if number:
                attack(wire, at, place, amount)
            wire.send(at + 0.04, 0, port=PORT, down=True, flags=0x10)
    return wire


@pytest.mark.parametrize("attack", [probes, small_repetitions, soon_repeated, repeated_by_a_timer, larger_ones_before])
@pytest.mark.parametrize(("rate", "size"), [(20, 437), (10, 800)])
def test_repetitions_beside_each_piece_make_no_poor_line_of_it(
    attack: Callable[[Wire, float, int, int], None], rate: float, size: int
) -> None:
    assert speech(with_each_piece(attack, rate, size)) == 3


def ahead_of_time(pause: float) -> Wire:
    """An utterance of 8 s, all bytes of which were sent shortly before, such that they did not arrive."""
    wire = Wire()
    wire.speech(70, 4.0, port=PORT)
    pieces = chunks(90, 8, 20, 250)
    place = wire.sequence[PORT, False]
    end = place + sum(size for _, size in pieces)
    forged, time = place, 89.5
    while forged < end:
        until = forged + round(pause * 250 * 20) + (14_000 if forged == place else 0)
        at = time
        while forged < min(until, end):
            size = min(1_400, end - forged)
            wire.send(at, size, port=PORT, sequence=forged)
            forged, at = forged + size, at + 0.001
        time += pause
    for at, size in pieces:
        wire.send(at, size, port=PORT)
        wire.send(at + 0.04, 0, port=PORT, down=True, flags=0x10)
    return wire


@pytest.mark.parametrize("pause", [1.0, 1.9, 3.0])
def test_an_utterance_whose_bytes_were_sent_before_is_reported(pause: float) -> None:
    found = [upload for upload in uploads(ahead_of_time(pause)) if upload.start_ns > BASE + 85 * SECOND]
    judged = [upload for upload in found if upload.upload_class in JUDGED_CLASSES]
    assert sum(upload.end_ns - upload.start_ns for upload in judged) > 4 * SECOND


def tiny(size: int, rate: float, down: int = 0) -> Wire:
    wire = Wire()
    for number in range(3):
        at = 70 + 20 * number
        for index in range(6_000 // size):
            wire.send(at + index * 0.2 * size / 6_000, size, port=PORT)
        for index in range(round(6 * rate)):
            wire.send(at + 0.25 + index / rate, size, port=PORT)
            if down and index % 2:
                wire.send(at + 0.26 + index / rate, down, port=PORT, down=True)
        wire.send(at + 0.3, 0, port=PORT, down=True, flags=0x10)
    return wire


@pytest.mark.parametrize(("size", "rate"), [(50, 50.0), (50, 100.0), (24, 100.0), (1, 1_000.0)])
def test_a_voice_in_tiny_pieces_is_found(size: int, rate: float) -> None:
    assert speech(tiny(size, rate)) == 3


def test_acknowledgements_of_a_download_are_no_voice() -> None:
    found = uploads(tiny(50, 50, down=2_800))
    assert not [upload for upload in found if upload.end_ns - upload.start_ns > 2 * SECOND]


@pytest.mark.slow
@pytest.mark.parametrize("wire", [with_each_piece(soon_repeated), ahead_of_time(1.9), tiny(50, 50.0)])
def test_cuts_do_not_change_what_is_repeated_or_tiny(wire: Wire) -> None:
    pieces = [uploads_in_pieces(wire, size) for size in (1, 7, 113, len(wire.batch()))]
    assert pieces[0] == pieces[1] == pieces[2] == pieces[3]


# --- packets that another host of the LAN sends in the name of the Internet ------------------------------------------

OTHER = mac_key("02:aa:bb:cc:dd:ee")


def known_gateway() -> Wire:
    """The router delivers something to the speaker."""
    wire = Wire()
    wire.send(10, 200, port=41_000)
    wire.send(10.03, 300, port=41_000, down=True)
    return wire


@pytest.mark.parametrize("size", [0, 60])
@pytest.mark.parametrize("udp", [False, True])
def test_another_host_answers_for_no_server(size: int, udp: bool) -> None:
    wire = known_gateway()
    wire.speech(70, 4.0, port=PORT, udp=udp)
    for index in range(20):
        wire.send(70.1 + index * 0.2, size, port=PORT, udp=udp, down=True, neighbour=OTHER, flags=0x10)
    found = [upload for upload in uploads(wire) if upload.upload_class is UploadClass.SPEECH]
    assert [upload.one_sided for upload in found] == [True]


def test_another_host_makes_no_call_of_an_upload() -> None:
    wire = house()
    for number in range(5):
        for packet in range(200):
            wire.send(70.01 + 20 * number + packet * 0.02, 440, port=PORT, down=True, neighbour=OTHER, sequence=7)
    assert speech(wire) == 5


def test_routers_that_share_an_address_answer_from_their_own() -> None:
    wire = Wire()
    wire.speech(70, 4.0, port=PORT)
    wire.send(70.3, 300, port=PORT, down=True, neighbour=OTHER)
    assert [upload.one_sided for upload in uploads(wire)] == [False]


def test_a_second_gateway_answers_what_was_sent_to_it() -> None:
    wire = known_gateway()
    wire.speech(70, 4.0, port=PORT, neighbour=OTHER)
    wire.send(70.3, 300, port=PORT, down=True, neighbour=OTHER)
    found = [upload for upload in uploads(wire) if upload.upload_class is UploadClass.SPEECH]
    assert [upload.one_sided for upload in found] == [False]


def test_cuts_do_not_change_what_is_forged() -> None:
    wire = known_gateway()
    wire.send(9.5, 60, port=PORT, down=True, neighbour=OTHER)
    wire.speech(70, 4.0, port=PORT, neighbour=OTHER)
    wire.speech(90, 4.0, port=PORT + 1)
    for index in range(40):
        wire.send(60 + index, 60, port=PORT + index % 2, down=True, neighbour=OTHER)
        wire.send(60.5 + index, 60, port=PORT + index % 2, down=True, neighbour=OTHER + 1, flags=0x10)
    batch = wire.batch()
    found = []
    for size in (1, 3, 37, len(batch)):
        detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
        for first in range(0, len(batch), size):
            detector.feed(batch.take(slice(first, first + size)), {DEVICE: 0})
        detector.finish()
        found.append(detector.forged_packets)
    assert found == [found[0]] * 4
    assert found[0] > 40


# --- a voice that is dealt over connections, on none of which it is a run ---------------------------------------------


def dealt(connections: int, *, size: int = 437, rate: float = 20, seconds: float = 8, every: float = 0) -> Wire:
    """Three utterances, each piece of which goes over the next connection. `every`: seconds between bursts to all."""
    wire = Wire()
    for number in range(connections):
        wire.send(5 + number * 0.1, 0, port=PORT + number, flags=0x02)
        wire.send(5.03 + number * 0.1, 0, port=PORT + number, flags=0x12, down=True)
    for start in (70.0, 110.0, 150.0):
        for index in range(round(seconds * rate)):
            at = start + (index // connections * every if every else index / rate)
            wire.send(at, size, port=PORT + index % connections)
            wire.send(at + 0.03, 0, port=PORT + index % connections, down=True, flags=0x10)
    return wire


@pytest.mark.parametrize(("connections", "size", "rate"), [(16, 437, 20), (40, 437, 20), (64, 300, 25), (20, 160, 50)])
def test_a_voice_dealt_over_connections_is_speech(connections: int, size: int, rate: float) -> None:
    found = uploads(dealt(connections, size=size, rate=rate))
    assert [upload.upload_class for upload in found] == [UploadClass.SPEECH] * 3
    assert {upload.one_sided for upload in found} == {False}
    assert all(6 < upload.speech_seconds < 10 for upload in found)


def test_signs_of_life_of_many_connections_are_no_voice() -> None:
    assert not [upload for upload in uploads(dealt(12, size=120, seconds=30, every=2.0)) if upload.score > 0]


def test_what_nothing_answers_is_one_sided_however_it_is_dealt() -> None:
    wire = Wire()
    for start in (70.0, 110.0):
        for index in range(160):
            wire.send(start + index / 20, 437, port=PORT + index % 16)
    assert {upload.one_sided for upload in uploads(wire)} == {True}


def test_cuts_do_not_change_what_is_dealt() -> None:
    wire = dealt(16)
    wire.speech(100, 4.0, port=PORT + 900)
    pieces = [uploads_in_pieces(wire, size) for size in (1, 13, 350, len(wire.batch()))]
    assert pieces[0] == pieces[1] == pieces[2] == pieces[3]
    assert len(pieces[0]) == 4
