"""What a disobedient speaker or a neighbour may try with TCP: nothing that was said disappears."""

from __future__ import annotations

import dataclasses

import pytest

from sniffer.detect import Detector
from sniffer.detect.scoring.weights import load_weights
from sniffer.detect.settings import DetectSettings
from sniffer.model import Upload, UploadClass
from sniffer.resources import shipped
from tests.detect.traffic import DEVICE, Nobody, Wire

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


def test_cuts_do_not_change_who_is_one_sided() -> None:
    wire = house(answers=False)
    wire.send(60.0, 0, port=PORT, down=True, flags=0x10)  # before the connection is known
    wire.send(115.0, 0, port=PORT, down=True, flags=0x10)
    batch = wire.batch()
    found = []
    for size in (1, 37, len(batch)):
        detector = Detector(DetectSettings(), WEIGHTS, Nobody(), {})
        events = [
            event
            for first in range(0, len(batch), size)
            for event in detector.feed(batch.take(slice(first, first + size)), {DEVICE: 0})
        ]
        found.append(
            [dataclasses.astuple(event) for event in [*events, *detector.finish()] if isinstance(event, Upload)]
        )
    assert found[0] == found[1] == found[2]
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
