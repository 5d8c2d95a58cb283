"""From a batch to the payload of single flows, without touching packets one by one."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.model import (
    I64,
    PROTO_TCP,
    PROTO_UDP,
    U8,
    U32,
    V4_MAPPED,
    FlowKey,
    PacketBatch,
    address_pair,
)

#: One truth value a row.
Flags = npt.NDArray[np.bool_]

_SYN = 0x02
_MIX = np.uint64(0x9E37_79B9_7F4A_7C15)
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class FlowSlice:
    """What one batch holds of one flow: rows with payload, and SYNs of the device, in capture order."""

    key: int
    flow_id: int
    batch: PacketBatch
    rows: I64
    upstream: Flags

    def flow_key(self) -> FlowKey:
        """The flow, seen from the device."""
        batch, row = self.batch, int(self.rows[0])
        source = (int(batch.src_high[row]), int(batch.src_low[row]))
        target = (int(batch.dst_high[row]), int(batch.dst_low[row]))
        source_port, target_port = int(batch.src_port[row]), int(batch.dst_port[row])
        if not self.upstream[0]:
            source, target, source_port, target_port = target, source, target_port, source_port
        return FlowKey(source, source_port, target, target_port, int(batch.proto[row]))


def slices(batch: PacketBatch, watched: Mapping[int, int]) -> Iterator[FlowSlice]:
    """The watched devices' flows in one batch, each once. Rows before a device is watched are left out."""
    carries = ((batch.proto == PROTO_TCP) & ((batch.payload_len > 0) | (batch.tcp_flags & _SYN > 0))) | (
        (batch.proto == PROTO_UDP) & (batch.payload_len > 0)
    )
    for key, since_ns in watched.items():
        address = np.uint64(key)
        upstream = carries & (batch.eth_src == address)
        mine = upstream | (carries & (batch.eth_dst == address))
        if since_ns > 0:
            mine &= batch.time_ns >= since_ns
        rows = np.flatnonzero(mine)
        if rows.size:
            yield from _by_flow(batch, key, rows, upstream[rows])


def _by_flow(batch: PacketBatch, key: int, rows: I64, upstream: Flags) -> Iterator[FlowSlice]:
    remote_low = np.where(upstream, batch.dst_low[rows], batch.src_low[rows])
    remote_high = np.where(upstream, batch.dst_high[rows], batch.src_high[rows])
    local_low = np.where(upstream, batch.src_low[rows], batch.dst_low[rows])
    remote_port = np.where(upstream, batch.dst_port[rows], batch.src_port[rows]).astype(np.uint64)
    local_port = np.where(upstream, batch.src_port[rows], batch.dst_port[rows]).astype(np.uint64)
    ports = (local_port << np.uint64(24)) | (remote_port << np.uint64(8)) | batch.proto[rows].astype(np.uint64)
    flow_id = np.full(len(rows), key, dtype=np.uint64)
    for part in (remote_low, remote_high, local_low, ports):
        flow_id = (flow_id ^ part) * _MIX
        flow_id ^= flow_id >> _SHIFT
    order = np.argsort(flow_id, kind="stable")
    ordered = flow_id[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    for start, group in zip(starts, np.split(order, starts[1:]), strict=True):
        yield FlowSlice(key, int(ordered[start]), batch, rows[group], upstream[group])


class LocalNetworks:
    """Which peers are no upload: hosts on the local networks, multicast, broadcast."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._ranges = [_range(text) for text in (*networks, "224.0.0.0/4", "ff00::/8", "127.0.0.0/8", "::1/128")]

    def excludes(self, flow: FlowKey) -> bool:
        """True where the peer of this flow is not somewhere on the Internet."""
        high, low = flow.dst
        address = high << 64 | low
        if any(first <= address <= last for first, last in self._ranges):
            return True
        if high == 0:
            return address in (0, V4_MAPPED, V4_MAPPED | 0xFFFF_FFFF)
        return high == flow.src[0]  # IPv6: the same /64 is the same link, global addresses or not


def _range(text: str) -> tuple[int, int]:
    network = ipaddress.ip_network(text, strict=False)
    high, low = address_pair(str(network.network_address))
    first = high << 64 | low
    return first, first + network.num_addresses - 1


def record_headers(batch: PacketBatch, rows: I64) -> tuple[I64, I64]:
    """For rows that begin with a TLS record header: the first record's length on the wire, and how many records of
    that very length stand in the packet one after the other. (0, 0) for all other rows.

    Payload bytes may be cut off or filler: then there is no header, and packet sizes have to do.
    """
    sizes = np.zeros(len(rows), dtype=np.int64)
    counts = np.zeros(len(rows), dtype=np.int64)
    data = np.frombuffer(batch.data, dtype=np.uint8)
    captured = batch.payload_captured[rows].astype(np.int64)
    start = batch.payload_offset[rows]
    live = np.flatnonzero(captured >= 5)
    position = np.zeros(len(rows), dtype=np.int64)
    for _ in range(64):
        if not live.size:
            break
        lengths = _record_lengths(data, start[live] + position[live])
        first = counts[live] == 0
        fits = (lengths > 0) & (first | (lengths == sizes[live]))
        live, lengths = live[fits], lengths[fits]
        sizes[live] = lengths
        counts[live] += 1
        position[live] += lengths
        live = live[position[live] + 5 <= captured[live]]
    return sizes, counts


def _record_lengths(data: U8, offset: I64) -> I64:
    """Length on the wire of the TLS record whose header stands at each offset, 0 where none does."""
    header = data[offset[:, None] + np.arange(5)]
    kind, major, minor = header[:, 0], header[:, 1], header[:, 2]
    length = header[:, 3].astype(np.int64) << 8 | header[:, 4]
    valid = (kind >= 20) & (kind <= 24) & (major == 3) & (minor <= 4) & (length > 0) & (length <= 16_640)
    return np.where(valid, length + 5, 0)


def relative(sequence: U32, base: int) -> I64:
    """Sequence numbers as signed distances from `base`, so that wrapping does not matter."""
    return (sequence - np.uint32(base)).astype(np.int32).astype(np.int64)
