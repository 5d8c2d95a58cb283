"""A store with flipped bytes: set aside, what can be read is kept, and the daemon goes on."""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from sniffer.errors import StoreError
from sniffer.sinks.delivery.queue import Messages
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload

UPLOADS = 120
STATE = {"kitchen": {"seconds": [3.4] * 2000}}
#: Places that are damaged; the whole of a thousand by SNIFFER_PLACES=1000 (make hostile).
PLACES = int(os.environ.get("SNIFFER_PLACES", "60"))


def filled(path: Path, *, checkpointed: bool) -> None:
    """A store with uploads, state and messages; without a checkpoint most of it is in the write-ahead log."""
    store = Store(StoreSettings(path=path))
    for at in range(UPLOADS):
        store.emit(upload(at=100 * at))
    store.state_set("stage.detect", STATE)
    store.state_set("stage.judge", {"waiting": []})
    messages = Messages(store)
    for number in range(10):
        messages.put("home", {"event_type": "alert", "id": f"a{number}"}, number)
    if checkpointed:
        store.close()
    else:
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), path.with_name("copy.db" + suffix))
        store.close()
        for suffix in ("", "-wal"):
            path.with_name("copy.db" + suffix).replace(path.with_name(path.name + suffix))


def used(path: Path) -> tuple[int, object, int]:
    """What a daemon does with its store at the start: how many uploads, the state, how many messages wait."""
    with Store(StoreSettings(path=path)) as store:
        known = store.uploads(limit=None)
        for record in known:
            assert json.loads(json.dumps(record))["device"]["mac"] == "68:db:f5:90:19:64"
        state = store.state_get("stage.detect")
        store.state_get("stage.judge")
        messages = Messages(store)
        waiting = messages.count("home")[0]
        while (message := messages.first("home")) is not None:
            messages.done(message)
        try:
            store.emit(upload(at=999_999))
        except StoreError as error:
            assert error.damaged  # by now a new one has taken its place
            store.emit(upload(at=999_999))
        assert store.uploads(limit=1)[0]["id"] == upload(at=999_999)["id"]
        return len(known), state, waiting


@pytest.mark.slow
@pytest.mark.parametrize("checkpointed", [True, False])
def test_whatever_byte_is_flipped_the_store_is_usable(tmp_path: Path, checkpointed: bool) -> None:
    whole = tmp_path / "whole" / "sniffer.db"
    whole.parent.mkdir()
    filled(whole, checkpointed=checkpointed)
    chance = random.Random(7 + checkpointed)
    kept = 0
    for place in range(PLACES):
        folder = tmp_path / str(place)
        shutil.copytree(whole.parent, folder)
        path = folder / "sniffer.db"
        victim = path if checkpointed or chance.random() < 0.3 else path.with_name("sniffer.db-wal")
        data = bytearray(victim.read_bytes())
        kind = chance.randrange(4)
        at = chance.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at : at + 512] = bytes(min(512, len(data) - at))
        elif kind == 2:
            data[at & ~4095 : (at & ~4095) + 4096] = chance.randbytes(min(4096, len(data) - (at & ~4095)))
        else:
            del data[at:]
        victim.write_bytes(data)
        number, state, _ = used(path)
        assert state in (None, STATE)  # never another than what was saved
        assert number <= UPLOADS
        kept += number
        if number < UPLOADS // 2 and victim is path and kind in (0, 1):
            assert list(folder.glob("sniffer.db.damaged-*")), "what is lost is kept beside"
        shutil.rmtree(folder)
    assert kept > 0.5 * UPLOADS * PLACES


def test_what_is_set_aside_is_named_and_the_rest_is_kept(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "sniffer.db"
    filled(path, checkpointed=True)
    with sqlite3.connect(path) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'records_time'").fetchone()[0]
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with Store(StoreSettings(path=path)) as store:
        assert len(store.uploads(limit=None)) == UPLOADS
        assert store.state_get("stage.detect") == STATE
        assert Messages(store).count("home")[0] == 10
    (aside,) = (file for file in tmp_path.glob("sniffer.db.damaged-*") if not file.name.endswith("-wal"))
    assert aside.read_bytes() == bytes(data)
    (line,) = [record.message for record in caplog.records]
    assert str(aside) in line
    assert f"{UPLOADS} records, 10 messages, 2 parts of what was learned" in line


@pytest.mark.parametrize(
    ("index", "part", "changed"),
    [
        ("records_time", b"upload", b"uploaD"),
        ("records_time", b"upload", b"uplozd"),
        ("records_time", b"\x18\xe9", b"\x28\xe9"),
        ("records_id", b"upload", b"uploaD"),
    ],
)
def test_an_index_that_hides_records_is_made_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, index: str, part: bytes, changed: bytes
) -> None:
    path = tmp_path / "sniffer.db"
    filled(path, checkpointed=True)
    with sqlite3.connect(path) as db:
        page = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", [index]).fetchone()[0]
    data = bytearray(path.read_bytes())
    places = [at for at in range((page - 1) * 4096, page * 4096) if data[at : at + len(part)] == part]
    middle = places[len(places) // 2]
    data[middle : middle + len(part)] = changed
    path.write_bytes(data)
    with Store(StoreSettings(path=path)) as store:
        assert len(store.uploads(limit=None)) == UPLOADS
        assert store.state_get("stage.detect") == STATE
    assert any("index was damaged" in record.message for record in caplog.records)
    caplog.clear()
    with Store(StoreSettings(path=path)) as store:
        assert len(store.uploads(limit=None)) == UPLOADS
    assert not caplog.records


def test_a_flipped_byte_within_a_text_spoils_that_record_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "sniffer.db"
    filled(path, checkpointed=True)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET record = REPLACE(record, 'kitchen', 'kitchfn') WHERE seq = 3")
        db.execute("UPDATE records SET record = REPLACE(record, 'speech', 'speexh') WHERE seq = 4")
        db.execute("UPDATE state SET value = REPLACE(value, '3.4', '9.4')")
        db.execute("UPDATE messages SET record = '{' WHERE seq = 1")
    with Store(StoreSettings(path=path)) as store:
        assert len(store.uploads(limit=None)) == len(list(store.walk(("upload",)))) == UPLOADS - 2
        assert store.state_get("stage.detect") is None
        first = Messages(store).first("home")
        assert first is not None
        assert first.record == {}
    assert sum("is damaged" in record.message for record in caplog.records) == 2
    assert not list(tmp_path.glob("*.damaged-*"))


def test_the_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    for content in (b"\xff" * 5000, b"SQLite format 3\0" + bytes(5000), b"name: photo\n"):
        path = tmp_path / "photo.jpg"
        path.write_bytes(content)
        with pytest.raises(StoreError):
            Store(StoreSettings(path=path))
        assert path.read_bytes() == content
        path.with_name("photo.jpg.lock").unlink()
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE mine (x)")
    with pytest.raises(StoreError, match="no store of sniffer"):
        Store(StoreSettings(path=other))


def test_an_older_store_is_read_and_gets_checksums(tmp_path: Path) -> None:
    path = tmp_path / "sniffer.db"
    filled(path, checkpointed=True)
    with sqlite3.connect(path) as db:
        for table in ("records", "state", "messages"):
            db.execute(f"ALTER TABLE {table} DROP COLUMN crc")
        db.execute("PRAGMA user_version = 1")
    with pytest.raises(StoreError, match="older"):
        Store(StoreSettings(path=path), read_only=True)
    number, state, waiting = used(path)
    assert (number, state, waiting) == (UPLOADS, STATE, 10)


@pytest.mark.parametrize("suffix", ["", ".lock"])
def test_a_symbolic_link_is_not_followed(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / "shadow"
    target.write_text("root:x\n")
    (tmp_path / f"sniffer.db{suffix}").symlink_to(target)
    with pytest.raises(StoreError, match="symbolic link"):
        Store(StoreSettings(path=tmp_path / "sniffer.db"))
    assert target.read_text() == "root:x\n"
