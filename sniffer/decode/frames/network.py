"""IPv4 with options, IPv6 with extension headers: addresses, and where the transport begins and ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sniffer.decode.frames.layout import Bytes, Index, Mask
from sniffer.model import I64, U64, V4_MAPPED
from sniffer.model.protocols import ETHER_IPV4 as IPV4
from sniffer.model.protocols import ETHER_IPV6 as IPV6

HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, NO_NEXT, DESTINATION = 0, 43, 44, 51, 59, 60
MOBILITY, HIP, SHIM6 = 135, 139, 140
EXTENSIONS = (HOP_BY_HOP, ROUTING, FRAGMENT, AUTHENTICATION, DESTINATION, MOBILITY, HIP, SHIM6)
MAX_EXTENSIONS = 16


@dataclass(slots=True)
class Networks:
    """What the network layer says of each row. `transport` is where its payload begins, from the start of the frame,
    and `length` how long that payload is on the wire. A `later` fragment holds no transport header; an `overlong`
    packet claims to be longer than its frame."""

    version: I64
    src_high: U64
    src_low: U64
    dst_high: U64
    dst_low: U64
    proto: I64
    transport: I64
    length: I64
    fragment: Mask
    later: Mask
    bad4: Mask
    bad6: Mask
    overlong: Mask


def network(data: Bytes, offset: Index, captured: I64, wire: I64, good: Mask, ether_type: I64, begins: I64) -> Networks:
    """Read the IP headers of all rows that have one."""
    found = _blank(len(offset))
    found.transport[:] = begins
    found.length[:] = np.maximum(wire - begins, 0)
    _ipv4(data, offset, captured, wire, np.flatnonzero(good & (ether_type == IPV4)), begins, found)
    _ipv6(data, offset, captured, wire, np.flatnonzero(good & (ether_type == IPV6)), begins, found)
    found.length[found.bad4 | found.bad6] = 0
    return found


def _blank(rows: int) -> Networks:
    def numbers() -> I64:
        return np.zeros(rows, dtype=np.int64)

    def halves() -> U64:
        return np.zeros(rows, dtype=np.uint64)

    def masks() -> Mask:
        return np.zeros(rows, dtype=np.bool_)

    return Networks(
        version=numbers(),
        src_high=halves(),
        src_low=halves(),
        dst_high=halves(),
        dst_low=halves(),
        proto=numbers(),
        transport=numbers(),
        length=numbers(),
        fragment=masks(),
        later=masks(),
        bad4=masks(),
        bad6=masks(),
        overlong=masks(),
    )


def _ipv4(data: Bytes, offset: Index, captured: I64, wire: I64, rows: Index, begins: I64, found: Networks) -> None:
    whole = captured[rows] >= begins[rows] + 20
    found.bad4[rows[~whole]] = True
    rows = rows[whole]
    at = offset[rows] + begins[rows]
    first = data.u8(at)
    header = (first & 15) * 4
    total = data.u16(at + 2)
    room = wire[rows] - begins[rows]
    found.overlong[rows] = total > room
    # No packet is longer than its frame, whatever it claims. Segmentation offload leaves the length empty.
    total = np.where(total == 0, room, np.minimum(total, room))
    right = (first >> 4 == 4) & (header >= 20) & (total >= header)
    found.bad4[rows[~right]] = True
    rows, at, header, total = rows[right], at[right], header[right], total[right]
    fragment = data.u16(at + 6)
    found.version[rows] = 4
    found.src_low[rows] = np.uint64(V4_MAPPED) | data.u32(at + 12).astype(np.uint64)
    found.dst_low[rows] = np.uint64(V4_MAPPED) | data.u32(at + 16).astype(np.uint64)
    found.proto[rows] = data.u8(at + 9)
    found.transport[rows] = begins[rows] + header
    found.length[rows] = total - header
    found.fragment[rows] = (fragment & 0x3FFF) != 0
    found.later[rows] = (fragment & 0x1FFF) != 0


def _ipv6(data: Bytes, offset: Index, captured: I64, wire: I64, rows: Index, begins: I64, found: Networks) -> None:
    whole = captured[rows] >= begins[rows] + 40
    found.bad6[rows[~whole]] = True
    rows = rows[whole]
    at = offset[rows] + begins[rows]
    right = data.u8(at) >> 4 == 6
    found.bad6[rows[~right]] = True
    rows, at = rows[right], at[right]
    length = data.u16(at + 4)
    room = np.maximum(wire[rows] - begins[rows] - 40, 0)
    found.overlong[rows] = length > room
    length = np.where(length == 0, room, np.minimum(length, room))  # 0: a jumbogram, or offload
    found.version[rows] = 6
    found.src_high[rows] = data.u64(at + 8)
    found.src_low[rows] = data.u64(at + 16)
    found.dst_high[rows] = data.u64(at + 24)
    found.dst_low[rows] = data.u64(at + 32)
    found.proto[rows] = data.u8(at + 6)
    found.transport[rows] = begins[rows] + 40
    found.length[rows] = length
    rows = rows[np.isin(found.proto[rows], EXTENSIONS)]
    for _ in range(MAX_EXTENSIONS):
        if not len(rows):
            return
        rows = _extension(data, offset, captured, rows, found)
    found.bad6[rows] = True


def _extension(data: Bytes, offset: Index, captured: I64, rows: Index, found: Networks) -> Index:
    """Step over one extension header; the rows that have another one."""
    whole = captured[rows] >= found.transport[rows] + 8
    found.bad6[rows[~whole]] = True
    rows = rows[whole]
    at = offset[rows] + found.transport[rows]
    kind = found.proto[rows]
    units = data.u8(at + 1)
    size = np.where(kind == FRAGMENT, 8, np.where(kind == AUTHENTICATION, (units + 2) * 4, (units + 1) * 8))
    right = size <= found.length[rows]
    found.bad6[rows[~right]] = True
    rows, at, kind, size = rows[right], at[right], kind[right], size[right]
    place = np.where(kind == FRAGMENT, data.u16(at + 2), 0)
    found.fragment[rows] |= (place & 0xFFF9) != 0
    later = (place & 0xFFF8) != 0
    found.later[rows] |= later
    found.proto[rows] = data.u8(at)
    found.transport[rows] += size
    found.length[rows] -= size
    rows = rows[~later]
    return rows[np.isin(found.proto[rows], EXTENSIONS)]
