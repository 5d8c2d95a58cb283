"""pcapng: sections, interfaces and blocks (https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng).

Blocks of packets are read; blocks of names, statistics and comments are passed over, whatever their size.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Iterator

import numpy as np

from sniffer import native
from sniffer.capture.files.frame_columns import MAX_WIRE, gather_u32
from sniffer.capture.files.pcapng_interfaces import INT64_MAX, Columns, Interface, Rows
from sniffer.model import FrameBlock
from sniffer.model.pcap import PCAPNG_MAGIC

SECTION, INTERFACE, OLD_PACKET, SIMPLE_PACKET, STATISTICS, PACKET = 0x0A0D0D0A, 1, 2, 3, 5, 6
#: The byte-order magic as it stands in the file.
ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}

#: A block that we read is no longer: far more than a packet with its options takes, and less than the buffer.
MAX_BLOCK = 1 << 20
MAX_INTERFACES = 4096
#: No packet's block is shorter.
PACKET_BYTES = 32
MAX_NAMES = 8

IF_NAME, IF_TSRESOL, IF_TSOFFSET = 2, 9, 14
ISB_IFDROP, ISB_OSDROP = 5, 7


class PcapngWalker:
    """Walks the blocks of one pcapng file."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._order = "<"
        self._interfaces: list[Interface] = []
        self._drops: list[int] = []
        self._last_ticks = 0
        self._room: Columns | None = None
        self.packets = 0
        self.problem: str | None = None
        self.started = False
        self.latest_ns = 0
        self.dropped: dict[str, int] = {}
        self.notes: dict[str, int] = {}

    @classmethod
    def recognise(cls, magic: bytes, name: str) -> PcapngWalker | None:
        """The walker for a file that begins with these four bytes, if it is this format."""
        return cls(name) if magic == PCAPNG_MAGIC else None

    def walk(self, data: memoryview, end: int) -> tuple[list[FrameBlock], int]:
        blocks: list[FrameBlock] = []
        rows = Rows()
        position = 0
        while position + 12 <= end and self.problem is None:
            kind, length = struct.unpack_from(f"{self._order}II", data, position)
            if kind == PACKET:
                behind = self._packets(data, position, end, rows)
                if behind > position:
                    position = behind
                    continue
            if kind == SECTION:
                # The section's own byte order decides how its length is to be read.
                order = ORDERS.get(bytes(data[position + 8 : position + 12]))
                if order is None:
                    self.problem = "a section header without a byte-order mark"
                    break
                (length,) = struct.unpack_from(f"{order}I", data, position + 4)
            if length < 12 or length % 4:
                self.problem = f"a block claims {length} bytes"
                break
            if length > MAX_BLOCK:
                if kind in (SECTION, INTERFACE, PACKET, OLD_PACKET, SIMPLE_PACKET):
                    self.problem = f"a block claims {length} bytes"
                    break
                position += length  # nothing we read is that large: pass over it without holding it
                continue
            if position + length > end:
                break
            body, behind = position + 8, position + length - 4
            if kind == SECTION:
                if length < 28:
                    self.problem = f"a section header claims {length} bytes"
                    break
                blocks += self._blocks(data, rows)
                self._section(order or "<")
            if struct.unpack_from(f"{self._order}I", data, behind)[0] != length:
                self.problem = "the two lengths of a block differ"
                break
            if kind == PACKET:
                self._packet(data, body, behind, rows)
            elif kind == INTERFACE:
                self._interface(data, body, behind)
            elif kind == SIMPLE_PACKET:
                self._simple_packet(data, body, behind, rows)
            elif kind == OLD_PACKET:
                self._old_packet(data, body, behind, rows)
            elif kind == STATISTICS:
                self._statistics(data, body, behind)
            position += length
        blocks += self._blocks(data, rows)
        return blocks, position

    def _section(self, order: str) -> None:
        self._order = order
        self._interfaces = []
        self._drops = []
        self.started = True

    def _interface(self, data: memoryview, body: int, behind: int) -> None:
        if behind - body < 8 or len(self._interfaces) >= MAX_INTERFACES:
            self.problem = "an interface description that cannot be read"
            return
        link_type, _, snap_length = struct.unpack_from(f"{self._order}HHI", data, body)
        name, resolution, offset = self._name, 6, 0
        for code, value in self._options(data, body + 8, behind):
            if code == IF_NAME and value:
                text = bytes(value[:64]).decode("utf-8", "replace").rstrip("\0")
                name = "".join(c if c.isprintable() else "?" for c in text) or name
            elif code == IF_TSRESOL and len(value) == 1:
                resolution = value[0]
            elif code == IF_TSOFFSET and len(value) == 8:
                (offset,) = struct.unpack(f"{self._order}q", value)
        self._interfaces.append(Interface(name, link_type, snap_length, resolution, offset))
        self._drops.append(0)

    def _options(self, data: memoryview, position: int, behind: int) -> Iterator[tuple[int, memoryview]]:
        while position + 4 <= behind:
            code, length = struct.unpack_from(f"{self._order}HH", data, position)
            position += 4
            if code == 0 or position + length > behind:
                return
            yield code, data[position : position + length]
            position += length + (-length & 3)

    def _packet(self, data: memoryview, body: int, behind: int, rows: Rows) -> None:
        if behind - body < 20:
            self.problem = "a packet block without room for its header"
            return
        interface, high, low, captured, wire = struct.unpack_from(f"{self._order}IIIII", data, body)
        self._row(interface, high << 32 | low, body + 20, captured, wire, behind, rows)

    def _old_packet(self, data: memoryview, body: int, behind: int, rows: Rows) -> None:
        if behind - body < 20:
            self.problem = "a packet block without room for its header"
            return
        interface, drops, high, low, captured, wire = struct.unpack_from(f"{self._order}HHIIII", data, body)
        if drops != 0xFFFF and interface < len(self._drops):
            self._drop(interface, self._drops[interface] + drops)
        self._row(interface, high << 32 | low, body + 20, captured, wire, behind, rows)

    def _simple_packet(self, data: memoryview, body: int, behind: int, rows: Rows) -> None:
        if behind - body < 4:
            self.problem = "a packet block without room for its header"
            return
        (wire,) = struct.unpack_from(f"{self._order}I", data, body)
        captured = min(wire, behind - body - 4)
        if self._interfaces and self._interfaces[0].snap_length:
            captured = min(captured, self._interfaces[0].snap_length)
        self._note("{} packets carry no time and were given that of the packet before")
        self._row(0, self._last_ticks, body + 4, captured, wire, behind, rows)

    def _row(
        self,
        interface: int,
        ticks: int,
        offset: int,
        captured: int,
        wire: int,
        behind: int,
        rows: Rows,
    ) -> None:
        if captured > behind - offset:
            self.problem = f"a packet claims {captured} bytes in a block of {behind - offset}"
        elif interface >= len(self._interfaces):
            self._note("{} packets belong to an interface that is not described and were left out")
        else:
            self._last_ticks = ticks
            rows.add((interface, ticks, offset, captured, max(captured, min(wire, MAX_WIRE))))

    def _statistics(self, data: memoryview, body: int, behind: int) -> None:
        if behind - body < 12:
            return
        (interface,) = struct.unpack_from(f"{self._order}I", data, body)
        if interface >= len(self._drops):
            return
        values = {
            code: struct.unpack(f"{self._order}Q", value)[0]
            for code, value in self._options(data, body + 12, behind)
            if code in (ISB_IFDROP, ISB_OSDROP) and len(value) == 8
        }
        if values:
            self._drop(interface, min(max(values.values()), INT64_MAX))

    def _drop(self, interface: int, total: int) -> None:
        """The running total of one interface has become this."""
        gained = total - self._drops[interface]
        if gained > 0:
            self._drops[interface] = total
            name = self._interfaces[interface].name
            self.dropped[name] = self.dropped.get(name, 0) + gained

    def _note(self, text: str) -> None:
        self.notes[text] = self.notes.get(text, 0) + 1

    def _packets(self, data: memoryview, position: int, end: int, rows: Rows) -> int:
        """Take the enhanced packet blocks that follow each other and are as they should be; where they end."""
        columns: Columns
        behind: int
        if native.CAPTURE is not None:
            room = self._room = self._room or Columns.empty(len(data) // PACKET_BYTES)
            found = room.cut(slice(rows.taken, None))
            count, behind = native.CAPTURE.pcapng(
                data, position, end, self._order == ">", len(self._interfaces), MAX_BLOCK, MAX_WIRE, found
            )
            columns = found.cut(slice(count))
        else:
            columns, behind = self._packets_python(data, position, end)
            count = len(columns.ticks)
        if count:
            self._last_ticks = int(columns.ticks[-1])
            rows.extend(columns)
        return behind

    def _packets_python(self, data: memoryview, position: int, end: int) -> tuple[Columns, int]:
        head = struct.Struct(f"{self._order}II").unpack_from
        positions: list[int] = []
        lengths: list[int] = []
        while position + PACKET_BYTES <= end:
            kind, length = head(data, position)
            if kind != PACKET or length < PACKET_BYTES or length & 3 or length > MAX_BLOCK or length > end - position:
                break
            positions.append(position)
            lengths.append(length)
            position += length
        at, size = np.array(positions, dtype=np.int64), np.array(lengths, dtype=np.int64)
        interface = gather_u32(data, at + 8, self._order)
        captured = gather_u32(data, at + 20, self._order)
        wrong = (interface >= len(self._interfaces)) | (captured > size - PACKET_BYTES)
        wrong |= gather_u32(data, at + size - 4, self._order) != size
        if wrong.any():  # the first that is not as it should be, and all behind it, are looked at one by one
            first = int(np.argmax(wrong))
            position = positions[first]
            at, interface, captured = at[:first], interface[:first], captured[:first]
        high = gather_u32(data, at + 12, self._order).astype(np.uint64)
        low = gather_u32(data, at + 16, self._order).astype(np.uint64)
        wire = np.clip(gather_u32(data, at + 24, self._order), captured, MAX_WIRE)
        columns = Columns(
            interface.astype(np.int32),
            high << np.uint64(32) | low,
            at + 28,
            captured.astype(np.int32),
            wire.astype(np.int32),
        )
        return columns, position

    def _blocks(self, data: memoryview, rows: Rows) -> Iterator[FrameBlock]:
        """Rows in their order, cut where the link type changes."""
        columns = rows.take()
        if columns is None:
            return
        links = np.array([interface.link_type for interface in self._interfaces], dtype=np.int64)
        cuts = [0, len(columns.ticks)]
        if (links != links[0]).any():
            cuts[1:1] = (np.flatnonzero(np.diff(links[columns.interface])) + 1).tolist()
        for start, stop in itertools.pairwise(cuts):
            part = columns.cut(slice(start, stop))
            numbers = np.unique(part.interface).tolist() if len(links) > 1 else [0]
            if len(numbers) == 1:
                time_ns = self._interfaces[numbers[0]].nanoseconds(part.ticks)
            else:
                time_ns = np.zeros(stop - start, dtype=np.int64)
                for number in numbers:
                    mine = part.interface == number
                    time_ns[mine] = self._interfaces[number].nanoseconds(part.ticks[mine])
            self.packets += stop - start
            self.latest_ns = max(self.latest_ns, int(time_ns.max()))
            names = dict.fromkeys(self._interfaces[number].name for number in numbers)
            yield FrameBlock(
                interface="+".join(list(names)[:MAX_NAMES]),
                link_type=self._interfaces[numbers[0]].link_type,
                data=data,
                offset=part.offset,
                captured=part.captured,
                wire=part.wire,
                time_ns=time_ns,
            )
