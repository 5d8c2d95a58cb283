"""Few rows of many blocks, put together into one batch: what comes after is done per batch, and costs the same for a
hundred rows as for ten thousand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from sniffer import native
from sniffer.decode.frames.batch import LARGEST_FRAME, Room, decode, empty_columns
from sniffer.decode.frames.unread import Unread
from sniffer.decode.novelty import News
from sniffer.model import DecodeErrors, FrameBlock, PacketBatch, Selection

#: What is put together is handed on when it has so many rows, or more than so many bytes of frames.
MAX_ROWS = 4_096
#: Columns have room for this many rows: each is then large enough (128 KiB) that its memory goes back to the system.
ROOM_ROWS = 16_384
MAX_BYTES = 2 << 20


class Gatherer:
    """Takes rows out of blocks whose buffers will be used again, and gives batches that own theirs. Where a batch ends
    depends on the rows alone, not on how they came in blocks."""

    def __init__(self) -> None:
        self._link = ("", 0)
        self._room: Room | None = None
        self.unread = Unread()
        #: Identity packets that a sample left out.
        self.sampled = 0

    def add(
        self,
        block: FrameBlock,
        selection: Callable[[], Selection],
        news: News | None = None,
        *,
        slim: bool = False,
    ) -> Iterator[PacketBatch]:
        """Take the rows that `decode` gives of a block, with their bytes; give each batch that is full before the next
        row is taken. What is selected may change with each batch, so it is asked for."""
        if self._link != (block.interface, block.link_type):
            yield from self.flush()
            self._link = (block.interface, block.link_type)
        take = self._take_python if native.DECODE is None else self._take
        first = 0
        while first < len(block):
            before = first
            first, errors = take(block, first, selection(), news, slim)
            self.unread.add(block.link_type, first - before, errors)
            self.sampled += errors.sampled
            if self._full:
                yield from self.flush()

    def _take(
        self, block: FrameBlock, first: int, selection: Selection, news: News | None, slim: bool
    ) -> tuple[int, DecodeErrors]:
        return self._open().fill(block, first, selection, news, slim=slim)

    def _take_python(
        self, block: FrameBlock, first: int, selection: Selection, news: News | None, slim: bool
    ) -> tuple[int, DecodeErrors]:
        """Take as many frames as fit for certain."""
        room = self._open()
        assert room.frames is not None
        size = block.captured[first : first + MAX_ROWS - room.rows].astype(np.int64)
        fit = np.count_nonzero(np.cumsum(size) - size <= len(room.frames) - room.filled - LARGEST_FRAME)
        rows = slice(first, first + max(1, int(fit)))
        columns = {name: getattr(block, name)[rows] for name in ("offset", "captured", "wire", "time_ns")}
        part = replace(block, **columns)
        batch, errors = decode(part, selection, news, slim=slim)
        taken = room.copy(batch)
        assert taken == len(batch)
        return first + len(part), errors

    @property
    def _full(self) -> bool:
        room = self._room
        if room is None or room.frames is None:
            return False
        return room.rows == len(room.columns[0]) or len(room.frames) - room.filled < LARGEST_FRAME

    def _open(self) -> Room:
        if self._room is None:
            columns = tuple(column[:MAX_ROWS] for column in empty_columns(max(MAX_ROWS, ROOM_ROWS)))
            self._room = Room(columns, np.empty(MAX_BYTES + LARGEST_FRAME, dtype=np.uint8))
        return self._room

    def flush(self) -> Iterator[PacketBatch]:
        """All that was added, as one batch, if it was anything; nothing is left."""
        room, self._room = self._room, None
        if room is None or not room.rows:
            return
        assert room.frames is not None
        columns = (column[: room.rows] for column in room.columns)
        yield PacketBatch(*self._link, room.frames[: room.filled].data, *columns)
