"""The embedded store: SQLite in WAL mode, one file, one writing process, any number of readers.

Everything that must not disagree after a power cut is written in one transaction: the records, the state of the
alert policy and of learning, and the messages that wait for delivery. Whatever joins a transaction is either all
there or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from sniffer.errors import StoreError, UsageError
from sniffer.model import Record
from sniffer.model.clock import parse_timestamp
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.jsonl import checksum, decode, encode, intact
from sniffer.sinks.storage.salvage import salvage

SCHEMA_VERSION = 2
APPLICATION_ID = 0x534E4946  # "SNIF"

logger = logging.getLogger("sniffer")

#: The room that is held on the disk for the last write: the state of all stages is under a megabyte.
RESERVE_BYTES, RESERVE_SUFFIX = 2 << 20, ".reserve"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
  seq INTEGER PRIMARY KEY, type TEXT NOT NULL, id TEXT, revision INTEGER NOT NULL, time_ns INTEGER NOT NULL,
  device TEXT, mac TEXT, class TEXT, verdict TEXT, level TEXT, keep INTEGER NOT NULL, size INTEGER NOT NULL,
  record TEXT NOT NULL, crc INTEGER);
CREATE UNIQUE INDEX IF NOT EXISTS records_id ON records (type, id);
CREATE INDEX IF NOT EXISTS records_time ON records (type, time_ns);
CREATE INDEX IF NOT EXISTS records_keep ON records (keep, time_ns, size);
CREATE TABLE IF NOT EXISTS state (name TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, id TEXT NOT NULL, status TEXT NOT NULL,
  created_ns INTEGER NOT NULL, next_ns INTEGER NOT NULL, attempts INTEGER NOT NULL, refusals INTEGER NOT NULL,
  error TEXT, size INTEGER NOT NULL, record TEXT NOT NULL, crc INTEGER, UNIQUE (target, id));
CREATE INDEX IF NOT EXISTS messages_due ON messages (target, status, seq);
"""

#: A few columns of each upload for overviews, kept by triggers: to read them out of the records takes thirty times as
#: long. What the columns mean is said at `UploadSummary`.
#: A damaged record gives no values, and never stops a change of the store.
_SUMMARY = (
    "SELECT {0}.seq, {0}.id, {0}.time_ns, {0}.device, {0}.mac, {0}.class, {0}.verdict, "
    "CASE WHEN json_valid({0}.record) THEN json_extract({0}.record, '$.reason') END, {0}.level, "
    "CASE WHEN json_valid({0}.record) THEN json_extract({0}.record, '$.upload.duration') END, "
    "CASE WHEN json_valid({0}.record) THEN json_extract({0}.record, '$.upload.speech_seconds') END"
)
_GONE = "DELETE FROM summaries WHERE time_ns = old.time_ns AND seq = old.seq"
_SUMMARIES = f"""
CREATE TABLE IF NOT EXISTS summaries (
  seq INTEGER NOT NULL, id TEXT, time_ns INTEGER NOT NULL, device TEXT, mac TEXT, class TEXT, verdict TEXT,
  reason TEXT, level TEXT, duration REAL, speech_seconds REAL, PRIMARY KEY (time_ns, seq)) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS summary_made AFTER INSERT ON records WHEN new.type = 'upload' BEGIN
  INSERT OR REPLACE INTO summaries {_SUMMARY.format("new")}; END;
CREATE TRIGGER IF NOT EXISTS summary_changed AFTER UPDATE ON records WHEN new.type = 'upload' BEGIN
  {_GONE}; INSERT OR REPLACE INTO summaries {_SUMMARY.format("new")}; END;
CREATE TRIGGER IF NOT EXISTS summary_gone AFTER DELETE ON records WHEN old.type = 'upload' BEGIN {_GONE}; END;
"""

#: Records that are kept. The others (`listening`, `stats`) are of the moment; the event log has them.
STORED = frozenset({"upload", "wake", "alert", "resolved", "loss", "drift", "digest", "device", "question", "answer"})

#: What goes first when the store is full, and the share of it that each kind may hold on to: what a device does by
#: itself; what was asked for; what nobody asked for, and who was told.
KEEP_SHARES: Mapping[int, float] = {0: 0.2, 1: 0.3, 2: 0.5}

#: Shares of its size: when records are removed, until when, and how much of it is left to them whatever else there is.
_FULL, _TRIMMED, _LEAST = 0.9, 0.8, 0.25
_PAGE = 500

#: The columns of `_row`, in its order.
_COLUMNS = (
    *("type", "id", "revision", "time_ns", "device", "mac", "class", "verdict", "level", "keep", "size"),
    *("record", "crc"),
)
#: Queries that touch what the start needs, so that damage there is found when the file is opened.
_PROBES = (
    "SELECT name, LENGTH(value) FROM state",
    "SELECT seq, LENGTH(record) FROM messages WHERE status = 'pending'",
    "SELECT seq, LENGTH(record) FROM records WHERE type = 'upload' ORDER BY time_ns DESC LIMIT 1000",
    "SELECT COUNT(*) FROM records WHERE type = 'device'",
)
_INSERT = (
    f"INSERT INTO records ({','.join(_COLUMNS)}) VALUES ({','.join('?' * len(_COLUMNS))}) "  # noqa: S608
    f"ON CONFLICT (type, id) DO UPDATE SET {','.join(f'{name} = excluded.{name}' for name in _COLUMNS)} "
    "WHERE excluded.revision >= records.revision"
)


class Store:
    """A sink, and what the daemon remembers. Safe to use from several threads.

    Raises StoreError, in one line with the remedy, where the file cannot be opened, read or written.
    """

    name = "store"

    def __init__(self, settings: StoreSettings, *, read_only: bool = False) -> None:
        self.path, self.settings = settings.path, settings
        self._max_bytes = settings.max_bytes
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
        row = _row(record)
        with self.transaction() as db:
            db.execute(_INSERT, row)

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
                    self._damage_seen |= _is_damage(error)
                    raise
                finally:
                    self._depth -= 1
                return
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
                if _is_damage(error):  # nothing more can be written to this file: a new one takes its place
                    self._damage_seen = True
                self._depth = 0
                if self._damage_seen:
                    self._heal()
                raise
            finally:
                self._depth = 0
            if self._db.total_changes != changes and self.used_bytes() > self._max_bytes * _FULL:
                self._trim()

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
        test, values = _where(types, device, since, until, verdict, upload_class)
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
        """The same, oldest first, however many there are: a page at a time, and nobody is kept waiting between."""
        test, values = _where(types, device, since, until, verdict, None)
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
        """Return what tells this installation from others: random, and the same for the life of the store."""
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

    def release_reserve(self) -> None:
        """Give up the room that is held for the last write on a full disk."""
        reserve = _beside(self.path, RESERVE_SUFFIX)
        with contextlib.suppress(OSError):  # emptied first: the folder may not be ours any more
            os.truncate(reserve, 0)
            reserve.unlink()

    def _hold_reserve(self) -> None:
        """Hold some room on the disk, so that a daemon that ends on a full one can write what waited."""
        path = _beside(self.path, RESERVE_SUFFIX)
        with contextlib.suppress(OSError):
            if path.stat().st_size == RESERVE_BYTES:
                return
        with contextlib.suppress(OSError):
            held = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            try:
                os.posix_fallocate(held, 0, RESERVE_BYTES)
            except OSError:
                path.unlink(missing_ok=True)
            finally:
                os.close(held)

    def _begin_anew(self) -> sqlite3.Connection:
        """Move the damaged file and its log aside; return a new one with what could be read."""
        aside = _beside(self.path, f".damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}")
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                _beside(self.path, suffix).replace(_beside(aside, suffix))
        _beside(self.path, "-shm").unlink(missing_ok=True)
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
            _prepare(db, self.path)
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
                if self._depth or not _is_damage(error) or not self._heal():
                    raise
                return self._db.execute(query, values).fetchall()

    def used_bytes(self) -> int:
        """Bytes of the file that hold something."""
        pages, free, size = (
            self.read(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)

    def _trim(self) -> None:
        """Make room: of the kinds that hold more than their share, the one that matters least, the oldest first."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._db.execute(
                "DELETE FROM messages WHERE status != 'pending' AND seq NOT IN "
                "(SELECT seq FROM messages WHERE status != 'pending' ORDER BY seq DESC LIMIT 1000)"
            )
            while self.used_bytes() > self._max_bytes * _TRIMMED:
                held = dict(self._db.execute("SELECT keep, SUM(size) FROM records GROUP BY keep").fetchall())
                total = sum(held.values())
                if total < self._max_bytes * _LEAST:  # the rest is messages that wait, which have a bound of their own
                    break
                over = [keep for keep in sorted(held) if held[keep] > KEEP_SHARES.get(keep, 0) * total]
                self._db.execute(
                    "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE keep = ? ORDER BY time_ns LIMIT "
                    "(SELECT 1 + COUNT(*) / 20 FROM records WHERE keep = ?))",
                    [over[0], over[0]],
                )
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._db.execute("PRAGMA incremental_vacuum").fetchall()

    def _open_writer(self) -> sqlite3.Connection:
        ours = _beside(self.path, ".lock").exists() or _is_marked(self.path)
        self._owner = _own(self.path)
        try:
            try:
                db = self._new()
            except sqlite3.DatabaseError as error:
                if not (ours and _is_damage(error)):  # the file of another program is left alone
                    raise
                db = self._begin_anew()
            self._hold_reserve()
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
                _check(db, self.path, reading=True)
            except sqlite3.OperationalError:
                if self.path.with_name(self.path.name + "-wal").exists():
                    raise
                db.close()
                db = self._connect(f"{uri}?mode=ro&immutable=1")
                _check(db, self.path, reading=True)
        except BaseException:
            db.close()
            raise
        return db

    def _connect(self, uri: str) -> sqlite3.Connection:
        db = sqlite3.connect(uri, uri=True, timeout=5, isolation_level=None, check_same_thread=False)
        db.text_factory = lambda data: data.decode(errors="replace")  # a flipped byte spoils one text, not the query
        return db

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self.path}: {_reason(error)}", damaged=_is_damage(error)) from None


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA schema_version").fetchone()[0] == 0:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        _check(db, path)
    db.execute("PRAGMA journal_mode = WAL").fetchall()
    for pragma in (
        "synchronous = FULL",
        "wal_autocheckpoint = 256",
        "journal_size_limit = 1048576",
        "cache_size = -2000",
        "temp_store = MEMORY",
    ):
        db.execute(f"PRAGMA {pragma}").fetchall()
    new = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'summaries'").fetchone() is None
    fill = f"INSERT INTO summaries {_SUMMARY.format('records')} FROM records WHERE type = 'upload';" if new else ""
    db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} {_SUMMARIES} {fill} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;")
    for table in ("records", "state", "messages"):  # version 1 had no checksums
        if "crc" not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
            db.execute(f"ALTER TABLE {table} ADD COLUMN crc INTEGER")
    for query in _PROBES:  # damage is found now, when it can be set aside
        db.execute(query).fetchall()


def _check(db: sqlite3.Connection, path: Path, *, reading: bool = False) -> None:
    application, found = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: this is no store of sniffer; give another path")
    if found > SCHEMA_VERSION:
        raise StoreError(f"{path}: written by a newer sniffer (store version {found}); update, or give another path")
    if reading and found < SCHEMA_VERSION:
        raise StoreError(f"{path}: written by an older sniffer; start the daemon once, which brings it up to date")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is at fault."""
    if isinstance(error, StoreError):
        return error.damaged
    words = ("malformed", "not a database", "no such table", "no such column", "corrupt")
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error) for word in words)


def _is_marked(path: Path) -> bool:
    """Whether the header of the file, as far as it can be read, says that it is ours."""
    try:
        with path.open("rb") as stream:
            return stream.read(72)[68:] == APPLICATION_ID.to_bytes(4, "big")
    except OSError:
        return False


def _own(path: Path) -> IO[bytes]:
    """One process writes. The lock is on a file beside the store, and ends with the process however that ends."""
    if not path.name:
        raise StoreError(f"'{path}': the path of the store must name a file (store.path)")
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    stream = os.fdopen(os.open(_beside(path, ".lock"), flags, 0o600), "r+b")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        stream.close()
        if isinstance(error, BlockingIOError):
            raise StoreError(f"{path}: another sniffer is writing to it; stop that one, or give another path") from None
        raise
    return stream


def _reason(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        reason = "a symbolic link is not followed" if error.errno == errno.ELOOP else error.strerror or error
        return f"cannot be opened or written: {reason}"
    text = str(error)
    if "malformed" in text or "not a database" in text:
        return f"is damaged or no store ({text}); `sniffer run` sets a damaged store aside and keeps what can be read"
    if "locked" in text:
        return "is locked by another program; close that one"
    if "readonly" in text or "unable to open" in text:
        return f"cannot be opened or written ({text}); check the folder and its permissions"
    if "full" in text:
        return "the disk is full; make room, or lower store.max_bytes"
    return text


def _where(
    types: Sequence[str],
    device: str | None,
    since: int | None,
    until: int | None,
    verdict: str | None,
    upload_class: str | None,
) -> tuple[str, list[Any]]:
    tests = [f"type IN ({','.join('?' * len(types))})"]
    values: list[Any] = list(types)
    for test, value in (("time_ns >= ?", since), ("time_ns < ?", until), ("class = ?", upload_class)):
        if value is not None:
            tests.append(test)
            values.append(value)
    if device is not None:
        tests.append("(device = ? COLLATE NOCASE OR mac = ? COLLATE NOCASE)")
        values += [device, device]
    if verdict == "judged":
        tests.append("verdict IS NOT NULL")
    elif verdict is not None:
        tests.append("verdict IS ?")
        values.append(None if verdict == "none" else verdict)
    return " AND ".join(tests), values


def _row(record: Record) -> tuple[Any, ...]:
    device, upload = record.get("device"), record.get("upload")
    text = encode(record)
    kind = str(record["event_type"])
    verdict = record.get("verdict")
    told = kind in ("alert", "resolved", "digest") or (kind == "upload" and verdict == "unexpected")
    return (
        kind,
        record.get("host") if kind == "device" else record.get("id"),  # of a device only the newest is kept
        int(record.get("revision") or 0),
        _time_ns(record),
        _text(device.get("name") if isinstance(device, Mapping) else device),
        _text(device.get("mac") or device.get("ip")) if isinstance(device, Mapping) else None,
        _text(upload.get("class")) if isinstance(upload, Mapping) else None,
        _text(verdict),
        _text(record.get("level")),
        2 if told else 1 if kind == "upload" and verdict is not None else 0,
        len(text),
        text,
        checksum(text),
    )


def _time_ns(record: Record) -> int:
    try:
        return parse_timestamp(str(record["timestamp"]))
    except (KeyError, ValueError, OverflowError):
        return 0


def _text(value: object) -> str | None:
    """A string that SQLite can hold: a lone surrogate is not one."""
    return None if value is None else str(value).encode(errors="replace").decode()
