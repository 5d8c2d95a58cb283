"""Events from anybody: what is right is read, what is wrong is refused with its reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer import model
from sniffer.errors import WakeError
from sniffer.model import Answer, Trust, WakeEvent, WakeKind
from sniffer.records.build import answer_record, wake_record
from sniffer.wake.adapters.file import read_events
from sniffer.wake.events import parse_event, parse_json

S = 1_000_000_000
NOW = 1_795_370_645 * S


def test_the_least_event() -> None:
    event = parse_event({"timestamp": "2026-11-22T18:04:05.120000Z", "source": "button"})
    assert event == WakeEvent(NOW + 120_000_000, "button", received_ns=NOW + 120_000_000)
    assert (event.kind, event.trust, event.device) == (WakeKind.WAKE, Trust.INDEPENDENT, None)


@pytest.mark.parametrize(
    "when", ["2026-11-22T18:04:05Z", "2026-11-22T19:04:05+01:00", "2026-11-22 18:04:05", 1_795_370_645, 1_795_370_645.0]
)
def test_ways_to_write_one_time(when: object) -> None:
    assert parse_event({"timestamp": when, "source": "a"}).time_ns == NOW


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"timestamp": None}, "'timestamp' is missing"),
        ({"timestamp": "yesterday"}, "neither ISO-8601 nor"),
        ({"timestamp": 1_795_370_645_000}, "milliseconds"),
        ({"timestamp": True}, "must be ISO-8601"),
        ({"timestamp": [1]}, "must be ISO-8601"),
        ({"timestamp": "9999-12-31T23:59:59Z"}, "not a time from"),
        ({"timestamp": "0001-01-01T00:00:00+14:00"}, "not a time from"),
        ({"timestamp": -1}, "not a time from"),
        ({"source": None}, "'source' is missing"),
        ({"source": ""}, "1 to 64"),
        ({"source": "x" * 65}, "1 to 64"),
        ({"device": "kit\nchen"}, "printable"),
        ({"device": 5}, "1 to 64"),
        ({"kind": "woke"}, "kind must be one of"),
        ({"kind": ["wake"]}, "kind must be one of"),
        ({"trust": "absolute"}, "trust must be one of"),
        ({"miss_rate": 2}, "from 0 to 1"),
        ({"miss_rate": True}, "from 0 to 1"),
        ({"devcie": "kitchen"}, "unknown key 'devcie'"),
        ({"event_type": "upload"}, "event_type"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(WakeError, match=reason.replace("(", r"\(")):
        parse_event({"timestamp": 1_795_370_645, "source": "a", **change})


def test_somebody_who_is_known_speaks_for_himself_only() -> None:
    assert parse_event({"kind": "wake"}, NOW, source="phone").source == "phone"
    with pytest.raises(WakeError, match="speaks for the source 'phone', not for 'ear'"):
        parse_event({"source": "ear"}, NOW, source="phone")


def test_trust_cannot_be_raised() -> None:
    event = parse_event({"trust": "independent"}, NOW, source="vendor", trust=Trust.SELF_REPORT)
    assert event.trust is Trust.SELF_REPORT


@pytest.mark.parametrize(("seconds", "reason"), [(3600, "in the future"), (-100_000, "h old")])
def test_far_from_now_is_refused_with_the_reason(seconds: int, reason: str) -> None:
    with pytest.raises(WakeError, match=reason):
        parse_event({"timestamp": NOW / S + seconds}, NOW, source="a")
    assert parse_event({"timestamp": NOW / S + seconds}, source="a"), "a file may be as old as it likes"


def test_live_events_were_received_now_whatever_they_say() -> None:
    assert parse_event({"timestamp": NOW / S - 5, "received": 1}, NOW, source="a").received_ns == NOW


times = st.integers(1, 4_000_000_000_000_000).map(lambda us: us * 1000)
names = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
testimonies = st.builds(
    lambda start, span, scores, voice, level: model.Testimony(
        start, start + span * 1000, tuple(sorted(scores.items())), voice, level, level - 20.0, span / 2_000_000 // 1
    ),
    times, st.integers(1_000, 60_000_000), st.dictionaries(names, st.integers(0, 10_000).map(lambda n: n / 10_000)),
    st.integers(0, 1000).map(lambda n: n / 1000), st.integers(-100, 20).map(float),
)  # fmt: skip
common = {"source": names, "device": st.none() | st.just("kitchen"), "received_ns": times}
events = st.one_of(
    st.builds(
        WakeEvent, time_ns=times, vendor=st.none() | st.just("Amazon"), miss_rate=st.none() | st.floats(0, 1),
        kind=st.sampled_from([kind for kind in WakeKind if kind not in (WakeKind.TESTIMONY, WakeKind.ANSWER)]),
        trust=st.sampled_from([Trust.INDEPENDENT, Trust.SELF_REPORT]), **common,
    ),
    st.builds(
        lambda testimony, **more: WakeEvent(testimony.to_ns, kind=WakeKind.TESTIMONY, testimony=testimony, **more),
        testimonies.filter(lambda testimony: len(testimony.scores) <= 16), **common,
    ),
    st.builds(
        WakeEvent, time_ns=times, kind=st.just(WakeKind.ANSWER), trust=st.just(Trust.PERSON), upload=names,
        answer=st.sampled_from(Answer), source=names, received_ns=times,
    ),
)  # fmt: skip


@given(events)
def test_what_the_daemon_writes_can_be_read_back(event: WakeEvent) -> None:
    made = answer_record if event.kind is WakeKind.ANSWER else wake_record
    assert parse_event(json.loads(json.dumps(made(event).to_json()))) == event


HEARD = {
    "from": NOW / S - 8, "to": NOW / S, "scores": {"alexa": 0.01}, "voice": 0.4, "level_db": -38.2, "noise_db": -61.0,
    "seconds": 8.0,
}  # fmt: skip


def test_a_testimony_is_read() -> None:
    event = parse_event({"kind": "testimony", "testimony": HEARD}, NOW, source="ear")
    assert event.time_ns == NOW
    assert event.testimony is not None
    assert event.testimony.best == 0.01


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"scores": {"alexa": 2}}, "from 0 to 1"),
        ({"scores": {"alexa": float("nan")}}, "from 0 to 1"),
        ({"scores": {"alexa": True}}, "from 0 to 1"),
        ({"scores": {str(n): 0.1 for n in range(17)}}, "at most 16"),
        ({"scores": [1]}, "at most 16"),
        ({"voice": -0.1}, "voice"),
        ({"level_db": 300}, "level_db"),
        ({"seconds": 20}, "seconds"),
        ({"from": NOW / S}, "covers"),
        ({"from": NOW / S - 61}, "covers"),
        ({"to": NOW / S + 3}, "future"),
        ({"from": NOW / S - 1000, "to": NOW / S - 990}, "older"),
        ({"extra": 1}, "extra"),
    ],
)
def test_a_testimony_that_cannot_be_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(WakeError, match=reason):
        parse_event({"kind": "testimony", "testimony": HEARD | change}, NOW, source="ear")


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "testimony"},
        {"kind": "wake", "testimony": HEARD},
        {"kind": "testimony", "testimony": {}},
        {"kind": "testimony", "testimony": 7},
        {"kind": "answer", "upload": "a", "answer": "yes"},
        {"kind": "misdated"},
        {"kind": "wake", "trust": "person"},
        {"kind": "wake", "upload": "a"},
    ],
)
def test_what_does_not_belong_together_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(WakeError):
        parse_event(event, NOW, source="ear")


@settings(max_examples=300)
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(["timestamp", "source", "kind", "device", "trust", "x"]), inner, max_size=5),
    max_leaves=8,
))  # fmt: skip
def test_anything_else_is_refused_in_one_line(value: object) -> None:
    try:
        assert isinstance(parse_event(value, NOW, source="a"), WakeEvent)
    except WakeError as error:
        assert "\n" not in str(error)


@given(st.binary(max_size=200))
def test_bytes_are_json_or_refused(data: bytes) -> None:
    try:
        parse_json(data)
    except WakeError as error:
        assert "\n" not in str(error)


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "wake.jsonl"
    path.write_text(
        '\ufeff{"timestamp": 20, "source": "a"}\n\n# a note\n'
        '{"event_type": "upload", "id": "x"}\n{"timestamp": 10, "source": "a", "kind": "mute"}',
        encoding="utf-8",
    )
    assert [(event.time_ns // S, str(event.kind)) for event in read_events(path)] == [(10, "mute"), (20, "wake")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"{", r"wake.jsonl:1: not JSON"),
        (b'{"timestamp": 1, "source": "a"}\n{"timestamp": 1}', r"wake.jsonl:2: the key 'source'"),
        (b"\xff\xfe\x00", r"wake.jsonl:1: not JSON"),
        (b"[" * 10_000, r"wake.jsonl:1: not JSON"),
        (b"x" * 100_000, r"wake.jsonl:1: over"),
        (b"[]", r"wake.jsonl:1: a wake event is a JSON object"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "wake.jsonl"
    path.write_bytes(content)
    with pytest.raises(WakeError, match=reason):
        read_events(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WakeError, match="cannot be read: No such file"):
        read_events(tmp_path / "nothing")
