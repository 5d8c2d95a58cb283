"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import PACKET_COLUMNS, PacketBatch

#: What is put together holds at most so many rows and so many bytes of frames.
MAX_ROWS = 16_384
MAX_BYTES = 2 << 20


def united(batch: PacketBatch, more: PacketBatch) -> PacketBatch:
    """The rows of two batches of one block, each packet once (as in the first), in their order."""
    more = more.take(~np.isin(more.frame_offset, batch.frame_offset))
    columns = {name: np.concatenate([getattr(batch, name), getattr(more, name)]) for name in PACKET_COLUMNS}
    both = PacketBatch(batch.interface, batch.link_type, batch.data, **columns)
    return both.take(np.argsort(both.frame_offset, kind="stable"))


class Gatherer:
    """Takes batches whose buffers will be used again, and gives batches that own theirs."""

    def __init__(self) -> None:
        self._first: PacketBatch | None = None
        self._columns: dict[str, npt.NDArray[Any]] = {}
        self._frames = bytearray()
        self._rows = 0

    def add(self, batch: PacketBatch) -> Iterator[PacketBatch]:
        """Copy a batch and its frames; gives what was there before, where both together would be too much."""
        if not len(batch):
            return
        size = int(batch.frame_captured.sum())
        first = self._first or batch
        same = first.link_type == batch.link_type and first.interface == batch.interface
        if not same or self._rows + len(batch) > MAX_ROWS or len(self._frames) + size > MAX_BYTES:
            yield from self.flush()
        if self._first is None:
            self._first = replace(batch, data=memoryview(b""))
            room = max(MAX_ROWS, len(batch))
            self._columns = {name: np.empty(room, dtype=getattr(batch, name).dtype) for name in PACKET_COLUMNS}
        held = np.flatnonzero(batch.frame_captured)
        starts = batch.frame_offset[held].tolist()
        ends = (batch.frame_offset[held] + batch.frame_captured[held]).tolist()
        self._frames += b"".join([batch.data[start:end] for start, end in zip(starts, ends, strict=True)])
        end = self._rows + len(batch)
        for name, column in self._columns.items():
            column[self._rows : end] = getattr(batch, name)
        self._rows = end

    def flush(self) -> Iterator[PacketBatch]:
        """All that was added, as one batch, if it was anything; nothing is left."""
        first, rows = self._first, self._rows
        if first is None:
            return
        columns = {name: column[:rows] for name, column in self._columns.items()}
        data, self._frames = self._frames, bytearray()
        self._first, self._columns, self._rows = None, {}, 0
        captured = columns["frame_captured"].astype(np.int64)
        offset = np.cumsum(captured) - captured
        columns["payload_offset"] += offset - columns["frame_offset"]
        columns["frame_offset"] = offset
        yield PacketBatch(first.interface, first.link_type, memoryview(data), **columns)
