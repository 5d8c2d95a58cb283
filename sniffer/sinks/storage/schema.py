"""The tables of the store, how they are made and checked, and what its errors mean."""

from __future__ import annotations

import errno
import logging
import sqlite3
from pathlib import Path

from sniffer.errors import StoreError

#: The version of the tables that this program writes.
SCHEMA_VERSION = 2
APPLICATION_ID = 0x534E4946  # "SNIF"


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

#: Queries that touch what the start needs, so that damage there is found when the file is opened.
_PROBES = (
    "SELECT name, LENGTH(value) FROM state",
    "SELECT seq, LENGTH(record) FROM messages WHERE status = 'pending'",
    "SELECT seq, LENGTH(record) FROM records WHERE type = 'upload' ORDER BY time_ns DESC LIMIT 1000",
    "SELECT COUNT(*) FROM records WHERE type = 'device'",
)

#: Finds an entry of an index that stands behind a larger one: a search by halves does not find it.
_DISORDER = tuple(
    f"SELECT 1 FROM (SELECT {group} AS one, {value} AS two, LAG({group}) OVER w AS one_before, "  # noqa: S608
    f"LAG({value}) OVER w AS two_before FROM records INDEXED BY {index} WINDOW w AS (ORDER BY {group}, {value})) "
    "WHERE one < one_before OR (one = one_before AND two < two_before) LIMIT 1"
    for index, group, value in (
        ("records_time", "type", "time_ns"),
        ("records_id", "type", "id"),
        ("records_keep", "keep", "time_ns"),
    )
)
#: Two numbers that are the same: of uploads, and of what is kept beside for overviews.
_COUNTS = (
    "SELECT COUNT(*) FROM records INDEXED BY records_time WHERE type = 'upload'",
    "SELECT COUNT(*) FROM summaries",
)

logger = logging.getLogger("sniffer")


def prepare(db: sqlite3.Connection, path: Path) -> None:
    if db.execute("PRAGMA schema_version").fetchone()[0] == 0:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    else:
        check(db, path)
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
    _mend_indexes(db, path)


def _mend_indexes(db: sqlite3.Connection, path: Path) -> None:
    """Make indexes anew that do not lead to all rows: SQLite notices only what cannot be an index at all. Raises
    sqlite3.DatabaseError where that does not help."""
    if _indexes_hold(db):
        return
    logger.error(
        "%s: an index was damaged, so that records were not found; it is made again, and nothing is lost", path
    )
    db.execute("REINDEX")
    with db:
        db.execute("BEGIN")
        db.execute("DELETE FROM summaries")
        db.execute(f"INSERT OR REPLACE INTO summaries {_SUMMARY.format('records')} FROM records WHERE type = 'upload'")
    if not _indexes_hold(db):
        raise sqlite3.DatabaseError("database disk image is malformed: its indexes lead nowhere")


def _indexes_hold(db: sqlite3.Connection) -> bool:
    if any(db.execute(query).fetchone() for query in _DISORDER):
        return False
    uploads, summaries = (db.execute(query).fetchone()[0] for query in _COUNTS)
    return bool(uploads == summaries)


def check(db: sqlite3.Connection, path: Path, *, reading: bool = False) -> None:
    application, found = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
    if application != APPLICATION_ID:
        raise StoreError(f"{path}: this is no store of sniffer; give another path")
    if found > SCHEMA_VERSION:
        raise StoreError(f"{path}: written by a newer sniffer (store version {found}); update, or give another path")
    if reading and found < SCHEMA_VERSION:
        raise StoreError(f"{path}: written by an older sniffer; start the daemon once, which brings it up to date")


def is_damage(error: BaseException) -> bool:
    """Whether an error says that the file itself is at fault."""
    if isinstance(error, StoreError):
        return error.damaged
    words = ("malformed", "not a database", "no such table", "no such column", "corrupt")
    return isinstance(error, sqlite3.DatabaseError) and any(word in str(error) for word in words)


def reason_of(error: sqlite3.Error | OSError) -> str:
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
