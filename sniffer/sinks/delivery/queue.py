"""What waits for delivery: a queue in the store, one line of messages a target, in the order in which they came."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sniffer.model import Record
from sniffer.sinks.storage.jsonl import checksum, decode, encode, intact
from sniffer.sinks.storage.store import Store

PENDING, DONE, DEAD = "pending", "done", "dead"


@dataclass(frozen=True, slots=True)
class Message:
    """One record on its way to one target. `id` is the same at every attempt, and after every restart."""

    seq: int
    target: str
    id: str
    record: dict[str, Any]
    created_ns: int
    next_ns: int
    attempts: int
    refusals: int


def message_id(record: Record) -> str:
    """The same record has the same id: receivers tell a repetition by it."""
    if record.get("id") is not None:
        seed = f"{record['event_type']}\0{record['id']}\0{record.get('revision', 0)}"
    else:
        seed = encode(record)
    return "msg_" + hashlib.sha256(seed.encode()).hexdigest()[:26]


def _record(text: str, crc: int | None) -> dict[str, Any]:
    """The record of a message; of a damaged one an empty one, which cannot be made and so is given up."""
    try:
        return decode(intact(text, crc))
    except ValueError:
        return {}


class Messages:
    """The queue of one store. Every change is a transaction, and joins the one that is open."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(self, target: str, record: Record, now_ns: int) -> bool:
        """Queue a record for a target; False where it was queued (or delivered) before."""
        text = encode(record)
        with self._store.transaction() as db:
            cursor = db.execute(
                "INSERT OR IGNORE INTO messages "
                "(target, id, status, created_ns, next_ns, attempts, refusals, size, record, crc) "
                "VALUES (?, ?, 'pending', ?, 0, 0, 0, ?, ?, ?)",
                [target, message_id(record), now_ns, len(text), text, checksum(text)],
            )
            return cursor.rowcount > 0

    def first(self, target: str) -> Message | None:
        """The oldest message that waits for this target."""
        return self._one("target = ? AND status = 'pending'", [target])

    def due(self, target: str, now_ns: int, overtaken_after: int) -> Message | None:
        """The oldest message that may be tried now; those that were refused so often come behind the others."""
        return self._one("target = ? AND status = 'pending' AND next_ns <= ?", [target, now_ns], overtaken_after)

    def waiting(self, target: str, count: int, now_ns: int) -> list[Message]:
        """The oldest messages of this target that may be tried now."""
        return self._many(
            "target = ? AND status = 'pending' AND next_ns <= ?", [target, now_ns], f"seq LIMIT {int(count)}"
        )

    def next_ns(self, target: str) -> int:
        """When the next message of this target may be tried."""
        rows = self._store.read(
            "SELECT COALESCE(MIN(next_ns), 0) FROM messages WHERE target = ? AND status = 'pending'", [target]
        )
        return int(rows[0][0])

    def _one(self, test: str, values: list[Any], overtaken_after: int = 1 << 30) -> Message | None:
        return next(iter(self._many(test, values, f"refusals >= {int(overtaken_after)}, seq LIMIT 1")), None)

    def _many(self, test: str, values: list[Any], order: str = "seq") -> list[Message]:
        rows = self._store.read(
            "SELECT seq, target, id, record, crc, created_ns, next_ns, attempts, refusals FROM messages "  # noqa: S608
            f"WHERE {test} ORDER BY {order}",
            values,
        )
        return [
            Message(seq, name, message, _record(record, crc), created_ns, next_ns, attempts, refusals)
            for seq, name, message, record, crc, created_ns, next_ns, attempts, refusals in rows
        ]

    def hurry(self, target: str) -> None:
        """Try every message now, as after a restart the receiver may be back; but not where it asked to wait."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE messages SET next_ns = 0 WHERE target = ? AND status = 'pending' "
                "AND error NOT LIKE '%(asks to wait)'",
                [target],
            )

    def recent(self, target: str, since_ns: int) -> list[Message]:
        """What this target took since then, in order."""
        return self._many("target = ? AND status = 'done' AND created_ns >= ?", [target, since_ns])

    def count(self, target: str) -> tuple[int, int]:
        """How many messages wait for this target, and their bytes."""
        rows = self._store.read(
            "SELECT COUNT(*), COALESCE(SUM(size), 0) FROM messages WHERE target = ? AND status = 'pending'", [target]
        )
        return int(rows[0][0]), int(rows[0][1])

    def done(self, message: Message) -> None:
        """It was taken: it is never sent again. Its id stays for a while, so that a repetition is known."""
        self._finish(message.seq, DONE, None)

    def dead(self, message: Message, error: str) -> None:
        """It is given up."""
        self._finish(message.seq, DEAD, error)

    def again(self, message: Message, next_ns: int, error: str, *, refused: bool) -> None:
        """It was not taken; not before `next_ns` is it tried again."""
        with self._store.transaction() as db:
            db.execute(
                "UPDATE messages SET attempts = attempts + 1, refusals = refusals + ?, next_ns = ?, error = ? "
                "WHERE seq = ?",
                [refused, next_ns, error, message.seq],
            )

    def drop_oldest(self, target: str, count: int) -> int:
        """Give up the oldest messages of a target."""
        return self._dead_where("ORDER BY seq LIMIT ?", "dropped: the outbox is full", [target, count])

    def dead_all(self, target: str, error: str) -> int:
        """Give up all messages of a target."""
        return self._dead_where("", error, [target])

    def _dead_where(self, limit: str, error: str, values: list[Any]) -> int:
        with self._store.transaction() as db:
            cursor = db.execute(
                "UPDATE messages SET status = 'dead', error = ?, record = '{}', crc = NULL, size = 0 WHERE seq IN "  # noqa: S608
                f"(SELECT seq FROM messages WHERE target = ? AND status = 'pending' {limit})",
                [error, *values],
            )
            return int(cursor.rowcount)

    def forget(self, before_ns: int, keep: int = 1000) -> None:
        """Remove what was delivered or given up before a time, but for the last `keep`."""
        with self._store.transaction() as db:
            db.execute(
                "DELETE FROM messages WHERE status != 'pending' AND created_ns < ? AND seq NOT IN "
                "(SELECT seq FROM messages WHERE status != 'pending' ORDER BY seq DESC LIMIT ?)",
                [before_ns, keep],
            )

    def abandon(self, targets: Sequence[str], before_ns: int) -> None:
        """Remove old messages to targets that are no longer configured."""
        with self._store.transaction() as db:
            db.execute(
                "DELETE FROM messages WHERE status = 'pending' AND created_ns < ? "  # noqa: S608
                f"AND target NOT IN ({','.join('?' * len(targets))})",
                [before_ns, *targets],
            )

    def _finish(self, seq: int, status: str, error: str | None) -> None:
        with self._store.transaction() as db:
            db.execute(
                "UPDATE messages SET status = ?, error = ?, attempts = attempts + 1 WHERE seq = ?", [status, error, seq]
            )
