"""The embedded store: SQLite in WAL mode, one file, one writing process, any number of readers.

Everything that must not disagree after a power cut is written in one transaction: the records, the state of the
alert policy and of learning, and the messages that wait for delivery. Whatever joins a transaction is either all
there or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any

from sniffer.errors import StoreError, UsageError
from sniffer.model import Record
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.jsonl import checksum, decode, intact
from sniffer.sinks.storage.ownership import beside, is_marked, own
from sniffer.sinks.storage.removal import is_removed, write_again
from sniffer.sinks.storage.reserve import RESERVE_SUFFIX, hold, release
from sniffer.sinks.storage.room import FULL, make_room, used_bytes
from sniffer.sinks.storage.rows import INSERT, conditions, row_of
from sniffer.sinks.storage.salvage import salvage
from sniffer.sinks.storage.schema import check, is_damage, prepare, reason_of

logger = logging.getLogger("sniffer")

#: Records that are kept. The others (`listening`, `stats`) are of the moment; the event log has them.
STORED = frozenset({"upload", "wake", "alert", "resolved", "loss", "drift", "digest", "device", "question", "answer"})

_PAGE = 500


class Store:
    """A sink, and what the daemon remembers. Safe to use from several threads.

    Raises StoreError, in one line with the remedy, where the file cannot be opened, read or written.
    """

    name = "store"

    def __init__(self, settings: StoreSettings, *, read_only: bool = False) -> None:
        self.path, self.settings = settings.path, settings
        self._max_bytes = settings.max_bytes
        self._reserve = beside(settings.path, RESERVE_SUFFIX)
        self._lock = threading.RLock()
        self._depth = 0
        self._broken = self._damage_seen = False
        self._owner: IO[bytes] | None = None
        self._unreadable = 0
        #: What was done about damage, in one line each, for the log.
        self.repairs: list[str] = []
        with self._errors():
            self._db = self._open_reader() if read_only else self._open_writer()

    # --- as a sink ---

    def emit(self, record: Record) -> None:
        """Keep one record; an upload that was judged again replaces its earlier revision."""
        if record.get("event_type") not in STORED:
            return
        row = row_of(record)
        with self.transaction() as db:
            db.execute(INSERT, row)

    def close(self) -> None:
        """Let go of the file. What was written stays."""
        with self._lock:
            with contextlib.suppress(sqlite3.Error):
                self._db.close()
            if self._owner is not None:
                self._owner.close()
                self._owner = None

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    # --- transactions ---

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All writes inside are kept together or not at all; transactions inside a transaction join it."""
        with self._lock, self._errors():
            if self._depth:
                self._depth += 1
                try:
                    yield self._db
                except BaseException as error:
                    self._broken = True
                    self._damage_seen |= is_damage(error)
                    raise
                finally:
                    self._depth -= 1
                return
            if self._owner is not None and is_removed(self.path):
                self._write_again(self._owner)
            changes = self._db.total_changes
            self._db.execute("BEGIN")
            self._depth, self._broken, self._damage_seen = 1, False, False
            try:
                yield self._db
                if self._broken:
                    raise StoreError(
                        f"{self.path}: a part of the transaction failed; nothing of it was kept",
                        damaged=self._damage_seen,
                    )
                self._db.execute("COMMIT")
            except BaseException as error:
                with contextlib.suppress(sqlite3.Error):
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                if is_damage(error):  # nothing more can be written to this file: a new one takes its place
                    self._damage_seen = True
                self._depth = 0
                if self._damage_seen:
                    self._heal()
                raise
            finally:
                self._depth = 0
            if self._db.total_changes != changes and self.used_bytes() > self._max_bytes * FULL:
                make_room(self._db, self._max_bytes)

    # --- what was kept ---

    def uploads(
        self,
        device: str | None = None,
        verdict: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = 100,
        upload_class: str | None = None,
    ) -> list[dict[str, Any]]:
        """Uploads, the newest first. `device` is a name or a MAC; `since` (included) and `until` are in nanoseconds;
        `verdict` may also be `none` (not judged) or `judged` (any)."""
        return self.records(
            ("upload",), device, since, until, limit, verdict=verdict, upload_class=upload_class, newest_first=True
        )

    def names(self) -> set[str]:
        """What devices of uploads are called, and their addresses."""
        return {
            name
            for row in self.read("SELECT DISTINCT device, mac FROM records WHERE type = 'upload'", [])
            for name in row
            if name
        }

    def records(
        self,
        types: Sequence[str],
        device: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        *,
        verdict: str | None = None,
        upload_class: str | None = None,
        newest_first: bool = False,
    ) -> list[dict[str, Any]]:
        """Records of the given types in the order of time."""
        test, values = conditions(types, device, since, until, verdict, upload_class)
        order = "DESC" if newest_first else "ASC"
        query = f"SELECT record, crc FROM records WHERE {test} ORDER BY time_ns {order}, seq {order} LIMIT ?"  # noqa: S608
        return list(self._decoded(self.read(query, [*values, -1 if limit is None else limit])))

    def walk(
        self,
        types: Sequence[str],
        device: str | None = None,
        since: int | None = None,
        until: int | None = None,
        *,
        verdict: str | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield records, oldest first. They are read page by page, and other threads use the store in between."""
        test, values = conditions(types, device, since, until, verdict, None)
        at = (-1 << 62, -1)
        query = (
            f"SELECT time_ns, seq, record, crc FROM records WHERE {test} "  # noqa: S608
            f"AND (time_ns, seq) > (?, ?) ORDER BY time_ns, seq LIMIT {_PAGE}"
        )
        while True:
            rows = self.read(query, [*values, *at])
            for time_ns, seq, text, crc in rows:
                at = (time_ns, seq)
                yield from self._decoded([(text, crc)])
            if len(rows) < _PAGE:
                return

    def upload(self, upload_id: str) -> dict[str, Any] | None:
        """Return one upload by its id, or by the beginning or end of it. Raises UsageError where several match."""
        found = self.read(
            "SELECT id, record, crc FROM records WHERE type = 'upload' AND id >= ? AND id < ? ORDER BY id LIMIT 4",
            [upload_id, upload_id + "\U0010ffff"],
        ) or self.read(
            "SELECT id, record, crc FROM records WHERE type = 'upload' AND substr(id, ?) = ? ORDER BY id LIMIT 4",
            [-len(upload_id) or -1, upload_id],
        )
        exact = [(text, crc) for name, text, crc in found if name == upload_id]
        if len(found) > 1 and not exact:
            raise UsageError(
                f"several uploads begin or end with '{upload_id}': {', '.join(name for name, *_ in found[:3])}"
            )
        return next(self._decoded(exact or [(text, crc) for _, text, crc in found]), None)

    def _decoded(self, rows: Iterable[tuple[str, int | None]]) -> Iterator[dict[str, Any]]:
        """The records of rows; a damaged one is passed over, and reported once."""
        for text, crc in rows:
            try:
                record = decode(intact(text, crc))
            except ValueError:
                self._unreadable += 1
                if self._unreadable == 1:
                    logger.warning("%s: a record is damaged, and is left out", self.path)
                continue
            yield record

    # --- state ---

    def state_get(self, name: str) -> Any:
        """What was remembered under this name, or None; what is damaged is forgotten, and reported."""
        found = self.read("SELECT value, crc FROM state WHERE name = ?", [name])
        if not found:
            return None
        try:
            return json.loads(intact(*found[0]))
        except (ValueError, RecursionError):
            logger.warning("%s: the saved state '%s' is damaged, and is forgotten", self.path, name)
            return None

    def state_set(self, name: str, value: Any) -> None:
        """Remember a JSON value under this name; None forgets it."""
        text = None if value is None else json.dumps(value, separators=(",", ":"))
        with self.transaction() as db:
            if text is None:
                db.execute("DELETE FROM state WHERE name = ?", [name])
            else:
                db.execute(
                    "INSERT OR REPLACE INTO state (name, value, crc) VALUES (?, ?, ?)", [name, text, checksum(text)]
                )

    def installation(self) -> str:
        """Return the identifier of this installation: random, and unchanged for the life of the store."""
        known = self.state_get("installation")
        if not isinstance(known, str):
            known = secrets.token_hex(8)
            with contextlib.suppress(StoreError):  # on a full disk it is another one after the restart
                self.state_set("installation", known)
        return known

    # --- damage, and a full disk ---

    def _heal(self) -> bool:
        """Set the damaged file aside, go on with a new one, and copy into it what can be read. Return whether that was
        possible: not for a reader, nor on a disk that cannot be written."""
        if self._owner is None:
            return False
        with contextlib.suppress(sqlite3.Error):
            self._db.close()
        try:
            self._db = self._begin_anew()
        except (sqlite3.Error, OSError, StoreError) as error:
            logger.error("%s: the damaged store cannot be replaced: %s", self.path, error)
            return False
        return True

    def _write_again(self, owner: IO[bytes]) -> None:
        """Put what the file held in its place again: it was removed while it was open."""
        write_again(self._db, self.path)
        self._db.close()
        self._db = self._new()
        if not beside(self.path, ".lock").exists():
            self._owner = own(self.path)
            owner.close()
        hold(self._reserve)
        logger.error(
            "%s: the store was removed while it was in use; it is written again, and nothing is lost", self.path
        )

    def release_reserve(self) -> None:
        """Give up the room that is held for the last write on a full disk."""
        release(self._reserve)

    def _begin_anew(self) -> sqlite3.Connection:
        """Move the damaged file and its log aside; return a new one with what could be read."""
        aside = beside(self.path, f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                beside(self.path, suffix).replace(beside(aside, suffix))
        beside(self.path, "-shm").unlink(missing_ok=True)
        db = self._new()
        kept = salvage(aside, db)
        self.repairs.append(
            f"{self.path}: the store was damaged. It is kept as {aside}; a new one holds what could be read: {kept}"
        )
        logger.error("%s", self.repairs[-1])
        return db

    def _new(self) -> sqlite3.Connection:
        """The file, created where it is not there, prepared for writing. Raises StoreError, sqlite3.Error, OSError."""
        opened = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o600)
        regular = stat.S_ISREG(os.fstat(opened).st_mode)
        os.close(opened)
        if not regular:
            raise OSError(errno.EINVAL, "not a regular file")
        db = self._connect(f"{self.path.absolute().as_uri()}?mode=rw")
        try:
            prepare(db, self.path)
        except BaseException:
            db.close()
            raise
        return db

    # --- underneath ---

    def read(self, query: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of one query. Where they are damaged, the file is set aside first."""
        with self._lock, self._errors():
            try:
                return self._db.execute(query, values).fetchall()
            except sqlite3.DatabaseError as error:
                if self._depth or not is_damage(error) or not self._heal():
                    raise
                return self._db.execute(query, values).fetchall()

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        with self._lock, self._errors():
            return used_bytes(self._db)

    def _open_writer(self) -> sqlite3.Connection:
        ours = beside(self.path, ".lock").exists() or is_marked(self.path)
        self._owner = own(self.path)
        try:
            try:
                db = self._new()
            except sqlite3.DatabaseError as error:
                if not (ours and is_damage(error)):  # the file of another program is left alone
                    raise
                db = self._begin_anew()
            hold(self._reserve)
        except BaseException:
            self._owner.close()
            raise
        return db

    def _open_reader(self) -> sqlite3.Connection:
        """Also where the folder cannot be written: then the file is read as it stands."""
        if not self.path.is_file():
            raise StoreError(f"{self.path}: there is no store here; `sniffer run` makes one (its path: --store)")
        uri = self.path.absolute().as_uri()
        db = self._connect(f"{uri}?mode=ro")
        try:
            try:
                check(db, self.path, reading=True)
            except sqlite3.OperationalError:
                if self.path.with_name(self.path.name + "-wal").exists():
                    raise
                db.close()
                db = self._connect(f"{uri}?mode=ro&immutable=1")
                check(db, self.path, reading=True)
        except BaseException:
            db.close()
            raise
        return db

    def _connect(self, uri: str) -> sqlite3.Connection:
        db = sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
        db.text_factory = partial(str, encoding="utf-8", errors="replace")  # a flipped byte spoils one text, no query
        return db

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.path}: {reason_of(error)}", damaged=is_damage(error)) from None
