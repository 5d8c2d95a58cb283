"""Listeners are asked once about each upload that could be a voice, and again after they were away."""

from __future__ import annotations

from typing import Any

from sniffer import model
from sniffer.app.asks import Asks
from sniffer.model import WakeEvent, WakeKind
from sniffer.model.clock import SECOND, parse_timestamp, timestamp

NOW = parse_timestamp("2026-11-22T18:04:05Z")


def listening(start_ns: int = NOW, lasts: bool = True) -> dict[str, Any]:
    return {"event_type": "listening", "listening": lasts, "start": timestamp(start_ns)}


def upload(start_ns: int = NOW, what: str = "speech", revision: int = 0) -> dict[str, Any]:
    return {
        "event_type": "upload", "timestamp": timestamp(start_ns), "revision": revision, "upload": {"class": what},
    }  # fmt: skip


def spoken(source: str, start_ns: int = NOW) -> WakeEvent:
    heard = model.Testimony(start_ns - 6 * SECOND, start_ns + 2 * SECOND, (), 0.0, -60.0, -60.0, 8.0)
    return WakeEvent(heard.to_ns, source, WakeKind.TESTIMONY, testimony=heard)


def test_what_could_be_a_voice_is_asked_about_once() -> None:
    asks = Asks()
    ask = asks.about(listening(), NOW + 3 * SECOND)
    assert ask == {"from": timestamp(NOW - 6 * SECOND), "to": timestamp(NOW + 2 * SECOND)}
    assert asks.about(listening(lasts=False), NOW + 4 * SECOND) is None
    assert asks.about(upload(), NOW + 5 * SECOND) is None
    assert asks.about(upload(NOW + SECOND), NOW + 5 * SECOND) is not None


def test_nothing_else_is_asked_about() -> None:
    asks = Asks()
    for record in (upload(what="telemetry"), upload(revision=1), {"event_type": "stats"}):
        assert asks.about(record, NOW) is None
    assert asks.about(upload(), NOW + 601 * SECOND) is None, "a listener remembers ten minutes"


def test_what_a_source_has_not_answered_is_repeated_for_ten_minutes() -> None:
    asks = Asks()
    asks.about(upload(), NOW)
    asks.about(upload(NOW + 60 * SECOND), NOW + 60 * SECOND)
    asks.answered(spoken("ear"))
    assert len(asks.open(None, NOW + 60 * SECOND)) == 2
    assert [ask["to"] for ask in asks.open("ear", NOW + 60 * SECOND)] == [timestamp(NOW + 62 * SECOND)]
    assert len(asks.open("other", NOW + 60 * SECOND)) == 2
    assert asks.open("ear", NOW + 661 * SECOND) == []


def test_a_person_who_tests_a_listener_asks_about_the_last_seconds() -> None:
    asks = Asks()
    ask = asks.about_now(NOW)
    assert ask == {"from": timestamp(NOW - 8 * SECOND), "to": timestamp(NOW)}
    assert asks.open("shelf", NOW + SECOND) == [ask], "one that reconnects is asked again"
