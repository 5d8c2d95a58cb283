"""The usual link layers in columns: MAC addresses, and where the network layer begins. For others: `encapsulation`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sniffer.decode.frames.encapsulation import MAX_TAGS
from sniffer.decode.frames.layout import Bytes, Index, Mask
from sniffer.model import I64, U64
from sniffer.model.protocols import ETHER_IPV4 as IPV4
from sniffer.model.protocols import ETHER_IPV6 as IPV6
from sniffer.model.protocols import ETHER_PPPOE as PPPOE_SESSION
from sniffer.model.protocols import VLAN_TAGS

PPP_TYPES: Mapping[int, int] = {0x0021: IPV4, 0x0057: IPV6}


@dataclass(slots=True)
class Links:
    """What the link says of each row. `network` is where the next header begins, from the start of the frame.
    A `good` row has a whole link header; `has_src`, `has_dst`: whether the link told that MAC address."""

    good: Mask
    src: U64
    dst: U64
    has_src: Mask
    has_dst: Mask
    ether_type: I64
    network: I64


def blank(rows: int) -> Links:
    return Links(
        good=np.zeros(rows, dtype=np.bool_),
        src=np.zeros(rows, dtype=np.uint64),
        dst=np.zeros(rows, dtype=np.uint64),
        has_src=np.zeros(rows, dtype=np.bool_),
        has_dst=np.zeros(rows, dtype=np.bool_),
        ether_type=np.zeros(rows, dtype=np.int64),
        network=np.zeros(rows, dtype=np.int64),
    )


def ethernet(data: Bytes, offset: Index, captured: I64) -> Links:
    links = blank(len(offset))
    rows = np.flatnonzero(captured >= 14)
    at = offset[rows]
    links.good[rows] = links.has_src[rows] = links.has_dst[rows] = True
    links.dst[rows] = data.mac(at)
    links.src[rows] = data.mac(at + 6)
    links.ether_type[rows] = data.u16(at + 12)
    links.network[rows] = 14
    return _inner(data, offset, captured, links)


def cooked(data: Bytes, offset: Index, captured: I64) -> Links:
    """Linux cooked capture, version 1."""
    return _cooked(data, offset, captured, header=16, hardware=2, length=4, address=6, protocol=14)


def cooked2(data: Bytes, offset: Index, captured: I64) -> Links:
    """Linux cooked capture, version 2."""
    return _cooked(data, offset, captured, header=20, hardware=8, length=11, address=12, protocol=0)


def _cooked(
    data: Bytes, offset: Index, captured: I64, *, header: int, hardware: int, length: int, address: int, protocol: int
) -> Links:
    links = blank(len(offset))
    rows = np.flatnonzero(captured >= header)
    at = offset[rows]
    links.good[rows] = True
    size = data.u16(at + length) if header == 16 else data.u8(at + length)
    kind = data.u16(at + hardware)
    known = (size == 6) & (kind != 772)  # 772 is loopback: its address is zeros
    links.has_src[rows] = known
    links.src[rows] = np.where(known, data.mac(at + address), np.uint64(0))
    links.ether_type[rows] = np.where((kind == 801) | (kind == 803), 0, data.u16(at + protocol))  # 801, 803: Wi-Fi
    links.network[rows] = header
    return _inner(data, offset, captured, links)


def raw_ip(data: Bytes, offset: Index, captured: I64) -> Links:
    """No link header at all: the version is in the first four bits."""
    links = blank(len(offset))
    rows = np.flatnonzero(captured >= 1)
    version = data.u8(offset[rows]) >> 4
    links.good[rows] = (version == 4) | (version == 6)
    links.ether_type[rows] = np.where(version == 4, IPV4, np.where(version == 6, IPV6, 0))
    return links


def loopback(data: Bytes, offset: Index, captured: I64) -> Links:
    """BSD's null and loop: an address family in four bytes, in either order; IPv6 has a number for each system."""
    links = blank(len(offset))
    rows = np.flatnonzero(captured >= 4)
    at = offset[rows]
    family = data.u32(at)
    family = np.where(family > 0xFFFF, (data.u8(at + 1) << 8) | data.u8(at), family)
    v4 = family == 2
    v6 = (family == 10) | (family == 24) | (family == 28) | (family == 30)
    links.good[rows] = True
    links.ether_type[rows] = np.where(v4, IPV4, np.where(v6, IPV6, 0))
    links.network[rows] = 4
    return links


def ppp(data: Bytes, offset: Index, captured: I64) -> Links:
    """PPP, with or without the HDLC address and control bytes."""
    links = blank(len(offset))
    rows = np.flatnonzero(captured >= 4)
    framed = data.u16(offset[rows]) == 0xFF03
    links.good[rows] = True
    links.network[rows] = np.where(framed, 2, 0)
    _ppp_protocol(data, offset, captured, links, rows)
    return links


def pppoe(data: Bytes, offset: Index, captured: I64) -> Links:
    """PPPoE without Ethernet below it."""
    links = blank(len(offset))
    links.good[:] = True
    links.ether_type[:] = PPPOE_SESSION
    return _inner(data, offset, captured, links)


def _inner(data: Bytes, offset: Index, captured: I64, links: Links) -> Links:
    """Step over VLAN tags and a PPPoE header, where there are any."""
    rows = np.flatnonzero(np.isin(links.ether_type, VLAN_TAGS))
    for _ in range(MAX_TAGS):
        if not len(rows):
            break
        whole = captured[rows] >= links.network[rows] + 4
        links.good[rows[~whole]] = False
        rows = rows[whole]
        links.ether_type[rows] = data.u16(offset[rows] + links.network[rows] + 2)
        links.network[rows] += 4
        rows = rows[np.isin(links.ether_type[rows], VLAN_TAGS)]
    links.good[rows] = False
    rows = np.flatnonzero(links.good & (links.ether_type == PPPOE_SESSION))
    if len(rows):
        links.network[rows] += 6
        _ppp_protocol(data, offset, captured, links, rows)
    return links


def _ppp_protocol(data: Bytes, offset: Index, captured: I64, links: Links, rows: Index) -> None:
    """The protocol field of PPP at `network`, of two bytes, or of one where it is odd."""
    whole = captured[rows] >= links.network[rows] + 2
    links.good[rows[~whole]] = False
    rows = rows[whole]
    at = offset[rows] + links.network[rows]
    short = (data.u8(at) & 1) == 1
    protocol = np.where(short, data.u8(at), data.u16(at))
    kind = np.zeros(len(rows), dtype=np.int64)
    for number, ether_type in PPP_TYPES.items():
        kind[protocol == number] = ether_type
    links.ether_type[rows] = kind
    links.network[rows] += np.where(short, 1, 2)


#: Link type (https://www.tcpdump.org/linktypes.html) -> how its header is read.
LINKS: Mapping[int, Callable[[Bytes, Index, I64], Links]] = {
    0: loopback,
    1: ethernet,
    9: ppp,
    12: raw_ip,
    14: raw_ip,
    50: ppp,
    51: pppoe,
    101: raw_ip,
    108: loopback,
    113: cooked,
    228: raw_ip,
    229: raw_ip,
    276: cooked2,
}
