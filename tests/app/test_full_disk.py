"""A full disk: alerts leave from memory, nothing is lost, nothing is delivered twice."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.errors import StoreError
from sniffer.sinks.settings import EventLogSettings, StoreSettings
from sniffer.sinks.storage.eventlog import EventLog
from sniffer.sinks.storage.reserve import RESERVE_BYTES
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("needs root, to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Leave no room."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 12))
    return filler


def test_what_waits_at_the_end_fits_into_the_reserve(small: Path) -> None:
    store = Store(StoreSettings(path=small / "sniffer.db"))
    assert (small / "sniffer.db.reserve").stat().st_size == RESERVE_BYTES
    fill(small)
    with pytest.raises(StoreError, match="disk is full"):
        for at in range(2000):
            store.emit(upload(at=100 * at))
    before = len(store.uploads(limit=None))
    store.release_reserve()
    with store.transaction():
        for at in range(2000, 2050):
            store.emit(upload(at=100 * at))
        store.state_set("stage.judge", {"waiting": ["x" * 500_000]})
    assert len(store.uploads(limit=None)) == before + 50
    store.close()
    with Store(StoreSettings(path=small / "sniffer.db")) as again:
        assert len(again.uploads(limit=None)) == before + 50
        assert again.state_get("stage.judge")["waiting"]


def test_the_event_log_writes_what_waited_in_order(small: Path, caplog: pytest.LogCaptureFixture) -> None:
    log = EventLog(EventLogSettings(path=small / "events.jsonl"))
    filler = fill(small)
    refused = 0
    for number in range(200):
        try:
            log.emit({"number": number, "filler": "x" * 100})
        except StoreError as error:
            refused += 1
            assert "lines wait in memory" in str(error)
    assert refused == 1  # said once
    filler.unlink()
    log.emit({"number": 200})
    log.close()
    lines = [json.loads(line) for line in (small / "events.jsonl").read_text().splitlines()]
    assert [line["number"] for line in lines] == list(range(201))
    assert sum("is written again" in record.message for record in caplog.records) == 1


def test_a_full_file_system_is_what_was_tested(small: Path) -> None:
    fill(small)
    assert os.statvfs(small).f_bavail == 0
