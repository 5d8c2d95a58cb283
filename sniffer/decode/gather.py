"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sniffer.model import PACKET_COLUMNS, PacketBatch

#: What is put together holds at most so many rows and so many bytes of frames.
MAX_ROWS = 16_384
MAX_BYTES = 1 << 20


class Gatherer:
    """Takes batches whose buffers will be used again, and gives batches that own theirs."""

    def __init__(self) -> None:
        self._batches: list[PacketBatch] = []
        self._frames: list[bytes] = []
        self.rows = self._bytes = 0

    def fits(self, batch: PacketBatch) -> bool:
        """Whether it can be added to what is there: of the same link, and not too much."""
        size = int(batch.frame_captured.sum())
        if self.rows + len(batch) > MAX_ROWS or self._bytes + size > MAX_BYTES:
            return False
        last = self._batches[-1] if self._batches else batch
        return last.link_type == batch.link_type and last.interface == batch.interface

    def add(self, batch: PacketBatch) -> None:
        """Copy a batch and its frames."""
        starts = batch.frame_offset.tolist()
        ends = (batch.frame_offset + batch.frame_captured).tolist()
        data = b"".join([batch.data[start:end] for start, end in zip(starts, ends, strict=True)])
        self._frames.append(data)
        self._batches.append(batch)
        self.rows += len(batch)
        self._bytes += len(data)

    def flush(self) -> Iterator[PacketBatch]:
        """All that was added, as one batch, if it was anything; nothing is left."""
        batches, self._batches = self._batches, []
        data, self._frames = b"".join(self._frames), []
        self.rows = self._bytes = 0
        if not batches:
            return
        columns = {name: np.concatenate([getattr(batch, name) for batch in batches]) for name in PACKET_COLUMNS}
        captured = columns["frame_captured"].astype(np.int64)
        offset = np.cumsum(captured) - captured
        columns["payload_offset"] += offset - columns["frame_offset"]
        columns["frame_offset"] = offset
        yield PacketBatch(batches[0].interface, batches[0].link_type, memoryview(data), **columns)
