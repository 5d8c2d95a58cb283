"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sniffer.decode.identity import identity_mask
from sniffer.model import PACKET_COLUMNS, PROTO_TCP, U64, PacketBatch

#: What is put together holds at most so many rows and so many bytes of frames.
MAX_ROWS = 16_384
MAX_BYTES = 1 << 20

_SYN = 0x02


def slim(batch: PacketBatch, keys: U64) -> PacketBatch:
    """What of a batch can matter further on: no bare acknowledgements, and the bytes only of what the hosts in `keys`
    sent and of the identity protocols. Of what came back to them, the columns tell all that is asked."""
    bare = (batch.proto == PROTO_TCP) & (batch.payload_len == 0) & (batch.tcp_flags & _SYN == 0)
    bare &= batch.ip_version != 0
    if bare.any():
        batch = batch.take(~bare)
    wanted = np.isin(batch.eth_src, keys) & (batch.payload_len > 0)
    rest = np.flatnonzero(~wanted)
    if len(rest):
        wanted[rest] = identity_mask(batch.take(rest))
    return replace(
        batch,
        frame_captured=np.where(wanted, batch.frame_captured, 0).astype(np.int32),
        payload_captured=np.where(wanted, batch.payload_captured, 0).astype(np.int32),
        payload_offset=np.where(wanted, batch.payload_offset, batch.frame_offset),
    )


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
