"""The store: nothing half written, nothing kept for ever, one line when it cannot be used."""

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest

from sniffer.errors import StoreError, UsageError
from sniffer.model.clock import SECOND
from sniffer.sinks.delivery.queue import Messages
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import KITCHEN, START, upload

pytestmark = pytest.mark.slow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sniffer.db"


@pytest.fixture
def store(path: Path):
    opened = Store(StoreSettings(path=path))
    yield opened
    opened.close()


def test_uploads_come_back_newest_first_and_by_device_verdict_and_time(store: Store) -> None:
    for at, verdict in ((0, "expected"), (60, "unexpected"), (120, None)):
        store.emit(upload(verdict, at=at))
    assert [r["verdict"] for r in store.uploads()] == [None, "unexpected", "expected"]
    assert [r["verdict"] for r in store.uploads(verdict="none")] == [None]
    assert len(store.uploads(device="KITCHEN")) == len(store.uploads(device="68:DB:F5:90:19:64")) == 3
    assert store.uploads(device="bath") == []
    assert [r["verdict"] for r in store.uploads(since=START + 60 * SECOND, until=START + 120 * SECOND)] == [
        "unexpected"
    ]
    assert len(store.uploads(limit=1)) == 1
    assert store.uploads(verdict="unexpected")[0] == upload("unexpected", at=60)


def test_a_later_revision_replaces_and_an_earlier_one_does_not(store: Store) -> None:
    store.emit(upload("unexpected"))
    store.emit(upload("expected", revision=1))
    store.emit(upload("unexpected"))
    assert [(r["verdict"], r["revision"]) for r in store.uploads()] == [("expected", 1)]


def test_an_upload_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    first, second = upload(at=0), upload(at=0, port=5)
    store.emit(first)
    store.emit(second)
    assert store.upload(first["id"]) == first
    assert store.upload(second["id"][:-3]) == second
    assert store.upload("2031") is None
    with pytest.raises(UsageError, match="several uploads begin or end with"):
        store.upload(first["id"][:10])


def test_state_and_records_are_written_together_or_not_at_all(store: Store) -> None:
    store.state_set("alerts", {"open": []})
    with pytest.raises(RuntimeError), store.transaction():
        store.emit(upload())
        store.state_set("alerts", {"open": [1]})
        raise RuntimeError
    assert store.uploads() == []
    assert store.state_get("alerts") == {"open": []}
    assert store.state_get("unknown") is None


def test_a_failed_part_cannot_be_swallowed_and_the_rest_kept(store: Store) -> None:
    with pytest.raises(StoreError, match="nothing of it was kept"), store.transaction():
        store.emit(upload())
        try:
            with store.transaction():
                raise ValueError
        except ValueError:
            pass
    assert store.uploads() == []


def test_another_process_reads_while_it_is_written(store: Store, path: Path) -> None:
    store.emit(upload())
    reader = Store(StoreSettings(path=path), read_only=True)
    assert len(reader.uploads()) == 1
    store.emit(upload(at=9))
    assert len(reader.uploads()) == 2
    with pytest.raises(StoreError, match="cannot be opened or written"):
        reader.emit(upload(at=20))
    reader.close()


def test_it_is_read_without_a_daemon_and_in_a_folder_that_cannot_be_written(store: Store, path: Path) -> None:
    store.emit(upload())
    store.close()
    reader = Store(StoreSettings(path=path), read_only=True)
    assert len(reader.uploads()) == 1
    reader.close()


def test_threads_share_it(store: Store) -> None:
    def write(number: int) -> None:
        for at in range(20):
            store.emit(upload(at=at, port=1000 + number))
            store.uploads(limit=2)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.uploads(limit=None)) == 80


def test_over_its_size_the_oldest_goes_first_and_what_nobody_asked_for_goes_last(tmp_path: Path) -> None:
    path = tmp_path / "small.db"
    store = Store(StoreSettings(path=path, max_bytes=1 << 20))
    with store.transaction():
        for at in range(30):
            store.emit(upload("unexpected", at=at))
    for start in range(0, 3000, 100):
        with store.transaction():
            for at in range(start, start + 100):
                store.emit(upload(None, at=at, port=7, kind="telemetry"))
    assert store.used_bytes() <= 1 << 20
    assert path.stat().st_size <= 1.2 * (1 << 20)
    assert len(store.uploads(verdict="unexpected", limit=None)) == 30
    rest = store.uploads(verdict="none", limit=None)
    assert 100 < len(rest) < 3000
    assert rest[0] == upload(None, at=2999, port=7, kind="telemetry")
    store.close()


def test_a_flood_of_unexpected_uploads_leaves_room_for_the_others(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path / "small.db", max_bytes=1 << 20))
    for start in range(0, 1500, 100):
        with store.transaction():
            for at in range(start, start + 100):
                store.emit(upload("unexpected", at=at))
                if at % 30 == 0:
                    store.emit(upload(None, at=at, port=7))
    assert len(store.uploads(verdict="none", limit=None)) == 50
    store.close()


def test_messages_that_wait_do_not_push_out_all_records(tmp_path: Path) -> None:
    store = Store(StoreSettings(path=tmp_path / "small.db", max_bytes=1 << 20))
    with store.transaction():
        for at in range(100):
            store.emit(upload(at=at))
        for number in range(300):
            Messages(store).put("down", {"event_type": "alert", "id": f"a{number}", "text": "x" * 4000}, 1)
    store.emit(upload(at=5000))
    assert len(store.uploads(limit=None)) > 50
    assert Messages(store).count("down")[0] == 300
    store.close()


def test_only_its_owner_may_read_it(store: Store, path: Path) -> None:
    store.emit(upload())
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file


def test_strings_of_strangers_are_kept_as_they_are(store: Store) -> None:
    evil = "x'; DROP TABLE records; --\n\x00\u2028\ud800=cmd()"
    store.emit(upload(host=evil))
    assert store.uploads()[0]["service"]["host"] == evil
    assert store.uploads(device="' OR 1=1 --") == []


def test_numbers_that_json_has_no_word_for_become_null(store: Store) -> None:
    record = upload()
    record["upload"]["score"] = float("nan")
    store.emit(record)
    assert store.uploads()[0]["upload"]["score"] is None


def test_an_endless_record_is_shortened(store: Store) -> None:
    record = upload()
    record["upload"]["bins"] = [123_456] * 100_000
    store.emit(record)
    assert store.uploads()[0]["upload"]["bins"] == []


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"this is no database, it is a letter" * 100, "damaged or no store"), (b"", None)],
)
def test_a_file_that_is_no_store(path: Path, content: bytes, message: str | None) -> None:
    path.write_bytes(content)
    if message is None:
        Store(StoreSettings(path=path)).close()
        return
    for read_only in (False, True):
        with pytest.raises(StoreError, match=message) as caught:
            Store(StoreSettings(path=path), read_only=read_only)
        assert "\n" not in str(caught.value)


def test_another_programs_database_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE recipes (name TEXT)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="no store of sniffer"):
        Store(StoreSettings(path=path))


def test_a_store_of_a_newer_version_is_left_alone(store: Store, path: Path) -> None:
    store.close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="written by a newer sniffer"):
        Store(StoreSettings(path=path))


def test_a_damaged_page_is_one_line(store: Store, path: Path) -> None:
    for at in range(200):
        store.emit(upload(at=at))
    store.close()
    data = bytearray(path.read_bytes())
    for offset in range(4096 * 3, len(data)):
        data[offset] = 0xFF
    path.write_bytes(data)
    with pytest.raises(StoreError, match="sets a damaged store aside") as caught:
        Store(StoreSettings(path=path), read_only=True).uploads(limit=None)
    assert "\n" not in str(caught.value)


def test_two_writers_are_refused(store: Store, path: Path) -> None:
    with pytest.raises(StoreError, match="another sniffer is writing to it"):
        Store(StoreSettings(path=path))
    store.close()
    Store(StoreSettings(path=path)).close()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened or written"):
        Store(StoreSettings(path=tmp_path / "missing" / "sniffer.db"))
    with pytest.raises(StoreError, match="there is no store here"):
        Store(StoreSettings(path=tmp_path / "missing.db"), read_only=True)


def test_a_full_disk_is_one_line_and_what_was_there_stays(store: Store) -> None:
    store.emit(upload())
    store._db.execute("PRAGMA max_page_count = 1").fetchall()
    with pytest.raises(StoreError, match="the disk is full"):
        for at in range(1000):
            store.emit(upload(at=at, port=9))
    assert store.uploads(limit=None)[-1] == upload()


def test_kill_9_leaves_whole_transactions(path: Path) -> None:
    """A process writes pairs (a record and a state that counts them) and is killed, again and again."""
    program = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from sniffer.sinks.settings import StoreSettings
        from sniffer.sinks.storage.store import Store
        from tests.sinks.builders import upload
        store = Store(StoreSettings(path=Path({str(path)!r})))
        count = store.state_get("count") or 0
        print("ready", flush=True)
        while True:
            with store.transaction():
                store.emit(upload(at=count))
                count += 1
                store.state_set("count", count)
    """)
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.15)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    store = Store(StoreSettings(path=path))
    assert store.state_get("count") == len(store.uploads(limit=None)) > 0
    assert store.read("PRAGMA integrity_check") == [("ok",)]
    store.close()


def test_the_device_of_a_record_can_be_a_name(store: Store) -> None:
    store.emit({"event_type": "wake", "timestamp": "2026-11-22T18:00:00Z", "device": "kitchen", "source": "ear"})
    store.emit({"event_type": "listening", "timestamp": "2026-11-22T18:00:00Z"})
    assert len(store.records(("wake",), device=KITCHEN.name)) == 1
    assert store.records(("listening",)) == []
