"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sniffer import native
from sniffer.decode.frames.batch import LARGEST_FRAME, Room, decode, empty_columns
from sniffer.decode.frames.unread import Unread
from sniffer.decode.novelty import News
from sniffer.model import FrameBlock, PacketBatch, Selection

#: What is put together is handed on when it has so many rows, or more than so many bytes of frames.
MAX_ROWS = 16_384
MAX_BYTES = 2 << 20


class Gatherer:
    """Takes rows out of blocks whose buffers will be used again, and gives batches that own theirs. Where a batch ends
    depends on the rows alone, not on how they came in blocks."""

    def __init__(self) -> None:
        self._link = ("", 0)
        self._room: Room | None = None
        self.unread = Unread()

    def add(
        self, block: FrameBlock, selection: Selection, news: News | None = None, *, slim: bool = False
    ) -> Iterator[PacketBatch]:
        """Take the rows that `decode` gives of a block, with their bytes; gives each batch that is full before the
        next row is taken."""
        if self._link != (block.interface, block.link_type):
            yield from self.flush()
            self._link = (block.interface, block.link_type)
        if native.DECODE is None:
            yield from self._add_python(block, selection, news, slim)
            return
        first = 0
        while first < len(block):
            before = first
            first, errors = self._open().fill(block, first, selection, news, slim=slim)
            self.unread.add(block.link_type, first - before, errors)
            if first < len(block):
                yield from self.flush()

    def _add_python(
        self, block: FrameBlock, selection: Selection, news: News | None, slim: bool
    ) -> Iterator[PacketBatch]:
        batch, errors = decode(block, selection, news, slim=slim)
        self.unread.add(block.link_type, len(block), errors)
        first = 0
        while first < len(batch):
            first += self._open().copy(batch.take(slice(first, None)))
            if first < len(batch):
                yield from self.flush()

    def _open(self) -> Room:
        if self._room is None:
            self._room = Room(empty_columns(MAX_ROWS), np.empty(MAX_BYTES + LARGEST_FRAME, dtype=np.uint8))
        return self._room

    def flush(self) -> Iterator[PacketBatch]:
        """All that was added, as one batch, if it was anything; nothing is left."""
        room, self._room = self._room, None
        if room is None or not room.rows:
            return
        assert room.frames is not None
        columns = (column[: room.rows] for column in room.columns)
        yield PacketBatch(*self._link, room.frames[: room.filled].data, *columns)
