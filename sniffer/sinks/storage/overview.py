"""Overviews of the uploads in the store: a few columns of each, or their number by device and verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sniffer.model.summaries import UploadCount, UploadSummary
from sniffer.sinks.storage.store import Store

_COLUMNS = (
    "id, time_ns, COALESCE(device, ''), COALESCE(mac, ''), COALESCE(class, ''), verdict, "
    "COALESCE(reason, ''), level, COALESCE(duration, 0), COALESCE(speech_seconds, 0)"
)
#: The address of a device, or its name where the store has no address.
_KEY = "COALESCE(NULLIF(mac, ''), device, '')"


def summaries(
    store: Store,
    since_ns: int,
    until_ns: int,
    device: str | None = None,
    *,
    keys: Sequence[str] | None = None,
    verdicts: Sequence[str] = (),
    newest: int | None = None,
    skip: int = 0,
) -> list[UploadSummary]:
    """The uploads that began in a time, oldest first; or the `newest` of them after `skip`, newest first.

    `device` is a name or a MAC address. `keys` are those of `UploadCount`. With `verdicts`, only uploads with one of
    them are given; `none` is the verdict of those that are not judged.
    """
    test, values = _where(since_ns, until_ns, device)
    if keys is not None:
        test += f" AND {_KEY} IN ({','.join('?' * len(keys))})"
        values += keys
    if verdicts:
        test += f" AND COALESCE(verdict, 'none') IN ({','.join('?' * len(verdicts))})"
        values += verdicts
    order = "ASC" if newest is None else "DESC"
    rows = store.read(
        f"SELECT {_COLUMNS} FROM summaries WHERE {test} ORDER BY time_ns {order}, seq {order} LIMIT ? OFFSET ?",  # noqa: S608
        [*values, -1 if newest is None else newest, skip],
    )
    return list(map(UploadSummary._make, rows))


def counts(store: Store, since_ns: int, until_ns: int, device: str | None = None) -> list[UploadCount]:
    """The uploads that began in a time, counted by device and verdict."""
    test, values = _where(since_ns, until_ns, device)
    rows = store.read(
        f"SELECT {_KEY}, COALESCE(device, ''), verdict, COUNT(*), TOTAL(speech_seconds), MAX(time_ns) "  # noqa: S608
        f"FROM summaries WHERE {test} GROUP BY 1, verdict",
        values,
    )
    return list(map(UploadCount._make, rows))


def _where(since_ns: int, until_ns: int, device: str | None) -> tuple[str, list[Any]]:
    test, values = "time_ns >= ? AND time_ns < ?", list[Any]((since_ns, until_ns))
    if device is not None:
        test += " AND (device = ? COLLATE NOCASE OR mac = ? COLLATE NOCASE)"
        values += [device, device]
    return test, values
