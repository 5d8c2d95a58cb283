"""The outbox: nothing lost, nothing repeated within one id, and nobody held up by somebody else's trouble."""

import contextlib
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sniffer.errors import DeliveryError, StoreError
from sniffer.model.clock import SECOND
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Message, message_id
from sniffer.sinks.delivery.target import GoneError, Target, UnansweredError
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import OutboxSettings, StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock


class FakeTarget(Target):
    """Fails as it is told, by message or always."""

    level = "low"
    events = ()
    address = "here"

    def __init__(self, name: str = "home", events: tuple[str, ...] = ("alert",)) -> None:
        self.name, self.events = name, events
        self.fails: dict[object, Exception] = {}
        self.always: Exception | None = None
        self.taken: list[object] = []
        self.tried: list[object] = []
        self.closed = False

    def send(self, message: Message, now_ns: int) -> None:
        number = message.record.get("number", message.record.get("rule"))
        self.tried.append(number)
        error = self.always or self.fails.get(number)
        if error is not None:
            raise error
        self.taken.append(number)

    def close(self) -> None:
        self.closed = True


def alert(number: int, level: str = "high") -> dict:
    return {"event_type": "alert", "id": f"a{number}", "number": number, "level": level}


@pytest.fixture
def store(tmp_path: Path):
    opened = Store(StoreSettings(path=tmp_path / "sniffer.db"))
    yield opened
    opened.close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def outbox(store: Store, clock: ManualClock, *targets: FakeTarget, **options) -> Outbox:
    return Outbox(store, clock, targets, chance=lambda: 1.0, **options)


def run(box: Outbox, clock: ManualClock, target: FakeTarget, seconds: float) -> None:
    """Let the target's line run for so long."""
    end = clock.now_ns() + round(seconds * SECOND)
    while clock.now_ns() < end:
        pause = box.step(target)
        if pause is None:
            return
        clock.advance(min(max(pause, 0.001), (end - clock.now_ns()) / SECOND + 0.001) if pause else 0)


def test_messages_are_delivered_in_order_and_once(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    box = outbox(store, clock, target)
    for number in range(5):
        box.emit(alert(number))
        box.emit(alert(number))  # the same alert again, as after a replay
    run(box, clock, target, 10)
    assert target.taken == [0, 1, 2, 3, 4]
    box.emit(alert(3))
    run(box, clock, target, 10)
    assert target.taken == [0, 1, 2, 3, 4]


def test_each_target_is_told_what_it_wants(store: Store, clock: ManualClock) -> None:
    quiet, digests = FakeTarget("quiet"), FakeTarget("digests", ("digest",))
    quiet.level = "critical"
    box = outbox(store, clock, quiet, digests)
    box.emit(alert(1))
    box.emit(alert(2, "critical"))
    box.emit({"event_type": "digest", "id": "d", "number": 3})
    for target in (quiet, digests):
        run(box, clock, target, 1)
    assert (quiet.taken, digests.taken) == ([2], [3])


def test_a_receiver_that_is_down_gets_everything_in_order_when_it_is_back(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = UnansweredError("down")
    box = outbox(store, clock, target)
    for number in range(3):
        box.emit(alert(number))
    run(box, clock, target, 3600)
    assert set(target.tried) == {0}
    assert len(target.tried) < 20  # it backs off
    target.always = None
    run(box, clock, target, 1000)
    assert target.taken == [0, 1, 2]


def test_waits_double_up_to_a_bound_and_half_of_them_is_left_to_chance(store: Store, clock: ManualClock) -> None:
    waits = []
    for chance in (1.0, 0.0):
        target = FakeTarget(f"t{chance}")
        target.always = UnansweredError("down")
        box = Outbox(store, clock, [target], chance=lambda value=chance: value)
        box.emit(alert(1))
        for _ in range(12):
            assert box.step(target) == 0
            pause = box.step(target)
            assert pause is not None
            waits.append(pause)
            clock.advance(pause)
    assert waits[:4] == [2, 4, 8, 16]
    assert waits[11] == 900
    assert waits[12:16] == [1, 2, 4, 8]


def test_retry_after_is_honoured(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.fails[1] = DeliveryError("HTTP 429", retry_after=300)
    box = outbox(store, clock, target)
    box.emit(alert(1))
    box.emit(alert(2))
    run(box, clock, target, 299)
    assert target.tried == [1]
    target.fails.clear()
    run(box, clock, target, 2)
    assert target.taken == [1, 2]


def test_gone_is_gone_until_the_address_changes(store: Store, clock: ManualClock) -> None:
    metrics = Metrics(process=False)
    target, other = FakeTarget(), FakeTarget("other")
    target.always = GoneError("HTTP 410")
    box = outbox(store, clock, target, other, metrics=metrics)
    box.emit(alert(1))
    box.emit(alert(2))
    for each in (target, other):
        run(box, clock, each, 10)
    assert (target.tried, other.taken) == ([1], [1, 2])
    target.always = None
    again = outbox(store, clock, target)  # a restart
    again.emit(alert(3))
    run(again, clock, target, 10)
    assert target.taken == []
    assert metrics.registry.get_sample_value("sniffer_deliveries_total", {"sink": "home", "outcome": "gone"}) == 2
    target.address = "elsewhere"
    moved = outbox(store, clock, target)
    moved.emit(alert(4))
    run(moved, clock, target, 10)
    assert target.taken == [4]


def test_a_proxy_that_answers_404_for_days_loses_nothing(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = DeliveryError("HTTP 404")
    box = outbox(store, clock, target)
    for number in range(5):
        box.emit(alert(number))
    run(box, clock, target, 3 * 86_400)
    assert target.taken == []
    assert len(target.tried) < 3 * 110 + 40  # the whole line backs off: four times an hour, and a few at first
    target.always = None
    run(box, clock, target, 1000)
    assert sorted(target.taken) == [0, 1, 2, 3, 4]


def test_after_a_restart_a_refused_message_is_tried_at_once(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = DeliveryError("HTTP 404")
    box = outbox(store, clock, target)
    box.emit(alert(1))
    run(box, clock, target, 86_400)
    target.always = None
    assert outbox(store, clock, target).step(target) == 0
    assert target.taken == [1]


def test_while_the_store_cannot_be_written_messages_leave_from_memory_and_only_once(
    store: Store, clock: ManualClock
) -> None:
    target, down = FakeTarget(), FakeTarget("down")
    down.always = UnansweredError("down")
    box = outbox(store, clock, target, down)
    box.emit(alert(1))
    store._db.execute("PRAGMA query_only = ON").fetchall()
    for number in (2, 3):
        with pytest.raises(StoreError):
            box.emit(alert(number))
        box.hold(alert(number))
        box.hold(alert(number))  # each turn that fails says so again
    for _ in range(4):
        with contextlib.suppress(StoreError):
            box.step(target)
        with contextlib.suppress(StoreError):
            box.step(down)
    assert target.taken[:2] == [2, 3]
    store._db.execute("PRAGMA query_only = OFF").fetchall()
    for number in (2, 3):
        box.emit(alert(number))
    run(box, clock, target, 100)
    assert sorted(target.taken) == [1, 2, 3]
    down.always = None
    run(box, clock, down, 2000)
    assert sorted(down.taken) == [1, 2, 3]
    assert box.waiting() == {"home": 0, "down": 0}


def test_a_message_that_cannot_be_made_is_given_up_and_the_rest_goes_on(store: Store, clock: ManualClock) -> None:
    metrics = Metrics(process=False)
    target = FakeTarget()
    target.fails[1] = DeliveryError("longer than a broker takes", permanent=True)
    box = outbox(store, clock, target, metrics=metrics)
    for number in (1, 2, 3):
        box.emit(alert(number))
    run(box, clock, target, 60)
    assert target.tried.count(1) == 1
    assert target.taken == [2, 3]
    assert metrics.registry.get_sample_value("sniffer_deliveries_total", {"sink": "home", "outcome": "dead"}) == 1
    assert metrics.registry.get_sample_value("sniffer_outbox_messages", {"sink": "home"}) == 0


def test_a_message_that_breaks_the_receiver_is_overtaken(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.fails[1] = DeliveryError("HTTP 500")
    box = outbox(store, clock, target)
    for number in (1, 2, 3):
        box.emit(alert(number))
    run(box, clock, target, 120)
    assert target.taken == [2, 3]
    target.fails.clear()
    run(box, clock, target, 2000)
    assert target.taken == [2, 3, 1]


def test_a_message_that_cannot_be_made_does_not_end_the_line(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.fails[1] = KeyError("secret")
    box = outbox(store, clock, target)
    box.emit(alert(1))
    box.emit(alert(2))
    run(box, clock, target, 60)
    assert target.taken == [2]


def test_a_message_that_is_too_old_is_given_up(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = UnansweredError("down")
    box = outbox(store, clock, target, settings=OutboxSettings(max_age_hours=1))
    box.emit(alert(1))
    run(box, clock, target, 3500)
    clock.advance(200)
    target.always = None
    box.emit(alert(2))
    run(box, clock, target, 2000)
    assert target.taken == [2]


def test_what_is_no_longer_now_is_not_told(store: Store, clock: ManualClock) -> None:
    target = FakeTarget(events=("listening", "alert"))
    box = outbox(store, clock, target)
    box.emit({"event_type": "listening", "number": 1})
    box.emit(alert(2))
    clock.advance(61)
    run(box, clock, target, 10)
    assert target.taken == [2]


def test_over_its_size_the_oldest_are_dropped_counted_and_told(store: Store, clock: ManualClock) -> None:
    metrics = Metrics(process=False)
    target = FakeTarget()
    target.always = UnansweredError("down")
    box = outbox(store, clock, target, metrics=metrics, settings=OutboxSettings(max_messages=10))
    for number in range(25):
        box.emit(alert(number))
    assert metrics.registry.get_sample_value("sniffer_deliveries_total", {"sink": "home", "outcome": "dropped"}) == 15
    assert metrics.registry.get_sample_value("sniffer_outbox_messages", {"sink": "home"}) == 10
    target.always = None
    run(box, clock, target, 60)
    assert target.taken == [*range(15, 25), "outbox-dropped"]


def test_messages_to_a_target_that_is_no_longer_configured_are_removed_in_the_end(
    store: Store, clock: ManualClock
) -> None:
    old, new = FakeTarget("old"), FakeTarget("new")
    outbox(store, clock, old).emit(alert(1))
    clock.advance(3 * 86_400)
    outbox(store, clock, new).emit(alert(2))
    again = outbox(store, clock, old)  # it is configured again: nothing was lost
    run(again, clock, old, 1)
    assert old.taken == [1]
    outbox(store, clock, old).emit(alert(3))
    clock.advance(8 * 86_400)
    outbox(store, clock, new).emit(alert(4))
    run(outbox(store, clock, old), clock, old, 1)
    assert old.taken == [1]


def test_a_restart_goes_on_where_it_stood(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = UnansweredError("down")
    first = outbox(store, clock, target)
    first.emit(alert(1))
    run(first, clock, target, 3000)
    target.always = None
    second = outbox(store, clock, target)
    assert second.step(target) == 0  # at once: somebody may have restarted us because it is back
    assert target.taken == [1]


def test_a_restart_does_not_forget_that_the_receiver_asked_us_to_wait(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = UnansweredError("HTTP 429", retry_after=600)
    box = outbox(store, clock, target)
    box.emit(alert(1))
    box.emit(alert(2))
    box.step(target)
    target.always = None
    again = outbox(store, clock, target)
    run(again, clock, target, 590)
    assert target.taken == []
    run(again, clock, target, 20)
    assert target.taken == [1, 2]


def test_what_was_delivered_while_the_disk_was_full_is_not_sent_again(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    box = outbox(store, clock, target)
    box.emit(alert(1))
    box.emit(alert(2))
    store._db.execute("PRAGMA query_only = ON").fetchall()
    for _ in range(3):
        with pytest.raises(StoreError):
            box.step(target)
    store._db.execute("PRAGMA query_only = OFF").fetchall()
    run(box, clock, target, 10)
    assert target.taken == [1, 2]


def test_behind_one_that_waits_long_another_is_tried_when_its_time_comes(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.fails[1] = target.fails[2] = DeliveryError("HTTP 500")
    box = outbox(store, clock, target)
    box.emit(alert(1))
    run(box, clock, target, 5000)
    box.emit(alert(2))
    box.step(target)
    target.fails.clear()
    run(box, clock, target, 60)
    assert 2 in target.taken


def test_what_rolls_back_is_not_told(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    box = outbox(store, clock, target)
    with pytest.raises(RuntimeError), store.transaction():
        box.emit(alert(1))
        raise RuntimeError
    run(box, clock, target, 10)
    assert target.tried == []


def test_a_clock_that_was_set_back_does_not_hold_messages(store: Store, clock: ManualClock) -> None:
    target = FakeTarget()
    target.always = UnansweredError("down")
    box = outbox(store, clock, target)
    box.emit(alert(1))
    box.step(target)
    clock.advance(-400 * 86_400)
    target.always = None
    run(box, clock, target, 60)
    assert target.taken == [1]


def test_a_record_has_the_same_id_after_a_restart_and_each_revision_its_own() -> None:
    assert message_id(alert(1)) == message_id(dict(reversed(alert(1).items())))
    assert message_id({"event_type": "upload", "id": "u", "revision": 0}) != message_id(
        {"event_type": "upload", "id": "u", "revision": 1}
    )
    assert message_id({"event_type": "loss", "packets": 1}) != message_id({"event_type": "loss", "packets": 2})


def test_threads_deliver_and_stop(store: Store) -> None:
    from sniffer.model.clock import SystemClock

    target = FakeTarget()
    box = Outbox(store, SystemClock(), [target], settings=OutboxSettings(backoff_seconds=0.01))
    target.fails[1] = UnansweredError("down")
    box.start()
    box.emit(alert(1))
    box.emit(alert(2))
    deadline = 500
    while not target.tried and deadline:
        deadline -= 1
        box._stopping.wait(0.01)
    target.fails.clear()
    while len(target.taken) < 2 and deadline:
        deadline -= 1
        box._stopping.wait(0.01)
    box.close()
    assert target.taken == [1, 2]
    assert target.closed


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), restarts=st.integers(0, 4))
def test_whatever_fails_and_restarts_everything_arrives_once(tmp_path_factory, seed: int, restarts: int) -> None:
    chance = random.Random(seed)
    store = Store(StoreSettings(path=tmp_path_factory.mktemp("box") / "sniffer.db"))
    store._db.execute("PRAGMA synchronous = OFF").fetchall()
    clock, target = ManualClock(), FakeTarget()
    errors = [None, None, UnansweredError("down"), DeliveryError("HTTP 503"), DeliveryError("HTTP 429", retry_after=60)]
    box = outbox(store, clock, target)
    sent = 0
    for _ in range(restarts + 1):
        for _ in range(chance.randrange(6)):
            box.emit(alert(sent))
            sent += 1
            target.always = chance.choice(errors)
            run(box, clock, target, chance.choice([0.5, 30]))
        box = outbox(store, clock, target)
    target.always = None
    run(box, clock, target, 200_000)
    assert sorted(target.taken) == list(range(sent))
    store.close()
