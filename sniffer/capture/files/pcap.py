"""The classic format: a header of 24 bytes, then records (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap)."""

from __future__ import annotations

import struct

import numpy as np

from sniffer import native
from sniffer.capture.files.frame_columns import MAX_FRAME, MAX_WIRE, Columns, gather_u32
from sniffer.model import FrameBlock
from sniffer.model.pcap import FILE_HEADER_BYTES, PCAP_MAGICS


class PcapWalker:
    """Walks the records of one pcap file."""

    def __init__(self, order: str, tick_ns: int, header: int, name: str) -> None:
        self._order, self._tick_ns, self._header, self._name = order, tick_ns, header, name
        self._link_type = -1
        self._head = b""  # magic and version
        self._room: Columns | None = None
        self.packets = 0
        self.problem: str | None = None
        self.started = False
        self.latest_ns = 0
        self.dropped: dict[str, int] = {}
        self.notes: dict[str, int] = {}

    @classmethod
    def recognise(cls, magic: bytes, name: str) -> PcapWalker | None:
        """The walker for a file that begins with these four bytes, if it is this format."""
        found = PCAP_MAGICS.get(magic)
        return cls(*found, name) if found is not None else None

    def walk(self, data: memoryview, end: int) -> tuple[list[FrameBlock], int]:
        position = 0
        if not self.started:
            if end < FILE_HEADER_BYTES:
                return [], 0
            # The upper bits say how long the frame check sequence is; the IP length makes it harmless.
            self._link_type = struct.unpack_from(f"{self._order}I", data, 20)[0] & 0xFFFF
            self._head = bytes(data[:8])
            self.started = True
            position = FILE_HEADER_BYTES
        blocks: list[FrameBlock] = []
        while True:
            columns, position = self._columns(data, position, end)
            if len(columns.time_ns):
                self.packets += len(columns.time_ns)
                self.latest_ns = max(self.latest_ns, int(columns.time_ns.max()))
                blocks.append(FrameBlock(self._name, self._link_type, data, *columns.arrays()))
            if not self._another_header(data, position, end):
                return blocks, position
            position += FILE_HEADER_BYTES
            self._room = None  # its rows are still needed

    def _note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 1) + 1

    def _another_header(self, data: memoryview, position: int, end: int) -> bool:
        """Return whether another capture follows, as where files were concatenated; take its link type then. Of another
        format or byte order it cannot be read."""
        if end - position < FILE_HEADER_BYTES or bytes(data[position : position + 8]) != self._head:
            return False
        self._link_type = struct.unpack_from(f"{self._order}I", data, position + 20)[0] & 0xFFFF
        self._note("{} captures follow each other in the file")
        return True

    def _columns(self, data: memoryview, position: int, end: int) -> tuple[Columns, int]:
        if native.CAPTURE is None:
            return self._columns_python(data, position, end)
        room = self._room = self._room or Columns.empty(len(data) // self._header + 1)
        rows, taken, claimed = native.CAPTURE.pcap(
            data,
            position,
            end,
            self._order == ">",
            self._header,
            self._tick_ns,
            MAX_FRAME,
            MAX_WIRE,
            self._head,
            room.arrays(),
        )
        if claimed >= 0:
            self.problem = f"a record claims {claimed} bytes"
        return room.first(rows), taken

    def _columns_python(self, data: memoryview, position: int, end: int) -> tuple[Columns, int]:
        positions, taken = self._records(data, position, end)
        start = np.array(positions, dtype=np.int64)
        seconds = gather_u32(data, start, self._order)
        fraction = gather_u32(data, start + 4, self._order)
        captured = gather_u32(data, start + 8, self._order)
        wire = gather_u32(data, start + 12, self._order)
        return Columns(
            offset=start + self._header,
            captured=captured.astype(np.int32),
            wire=np.clip(wire, captured, MAX_WIRE).astype(np.int32),
            time_ns=seconds * 1_000_000_000 + fraction * self._tick_ns,
        ), taken

    def _records(self, data: memoryview, position: int, end: int) -> tuple[list[int], int]:
        """Where whole records begin, and where the first that is not whole does."""
        length_at = struct.Struct(f"{self._order}8xI").unpack_from
        header = self._header
        positions: list[int] = []
        append = positions.append
        last = end - header
        while position <= last:
            if data[position : position + 8] == self._head:
                break
            (captured,) = length_at(data, position)
            if captured > MAX_FRAME:
                self.problem = f"a record claims {captured} bytes"
                break
            behind = position + header + captured
            if behind > end:
                break
            append(position)
            position = behind
        return positions, position
