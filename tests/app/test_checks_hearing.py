"""`sniffer doctor` reads from the daemon's memory how well each wake source hears."""

from __future__ import annotations

from pathlib import Path

from sniffer.app import checks_wake as checks
from sniffer.app.config import Config
from sniffer.sinks.storage.store import Store
from tests.judge.story import at
from tests.judge.test_hearing import experienced


def config(folder: Path) -> Config:
    return Config.model_validate(
        {
            "store": {"path": str(folder / "store.db")},
            "wake": {"sources": [{"type": "http", "name": "ear", "heartbeat": 120}]},
        }
    )


def test_a_daemon_that_never_ran_has_no_memory(tmp_path: Path) -> None:
    assert list(checks.hearing(config(tmp_path), at(0))) == []


def test_what_the_judge_learned_is_reported(tmp_path: Path) -> None:
    judge, now = experienced()
    judge.advance(at(now))
    settings = config(tmp_path)
    store = Store(settings.store)
    store.state_set("stage.judge", judge.state())
    store.close()
    (check,) = checks.hearing(settings, at(now))
    assert (check.name, check.status) == ("wake", "ok")
    assert check.message.startswith("ear misses about ")
    assert "of 100 requests left no trace" in check.message or "of 99 requests left no trace" in check.message


def test_a_memory_that_cannot_be_read_is_no_traceback(tmp_path: Path) -> None:
    settings = config(tmp_path)
    store = Store(settings.store)
    store.state_set("stage.judge", {"version": 5, "cases": "?"})
    store.close()
    (check,) = checks.hearing(settings, at(0))
    assert check.status == "skipped"
