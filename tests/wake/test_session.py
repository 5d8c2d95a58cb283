"""Health, reconnection and limits, with a clock and waits of our own."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from sniffer.errors import ConfigError, WakeError
from sniffer.model import WakeEvent, WakeKind, mac_key
from sniffer.model.clock import SystemClock
from sniffer.model.ratelimit import RateLimit
from sniffer.settings.base import Secret
from sniffer.testing import ManualClock
from sniffer.wake.adapters.presence import Presence
from sniffer.wake.adapters.tail import FileFeed
from sniffer.wake.session import Session
from sniffer.wake.settings import FileSource, PresenceSource, WakeSettings
from sniffer.wake.sources import Sources, build_sources
from tests.wake.ears import Heard, until

S = 1_000_000_000


class Scripted:
    """Does one thing an attempt: raises it, or is up for so many seconds first."""

    name = "scripted"

    def __init__(self, clock: ManualClock, *attempts: Exception | float) -> None:
        self._clock, self._attempts = clock, list(attempts)

    def run(self, session: Session) -> None:
        now = self._attempts.pop(0)
        if not self._attempts:
            session.stop()
        if isinstance(now, Exception):
            raise now
        session.up()
        self._clock.advance(now)


def drive(*attempts: Exception | float) -> tuple[list[float], list[WakeEvent], Session]:
    clock, waits, events = ManualClock(), [], []

    def wait(seconds: float) -> bool:
        waits.append(seconds)
        clock.advance(seconds)
        return False

    session = Session("scripted", events.append, clock, wait=wait)
    session.drive(Scripted(clock, *attempts))
    return waits, events, session


def test_waits_double_up_to_a_minute() -> None:
    waits, events, session = drive(*[WakeError("no")] * 9)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]
    assert [event.kind for event in events] == [WakeKind.SOURCE_DOWN]
    assert session.status().problem == "no"


def test_after_a_good_while_waits_start_again() -> None:
    waits, events, _ = drive(WakeError("no"), WakeError("no"), 40.0, WakeError("no"), 1.0)
    assert waits == [1, 2, 1, 2]
    assert [event.kind for event in events].count(WakeKind.SOURCE_UP) == 2


def test_a_bug_in_a_library_ends_no_thread(caplog: pytest.LogCaptureFixture) -> None:
    waits, _, session = drive(RuntimeError("two\nlines"), OSError(111, "Connection refused"), 0.1)
    assert len(waits) == 2
    assert "wake source scripted" in caplog.text
    assert session.status().attempts == 3


def test_events_from_far_away_in_time_are_refused() -> None:
    clock, events = ManualClock(), []
    session = Session("s", events.append, clock)
    session.event(clock.now_ns() + 3600 * S)
    session.event(clock.now_ns() - 48 * 3600 * S)
    session.event(clock.now_ns() - 60 * S)
    assert session.status().refused == 2
    assert [event.kind for event in events] == [WakeKind.MISDATED, WakeKind.MISDATED, WakeKind.WAKE]
    assert events[0].time_ns == events[0].received_ns == clock.now_ns(), "something was heard, at an unknown time"


def test_a_flood_is_refused() -> None:
    clock, events = ManualClock(), []
    session = Session("s", events.append, clock)
    for _ in range(1000):
        session.event()
        clock.advance(0.01)
    assert len(events) < 60


def test_a_full_program_ends_no_source() -> None:
    def full(event: WakeEvent) -> None:
        raise WakeError("too many events are waiting")

    session = Session("s", full, ManualClock())
    session.up()
    session.event()
    session.mapping({})
    assert session.status().refused == 3


def test_the_bucket() -> None:
    limit = RateLimit(2.0, 3)
    assert [limit.allows(0.0) for _ in range(5)] == [True, True, True, False, False]
    assert [limit.allows(0.6), limit.allows(0.6)] == [True, False]
    assert limit.allows(-5.0) is False, "a clock that steps back gives nothing"


def test_a_file_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "wake.jsonl"
    path.write_text('{"device": "before we looked"}\n')
    source = FileSource.model_validate({"type": "file", "name": "log", "path": path, "poll": 0.05})
    with Heard(FileFeed(source)) as heard:
        until(lambda: heard.up)
        with path.open("a") as file:
            file.write('{"device": "kitchen"}\nnonsense\n# note\n\n{"dev')
        until(lambda: len(heard.wakes()) == 1)
        with path.open("a") as file:
            file.write('ice": "hall"}\n')
        until(lambda: len(heard.wakes()) == 2)
        path.rename(tmp_path / "wake.jsonl.1")
        until(lambda: not heard.up)
        path.write_text("")
        until(lambda: heard.up)
        with path.open("a") as file:
            file.write('{"device": "attic"}\n')
        until(lambda: len(heard.wakes()) == 3)
        path.write_text('{"device": "cut"}\n')
        until(lambda: len(heard.wakes()) == 4)
    assert [event.device for event in heard.wakes()] == ["kitchen", "hall", "attic", "cut"]
    assert heard.session.status().refused == 1


def test_a_name_that_would_break_terminals_and_scrapes_is_refused() -> None:
    heard: list[WakeEvent] = []
    session = Session("rhasspy", heard.append, ManualClock())
    for name in ("\ud800", "\x1b[2J", "x" * 65, "kitchen"):
        session.event(device=name)
    assert [event.device for event in heard] == ["kitchen"]
    assert session.status().refused == 3


PHONE, OTHER = "02:00:00:00:00:01", "02:00:00:00:00:02"


def presence() -> Presence:
    return Presence(PresenceSource(type="presence", name="phones", macs=(PHONE, OTHER), away_after=1200))


def test_nobody_home() -> None:
    phones, phone = presence(), mac_key(PHONE)
    assert phones.advance(5000 * S) == [], "never seen is not away"
    (first,) = phones.seen([phone, 99], 10_000 * S)
    assert first.kind is WakeKind.HOME, "who left before a restart may be home again"
    assert phones.seen([99], 11_000 * S) == []
    assert phones.advance(11_199 * S) == []
    (away,) = phones.advance(11_300 * S)
    assert (away.kind, away.time_ns, away.source) == (WakeKind.AWAY, 11_200 * S, "phones")
    assert phones.advance(12_000 * S) == []
    (home,) = phones.seen([mac_key(OTHER)], 13_000 * S)
    assert (home.kind, home.time_ns) == (WakeKind.HOME, 13_000 * S)


def test_an_absence_that_nobody_looked_at_is_told_afterwards() -> None:
    phones, phone = presence(), mac_key(PHONE)
    phones.seen([phone], 1 * S)
    assert [(e.kind, e.time_ns // S) for e in phones.seen([phone], 5000 * S)] == [
        (WakeKind.AWAY, 1201),
        (WakeKind.HOME, 5000),
    ]


def test_who_could_not_be_seen_is_not_away() -> None:
    """The interface was down for half an hour: the phones' silence says nothing."""
    phones = presence()
    phones.seen([mac_key(PHONE)], 100 * S)
    (away,) = phones.advance(1400 * S)
    (back,) = phones.blind(150 * S, 1950 * S)
    assert (away.kind, back.kind, back.time_ns > away.time_ns) == (WakeKind.AWAY, WakeKind.HOME, True)
    assert phones.advance(3100 * S) == []
    assert [event.kind for event in phones.advance(3200 * S)] == [WakeKind.AWAY]
    assert phones.blind(3300 * S, 3301 * S) == [], "a few packets hide nobody"


def test_sources_start_and_stop(tmp_path: Path) -> None:
    path = tmp_path / "wake.jsonl"
    path.touch()
    settings = WakeSettings.model_validate({"sources": [
        {"type": "file", "name": "log", "path": str(path), "poll": 0.05},
        {"type": "http", "name": "phone"},
        {"type": "presence", "name": "phones", "macs": [PHONE]},
    ]})  # fmt: skip
    events: list[WakeEvent] = []
    sources = build_sources(settings, events.append, ManualClock(), lambda secret: "x")
    sources.start()
    until(lambda: [status.up for status in sources.status()] == [True])
    path.write_text(json.dumps({"device": "kitchen"}) + "\n")
    until(lambda: any(event.kind is WakeKind.WAKE for event in events))
    sources.stop()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("wake-")]
    assert events[-1].kind is WakeKind.SOURCE_DOWN


def test_a_missing_secret_is_a_mistake_and_starts_nothing() -> None:
    def missing(secret: Secret) -> str:
        raise ConfigError("the secret cannot be read")

    settings = WakeSettings.model_validate(
        {"sources": [{"type": "home_assistant", "name": "ha", "url": "http://x", "token": {"env": "NOTHING"}}]}
    )
    with pytest.raises(ConfigError):
        build_sources(settings, lambda event: None, ManualClock(), missing)


def test_two_sources_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two wake sources have the name 'a'"):
        WakeSettings.model_validate({"sources": [{"type": "http", "name": "a"}, {"type": "http", "name": "a"}]})


@pytest.mark.parametrize(
    ("source", "hears"),
    [
        ({"type": "http"}, set()),
        ({"type": "http", "hears": []}, set()),
        ({"type": "http", "heartbeat": 60}, {"wake"}),
        ({"type": "http", "heartbeat": 60, "hears": ["call"]}, {"call"}),
        ({"type": "file", "path": "events.jsonl"}, set()),
        ({"type": "file", "path": "events.jsonl", "heartbeat": 60}, {"wake"}),
        ({"type": "mqtt", "host": "broker"}, set()),
        ({"type": "mqtt", "host": "broker", "hermes": True}, {"wake"}),
        ({"type": "mqtt", "host": "broker", "hears": ["wake"]}, {"wake"}),
        ({"type": "wyoming", "host": "ear"}, {"wake"}),
        ({"type": "presence", "macs": ["02:00:00:00:00:01"]}, set()),
    ],
)
def test_only_an_ear_that_is_known_to_live_is_a_witness(source: dict[str, object], hears: set[str]) -> None:
    (spec,) = WakeSettings.model_validate({"sources": [{"name": "it", **source}]}).specs()
    assert spec.hears == hears


@pytest.mark.parametrize("source", [{"type": "http"}, {"type": "file", "path": "events.jsonl"}])
def test_an_ear_that_nobody_would_miss_is_refused(source: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="`hears` needs `heartbeat`"):
        WakeSettings.model_validate({"sources": [{"name": "it", "hears": ["wake"], **source}]})


def test_a_source_that_did_not_change_goes_on_over_a_reload() -> None:
    """A satellite reconnects only once it has something to say, and would lose it."""
    started: list[str] = []

    class Waits:
        name = "ear"

        def run(self, session: Session) -> None:
            started.append("run")
            session.up()
            while not session.wait(0.01):
                pass

    def made(settings: object) -> Sources:
        found = Sources()
        found.add(Session("ear", lambda event: None, SystemClock()), Waits(), settings)
        return found

    old = made("same")
    old.start()
    until(lambda: old.status()[0].up)
    new = made("same")
    new.take_over(old)
    old.stop()
    new.start()
    assert (new.status()[0].up, started) == (True, ["run"])
    changed = made("other")
    changed.take_over(new)
    new.stop()
    changed.start()
    until(lambda: changed.status()[0].up)
    assert started == ["run", "run"]
    changed.stop()
