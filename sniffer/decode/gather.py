"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sniffer.model import PACKET_COLUMNS, PacketBatch

#: What is put together holds at most so many rows and so many bytes of frames.
MAX_ROWS = 8_192
MAX_BYTES = 1 << 20


def united(batch: PacketBatch, more: PacketBatch) -> PacketBatch:
    """The rows of two batches of one block, each packet once (as in the first), in their order."""
    more = more.take(~np.isin(more.frame_offset, batch.frame_offset))
    columns = {name: np.concatenate([getattr(batch, name), getattr(more, name)]) for name in PACKET_COLUMNS}
    both = PacketBatch(batch.interface, batch.link_type, batch.data, **columns)
    return both.take(np.argsort(both.frame_offset, kind="stable"))


class Gatherer:
    """Takes batches whose buffers will be used again, and gives batches that own theirs."""

    def __init__(self) -> None:
        self._batches: list[PacketBatch] = []
        self._frames: list[bytes] = []
        self._rows = self._bytes = 0

    def add(self, batch: PacketBatch) -> Iterator[PacketBatch]:
        """Copy a batch and its frames; gives what was there before, where both together would be too much."""
        if not len(batch):
            return
        size = int(batch.frame_captured.sum())
        last = self._batches[-1] if self._batches else batch
        same = last.link_type == batch.link_type and last.interface == batch.interface
        if not same or self._rows + len(batch) > MAX_ROWS or self._bytes + size > MAX_BYTES:
            yield from self.flush()
        held = np.flatnonzero(batch.frame_captured)
        starts = batch.frame_offset[held].tolist()
        ends = (batch.frame_offset[held] + batch.frame_captured[held]).tolist()
        self._frames.append(b"".join([batch.data[start:end] for start, end in zip(starts, ends, strict=True)]))
        self._batches.append(replace(batch, data=memoryview(b"")))
        self._rows += len(batch)
        self._bytes += size

    def flush(self) -> Iterator[PacketBatch]:
        """All that was added, as one batch, if it was anything; nothing is left."""
        batches, self._batches = self._batches, []
        data, self._frames = b"".join(self._frames), []
        self._rows = self._bytes = 0
        if not batches:
            return
        columns = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in PACKET_COLUMNS}
        captured = columns["frame_captured"].astype(np.int64)
        offset = np.cumsum(captured) - captured
        columns["payload_offset"] += offset - columns["frame_offset"]
        columns["frame_offset"] = offset
        yield PacketBatch(batches[0].interface, batches[0].link_type, memoryview(data), **columns)
