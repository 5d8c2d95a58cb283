"""Which packets show who a host is: the table of `sniffer.model.protocols`, in columns."""

from __future__ import annotations

import numpy as np

from sniffer import native
from sniffer.decode.frames.layout import Bytes, Index, Mask
from sniffer.model import I64, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, U64, PacketBatch, Sample
from sniffer.model.clock import SECOND
from sniffer.model.protocols import IDENTITY, PORT_DNS, Field, IdentityProtocol, identity_ports, identity_shapes

_BY_NAME = {protocol.name: protocol for protocol in IDENTITY}
_BITS = {protocol.name: 1 << number for number, protocol in enumerate(IDENTITY)}
_ETHER_TYPES = tuple(protocol.ether_type for protocol in IDENTITY if not protocol.proto)


def _port_table(proto: int, sampled: bool | None) -> Mask:
    table = np.zeros(65_536, dtype=np.bool_)
    table[list(identity_ports(proto, sampled=sampled))] = True
    table.setflags(write=False)
    return table


_PORTS = {
    (proto, sampled): _port_table(proto, sampled)
    for proto in (PROTO_UDP, PROTO_TCP)
    for sampled in (None, True, False)
    if identity_ports(proto, sampled=sampled)
}


def identity_rows(batch: PacketBatch) -> I64:
    """Return the rows of the identity protocols, in order."""
    return np.flatnonzero(identity_mask(batch)).astype(np.int64, copy=False)


def identity_mask(batch: PacketBatch) -> Mask:
    """Return whether each row is one of `identity_rows`."""
    return np.asarray(np.isin(batch.ether_type, _ETHER_TYPES) | _content(batch), dtype=np.bool_)


def _content(batch: PacketBatch, *, sampled: bool | None = None) -> Mask:
    """Return the rows of the identity protocols above IP: of all, or of those that are sampled, or are not."""
    mask = np.zeros(len(batch), dtype=np.bool_)
    for proto in (PROTO_UDP, PROTO_TCP, PROTO_ICMPV6):
        over = _over(batch, proto)
        if (ports := _PORTS.get((proto, sampled))) is not None:
            mask |= over & (ports[batch.src_port] | ports[batch.dst_port])
        for protocol in identity_shapes(proto, sampled=sampled):
            mask[_shaped(batch, np.flatnonzero(over & ~mask), protocol)] = True
    return mask


def sampled_mask(batch: PacketBatch, sample: Sample) -> Mask:
    """Return which rows a sample leaves out: what hosts that are known look up, announce and open."""
    mask = np.zeros(len(batch), dtype=np.bool_)
    rows = np.flatnonzero(left_out(sample, subjects(batch), batch.time_ns))
    if not len(rows):
        return mask
    part = batch.take(rows)
    mask[rows] = _content(part, sampled=True) & ~_content(part, sampled=False) & ~np.isin(part.ether_type, _ETHER_TYPES)
    return mask


def subjects(batch: PacketBatch) -> U64:
    """Return the host that each row tells of, if it is a question, an answer or an announcement."""
    return np.where(batch.src_port == PORT_DNS, batch.eth_dst, batch.eth_src)


def left_out(sample: Sample, keys: U64, time_ns: I64) -> Mask:
    """Return whether each host is in the sample, and each moment is none of its seconds."""
    every = np.uint64(sample.every)
    now = (time_ns // SECOND).astype(np.uint64) % every == keys % every
    return np.asarray(~now & np.isin(keys, sample.keys), dtype=np.bool_)


class Protocols:
    """Which rows of a batch belong to which identity protocols."""

    def __init__(self, batch: PacketBatch) -> None:
        self.bits = np.zeros(len(batch), dtype=np.uint32)
        if native.DECODE is not None:
            columns = (batch.ether_type, batch.ip_version, batch.proto, batch.src_port, batch.dst_port)
            payloads = (batch.payload_offset, batch.payload_captured, batch.payload_len)
            given = [np.ascontiguousarray(column) for column in (*columns, *payloads)]
            self._all = native.DECODE.identity(batch.data, *given, self.bits)
        else:
            for name, bit in _BITS.items():
                self.bits |= np.where(protocol_mask(batch, name), np.uint32(bit), np.uint32(0))
            self._all = int(np.bitwise_or.reduce(self.bits))

    def rows(self, *names: str) -> I64:
        """Return the rows of any of these protocols, in order."""
        wanted = sum(_BITS[name] for name in names)
        if not self._all & wanted:
            return np.zeros(0, dtype=np.int64)
        return np.flatnonzero(self.bits & np.uint32(wanted)).astype(np.int64, copy=False)


def protocol_mask(batch: PacketBatch, name: str) -> Mask:
    """Return whether each row belongs to one protocol of the table, by its name."""
    protocol = _BY_NAME[name]
    if not protocol.proto:
        return np.asarray(batch.ether_type == protocol.ether_type, dtype=np.bool_)
    mask = _over(batch, protocol.proto)
    if protocol.ports:
        at_source, at_destination = (batch.src_port == protocol.ports[0], batch.dst_port == protocol.ports[0])
        for port in protocol.ports[1:]:
            at_source, at_destination = at_source | (batch.src_port == port), at_destination | (batch.dst_port == port)
        return np.asarray(mask & (at_source | at_destination), dtype=np.bool_)
    found = np.zeros(len(batch), dtype=np.bool_)
    found[_shaped(batch, np.flatnonzero(mask), protocol)] = True
    return found


def _over(batch: PacketBatch, proto: int) -> Mask:
    version = batch.ip_version == 6 if proto == PROTO_ICMPV6 else batch.ip_version != 0
    return np.asarray(version & (batch.proto == proto), dtype=np.bool_)


def _shaped(batch: PacketBatch, rows: Index, protocol: IdentityProtocol) -> Index:
    """Of these rows, those whose payload has the fields of a protocol."""
    needed = max(field.end for field in protocol.fields)
    rows = rows[(batch.payload_captured[rows] >= needed) & (batch.payload_len[rows] >= protocol.least)]
    data = Bytes(batch.data)
    for field in protocol.fields:
        rows = rows[_has(data, batch.payload_offset[rows], field)]
    return rows


def _has(data: Bytes, start: Index, field: Field) -> Mask:
    value = {1: data.u8, 2: data.u16, 4: data.u32}[field.width](start + field.offset) & field.mask
    found = np.zeros(len(start), dtype=np.bool_)
    for low, high in field.ranges:
        found |= (value >= low) & (value <= high)
    return found
