"""A reader of the stream gets every record, and can never end the daemon."""

from typing import Any

import pytest

from sniffer.app.subscribers import Subscribers
from tests.app.test_asks import NOW, listening


def test_every_subscriber_gets_records_and_asks_until_it_leaves() -> None:
    subscribers = Subscribers()
    first: list[Any] = []
    second: list[Any] = []
    leave = subscribers.subscribe(first.append, None, NOW)
    subscribers.subscribe(second.append, None, NOW)
    record = listening()
    subscribers.publish(record)
    subscribers.ask(record, NOW)
    leave()
    leave()
    subscribers.publish(record)
    assert [("event_type" in one) for one in first] == [True, False]
    assert [("event_type" in one) for one in second] == [True, False, True]


def test_a_subscriber_that_fails_is_reported_and_removed(caplog: pytest.LogCaptureFixture) -> None:
    subscribers = Subscribers()
    heard: list[Any] = []

    def broken(record: Any) -> None:
        raise KeyError("event_type")

    subscribers.subscribe(broken, None, NOW)
    subscribers.subscribe(heard.append, None, NOW)
    for _ in range(3):
        subscribers.publish(listening())
    assert len(heard) == 3
    assert len([one for one in caplog.records if "failed and is disconnected" in one.message]) == 1


def test_who_comes_later_is_asked_what_is_still_open() -> None:
    subscribers = Subscribers()
    subscribers.ask(listening(), NOW)
    late: list[Any] = []
    subscribers.subscribe(late.append, "ear", NOW)
    assert len(late) == 1
