"""The store or its folder is removed while it is in use: nothing is lost, and the log reports it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sniffer.errors import StoreError
from sniffer.sinks.settings import EventLogSettings, StoreSettings
from sniffer.sinks.storage.eventlog import EventLog
from sniffer.sinks.storage.reserve import RESERVE_SUFFIX
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload


def emptied(folder: Path) -> None:
    for entry in folder.iterdir():
        entry.unlink()


def only_the_store(folder: Path) -> None:
    (folder / "sniffer.db").unlink()


@pytest.mark.parametrize("remove", [shutil.rmtree, emptied, only_the_store])
def test_a_removed_store_is_written_again(tmp_path: Path, remove: object, caplog: pytest.LogCaptureFixture) -> None:
    assert callable(remove)
    folder = tmp_path / "state"
    folder.mkdir()
    with Store(StoreSettings(path=folder / "sniffer.db")) as store:
        for at in range(20):
            store.emit(upload(at=100 * at))
        store.state_set("stage.judge", {"waiting": [1]})
        remove(folder)
        store.emit(upload(at=5_000))
        assert "removed while it was in use" in caplog.text
        assert len(store.uploads(limit=None)) == 21
        store.emit(upload(at=6_000))
        with pytest.raises(StoreError, match="another sniffer"):
            Store(StoreSettings(path=folder / "sniffer.db"))
    assert sum("removed while" in record.message for record in caplog.records) == 1
    assert (folder / f"sniffer.db{RESERVE_SUFFIX}").exists()
    assert (folder / "sniffer.db").stat().st_mode & 0o777 == 0o600
    with Store(StoreSettings(path=folder / "sniffer.db")) as again:
        assert len(again.uploads(limit=None)) == 22
        assert again.state_get("stage.judge") == {"waiting": [1]}


def test_where_it_cannot_be_written_again_it_is_tried_each_time(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    with Store(StoreSettings(path=folder / "sniffer.db")) as store:
        store.emit(upload(at=0))
        shutil.rmtree(folder)
        folder.write_text("a file stands where the folder was")
        for at in (100, 200):
            with pytest.raises(StoreError):
                store.emit(upload(at=at))
        folder.unlink()
        store.emit(upload(at=300))
        assert len(store.uploads(limit=None)) == 2


def test_a_folder_that_may_not_be_searched_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        monkeypatch.setattr(Path, "lstat", forbidden)
        store.emit(upload(at=0))
        assert len(store.uploads(limit=None)) == 1


def test_the_event_log_goes_on_in_a_folder_that_was_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    log = EventLog(EventLogSettings(path=folder / "events.jsonl"))
    log.emit({"number": 1})
    shutil.rmtree(folder)
    log.emit({"number": 2})
    log.close()
    assert [json.loads(line)["number"] for line in (folder / "events.jsonl").read_text().splitlines()] == [2]
    assert "was removed while it was in use" in caplog.text
