"""Detections: what they mean, and what is said of a wrong one."""

from typing import Any

import pytest
import yaml

from sniffer.rules.sigma import DetectionError, compile_detection

RECORD: dict[str, Any] = {
    "verdict": "unexpected",
    "src_ip": "192.168.1.23",
    "dest_ip": "2001:db8::7",
    "device": {"name": "Kitchen", "kind": "speaker", "model": None},
    "service": {"host": "avs-alexa-4-na.example.com", "role": "voice"},
    "upload": {"class": "speech", "bytes": 46012, "speech_seconds": 3.4, "answered": True},
    "flows": ["192.168.1.23:40412 > 52.94.233.109:443 TCP", "192.168.1.23:40413 > 52.94.233.109:443 TCP"],
    "evidence": [{"name": "pace", "weight": 4.0}, {"name": "telemetry_host", "weight": -2.0}],
}


def holds(selection: str, record: dict[str, Any] = RECORD) -> bool:
    return compile_detection({"s": yaml.safe_load(selection), "condition": "s"})(record)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("{verdict: unexpected}", True),
        ("{verdict: UNEXPECTED}", True),
        ("{verdict: un*}", True),
        ("{verdict: '?nexpected'}", True),
        ("{verdict: expected}", False),
        ("{verdict: [expected, unexpected]}", True),
        ("{device.name: kitchen, upload.class: speech}", True),
        ("{device.name: kitchen, upload.class: bulk}", False),
        ("[{upload.class: bulk}, {device.kind: speaker}]", True),
        ("{device.model: null}", True),
        ("{device.missing: null}", True),
        ("{device.name: null}", False),
        ("{device.model: [null, Dot]}", True),
        ("{device.model|exists: true}", False),
        ("{device.model|exists: false}", True),
        ("{device.name|exists: true}", True),
        ("{service.host|contains: ALEXA}", True),
        ("{service.host|contains|all: [alexa, example]}", True),
        ("{service.host|contains|all: [alexa, other]}", False),
        ("{service.host|contains: [other, example]}", True),
        ("{service.host|startswith: avs-}", True),
        ("{service.host|endswith: '.com'}", True),
        ("{service.host|endswith: '.example'}", False),
        ("{upload.speech_seconds|gt: 3.4}", False),
        ("{upload.speech_seconds|gte: 3.4}", True),
        ("{upload.speech_seconds|lt: 4}", True),
        ("{upload.speech_seconds|lte: 3}", False),
        ("{device.model|lt: 4}", False),
        ("{device.name|gt: 1}", False),
        ("{upload.answered|gt: 0}", False),
        ("{upload.bytes: 46012}", True),
        ("{upload.bytes: '46012'}", False),
        ("{upload.answered: true}", True),
        ("{upload.answered: false}", False),
        ("{upload.bytes: true}", False),
        ("{src_ip|cidr: 192.168.0.0/16}", True),
        ("{src_ip|cidr: [10.0.0.0/8, 192.168.1.0/24]}", True),
        ("{dest_ip|cidr: 192.168.0.0/16}", False),
        ("{dest_ip|cidr: '2001:db8::/32'}", True),
        ("{device.name|cidr: 192.168.0.0/16}", False),
        ("{flows|contains: ':40413 '}", True),
        ("{flows|contains: ':9 '}", False),
        ("{evidence.name: telemetry_host}", True),
        ("{evidence.weight|lt: -1}", True),
    ],
)
def test_a_selection_means(selection: str, expected: bool) -> None:
    assert holds(selection) is expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("yes_1", True),
        ("not yes_1", False),
        ("not not yes_1", True),
        ("yes_1 and no_1 or yes_2", True),
        ("yes_1 and (no_1 or yes_2)", True),
        ("no_1 and no_2 or no_1", False),
        ("not no_1 and yes_1", True),
        ("not (yes_1 and no_1)", True),
        ("1 of yes_*", True),
        ("all of yes_*", True),
        ("1 of no_*", False),
        ("any of *_1", True),
        ("all of *_1", False),
        ("1 of them", True),
        ("all of them", False),
        ("((yes_1))", True),
        ("yes_1 and not 1 of no_*", True),
    ],
)
def test_a_condition_means(condition: str, expected: bool) -> None:
    names = {"yes_1": True, "yes_2": True, "no_1": False, "no_2": False}
    used = {name: {"verdict": "unexpected" if value else "x"} for name, value in names.items()}
    everything = " or (yes_1 and yes_2 and no_1 and no_2)"  # every selection must be used; this one is never true
    assert compile_detection(used | {"condition": f"({condition}){everything}"})(RECORD) is expected


def test_them_does_not_mean_selections_that_begin_with_an_underscore() -> None:
    detection = {"a": {"verdict": "x"}, "_b": {"verdict": "unexpected"}}
    assert not compile_detection(detection | {"condition": "1 of them and _b"})(RECORD)
    assert compile_detection(detection | {"condition": "1 of _* or a"})(RECORD)


@pytest.mark.parametrize(
    ("detection", "message", "location"),
    [
        ("{s: {verdict: x}}", "the condition must be text", ("condition",)),
        ("{s: {verdict: x}, condition: [s]}", "the condition must be text", ("condition",)),
        ("{s: {verdict: x}, condition: t}", "there is no selection 't'", ("condition",)),
        ("{selection: {verdict: x}, condition: selecton}", "did you mean 'selection'", ("condition",)),
        ("{s: {verdict: x}, t: {verdict: x}, condition: s}", "does not use 't'", ("t",)),
        ("{s: {verdict: x}, condition: s AND s}", "write 'and'", ("condition",)),
        ("{s: {verdict: x}, condition: (s}", "')' is missing", ("condition",)),
        ("{s: {verdict: x}, condition: s and}", "name of a selection is missing", ("condition",)),
        ("{s: {verdict: x}, condition: 2 of s*}", "'1 of', 'any of' or 'all of'", ("condition",)),
        ("{s: {verdict: x}, condition: 1 of t*}", "no selection is called", ("condition",)),
        ("{s: {verdict: x}, condition: 1 of}", "after 'of'", ("condition",)),
        ("{s: {verdct: x}, condition: s}", "did you mean 'verdict'", ("s", "verdct")),
        ("{s: {verdict|contain: x}, condition: s}", "did you mean 'contains'", ("s", "verdict|contain")),
        ("{s: {verdict|endswith|contains: x}, condition: s}", "one modifier", ("s", "verdict|endswith|contains")),
        ("{s: {verdict|contains|all: x}, condition: s}", "needs a list", ("s", "verdict|contains|all")),
        ("{s: {verdict: []}, condition: s}", "an empty list", ("s", "verdict")),
        ("{s: {verdict|gt: x}, condition: s}", "compared with a number", ("s", "verdict|gt")),
        ("{s: {verdict|re: 'a|b'}, condition: s}", "regular expressions are not supported", ("s", "verdict|re")),
        ("{s: {verdict|cidr: [10.0.0.0/8, x]}, condition: s}", "not a network", ("s", "verdict|cidr", 1)),
        ("{s: {verdict|exists: 3}, condition: s}", "true or false", ("s", "verdict|exists")),
        ("{s: {verdict|contains: 3}, condition: s}", "in quotes", ("s", "verdict|contains")),
        ("{s: {verdict: {a: b}}, condition: s}", "expected text", ("s", "verdict")),
        ("{s: [words, to, find], condition: s}", "name the field", ("s",)),
        ("{s: {}, condition: s}", "a selection is a mapping", ("s",)),
    ],
)
def test_a_wrong_detection_says_what_and_where(detection: str, message: str, location: tuple[Any, ...]) -> None:
    with pytest.raises(DetectionError) as caught:
        compile_detection(yaml.safe_load(detection), fields={"verdict"})
    assert message in caught.value.message
    assert caught.value.location == location


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(DetectionError):
        compile_detection({"s": {"verdict": "x"}, "condition": "(" * 200 + "s" + ")" * 200})
    with pytest.raises(DetectionError):
        compile_detection({"s": {"verdict": "x"}, "condition": "not " * 200 + "s"})
