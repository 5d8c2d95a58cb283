"""Makes room in the store: the oldest records of the kind that matters least go first."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

#: What goes first when the store is full, and the share of it that each kind may hold on to: what a device does by
#: itself; what was asked for; what nobody asked for, and who was told.
KEEP_SHARES: Mapping[int, float] = {0: 0.2, 1: 0.3, 2: 0.5}

#: The share of the store's size above which records are removed.
FULL = 0.9
#: The share of the store's size down to which records are removed.
TRIMMED = 0.8
#: The share of the store's size that is left to records, whatever else there is.
LEAST = 0.25


def used_bytes(db: sqlite3.Connection) -> int:
    """Bytes of the file that hold something."""
    pages, free, size = (
        db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)


def make_room(db: sqlite3.Connection, max_bytes: int) -> None:
    """Remove delivered messages and, of the kinds that hold more than their share, the one that matters least."""
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute(
            "DELETE FROM messages WHERE status != 'pending' AND seq NOT IN "
            "(SELECT seq FROM messages WHERE status != 'pending' ORDER BY seq DESC LIMIT 1000)"
        )
        while used_bytes(db) > max_bytes * TRIMMED:
            held = dict(db.execute("SELECT keep, SUM(size) FROM records GROUP BY keep").fetchall())
            total = sum(held.values())
            if total < max_bytes * LEAST:  # the rest is messages that wait, which have a bound of their own
                break
            over = [keep for keep in sorted(held) if held[keep] > KEEP_SHARES.get(keep, 0) * total]
            db.execute(
                "DELETE FROM records WHERE seq IN (SELECT seq FROM records WHERE keep = ? ORDER BY time_ns LIMIT "
                "(SELECT 1 + COUNT(*) / 20 FROM records WHERE keep = ?))",
                [over[0], over[0]],
            )
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    db.execute("PRAGMA incremental_vacuum").fetchall()
