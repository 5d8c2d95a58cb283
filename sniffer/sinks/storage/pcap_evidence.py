"""Evidence: a headers-only capture of each upload that nobody asked for.

The headers of watched devices' recent packets are held in a ring of bounded size. When an upload turns out to be
unexpected, those around it become a pcap file that any tool opens. Payload is never held: a frame ends behind its
transport header, plus the five bytes of a TLS record header where one begins there.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sniffer.errors import StoreError
from sniffer.model import I32, I64, PROTO_TCP, U8, U64, PacketBatch, Record, host_key, sorted_keys
from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.model.pcap import FILE_HEADER_BYTES, PACKET_HEADER_BYTES, file_header, packet_header
from sniffer.model.protocols import TCP_FIN, TCP_RST, TCP_SYN, TLS_HEADER_BYTES, begins_tls_record
from sniffer.sinks.settings import EvidenceSettings

#: Of what a device receives, packets with more payload than this are left out: music would fill the ring.
_MOST_DOWNSTREAM = 512
_LONGEST_HEADER = 512
#: What a piece of the ring costs beside its arrays, and how many small ones are merged.
_OVERHEAD, _MERGE = 1024, 64


@dataclass(frozen=True, slots=True)
class _Piece:
    """Some packets' headers, one behind the other in `data`."""

    link_type: int
    time_ns: I64
    source: U64
    destination: U64
    length: I32
    wire: I32
    data: U8

    @property
    def size(self) -> int:
        return _OVERHEAD + self.data.nbytes + 32 * len(self.time_ns)


class EvidenceKeeper:
    """A sink that is fed packets too. Raises StoreError where its folder or a file cannot be made."""

    name = "evidence"

    def __init__(self, settings: EvidenceSettings) -> None:
        self._settings = settings
        with self._errors(settings.folder):  # now: later we may have given up the privilege to
            settings.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._ring: deque[_Piece] = deque()
        self._size = 0

    def feed(self, batch: PacketBatch, watched: Collection[int]) -> None:
        """Hold the headers of packets that watched devices send, and of the answers to them."""
        if not len(batch) or not watched:
            return
        keys = sorted_keys(watched)
        up = _among(batch.eth_src, keys)
        down = _among(batch.eth_dst, keys) & (
            (batch.payload_len <= _MOST_DOWNSTREAM) | (batch.tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST) != 0)
        )
        rows = np.flatnonzero(up | down)
        if not len(rows):
            return
        piece = _cut(batch.take(rows))
        self._ring.append(piece)
        self._size += piece.size
        if len(self._ring) >= _MERGE and self._ring[-_MERGE].size < 64 << 10:
            self._merge()
        while self._size > self._settings.memory_bytes and self._ring:
            self._size -= self._ring.popleft().size

    def emit(self, record: Record) -> None:
        """Write the evidence of an unexpected upload; remove it where the upload was explained after all."""
        if record["event_type"] != "upload":
            return
        if record["verdict"] == "unexpected":
            self.write(record)
        elif record["revision"] > 0:
            with self._errors(self._path(record)):
                self._path(record).unlink(missing_ok=True)

    def write(self, record: Record) -> Path | None:
        """The capture of one upload; None where its packets are no longer held."""
        path = self._path(record)
        if path.exists():
            return path
        content = self._capture(record)
        if content is None:
            return None
        with self._errors(path):
            self._make_room(len(content))
            half = path.with_suffix(".part")
            half.unlink(missing_ok=True)  # of a life before, or a link that another user put there
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(half, flags, 0o600), "wb") as stream:
                stream.write(content)
            half.replace(path)
        return path

    def close(self) -> None:
        """Forget what was held."""
        self._ring.clear()
        self._size = 0

    def _path(self, record: Record) -> Path:
        return self._settings.folder / f"{record['id']}.pcap"

    def _capture(self, record: Record) -> bytes | None:
        key = np.uint64(host_key(record["device"]["mac"] or record["device"]["ip"]))
        margin = round(self._settings.margin_seconds * SECOND)
        start, end = parse_timestamp(record["timestamp"]) - margin, parse_timestamp(record["end"]) + margin
        link_type = 0
        packets: list[tuple[int, bytes]] = []
        size = FILE_HEADER_BYTES
        for piece in self._ring:
            rows = np.flatnonzero(
                (piece.time_ns >= start) & (piece.time_ns <= end) & ((piece.source == key) | (piece.destination == key))
            )
            if not len(rows) or (packets and piece.link_type != link_type):
                continue
            link_type = piece.link_type
            begins = np.cumsum(piece.length) - piece.length
            for row in rows:
                time_ns, length, begin = int(piece.time_ns[row]), int(piece.length[row]), int(begins[row])
                size += PACKET_HEADER_BYTES + length
                if size > self._settings.max_file_bytes:
                    break
                head = packet_header(time_ns, length, max(length, int(piece.wire[row])))
                packets.append((time_ns, head + piece.data[begin : begin + length].tobytes()))
        if not packets:
            return None
        packets.sort(key=lambda packet: packet[0])
        return file_header(link_type) + b"".join(packet for _, packet in packets)

    def _make_room(self, wanted: int) -> None:
        """Keep the folder within its size: the oldest goes first, and names begin with their time."""
        files = sorted(self._settings.folder.glob("*.pcap"))
        sizes = {file: file.stat().st_size for file in files}
        total = sum(sizes.values()) + wanted
        for file in files:
            if total <= self._settings.max_bytes:
                return
            file.unlink(missing_ok=True)
            total -= sizes[file]

    def _merge(self) -> None:
        """Many small pieces become one for each link type."""
        recent = [self._ring.pop() for _ in range(_MERGE)][::-1]
        self._size -= sum(piece.size for piece in recent)
        for link_type in dict.fromkeys(piece.link_type for piece in recent):
            same = [piece for piece in recent if piece.link_type == link_type]
            merged = _Piece(
                link_type,
                np.concatenate([piece.time_ns for piece in same]),
                np.concatenate([piece.source for piece in same]),
                np.concatenate([piece.destination for piece in same]),
                np.concatenate([piece.length for piece in same]),
                np.concatenate([piece.wire for piece in same]),
                np.concatenate([piece.data for piece in same]),
            )
            self._ring.append(merged)
            self._size += merged.size

    @contextlib.contextmanager
    def _errors(self, path: Path) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(f"{path}: the evidence cannot be written: {error.strerror or error}") from None


def _cut(batch: PacketBatch) -> _Piece:
    """The headers of a batch, copied out of its buffer."""
    data = np.frombuffer(batch.data, np.uint8)
    headers = (batch.payload_offset - batch.frame_offset).astype(np.int64) + TLS_HEADER_BYTES * _begins_record(
        batch, data
    )
    length = np.clip(headers, 0, np.minimum(batch.frame_captured, _LONGEST_HEADER))
    begins = np.cumsum(length) - length
    where = np.repeat(batch.frame_offset - begins, length) + np.arange(int(length.sum()))
    return _Piece(
        batch.link_type,
        batch.time_ns.copy(),
        batch.eth_src.copy(),
        batch.eth_dst.copy(),
        length.astype(np.int32),
        batch.wire_len.copy(),
        data[where],
    )


def _begins_record(batch: PacketBatch, data: U8) -> npt.NDArray[np.bool_]:
    """Where a TCP payload begins with a TLS record header: type 20-24, version 3.0-3.4."""
    found: npt.NDArray[np.bool_] = (batch.proto == PROTO_TCP) & (batch.payload_captured >= TLS_HEADER_BYTES)
    at = np.where(found, batch.payload_offset, 0)
    if not found.any():
        return found
    kind, major, minor = data[at], data[at + 1], data[at + 2]
    begins: npt.NDArray[np.bool_] = found & begins_tls_record(kind, major, minor)
    return begins


def _among(column: U64, keys: U64) -> npt.NDArray[np.bool_]:
    place = np.minimum(np.searchsorted(keys, column), len(keys) - 1)
    found: npt.NDArray[np.bool_] = keys[place] == column
    return found
