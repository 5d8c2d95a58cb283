"""Whom the daemon becomes, and with whose rights it opens files."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.capture.live.privileges import Account, acting_as, unprivileged
from sniffer.errors import StoreError
from sniffer.sinks.settings import EventLogSettings
from sniffer.sinks.storage.eventlog import EventLog

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def reachable() -> Iterator[Path]:
    """A folder that every user reaches, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="sniffer-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_root_becomes_an_unprivileged_user_that_reaches_the_files(reachable: Path) -> None:
    found = unprivileged([reachable])
    assert found is not None
    assert found.uid != 0
    assert found.name in ("sniffer", "nobody")


def test_the_owner_of_the_folder_comes_first(reachable: Path) -> None:
    daemon = pwd.getpwnam("daemon")
    os.chown(reachable, daemon.pw_uid, daemon.pw_gid)
    assert unprivileged([reachable]) == Account("daemon", daemon.pw_uid, daemon.pw_gid)


def test_without_a_way_to_the_files_nobody_is_taken(reachable: Path) -> None:
    closed = reachable / "closed"
    closed.mkdir(mode=0o700)
    assert unprivileged([closed / "below"]) is None


def test_acting_as_another_ends_with_the_block(reachable: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    with acting_as(Account("nobody", nobody.pw_uid, nobody.pw_gid)), pytest.raises(PermissionError):
        (reachable / "x").touch()
    assert os.geteuid() == os.getegid() == 0
    (reachable / "x").touch()


def test_the_event_log_follows_no_link(reachable: Path) -> None:
    target = reachable / "shadow"
    target.write_text("root:x\nhalf a line")
    (reachable / "events.jsonl").symlink_to(target)
    with pytest.raises(StoreError, match="a symbolic link is not followed"):
        EventLog(EventLogSettings(path=reachable / "events.jsonl"))
    assert target.read_text() == "root:x\nhalf a line"
