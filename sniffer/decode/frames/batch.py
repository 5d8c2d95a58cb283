"""From a block of frames to a batch of packets: MAC addresses first, and only the rows that matter go further."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer import native
from sniffer.decode.frames.heads import read_packets
from sniffer.decode.frames.layout import Bytes, Mask
from sniffer.decode.identity import identity_mask, left_out, sampled_mask
from sniffer.decode.novelty import MOST, News
from sniffer.model import (
    PACKET_COLUMNS,
    PROTO_TCP,
    U64,
    DecodeErrors,
    FrameBlock,
    PacketBatch,
    Selection,
    address_keys,
)
from sniffer.model.protocols import TCP_SYN


def decode(
    block: FrameBlock, selection: Selection, news: News | None = None, *, slim: bool = False
) -> tuple[PacketBatch, DecodeErrors]:
    """The selected packets of a block, and what could not be decoded of them. Never raises for what is in the frames.

    With `news`, also the packets that tell something of a host that was not told before, and all of the hosts that it
    asked for because of them. `slim` leaves out what no later stage
    needs when the keys of a selection are those of devices: the bare acknowledgements they send, and the bytes (not the
    columns) of what is sent to them, but for the identity protocols.

    A frame without a whole link header belongs to nobody: it is counted and left out. One whose upper layers
    cannot be read is kept, with zeros where nothing is known.
    """
    return (_decode_python if native.DECODE is None else _decode_native)(block, selection, news, slim)


#: Unknown EtherTypes that are counted one by one, in a block.
MAX_ETHER_TYPES = 16
#: What is counted in `DecodeErrors.by_protocol`.
COUNTED = ("link", "encrypted", "tunnel", "ether_type", "ipv4", "ipv6", "tcp", "udp")
#: No frame in a block is larger (bytes).
LARGEST_FRAME = 1 << 20

#: The types of the columns of a batch, in order.
COLUMN_TYPES: tuple[type[np.generic], ...] = (
    np.int64, np.uint64, np.uint64, np.uint16, np.uint8, np.uint64, np.uint64, np.uint64, np.uint64, np.uint8,
    np.uint16, np.uint16, np.int32, np.uint8, np.uint32, np.uint32, np.int32, np.int64, np.int32, np.int64, np.int32,
)  # fmt: skip


def empty_columns(rows: int) -> tuple[npt.NDArray[Any], ...]:
    """Room for so many rows; memory that is not written is not used."""
    return tuple(np.empty(rows, dtype=kind) for kind in COLUMN_TYPES)


@dataclass(slots=True)
class Room:
    """Columns of a batch that are filled by and by, and the bytes of its frames (None: they stay where they are). It is
    full when no row is left, or less room for bytes than the largest frame may need."""

    columns: tuple[npt.NDArray[Any], ...]
    frames: npt.NDArray[np.uint8] | None = None
    rows: int = 0
    filled: int = 0

    def fill(
        self, block: FrameBlock, first: int, selection: Selection, news: News | None, *, slim: bool
    ) -> tuple[int, DecodeErrors]:
        """Write what `decode` gives from one frame of a block on, as far as there is room; where that was. Compiled."""
        assert native.DECODE is not None
        keys = selection.keys if news is None else news.also(selection.keys)
        sample = selection.sample
        first, self.rows, self.filled, counts, fragments, overlong, packets, sampled, unknown = native.DECODE.decode(
            block.data,
            block.link_type,
            np.ascontiguousarray(block.offset, dtype=np.int64),
            np.ascontiguousarray(block.captured, dtype=np.int32),
            np.ascontiguousarray(block.wire, dtype=np.int32),
            np.ascontiguousarray(block.time_ns, dtype=np.int64),
            None if keys is None else np.ascontiguousarray(keys, dtype=np.uint64),
            selection.identity,
            slim,
            None if news is None else (news.table, news.taken, MOST, news.wanted),
            self.columns,
            self.rows,
            self.frames,
            self.filled,
            LARGEST_FRAME,
            first,
            None if sample is None else (np.ascontiguousarray(sample.keys, dtype=np.uint64), sample.every),
        )
        unknown_types = dict(unknown)
        named = dict(zip(COUNTED, (*counts[:3], sum(unknown_types.values()), *counts[3:]), strict=True))
        wrong = {name: n for name, n in named.items() if n}
        errors = DecodeErrors(wrong, fragments, overlong, packets, unknown_types, sampled)
        return first, errors

    def copy(self, batch: PacketBatch) -> int:
        """Take the rows of a batch, and their bytes, as far as there is room; how many that were. Not compiled."""
        assert self.frames is not None
        size = batch.frame_captured.astype(np.int64)
        start = self.filled + np.cumsum(size) - size
        fit = int(np.count_nonzero(len(self.frames) - start >= LARGEST_FRAME))
        count = min(fit, len(self.columns[0]) - self.rows)
        for row in np.flatnonzero(size[:count]).tolist():
            self.frames[start[row] : start[row] + size[row]] = batch.frame(row)
            self.filled = int(start[row] + size[row])
        moved = replace(batch, frame_offset=start, payload_offset=start + batch.payload_offset - batch.frame_offset)
        for column, name in zip(self.columns, PACKET_COLUMNS, strict=True):
            column[self.rows : self.rows + count] = getattr(moved, name)[:count]
        self.rows += count
        return count


def _decode_native(
    block: FrameBlock, selection: Selection, news: News | None, slim: bool
) -> tuple[PacketBatch, DecodeErrors]:
    frames = len(block)
    room = Room(empty_columns(frames))
    _, errors = room.fill(block, 0, selection, news, slim=slim)
    # A few rows do not keep the room for all of them.
    few = room.rows < frames // 2
    columns = (column[: room.rows].copy() if few else column[: room.rows] for column in room.columns)
    return PacketBatch(block.interface, block.link_type, block.data, *columns), errors


def _decode_python(
    block: FrameBlock, selection: Selection, news: News | None, slim: bool
) -> tuple[PacketBatch, DecodeErrors]:
    data = Bytes(block.data)
    offset, captured, wire = block.offset, block.captured.astype(np.int64), block.wire.astype(np.int64)
    links, networks, transports, marks = read_packets(block.link_type, data, offset, captured, wire)

    is_ip = networks.version != 0
    src, dst = links.src, links.dst
    if not links.has_src.all():
        src = _or_address(src, links.has_src, is_ip, networks.src_high, networks.src_low)
    if not links.has_dst.all():
        dst = _or_address(dst, links.has_dst, is_ip, networks.dst_high, networks.dst_low)

    payload_captured = np.clip(np.minimum(captured - transports.payload, transports.length), 0, None)
    batch = PacketBatch(
        interface=block.interface,
        link_type=block.link_type,
        data=block.data,
        time_ns=block.time_ns,
        eth_src=src,
        eth_dst=dst,
        ether_type=links.ether_type.astype(np.uint16),
        ip_version=networks.version.astype(np.uint8),
        src_high=networks.src_high,
        src_low=networks.src_low,
        dst_high=networks.dst_high,
        dst_low=networks.dst_low,
        proto=networks.proto.astype(np.uint8),
        src_port=transports.src_port.astype(np.uint16),
        dst_port=transports.dst_port.astype(np.uint16),
        payload_len=transports.length.astype(np.int32),
        tcp_flags=transports.flags.astype(np.uint8),
        tcp_seq=transports.seq.astype(np.uint32),
        tcp_ack=transports.ack.astype(np.uint32),
        wire_len=wire.astype(np.int32),
        frame_offset=offset,
        frame_captured=captured.astype(np.int32),
        payload_offset=offset + np.minimum(transports.payload, captured),
        payload_captured=payload_captured.astype(np.int32),
    )
    keep, whole, sampled = _wanted(batch, selection, links.good, news, slim)
    if not whole.all():
        batch = _without_bytes(batch, ~whole)
    if not keep.all():
        batch = batch.take(np.flatnonzero(keep))
    wrong = {
        "link": ~links.good & ~marks.encrypted,
        "encrypted": marks.encrypted,
        "tunnel": marks.tunnel & links.good,
        "ether_type": marks.other & links.good,
        "ipv4": networks.bad4 & keep,
        "ipv6": networks.bad6 & keep,
        "tcp": transports.bad_tcp & keep,
        "udp": transports.bad_udp & keep,
    }
    errors = DecodeErrors(
        by_protocol={name: int(np.count_nonzero(wrong[name])) for name in COUNTED if wrong[name].any()},
        fragments=int(np.count_nonzero(networks.fragment & keep)),
        overlong=int(np.count_nonzero(networks.overlong & keep)),
        packets=int(np.count_nonzero(is_ip & links.good)),
        ether_types=_kinds(links.ether_type[wrong["ether_type"]].tolist()),
        sampled=sampled,
    )
    return batch, errors


def _kinds(ether_types: list[int]) -> dict[int, int]:
    """Return how often each type occurs; of too many the later ones together, as type 0."""
    kinds: dict[int, int] = {}
    for ether_type in ether_types:
        known = ether_type in kinds or len(kinds) < MAX_ETHER_TYPES
        kinds[ether_type if known else 0] = kinds.get(ether_type if known else 0, 0) + 1
    return kinds


def _or_address(keys: U64, known: Mask, is_ip: Mask, high: U64, low: U64) -> U64:
    """Keys made from addresses, where the link has none."""
    made = np.where(is_ip, address_keys(high, low), np.uint64(0))
    return np.asarray(np.where(known, keys, made), dtype=np.uint64)


def _wanted(
    batch: PacketBatch, selection: Selection, good: Mask, news: News | None, slim: bool
) -> tuple[Mask, Mask, int]:
    """Which rows are kept, and of which the bytes too; how many identity packets a sample left out."""
    fresh = np.zeros(len(batch), dtype=np.bool_)
    keys, sample = selection.keys, selection.sample
    if news is not None:
        rows = np.flatnonzero(good)
        known = None if sample is None else left_out(sample, batch.eth_src[rows], batch.time_ns[rows])
        fresh[rows] = news.look(batch.take(rows), known)
        keys = news.also(keys)
    everything = np.ones(len(batch), dtype=np.bool_)
    known = sampled_mask(batch, sample) if sample is not None else ~everything
    if keys is None:
        return good & ~known, everything, int(np.count_nonzero(good & known))
    sent, received = np.isin(batch.eth_src, keys), np.isin(batch.eth_dst, keys)
    named = identity_mask(batch) & ~known if selection.identity else ~everything
    keep = good & (fresh | named | sent | received)
    sampled = int(np.count_nonzero(good & known & ~keep)) if selection.identity else 0
    if not slim:
        return keep, everything, sampled
    bare = (batch.ip_version != 0) & (batch.proto == PROTO_TCP) & (batch.payload_len == 0)
    bare &= (batch.tcp_flags & TCP_SYN == 0) & ~received
    return keep & (fresh | named | ~bare), fresh | named | (sent & (batch.payload_len > 0)), sampled


def _without_bytes(batch: PacketBatch, rows: Mask) -> PacketBatch:
    return replace(
        batch,
        frame_captured=np.where(rows, 0, batch.frame_captured).astype(np.int32),
        payload_captured=np.where(rows, 0, batch.payload_captured).astype(np.int32),
        payload_offset=np.where(rows, batch.frame_offset, batch.payload_offset),
    )
