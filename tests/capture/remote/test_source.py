"""Supervision of a sender: gaps, late packets, filters that are exchanged, clocks that differ."""

from __future__ import annotations

import pytest

from sniffer.capture.remote.source import FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, TOGETHER_SECONDS
from sniffer.errors import CaptureError
from sniffer.model.clock import SECOND
from tests.capture.remote.senders import FakeConnection, FakeFeed, Stage, block


def test_packets_are_handed_out_under_the_label_of_the_source() -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now(-0.1), s.now()))
    (found,) = s.source.poll(0)
    assert found.interface == "sender" and len(found) == 2
    assert s.source.up() == {"sender": True}
    assert s.source.statistics()["sender"].received == 2


def test_what_lies_before_the_first_connection_is_a_loss() -> None:
    s = Stage()
    began = s.now()
    s.feed.refuse = ["it cannot be reached"]
    s.failed()
    assert s.source.up() == {"sender": False}
    assert s.source.events() == ["sender: it cannot be reached; connecting again"]
    s.clock.advance(FIRST_WAIT_SECONDS)
    sender = s.connected()
    s.say(sender, block(s.now()))
    s.poll()
    assert [(loss.start_ns, loss.end_ns) for loss in s.source.losses()][-1] == (began, s.now())
    assert s.source.events() == ["sender: packets arrive, after 1.0 s"]


def test_attempts_become_rarer_and_one_complaint_is_reported_once() -> None:
    s = Stage()
    s.feed.refuse = ["no"] * 20
    waits = []
    for _ in range(10):
        s.failed()
        waited = 0.0
        while s.source._retry_at > s.clock.monotonic():
            s.clock.advance(0.5)
            waited += 0.5
        waits.append(waited)
    assert waits == [1, 2, 4, 8, *[LONGEST_WAIT_SECONDS] * 6]
    assert s.source.events() == ["sender: no; connecting again"]


def test_around_a_break_a_loss_begins_before_the_last_packet() -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now()))
    s.poll()
    last = s.now()
    s.source.losses()
    s.clock.advance(7)
    s.say(sender, CaptureError("it does not answer any more"))
    s.poll()
    assert s.source.up() == {"sender": False}
    (at_once,) = s.source.losses()
    assert at_once.start_ns < last and at_once.end_ns == s.now()
    s.clock.advance(5)
    again = s.connected()
    s.say(again, block(s.now()))
    s.poll()
    (gap,) = s.source.losses()
    assert gap.start_ns <= at_once.end_ns and gap.end_ns == s.now()
    assert s.source.health()["sender"].reconnects == 1


def test_a_loss_does_not_reach_back_to_the_last_packet_of_a_quiet_house() -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now()))
    s.poll()
    s.source.losses()
    s.clock.advance(300)
    s.say(sender, None)
    s.poll()
    (loss,) = s.source.losses()
    assert loss.start_ns == s.now(-17)


def test_a_silent_sender_is_connected_anew() -> None:
    s = Stage(FakeFeed(silence_seconds=60))
    sender = s.connected()
    s.poll()
    s.clock.advance(61)
    s.poll()
    assert s.source.events() == ["sender: nothing arrived for 60 seconds; connecting again"]
    assert sender.closed


def test_late_packets_put_the_time_that_was_judged_without_them_in_doubt() -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now()))
    s.poll()
    stamped = s.now()
    s.clock.advance(20)
    complete = s.source.complete_ns()
    assert complete == s.now() - 2 * SECOND
    s.source.losses()
    s.say(sender, block(stamped + SECOND, s.now()))
    assert s.poll() == [stamped + SECOND, s.now()]
    (loss,) = s.source.losses()
    assert (loss.start_ns, loss.end_ns) == (stamped + SECOND, complete)


@pytest.mark.parametrize("ahead", [60.0, -60.0, 3.2e8])
def test_a_clock_that_is_wrong_is_corrected_and_reported(ahead: float) -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now(ahead)))
    assert s.poll() == [s.now()]
    way = "ahead of" if ahead > 0 else "behind"
    assert s.source.events() == [
        f"sender: its clock is {abs(ahead):.1f} s {way} ours; the times of its packets are corrected"
    ]
    assert s.source.health()["sender"].clock_offset_seconds == -ahead


def test_packets_that_the_sender_kept_back_are_no_clock_that_was_set() -> None:
    s = Stage(together_seconds=TOGETHER_SECONDS)
    sender = s.connected()
    s.poll()
    s.source.losses()
    begin = s.now()
    s.clock.advance(1)
    s.say(sender, block(begin + SECOND // 10))  # tcpdump's timeout: all of this second in one piece of its buffer ...
    s.say(sender, block(s.now()))  # ... and in the next one
    assert s.poll() == [], "more may arrive together with them"
    s.clock.advance(TOGETHER_SECONDS)
    assert s.poll() == [begin + SECOND // 10, begin + SECOND] and not s.source.losses()
    s.clock.advance(30)
    s.say(sender, block(s.now(-0.9)))
    s.clock.advance(TOGETHER_SECONDS)
    assert len(s.poll()) == 1 and not s.source.losses()


def test_a_lone_packet_that_was_kept_back_does_not_put_the_next_one_in_doubt() -> None:
    s = Stage(together_seconds=TOGETHER_SECONDS)
    sender = s.connected()
    s.poll()
    s.source.losses()
    for kept_back in (0.9, 0.0):
        s.clock.advance(30)
        s.say(sender, block(s.now(-kept_back)))
        s.clock.advance(TOGETHER_SECONDS)
        assert len(s.poll()) == 1
    assert s.source.losses() == []
    assert s.source.health()["sender"].clock_offset_seconds == 0


def test_packets_that_keep_coming_do_not_hold_each_other_back() -> None:
    s = Stage(together_seconds=TOGETHER_SECONDS)
    sender = s.connected()
    s.poll()
    handed_out = 0
    for said in range(1, 21):
        s.say(sender, block(s.now()))
        handed_out += len(s.poll())
        assert said - handed_out <= 3, "a tenth of a second of them"
        s.clock.advance(0.05)


def test_what_waits_is_handed_out_before_a_new_connection_takes_over() -> None:
    s = Stage(together_seconds=TOGETHER_SECONDS)
    old = s.connected()
    s.poll()
    new = watching(s, 5)
    t = s.now()
    s.say(new, block(t))
    s.say(old, block(t - 10, t))
    assert s.poll() == []
    s.clock.advance(TOGETHER_SECONDS)
    assert s.poll() == [t - 10, t]


def watching(s: Stage, *keys: int) -> FakeConnection:
    """The connection that is begun for other devices."""
    count = len(s.feed.connections)
    s.source.watch(keys)
    s.poll()
    s.clock.advance(3)
    s.poll()
    s.poll()  # where the old connection had to end first
    s._until(lambda: len(s.feed.connections) > count)
    return s.feed.connections[-1]


def test_a_filter_is_exchanged_without_a_gap_and_without_a_packet_twice() -> None:
    s = Stage()
    old = s.connected()
    s.say(old, block(s.now()))
    s.poll()
    s.source.losses()
    new = watching(s, 5)
    assert new.keys == frozenset({5})
    t = s.now()
    s.say(old, block(t))
    assert s.poll() == [t]
    s.say(new, block(t + 10, t + 20))  # the new one has seen these two; the old one is asked on for them
    assert s.poll() == []
    s.say(old, block(t + 10))
    found = s.poll()
    assert sorted(found) == [t + 10, t + 20] and not s.source.losses()
    assert old.closed and not new.closed
    s.say(new, block(t + 30))
    assert s.poll() == [t + 30]


def test_a_new_connection_that_is_behind_the_old_one_repeats_nothing() -> None:
    s = Stage()
    old = s.connected()
    s.say(old, block(s.now()))
    s.poll()
    new = watching(s, 5)
    t = s.now()
    s.say(new, block(t))
    s.say(old, block(t, t + 10, t + 20, t + 30))
    assert s.poll() == [t, t + 10, t + 20, t + 30] and old.closed
    s.say(new, block(t + 10))
    assert s.poll() == []
    s.say(new, block(t + 20, t + 30, t + 40, t + 39))
    assert s.poll() == [t + 40, t + 39], "cores stamp slightly out of order"
    assert s.source.statistics()["sender"].received == 7


def test_a_clock_that_is_set_back_during_a_handover_is_no_repetition() -> None:
    s = Stage()
    old = s.connected()
    s.poll()
    new = watching(s, 5)
    s.say(new, block(s.now()))
    s.say(old, block(s.now(), s.now()))
    s.poll()
    s.source.losses()
    s.say(new, block(s.now(-3600)))
    assert s.poll() == [s.now()] and s.source.losses()


def test_where_the_old_filter_sees_nothing_the_new_one_takes_over_after_a_while() -> None:
    s = Stage()
    old = s.connected()
    s.poll()
    new = watching(s, 5)
    s.say(new, block(s.now()))
    assert s.poll() == []
    s.clock.advance(4)
    assert s.poll() == [s.now(-4)]
    assert old.closed


def test_a_new_filter_that_is_refused_leaves_the_old_connection() -> None:
    s = Stage()
    old = s.connected()
    s.poll()
    s.feed.refuse = ["its tcpdump does not read the filter"]
    s.source.watch([5])
    s.poll()
    s.clock.advance(3)
    s.poll()
    s._until(lambda: all(one.ended for one in s.source._sessions()[1:]))
    s.poll()
    assert s.source.events() == ["sender: the filter could not be changed: its tcpdump does not read the filter"]
    s.say(old, block(s.now()))
    assert s.poll() == [s.now()]


def test_where_two_connections_are_not_possible_the_gap_is_a_loss() -> None:
    s = Stage(FakeFeed(overlaps=False))
    old = s.connected()
    s.say(old, block(s.now()))
    s.poll()
    s.source.losses()
    new = watching(s, 5)
    assert old.closed
    s.say(new, block(s.now()))
    s.poll()
    assert s.source.losses() and s.source.up() == {"sender": True}


def test_an_old_connection_is_made_anew_when_nothing_is_uploading() -> None:
    s = Stage(FakeFeed(renew_seconds=100))
    old = s.connected()
    s.poll()
    s.source.hurry(True)
    s.clock.advance(200)
    s.poll()
    assert len(s.feed.connections) == 1
    s.source.hurry(False)
    s.poll()
    s._until(lambda: len(s.feed.connections) == 2)
    assert not old.closed, "until the new one captures"


def test_drops_that_the_sender_reports_are_a_loss() -> None:
    s = Stage()
    sender = s.connected()
    s.say(sender, block(s.now()))
    s.poll()
    s.source.losses()
    sender.drops = 7
    s.poll()
    assert [loss.packets for loss in s.source.losses()] == [7]
    assert s.source.statistics()["sender"].dropped == 7
