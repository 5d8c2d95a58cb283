"""From a batch to the payload of watched devices, in columns."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.model import (
    I64,
    MIX,
    PROTO_TCP,
    U8,
    U64,
    V4_MAPPED,
    FlowKey,
    PacketBatch,
    address_pair,
)
from sniffer.model.protocols import TCP_ACK, TCP_RST, TCP_SYN, begins_tls_record

#: One truth value a row.
Flags = npt.NDArray[np.bool_]

_MIX = np.uint64(MIX[0])
_SHIFT = np.uint64(29)


@dataclass(frozen=True, slots=True)
class Packets:
    """What a batch holds of watched devices: rows with payload, and SYNs, in capture order. `time_ns` never steps back.
    `connection` is the same for both directions. A row between two watched devices stands there twice, once for each.
    """

    batch: PacketBatch
    rows: I64
    time_ns: I64
    device: U64
    upstream: Flags
    connection: U64

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, chosen: slice | I64) -> Packets:
        """Some of them."""
        return Packets(
            self.batch,
            self.rows[chosen],
            self.time_ns[chosen],
            self.device[chosen],
            self.upstream[chosen],
            self.connection[chosen],
        )

    def flows(self) -> Iterator[Packets]:
        """Those of each connection by themselves."""
        order = np.argsort(self.connection, kind="stable")
        changes = np.flatnonzero(np.diff(self.connection[order])) + 1
        yield from (self.part(rows) for rows in np.split(order, changes) if len(rows))

    def flow_key(self, place: int) -> FlowKey:
        """The flow of one of them, seen from the device."""
        batch, row = self.batch, int(self.rows[place])
        source = (int(batch.src_high[row]), int(batch.src_low[row]))
        target = (int(batch.dst_high[row]), int(batch.dst_low[row]))
        source_port, target_port = int(batch.src_port[row]), int(batch.dst_port[row])
        if not self.upstream[place]:
            source, target, source_port, target_port = target, source, target_port, source_port
        return FlowKey(source, source_port, target, target_port, int(batch.proto[row]))


def packets_of(batch: PacketBatch, watched: Mapping[int, int], clock: I64) -> Packets:
    """The packets of the watched devices; `clock` holds the time of each row. Those from before a device is watched are
    left out."""
    carries = (batch.ip_version != 0) & (batch.payload_len > 0)  # of any protocol: IPsec and ICMP carry voices too
    carries |= (batch.proto == PROTO_TCP) & (batch.tcp_flags & TCP_SYN > 0)
    keys = np.sort(np.fromiter(watched, dtype=np.uint64, count=len(watched)))
    since_ns = np.array([watched[key] for key in keys.tolist()], dtype=np.int64)
    sent = carries & _among(batch.eth_src, keys, batch.time_ns, since_ns)
    received = carries & _among(batch.eth_dst, keys, batch.time_ns, since_ns) & (batch.eth_src != batch.eth_dst)
    rows = np.flatnonzero(sent | received)
    upstream = sent[rows]
    both = np.flatnonzero(sent & received)
    if both.size:
        rows = np.concatenate((rows, both))
        upstream = np.concatenate((upstream, np.zeros(len(both), dtype=np.bool_)))
        order = np.argsort(rows, kind="stable")
        rows, upstream = rows[order], upstream[order]
    device = np.where(upstream, batch.eth_src[rows], batch.eth_dst[rows])
    return Packets(batch, rows, clock[rows], device, upstream, _connections(batch, rows, upstream, device))


def acknowledgements_to(batch: PacketBatch, watched: Mapping[int, int], clock: I64) -> Packets:
    """Return the bare acknowledgements that watched devices received, as `packets_of` does."""
    bare = (
        (batch.proto == PROTO_TCP)
        & (batch.payload_len == 0)
        & (batch.tcp_flags & (TCP_SYN | TCP_RST | TCP_ACK) == TCP_ACK)
    )
    rows = np.flatnonzero(bare)
    keys = np.sort(np.fromiter(watched, dtype=np.uint64, count=len(watched)))
    since_ns = np.array([watched[key] for key in keys.tolist()], dtype=np.int64)
    rows = rows[_among(batch.eth_dst[rows], keys, batch.time_ns[rows], since_ns)]
    upstream, device = np.zeros(len(rows), dtype=np.bool_), batch.eth_dst[rows]
    return Packets(batch, rows, clock[rows], device, upstream, _connections(batch, rows, upstream, device))


def _among(column: U64, keys: U64, time_ns: I64, since_ns: I64) -> Flags:
    """Which rows are of one of the keys (in order), and not from before it is watched."""
    if not len(keys):
        return np.zeros(len(column), dtype=np.bool_)
    place = np.minimum(np.searchsorted(keys, column), len(keys) - 1)
    found: Flags = keys[place] == column
    return found & (time_ns >= since_ns[place]) if bool((since_ns > 0).any()) else found


def _connections(batch: PacketBatch, rows: I64, upstream: Flags, device: U64) -> U64:
    """A number for each connection of each device: a hash, never 0."""
    remote_low = np.where(upstream, batch.dst_low[rows], batch.src_low[rows])
    remote_high = np.where(upstream, batch.dst_high[rows], batch.src_high[rows])
    local_low = np.where(upstream, batch.src_low[rows], batch.dst_low[rows])
    remote_port = np.where(upstream, batch.dst_port[rows], batch.src_port[rows]).astype(np.uint64)
    local_port = np.where(upstream, batch.src_port[rows], batch.dst_port[rows]).astype(np.uint64)
    ports = (local_port << np.uint64(24)) | (remote_port << np.uint64(8)) | batch.proto[rows].astype(np.uint64)
    mixed = device
    for part in (remote_low, remote_high, local_low, ports):
        mixed = (mixed ^ part) * _MIX
        mixed ^= mixed >> _SHIFT
    return np.maximum(mixed, np.uint64(1))


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
    valid = begins_tls_record(kind, major, minor) & (length > 0) & (length <= 16_640)
    return np.where(valid, length + 5, 0)
