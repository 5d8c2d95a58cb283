"""The daemon's questions: which are answered, with what, and in whose time."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer import model
from sniffer.errors import DaemonError, WakeError
from sniffer.listener import asks as asks_module
from sniffer.listener.asks import Asks, parse_ask
from sniffer.listener.history import History
from sniffer.listener.recognizer import Tenth
from sniffer.model.clock import SECOND, timestamp
from sniffer.testing import ManualClock
from tests.listener.listening import Daemon

S = SECOND
NOW = ManualClock().now_ns()


def ask(from_ns: int, to_ns: int) -> str:
    return json.dumps({"from": timestamp(from_ns), "to": timestamp(to_ns)})


def event(name: str, data: str) -> bytes:
    return f"event: {name}\ndata: {data}\n\n".encode()


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    """The minute before NOW; a word was said 5 s before its end."""
    monkeypatch.setattr(asks_module, "PATIENCE", 0.0)
    kept = History(["alexa"])
    for number in range(600):
        at = NOW - 60 * S + (number + 1) * S // 10
        word = NOW - 5 * S < at <= NOW - 4 * S
        kept.add(Tenth(0, (0.97 if word else 0.001,), 1.0 if word else 0.0, -30.0 if word else -65.0, False), at)
    return kept


def answers(daemon: Daemon, history: History, offset_ns: int = 0) -> list[model.Testimony]:
    said: list[model.Testimony] = []
    Asks(daemon.client(), history, said.append, lambda: offset_ns).follow()
    return said


def test_an_ask_is_answered_and_other_events_are_not(history: History) -> None:
    daemon = Daemon()
    daemon.stream = b": sniffer\n\n" + event("upload", "{}") + event("ask", ask(NOW - 8 * S, NOW)) + b": still here\n\n"
    (said,) = answers(daemon, history)
    assert (said.from_ns, said.to_ns, said.best, said.seconds) == (NOW - 8 * S, NOW, 0.97, 8.0)
    assert (said.voice, said.level_db, said.noise_db) == (0.125, -30.0, -65.0)
    assert daemon.requests[0].headers["authorization"] == "Bearer t"


def test_after_an_outage_it_answers_for_what_it_knows(history: History) -> None:
    daemon = Daemon()
    spans = [(NOW - 700 * S, NOW - 692 * S), (NOW - 30 * S, NOW - 22 * S)]
    daemon.stream = b"".join(event("ask", ask(*span)) for span in spans)
    assert [(said.seconds, said.best) for said in answers(daemon, history)] == [(0.0, 0.0), (8.0, 0.001)]


def test_a_wrong_clock_testifies_for_the_right_seconds(history: History) -> None:
    """The daemon's clock is 20 s ahead of ours: what it calls now - 8 s to now lies 20 s earlier on our clock."""
    daemon = Daemon()
    daemon.stream = event("ask", ask(NOW + 12 * S, NOW + 20 * S))
    (wrong,), (right,) = answers(daemon, history), answers(daemon, history, 20 * S)
    assert (wrong.seconds, right.seconds, right.best) == (0.0, 8.0, 0.97)
    assert (right.from_ns, right.to_ns) == (NOW + 12 * S, NOW + 20 * S), "in the daemon's time"


@pytest.mark.parametrize(
    "data",
    [
        "", "{", "[]", '"x"', "{}", '{"from": 1}', '{"from": 5, "to": 5}', '{"from": 9, "to": 5}',
        '{"from": 0, "to": 61}', '{"from": "x", "to": "y"}', '{"from": null, "to": 3}', '{"from": 1e300, "to": 3}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_an_ask_that_is_none_is_logged_and_the_next_is_answered(
    history: History, caplog: pytest.LogCaptureFixture, data: str
) -> None:
    with pytest.raises(WakeError):
        parse_ask(data)
    daemon = Daemon()
    daemon.stream = event("ask", data or "{") + event("ask", ask(NOW - 8 * S, NOW))
    with caplog.at_level(logging.WARNING):
        assert len(answers(daemon, history)) == 1
    assert len(caplog.messages) == 1
    assert "\n" not in caplog.messages[0]


@given(
    st.text(max_size=200) | st.dictionaries(st.sampled_from(["from", "to"]), st.floats() | st.text()).map(json.dumps)
)
def test_whatever_is_asked_is_a_span_or_an_error(data: str) -> None:
    try:
        from_ns, to_ns = parse_ask(data)
    except WakeError:
        return
    assert 0 < to_ns - from_ns <= 60 * S


@pytest.mark.parametrize("answer", [401, 404, 500, httpx.ConnectError("no route"), httpx.ReadTimeout("silent")])
def test_a_stream_that_is_refused_or_breaks_is_an_error_to_be_tried_again(
    history: History, answer: int | Exception
) -> None:
    with pytest.raises(DaemonError) as caught:
        answers(Daemon(answer), history)
    assert "\n" not in str(caught.value)


def test_an_endless_event_is_cut(history: History) -> None:
    daemon = Daemon()
    daemon.stream = b"data: " + b"x" * 100 + b"\n" + (b"data: " + b"x" * 4000 + b"\n") * 400
    with pytest.raises(DaemonError, match="that is not sniffer"):
        answers(daemon, history)


def test_the_event_on_the_wire() -> None:
    said = model.Testimony(NOW - 8 * S, NOW, (("alexa", 0.01),), 0.4, -38.2, -61.0, 8.0)
    assert asks_module.testimony_event(said, None) == {
        "kind": "testimony",
        "timestamp": NOW / S,
        "testimony": {
            "from": timestamp(NOW - 8 * S), "to": timestamp(NOW), "scores": {"alexa": 0.01}, "voice": 0.4,
            "level_db": -38.2, "noise_db": -61.0, "seconds": 8.0,
        },
    }  # fmt: skip
    assert asks_module.testimony_event(said, "kitchen")["device"] == "kitchen"
