"""Warnings that only repeat: a few, then one in ten minutes with the number of the others."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from sniffer.app.late_records import LateRecords
from sniffer.app.log_keeper import LogKeeper
from sniffer.app.repeated_lines import BURST, MAX_REMEMBERED, SECONDS_BETWEEN, Limited, RepeatedLines
from sniffer.errors import StoreError
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store

Log = tuple[logging.Logger, Callable[[], list[str]], list[float]]


@pytest.fixture
def log() -> Log:
    now, stream = [0.0], io.StringIO()
    logger = logging.Logger("test")
    logger.addHandler(Limited(stream, RepeatedLines(lambda: now[0])))
    return logger, lambda: stream.getvalue().splitlines(), now


def test_a_fault_that_lasts_is_logged_a_few_times_and_then_counted(log: Log) -> None:
    logger, lines, now = log
    for number in range(1000):
        now[0] = float(number)
        logger.error("%s: cannot be written; %d records wait", "store", number)
    said = lines()
    assert len(said) == BURST + 1
    assert said[0] == "store: cannot be written; 0 records wait"
    assert said[-1].endswith(f"({SECONDS_BETWEEN - BURST:.0f} more lines like this one were left out)")


def test_other_faults_and_news_are_not_held_back(log: Log) -> None:
    logger, lines, _ = log
    for _ in range(50):
        logger.error("%s: cannot be written", "store")
        logger.info("the configuration is in force")
    for name in range(50):
        logger.warning("%s: not delivered: %s", f"target {name}", "refused")
    assert len(lines()) == BURST + 50 + 50


def test_what_is_remembered_is_bounded(log: Log) -> None:
    logger, lines, _ = log
    for number in range(2 * MAX_REMEMBERED):
        logger.warning("%s", f"device {number}")
    (handler,) = logger.handlers
    assert isinstance(handler, Limited)
    assert len(handler._lines._known) == MAX_REMEMBERED
    assert len(lines()) == 2 * MAX_REMEMBERED


def test_the_page_keeps_room_for_other_lines() -> None:
    logger, keeper = logging.Logger("test"), LogKeeper()
    logger.addHandler(keeper)
    logger.warning("first")
    for _ in range(1000):
        logger.error("%s: cannot be written", "store")
    assert [line["text"] for line in keeper.lines()][-1] == "first"
    assert len(keeper.lines()) == BURST + 1


def test_a_store_that_fails_by_turns_logs_few_lines(log: Log, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    """Empty turns succeed and those with records fail: a full disk, seen from the daemon."""
    logger, lines, now = log
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        late = LateRecords(store)
        for turn in range(500):
            now[0] += 1
            late.hold([{"event_type": "stats"}], [], StoreError("sniffer.db: the disk is full"))
            late.written()
            for record in caplog.records[2 * turn :]:
                logger.handle(record)
    assert len(caplog.records) == 1000
    assert len(lines()) == 2 * BURST
