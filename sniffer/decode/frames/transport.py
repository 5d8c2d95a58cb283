"""TCP and UDP headers in columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sniffer.decode.frames.layout import Bytes, Index, Mask
from sniffer.decode.frames.network import Networks
from sniffer.model import I64, PROTO_TCP, PROTO_UDP


@dataclass(slots=True)
class Transports:
    """What the transport says of each row. `payload` is where its payload begins, from the start of the frame, and
    `length` how long that is on the wire."""

    src_port: I64
    dst_port: I64
    flags: I64
    seq: I64
    ack: I64
    payload: I64
    length: I64
    bad_tcp: Mask
    bad_udp: Mask


def transport(data: Bytes, offset: Index, captured: I64, networks: Networks) -> Transports:
    """Read the transport headers of all rows that have one."""
    rows = len(offset)
    found = Transports(
        src_port=np.zeros(rows, dtype=np.int64),
        dst_port=np.zeros(rows, dtype=np.int64),
        flags=np.zeros(rows, dtype=np.int64),
        seq=np.zeros(rows, dtype=np.int64),
        ack=np.zeros(rows, dtype=np.int64),
        payload=networks.transport.copy(),
        length=networks.length.copy(),
        bad_tcp=np.zeros(rows, dtype=np.bool_),
        bad_udp=np.zeros(rows, dtype=np.bool_),
    )
    first = (networks.version != 0) & ~networks.later & ~networks.bad4 & ~networks.bad6
    _tcp(data, offset, captured, np.flatnonzero(first & (networks.proto == PROTO_TCP)), networks, found)
    _udp(data, offset, captured, np.flatnonzero(first & (networks.proto == PROTO_UDP)), networks, found)
    found.length[found.bad_tcp | found.bad_udp] = 0
    return found


def _tcp(data: Bytes, offset: Index, captured: I64, rows: Index, networks: Networks, found: Transports) -> None:
    whole = captured[rows] >= networks.transport[rows] + 20
    found.bad_tcp[rows[~whole]] = True
    rows = rows[whole]
    at = offset[rows] + networks.transport[rows]
    header = (data.u8(at + 12) >> 4) * 4
    right = (header >= 20) & (header <= networks.length[rows])
    found.bad_tcp[rows[~right]] = True
    rows, at, header = rows[right], at[right], header[right]
    found.src_port[rows] = data.u16(at)
    found.dst_port[rows] = data.u16(at + 2)
    found.seq[rows] = data.u32(at + 4)
    found.ack[rows] = data.u32(at + 8)
    found.flags[rows] = data.u8(at + 13)
    found.payload[rows] += header
    found.length[rows] -= header


def _udp(data: Bytes, offset: Index, captured: I64, rows: Index, networks: Networks, found: Transports) -> None:
    whole = (captured[rows] >= networks.transport[rows] + 8) & (networks.length[rows] >= 8)
    found.bad_udp[rows[~whole]] = True
    rows = rows[whole]
    at = offset[rows] + networks.transport[rows]
    found.src_port[rows] = data.u16(at)
    found.dst_port[rows] = data.u16(at + 2)
    found.payload[rows] += 8
    found.length[rows] -= 8
