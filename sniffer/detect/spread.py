"""What is sent in parts that say nothing by themselves: speech dealt over connections, recordings dealt over bursts.

Parts of one device to one service add up while no pause between them is longer than `_PAUSE_NS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from sniffer.detect.features.pacing import BIN
from sniffer.detect.features.rows import Rows
from sniffer.model import FlowKey, Service, Upload
from sniffer.model.clock import SECOND

#: A pause that ends a sum: longer than between bursts of one recording that is sent in a hurry.
_PAUSE_NS = 6 * SECOND
#: Services of a device, and parts of each, that are added up at the same time; rows that are kept of a part.
_MAX_SERVICES, _MAX_PARTS, _MAX_ROWS = 8, 64, 2_000
#: A sum that lasts longer is closed, so that something is said of it.
_LONGEST_NS = 60 * SECOND


@dataclass(slots=True)
class Sum:
    """Parts of one device to one service."""

    service: Service
    server: str
    uploads: list[Upload] = field(default_factory=list)
    rows: list[tuple[int, Rows]] = field(default_factory=list)
    last_ns: int = 0

    @property
    def key(self) -> int:
        """The device."""
        return self.uploads[0].key

    @property
    def flows(self) -> tuple[FlowKey, ...]:
        """The connections, in the order in which they were used."""
        return tuple(dict.fromkeys(flow for upload in self.uploads for flow in upload.flows))

    @property
    def start_ns(self) -> int:
        """When the first part began."""
        return min(upload.start_ns for upload in self.uploads)

    @property
    def bytes(self) -> int:
        """Bytes of all parts."""
        return sum(upload.bytes for upload in self.uploads)

    def together(self) -> Rows:
        """The rows of all parts in the order of time, in seconds since the first."""
        start_ns = self.start_ns
        seconds = np.concatenate([rows.seconds + (first_ns - start_ns) / 1e9 for first_ns, rows in self.rows])
        order = np.argsort(seconds, kind="stable")
        columns = [
            np.concatenate([getattr(rows, name) for _, rows in self.rows])[order]
            for name in ("bytes", "answers", "unit", "units")
        ]
        ordered = seconds[order]
        return Rows(ordered - ordered[0], *columns)

    def bins(self) -> tuple[int, ...]:
        """Bytes of each quarter second."""
        rows = self.together()
        return tuple(np.bincount((rows.seconds / BIN).astype(int), weights=rows.bytes).astype(int).tolist())


#: Whether a device was uploading at a moment.
Busy = Callable[[int, int], bool]


class Spread:
    """The sums of each device that are not closed."""

    def __init__(self) -> None:
        self._open: dict[int, dict[str, Sum]] = {}

    def add(self, upload: Upload, server: str, first_ns: int, rows: Rows) -> None:
        """One part that says nothing by itself."""
        sums = self._open.setdefault(upload.key, {})
        mine = sums.get(server)
        if mine is None:
            if len(sums) >= _MAX_SERVICES:
                del sums[next(iter(sums))]
            mine = sums[server] = Sum(upload.service, server)
        if len(mine.uploads) < _MAX_PARTS:
            mine.uploads.append(upload)
            mine.rows.append(
                (first_ns, rows.between(0, float("inf")) if len(rows.bytes) <= _MAX_ROWS else _first(rows))
            )
        mine.last_ns = max(mine.last_ns, upload.end_ns)

    def expire(self, now_ns: int, busy: Busy) -> Iterator[tuple[int, Sum]]:
        """The sums to which nothing was added for a while, with the time when that was known, in order."""
        due = [
            (mine.last_ns + _PAUSE_NS, key, server)
            for key, sums in self._open.items()
            for server, mine in sums.items()
            if mine.last_ns + _PAUSE_NS < now_ns
        ]
        for due_ns, key, server in sorted(due):
            mine = self._open[key][server]
            if busy(key, due_ns) and due_ns - mine.start_ns < _LONGEST_NS:
                continue
            yield due_ns, self._close(key, server)

    def finish(self) -> Iterator[tuple[int, Sum]]:
        """All sums, as nothing follows."""
        for key, server in [(key, server) for key, sums in self._open.items() for server in sums]:
            mine = self._close(key, server)
            yield mine.last_ns + _PAUSE_NS, mine

    def _close(self, key: int, server: str) -> Sum:
        sums = self._open[key]
        mine = sums.pop(server)
        if not sums:
            del self._open[key]
        return mine


def _first(rows: Rows) -> Rows:
    return rows.between(0, float(rows.seconds[_MAX_ROWS]))
