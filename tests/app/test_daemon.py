"""The daemon's loop with a source, a clock and sinks of our own: what is kept, told and survived."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scapy.layers.inet import IP, fragment
from scapy.layers.l2 import Ether

from sniffer.app.build import build_pipeline, load_rulebook
from sniffer.app.config import Config
from sniffer.app.daemon import Daemon, Edges
from sniffer.app.pipeline import Pipeline
from sniffer.diagnostics.clock_state import ClockState
from sniffer.diagnostics.silence import SilenceWatch
from sniffer.errors import ConfigError, StoreError, UsageError, WakeError
from sniffer.judge.settings import JudgeSettings, QuestionSettings
from sniffer.model import Answer, FrameBlock, Loss, Record, Trust, WakeEvent, WakeKind, WakeSource
from sniffer.model.clock import SECOND
from sniffer.records.build import answer_record
from sniffer.settings.base import DeviceSettings
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Message, Messages
from sniffer.sinks.delivery.target import Target
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import Frame, House, ManualClock, RecordingSink, frame_block
from sniffer.wake.settings import WakeSettings
from tests.records.test_schemas import check

START = 1_700_000_000 * SECOND
MAC = "02:00:00:00:00:0a"
EAR = WakeSource("ear", miss_rate=0.0, measured=False, assumed_up=True)
CONFIG = Config(devices=(DeviceSettings(mac=MAC, name="kitchen"),))


@dataclass
class Counts:
    received: int = 0
    dropped: int = 0


@dataclass
class Source:
    """Hands out frames as the clock passes their times."""

    clock: ManualClock
    frames: list[Frame] = field(default_factory=list)
    watched: list[frozenset[int]] = field(default_factory=list)
    counts: dict[str, Counts] = field(default_factory=lambda: {"br-lan": Counts()})
    lost: list[Loss] = field(default_factory=list)
    ends: bool = False

    def poll(self, timeout: float) -> list[FrameBlock] | None:
        if self.ends:
            return None
        self.clock.advance(timeout)
        due = [frame for frame in self.frames if frame.time_ns <= self.clock.now_ns()]
        self.frames = self.frames[len(due) :]
        return [frame_block(due, interface="br-lan")] if due else []

    def hurry(self, hurried: bool) -> None:
        pass

    def complete_ns(self) -> int:
        return self.clock.now_ns()

    def watch(self, keys: Iterable[int]) -> None:
        self.watched.append(frozenset(keys))

    def statistics(self) -> Mapping[str, Counts]:
        return dict(self.counts)

    def up(self) -> Mapping[str, bool]:
        return {"br-lan": True}

    def losses(self) -> list[Loss]:
        lost, self.lost = self.lost, []
        return lost

    def events(self) -> list[str]:
        return []

    def close(self) -> None:
        pass


@dataclass
class World:
    """A daemon and everything around it."""

    daemon: Daemon
    source: Source
    store: Store
    metrics: Metrics
    sink: RecordingSink
    clock: ManualClock

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.1)):
            self.daemon.step()

    def uploads(self) -> list[Record]:
        return [record for record in self.sink.records if record["event_type"] == "upload"]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


PHONE = "02:00:00:00:00:0b"
PHONES = {"sources": [{"type": "presence", "name": "phones", "macs": [PHONE]}]}


def build(config: Config, state: Mapping[str, Any] | None = None) -> Pipeline:
    return build_pipeline(config, load_rulebook(config), [EAR], "br-lan", offline=False, state=state)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    stores: list[Store] = []

    def make(state: Mapping[str, Any] | None = None, config: Config = CONFIG, **options: Any) -> World:
        clock = ManualClock(START)
        store = Store(StoreSettings(path=tmp_path / f"{len(stores)}.db"))
        stores.append(store)
        source, sink, metrics = Source(clock), RecordingSink(), Metrics("test", ["kitchen"], process=False)
        pipeline = build(config, state)
        daemon = Daemon(
            source=source,
            edges=Edges(pipeline, [sink]),
            store=store,
            metrics=metrics,
            clock=clock,
            poll_timeout=0.1,
            **options,
        )
        return World(daemon, source, store, metrics, sink, clock)

    yield make
    for store in stores:
        store.close()


def test_a_daemon_that_sees_no_other_host_says_so(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world(silence=SilenceWatch([], [], lambda name: ("a switch", "a mirror port")))
    w.run(59)
    assert not caplog.records and w.metric("sniffer_capture_sees_others", interface="br-lan") == 1
    w.run(5)
    assert [record.message for record in caplog.records] == [
        "br-lan: no packet of another host in 60 seconds; uploads of speakers cannot be found here. "
        "Probable cause: a switch. Remedy: a mirror port"
    ]
    assert w.metric("sniffer_capture_sees_others", interface="br-lan") == 0
    w.source.frames = says(3.0, at=65.0)
    w.run(20)
    assert w.metric("sniffer_capture_sees_others", interface="br-lan") == 1


def test_a_clock_that_may_be_wrong_is_reported_once_and_when_it_is_right(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    quiet = Config.model_validate({"judge": {"quiet_hours": [{"start": "00:00", "end": "23:59:59"}]}})
    states = iter([ClockState(False, False)] * 3 + [ClockState(True, False)] * 100)
    w = world(config=quiet, clock_state=lambda: next(states))
    w.run(150)
    said = [record.message for record in caplog.records if "clock" in record.message]
    assert [line[:32] for line in said] == ["the clock is not synchronised, a", "the clock is synchronised: quiet"]


def test_a_configured_device_that_is_never_seen_is_reported(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    mistyped = MAC[:-1] + "b"
    w = world(config=Config(devices=(DeviceSettings(mac=mistyped, name="kitchen"),)))
    w.source.frames = says(3.0, at=2.0)
    w.run(65)
    assert f"kitchen, {mistyped}, was never seen ({MAC} was: is that the address you meant?)" in caplog.text


def says(seconds: float, at: float) -> list[Frame]:
    house = House(seed=3, start_ns=START)
    house.host("kitchen", mac=MAC).says(seconds).to("voice.example.com", at=at)
    return list(house.frames())


def test_an_upload_nobody_asked_for_is_told_once(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert [(r["verdict"], r["revision"]) for r in w.uploads()] == [("unexpected", 0)]
    assert len([r for r in w.sink.records if r["event_type"] == "alert"]) == 1
    assert w.store.upload(w.uploads()[0]["id"]) == w.uploads()[0]
    assert w.metric("sniffer_uploads_total", device="kitchen", **{"class": "speech"}, verdict="unexpected") == 1


def test_it_is_announced_while_it_lasts(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(6.0, at=2.0)
    w.run(4.5)
    assert w.metric("sniffer_listening", device="kitchen") == 1
    assert w.uploads() == []
    w.run(10)
    assert w.metric("sniffer_listening", device="kitchen") == 0


def test_a_wake_event_over_http_explains_it(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.run(1.6)
    w.daemon.wake({"device": "kitchen"}, "ear")
    w.run(13)
    assert [r["verdict"] for r in w.uploads()] == ["expected"]
    assert w.metric("sniffer_wake_events_total", device="kitchen", source="ear") == 1


def test_an_event_from_another_age_is_refused(world: Callable[..., World]) -> None:
    w = world()
    with pytest.raises(WakeError):
        w.daemon.wake({"device": "kitchen", "timestamp": "1999-01-01T00:00:00Z"}, "ear")


def test_what_was_seen_survives_the_end(world: Callable[..., World]) -> None:
    """Stopped while the upload waits for its verdict; a new daemon gives it."""
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.run(5.6)
    w.daemon.stop()
    w.daemon.run()
    assert w.uploads() == []
    state = {name: w.store.state_get(f"stage.{name}") for name in ("identify", "detect", "judge", "history", "alerts")}
    after = world(state)
    after.clock.advance(30)
    after.run(2)
    assert [r["verdict"] for r in after.uploads()] == ["unexpected"]


def test_muted_devices_are_judged_and_not_told(world: Callable[..., World]) -> None:
    w = world()
    w.daemon.mute({"device": "kitchen", "seconds": 600})
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert [r["verdict"] for r in w.uploads()] == ["unexpected"]
    assert not [r for r in w.sink.records if r["event_type"] == "alert"]


def test_a_mistyped_name_is_not_muted_silently(world: Callable[..., World]) -> None:
    w = world()
    w.run(0.1)
    for name in ("kitchen", "Kitchen", MAC, MAC.upper(), "all"):
        w.daemon.mute({"device": name, "seconds": 1})
    with pytest.raises(WakeError, match="no device is called 'kitchn'; did you mean 'kitchen'"):
        w.daemon.mute({"device": "kitchn", "seconds": 1})
    with pytest.raises(WakeError, match="`sniffer devices` lists them"):
        w.daemon.mute({"device": "=cmd()", "seconds": 1})


def test_a_wake_event_for_a_mistyped_name_is_told_once(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world()
    w.run(0.1)
    for device in ("kitchn", "kitchn", "Kitchen", MAC.upper().replace(":", "-"), None):
        w.daemon.wake({"device": device, "kind": "mute"}, "phone")
    w.run(0.1)
    assert caplog.messages == ["wake source phone: no device is called 'kitchn'; did you mean 'kitchen'?"]
    assert w.daemon.unknown("02:00:00:00:00:0b") is not None
    assert w.daemon.unknown("kitchen") is None


def test_a_replay_tells_at_its_end_whom_its_wake_events_mistyped(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world(replayed=True, events=[WakeEvent(START, "me", device=name) for name in ("kitchn", "kitchen", None)])
    w.source.frames, w.source.ends = [], True
    w.daemon.run()
    assert caplog.messages == ["wake source me: no device is called 'kitchn'; did you mean 'kitchen'?"]


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"device": "kitchen"},
        {"device": "", "seconds": 1},
        {"device": "kitchen", "seconds": -1},
        {"device": "kitchen", "seconds": 400 * 86_400},
        {"device": "kitchen", "until": "0001-01-01T00:00:00"},
        {"device": "kitchen", "until": "9999-12-31T23:59:59Z"},
        {"device": "kitchen", "until": "1999-12-31T23:59:59+02:00"},
        {"device": "kitchen", "seconds": True},
        {"device": "kitchen", "until": "tomorrow"},
        {"device": "kitchen", "until": "2026-01-01", "seconds": 1},
        {"device": "x" * 65, "seconds": 1},
    ],
)
def test_a_wrong_mute_is_refused(world: Callable[..., World], request_: dict[str, Any]) -> None:
    with pytest.raises((WakeError, UsageError)):
        world().daemon.mute(request_)


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "0001-01-01", "9999-12-31T23:59:59.999999", "1969-12-31"])
def test_any_date_can_be_asked_for(world: Callable[..., World], text: str) -> None:
    daemon = world().daemon
    assert daemon.uploads(None, None, text, None, 10) == []
    assert daemon.uploads(None, None, None, text, 10) == []
    with pytest.raises(UsageError):
        daemon.uploads(None, None, "10000-01-01", None, 10)


def test_alerts_leave_while_the_disk_is_full_and_are_delivered_once(world: Callable[..., World]) -> None:
    """The store takes nothing while an utterance is judged; then there is room again."""
    w = world()
    target = Taker()
    outbox = Outbox(w.store, w.clock, [target])
    w.daemon._sinks = [*w.daemon._sinks, outbox]
    w.source.frames = says(3.0, at=2.0)
    w.store._db.execute("PRAGMA query_only = ON").fetchall()
    w.run(15)
    for _ in range(5):
        with contextlib.suppress(StoreError):
            outbox.step(target)
    assert target.taken == ["alert"]
    w.store._db.execute("PRAGMA query_only = OFF").fetchall()
    w.run(1)
    while outbox.step(target) == 0:
        pass
    assert target.taken == ["alert"]
    assert [r["verdict"] for r in w.store.uploads()] == ["unexpected"]
    assert len(w.store.records(("alert",))) == 1


def test_what_waits_is_kept_when_the_daemon_ends_on_a_full_disk(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve makes room (here: writing is allowed when it is given up)."""
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.store._db.execute("PRAGMA query_only = ON").fetchall()
    w.run(5.6)  # it waits for its verdict
    w.daemon.stop()
    given_up = w.store.release_reserve

    def release() -> None:
        given_up()
        w.store._db.execute("PRAGMA query_only = OFF").fetchall()

    monkeypatch.setattr(w.store, "release_reserve", release)
    w.daemon.run()
    assert "holds in reserve" in caplog.text
    state = {name: w.store.state_get(f"stage.{name}") for name in ("identify", "detect", "judge", "history", "alerts")}
    after = world(state)
    after.clock.advance(30)
    after.run(2)
    assert [r["verdict"] for r in after.uploads()] == ["unexpected"]


def test_without_any_room_the_end_says_how_much_is_lost(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.store._db.execute("PRAGMA query_only = ON").fetchall()
    w.run(15)
    w.daemon.stop()
    with pytest.raises(StoreError, match="records could not be written and are lost"):
        w.daemon.run()


def test_too_little_memory_to_save_does_not_end_the_watch(
    world: Callable[..., World], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    w = world()

    def no_memory(name: str, value: object) -> None:
        raise MemoryError

    monkeypatch.setattr(w.store, "state_set", no_memory)
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert [r["verdict"] for r in w.uploads()] == ["unexpected"]
    assert sum("not enough memory to save" in message for message in caplog.messages) == 6


def test_a_store_that_is_damaged_while_it_runs_is_set_aside(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world()
    w.run(1)
    w.store._db.execute("DROP TABLE records").fetchall()
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert [r["verdict"] for r in w.store.uploads()] == ["unexpected"]
    assert any("the store was damaged. It is kept as" in message for message in caplog.messages)


class Taker(Target):
    """Accepts everything."""

    name, address, events = "taker", "here", ("alert",)

    def __init__(self) -> None:
        self.taken: list[str] = []

    def send(self, message: Message, now_ns: int) -> None:
        self.taken.append(message.record["event_type"])


def test_lost_packets_make_nobody_guilty(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(3.0, at=2.0)
    w.run(3)
    w.source.counts["br-lan"].dropped = 40
    w.source.lost = [Loss("br-lan", w.clock.now_ns() - SECOND, w.clock.now_ns(), 40)]
    w.run(12)
    assert [(r["verdict"], r["reason"]) for r in w.uploads()] == [("inconclusive", "capture_loss")]
    assert w.metric("sniffer_capture_dropped_packets_total", interface="br-lan") == 40


def test_a_wrong_configuration_changes_nothing(world: Callable[..., World]) -> None:
    def wrong(old: Pipeline) -> Edges:
        raise ConfigError("unknown key 'windw'", file="sniffer.yaml", line=6, column=3)

    w = world(reload=wrong)
    w.daemon.reload()
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert w.metric("sniffer_config_last_reload_successful") == 0
    assert [r["verdict"] for r in w.uploads()] == ["unexpected"]


def test_a_reload_in_the_middle_of_an_upload_loses_nothing(world: Callable[..., World]) -> None:
    renamed = CONFIG.model_copy(update={"devices": (DeviceSettings(mac=MAC, name="pantry"),)})
    sink = RecordingSink()

    def reload(old: Pipeline) -> Edges:
        pipeline = build(renamed, old.state())
        pipeline.take_over(old)
        return Edges(pipeline, [sink])

    w = world(reload=reload)
    w.source.frames = says(5.0, at=2.0)
    w.run(4)
    w.daemon.reload()
    w.run(12)
    (upload,) = [r for r in sink.records if r["event_type"] == "upload"]
    assert (upload["device"]["name"], upload["verdict"]) == ("pantry", "unexpected")
    assert upload["upload"]["duration"] > 4.5


def test_names_are_asked_of_who_learns_them_after_a_reload(world: Callable[..., World]) -> None:
    sink = RecordingSink()

    def reload(old: Pipeline) -> Edges:
        pipeline = build(CONFIG, old.state())
        pipeline.take_over(old)
        return Edges(pipeline, [sink])

    w = world(reload=reload)
    w.run(1)
    w.daemon.reload()
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    (upload,) = [r for r in sink.records if r["event_type"] == "upload"]
    assert upload["service"]["host"] == "voice.example.com"


def test_a_clock_that_is_set_back_hides_nothing_and_accuses_nobody(world: Callable[..., World]) -> None:
    hour = 3600
    w = world()
    w.clock.advance(hour)
    w.daemon.wake({"device": "kitchen", "kind": "mute"}, "ear")
    w.run(2)
    w.daemon.wake({"device": "kitchen", "kind": "unmute"}, "ear")
    w.run(2)
    w.clock._now_ns = START
    w.run(1)
    w.source.frames = says(3.0, at=2.0)
    w.run(6)
    assert w.uploads() == []  # its verdict waits for the ear, as ever
    w.daemon.wake({"device": "kitchen", "timestamp": START / SECOND + 1.5}, "ear")
    w.run(5)
    assert [(r["verdict"], r["upload"]["class"]) for r in w.uploads()] == [("expected", "speech")]
    assert w.uploads()[0]["upload"]["duration"] > 2.5
    w.clock.advance(hour)  # the times of mute and unmute come a second time
    begun = (w.clock.now_ns() - START) / SECOND
    w.source.frames = says(3.0, at=begun + 2)
    w.run(15)
    assert [r["reason"] for r in w.uploads()] == ["wake_event", "no_wake_event"]


def test_a_sink_that_fails_silences_no_other(world: Callable[..., World]) -> None:
    class Broken(RecordingSink):
        name = "broken"

        def emit(self, record: Record) -> None:
            raise StoreError("the disk is full")

    w = world()
    w.daemon._sinks = [Broken(), w.sink]
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert len(w.uploads()) == 1


def test_every_record_is_as_its_schema_says(world: Callable[..., World]) -> None:
    w = world()
    w.source.lost = [Loss("br-lan", START, START + SECOND, 7)]
    w.daemon.wake({"kind": "home", "timestamp": START / SECOND}, "ear")
    w.source.frames = says(3.0, at=12.0)
    w.run(20)
    w.daemon.wake({"device": "kitchen", "timestamp": START / SECOND + 11}, "ear")
    w.clock.advance(86_400)
    w.run(2)
    kinds = {record["event_type"] for record in w.sink.records}
    assert kinds >= {"upload", "listening", "device", "wake", "alert", "resolved", "loss", "stats", "digest"}
    for record in w.sink.records:
        check(dict(record))


def test_the_digest_says_what_the_answers_of_two_weeks_mean(world: Callable[..., World]) -> None:
    w = world()
    for number in range(6):
        moment = START - number * 86_400 * SECOND
        event = WakeEvent(moment, "page", WakeKind.ANSWER, None, Trust.PERSON, moment, upload=f"u{number}",
                          answer=Answer.NO if number == 0 else Answer.YES)  # fmt: skip
        w.store.emit(answer_record(event).to_json())
    w.source.frames = says(3.0, at=12.0)
    w.run(20)
    w.clock.advance(86_400)
    w.run(2)
    (digest,) = [record for record in w.sink.records if record["event_type"] == "digest"]
    assert digest["unasked_share"] == {"answers": 6, "low": 3, "high": 57}  # Wilson: 3.01 to 56.35
    assert digest["text"].splitlines()[-1] == (
        "In the last two weeks you answered 6 questions clearly. "
        "Of 100 recordings like these, 3 to 57 were not asked for."
    )
    check(dict(digest))


def test_a_full_disk_ends_nothing_and_loses_nothing(
    world: Callable[..., World], caplog: pytest.LogCaptureFixture
) -> None:
    w = world()
    outbox = Outbox(w.store, w.clock, [Told()])
    w.daemon._sinks = [w.sink, outbox]
    w.run(1)
    w.store._db.execute("PRAGMA max_page_count = 1").fetchall()
    w.source.lost = [Loss("br-lan", START - 9 * SECOND, START - 8 * SECOND, 7)]  # something waits from the beginning
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert [r["verdict"] for r in w.uploads()] == ["unexpected"]
    assert w.metric("sniffer_store_errors_total") > 0
    assert w.store.uploads() == []
    assert sum("held in memory" in record.message for record in caplog.records) == 1
    w.store._db.execute("PRAGMA max_page_count = 100000").fetchall()
    w.run(1)
    assert w.store.uploads() == w.uploads()
    assert Messages(w.store).count("told")[0] == 1
    alerts = w.store.state_get("stage.alerts")
    assert list(alerts["uploads"]) == [w.uploads()[0]["id"]]
    w.run(1)
    assert len(w.store.records(("alert",))) == 1


class Told(Target):
    name, address, events = "told", "here", ("alert",)


def test_the_end_of_a_replay_judges_everything(world: Callable[..., World]) -> None:
    w = world(replayed=True)
    w.source.frames = says(3.0, at=2.0)
    w.run(5)
    w.source.ends = True
    w.daemon.run()
    assert [r["verdict"] for r in w.uploads()] == ["unexpected"]
    assert w.daemon.ready() == (True, "the capture has ended")
    assert w.store.state_get("stage.judge") is None


def test_uploads_that_pass_us_by_and_interfaces_that_go_are_metrics(world: Callable[..., World]) -> None:
    house = House(seed=4, start_ns=START)
    house.host("kitchen", mac=MAC).flushes(2_000_000, 4.0).to("logs.example.com", at=1.0)
    frames = list(house.frames())
    w = world()
    w.source.frames = frames[:60] + frames[-20:]
    w.run(7)
    hidden = w.metric("sniffer_capture_hidden_bytes_total", interface="br-lan")
    assert hidden is not None
    assert hidden > 1_000_000
    assert w.metric("sniffer_capture_up", interface="br-lan") == 1
    assert w.metric("sniffer_capture_merged_packets_total", interface="br-lan") == 0


@pytest.mark.slow
@pytest.mark.parametrize("leap", [1201.0, 3600.0, 23 * 3600.0])
def test_a_clock_that_is_set_empties_no_house(world: Callable[..., World], leap: float) -> None:
    """The phone sends every half a minute, before and after; the clock is set forward between two of its packets."""
    w = world(config=CONFIG.model_copy(update={"wake": WakeSettings.model_validate(PHONES)}))

    def phone(at: float) -> list[Frame]:
        house = House(seed=5, start_ns=START)
        for n in range(4):
            host = house.host(f"phone-{n}", mac=PHONE)
            host.looks_up("cloud.example.com", at=at + 30 * n)
        return list(house.frames())

    w.source.frames = phone(0.0) + phone(120.0 + leap)
    w.run(120)
    w.clock.leap(leap)
    w.run(120)
    told = [record["kind"] for record in w.sink.records if record["event_type"] == "wake"]
    assert told == ["home"]
    (loss,) = [record for record in w.sink.records if record["event_type"] == "loss"]
    check(loss)
    w.run(1300)
    assert [record["kind"] for record in w.sink.records if record["event_type"] == "wake"] == ["home", "away"]


def test_an_upload_while_the_clock_is_set_accuses_nobody(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(4.0, at=5.0)
    w.run(7)
    w.clock.leap(1800)
    w.source.frames = [frame._replace(time_ns=frame.time_ns + 1800 * SECOND) for frame in w.source.frames]
    w.run(20)
    assert {upload["reason"] for upload in w.uploads() if upload["verdict"]} == {"capture_loss"}
    assert {upload["revision"] for upload in w.uploads()} == {0}, "not even for a moment"


def test_speech_in_fragments_is_heard_and_the_fragments_are_counted(world: Callable[..., World]) -> None:
    """A speaker that cuts up its packets hides nothing: what follows the first part has no ports, but has bytes."""
    w = world()
    w.source.frames = [part for frame in says(4.0, at=5.0) for part in cut_up(frame)]
    w.run(20)
    heard = [record for record in w.uploads() if record["upload"]["class"] == "speech"]
    assert {record["dest_port"] for record in heard} == {443, 0}
    assert sum(record["upload"]["bytes"] for record in heard) > 30_000
    assert w.metric("sniffer_capture_fragments_total", interface="br-lan") > 100  # type: ignore[operator]


def cut_up(frame: Frame) -> list[Frame]:
    packet = Ether(frame.data)
    if IP not in packet or len(packet) < 300:
        return [frame]
    header = Ether(src=packet.src, dst=packet.dst)
    parts = [bytes(header / part) for part in fragment(packet[IP], 256)]
    return [Frame(frame.time_ns, part, len(part)) for part in parts]


CURIOUS = CONFIG.model_copy(update={"judge": JudgeSettings(questions=QuestionSettings(at_once=0.001, at_least=0.001))})


def asks_about_an_upload(w: World) -> Record:
    """Speech while the only source is down: a question."""
    w.daemon.deliver(WakeEvent(START, "ear", WakeKind.SOURCE_DOWN, received_ns=START))
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    assert w.uploads()[-1]["reason"] == "wake_source_down", w.uploads()[-1]
    (question,) = [record for record in w.sink.records if record["event_type"] == "question"]
    return question


def test_an_upload_that_nothing_explains_becomes_a_question_and_its_answer_judges_anew(
    world: Callable[..., World],
) -> None:
    w = world(config=CURIOUS)
    question = asks_about_an_upload(w)
    assert "Did somebody ask for it?" in question["text"]
    assert w.uploads()[-1]["reason"] == "wake_source_down"
    w.daemon.answer(question["upload_id"], "yes", "phone")
    w.run(1)
    assert (w.uploads()[-1]["reason"], w.uploads()[-1]["revision"]) == ("person_says_asked", 1)
    (answer,) = [record for record in w.sink.records if record["event_type"] == "answer"]
    assert (answer["upload_id"], answer["answer"], answer["source"]) == (question["upload_id"], "yes", "phone")


def test_answers_that_cannot_be_are_refused(world: Callable[..., World]) -> None:
    w = world(config=CURIOUS)
    upload = asks_about_an_upload(w)["upload_id"]
    for identifier, answer in (("20990101T000000.000-00000000", "yes"), (upload, "perhaps")):
        with pytest.raises(WakeError):
            w.daemon.answer(identifier, answer, "phone")
    w.clock.advance(86_400 + 60)
    with pytest.raises(WakeError, match="more than a day old"):
        w.daemon.answer(upload, "yes", "phone")


def test_a_link_answers_once_and_a_later_answer_counts(world: Callable[..., World]) -> None:
    w = world(config=CURIOUS)
    upload = asks_about_an_upload(w)["upload_id"]
    assert "I asked" in w.daemon.answer_link(upload, "yes")
    w.run(1)
    w.daemon.answer(upload, "unsure", "page")
    w.run(1)
    with pytest.raises(WakeError, match="used before"):
        w.daemon.answer_link(upload, "yes")
    assert w.uploads()[-1]["reason"] == "wake_source_down"


def test_listeners_are_asked_on_the_stream_and_again_when_they_come_back(world: Callable[..., World]) -> None:
    w = world()
    heard: list[Record] = []
    w.daemon.subscribe(heard.append, "ear")
    w.source.frames = says(3.0, at=2.0)
    w.run(15)
    asks = [record for record in heard if "event_type" not in record]
    assert asks
    again: list[Record] = []
    w.daemon.subscribe(again.append, "ear")
    assert again == asks
    for ask in asks:
        spoken = {"scores": {}, "voice": 0, "level_db": -60, "noise_db": -60, "seconds": 8}
        w.daemon.wake({"kind": "testimony", "testimony": {**ask, **spoken}}, "ear")
    w.run(1)
    later: list[Record] = []
    w.daemon.subscribe(later.append, "ear")
    assert later == []
    assert w.uploads()[-1]["wake"]["testimony"]


def test_the_newest_packet_follows_a_clock_that_was_set_back(world: Callable[..., World]) -> None:
    w = world()
    w.source.frames = says(1.0, at=1.0)
    w.run(5)
    before = w.daemon.last_packet_ns
    w.clock.leap(-7200)
    w.source.frames = [frame._replace(time_ns=frame.time_ns - 7195 * SECOND) for frame in says(1.0, at=1.0)]
    w.run(5)
    assert w.daemon.last_packet_ns < before - 7000 * SECOND


def test_stats_and_metrics_tell_the_same_of_a_source(world: Callable[..., World]) -> None:
    w = world()
    for kind, up in (("source_down", False), ("source_up", True), ("wake", True), ("source_down", False)):
        w.daemon.wake({"kind": kind, "device": "kitchen" if kind == "wake" else None}, EAR.name)
        w.run(1)
        (shown,) = [source for source in w.daemon.stats()["sources"] if source["name"] == EAR.name]
        assert shown["up"] is up
        assert w.metric("sniffer_wake_source_up", source=EAR.name) == up
        assert bool(shown["heard_ns"]) == w.metric("sniffer_wake_source_proven", source=EAR.name)
    assert w.metric("sniffer_wake_source_last_heard_timestamp_seconds", source=EAR.name) == shown["last_event_ns"] / 1e9
