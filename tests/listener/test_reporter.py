"""What is reported, when, and what waits while the daemon cannot be reached."""

from __future__ import annotations

import email.utils
from typing import Any

import httpx
import pytest

from sniffer.listener.reporter import MAX_WAITING, Reporter
from sniffer.model.clock import SystemClock
from sniffer.testing import ManualClock
from sniffer.web.client import Client
from tests.listener.listening import Daemon
from tests.wake.ears import until

S = 1_000_000_000


def reporter(daemon: Daemon, clock: ManualClock, **more: Any) -> Reporter:
    return Reporter(daemon.client(), clock, **{"heartbeat": None, **more})


def word(clock: ManualClock, device: str = "kitchen") -> dict[str, Any]:
    return {"timestamp": clock.now_ns() / S, "device": device, "kind": "wake"}


def test_words_wait_for_the_router_and_keep_their_time() -> None:
    clock = ManualClock()
    daemon = Daemon(httpx.ConnectError("no route"), httpx.ReadTimeout("slow"), 503, 429, 401)
    it = reporter(daemon, clock)
    words = [word(clock)]
    it.add(words[0])
    pauses = []
    for _ in range(5):
        pauses.append(it.step())
        clock.advance(7)
    words.append(word(clock))
    it.add(words[1])
    it.step()
    assert pauses == [1, 2, 4, 8, 16]
    assert daemon.events == words
    assert (it.sent, it.lost) == (2, 0)


def test_one_bad_word_does_not_hold_up_the_others() -> None:
    clock = ManualClock()
    daemon = Daemon(400, 400, 400)
    it = reporter(daemon, clock)
    for device in ("kitchen", "bad", "hall"):
        it.add(word(clock, device))
    it.step()
    assert [event["device"] for event in daemon.events] == ["kitchen", "hall"]
    assert (it.sent, it.lost) == (2, 1)


def test_a_mistyped_device_is_told_once_where_it_was_mistyped(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    it = reporter(Daemon(), clock)
    for _ in range(2):
        it.add(word(clock, "kitchn"))
        it.step()
    assert caplog.messages == ["http://router:9877: no device is called 'kitchn'"]


def test_what_waits_is_bounded_and_grows_old() -> None:
    clock = ManualClock()
    daemon = Daemon(*[httpx.ConnectError("no route")] * 2)
    it = reporter(daemon, clock)
    for _ in range(MAX_WAITING + 5):
        it.add(word(clock))
    it.step()
    assert it.lost == 5
    clock.advance(25 * 3600)
    it.step()
    it.step()
    assert daemon.events == []
    assert it.lost == MAX_WAITING + 5


def test_it_says_that_it_lives_and_that_it_ends() -> None:
    clock, daemon = ManualClock(), Daemon()
    it = reporter(daemon, clock, heartbeat=20.0)
    assert it.step() == 20
    clock.advance(5)
    assert it.step() == 15
    clock.advance(15)
    it.step()
    it.step(ending=True)
    assert [event["kind"] for event in daemon.events] == ["source_up", "source_up", "source_down"]


def test_a_microphone_that_gives_nothing_is_no_ear() -> None:
    clock, daemon = ManualClock(), Daemon()
    it = reporter(daemon, clock, heartbeat=20.0)
    it.step()
    it.hearing(True)
    it.hearing(False)
    it.hearing(False)
    for _ in range(3):
        it.step()
        clock.advance(30)
    it.hearing(True)
    it.step()
    assert [event["kind"] for event in daemon.events] == ["source_up", "source_down", "source_up"]


def test_a_thread_sends_and_ends() -> None:
    daemon = Daemon()
    it = Reporter(daemon.client(), SystemClock(), heartbeat=60)
    it.start()
    it.add({"timestamp": SystemClock().now_ns() / S, "device": None, "kind": "wake"})
    until(lambda: it.sent == 1)
    assert it.close() == 0
    assert daemon.events[-1]["kind"] == "source_down"


def test_a_wrong_clock_is_corrected_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    dates = [email.utils.formatdate(clock.now_ns() // S + 20 * n + 300, usegmt=True) for n in range(3)]
    daemon = Daemon(*dates)
    it = reporter(daemon, clock, heartbeat=20.0)
    for _ in range(3):
        it.step()
        clock.advance(20)
    assert it.offset_ns == pytest.approx(300 * S, abs=S)
    assert caplog.messages == ["this machine's clock is 300 s behind the daemon's: reported times are corrected"]
    last = daemon.events[-1]["timestamp"] - (clock.now_ns() / S - 20)
    assert last == pytest.approx(300, abs=1), "signs of life carry the daemon's time"


def test_a_right_clock_is_not_corrected(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    it = reporter(Daemon(email.utils.formatdate(clock.now_ns() // S, usegmt=True)), clock, heartbeat=20.0)
    it.step()
    assert it.offset_ns == 0
    assert caplog.messages == []


def test_an_answer_that_is_not_sniffers_is_tried_again() -> None:
    clock = ManualClock()
    http = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, text="<html>")))
    it = Reporter(Client("http://router", "t", http), clock, heartbeat=None)
    it.add(word(clock))
    assert it.step() == 1
    assert it.sent == 0
