"""From frames to the columns of link, network and transport: the usual at once, the rest one frame at a time."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from sniffer.decode.frames.encapsulation import (
    MAX_TUNNELS,
    TUNNEL_PORTS,
    TUNNEL_PROTOCOLS,
    DamagedError,
    EncryptedError,
    Head,
    ends_at_home,
    peel,
    read_head,
)
from sniffer.decode.frames.layout import Bytes, Index, Mask
from sniffer.decode.frames.link import LINKS, Links, blank
from sniffer.decode.frames.network import Networks, network
from sniffer.decode.frames.transport import Transports, transport
from sniffer.model import I64, PROTO_UDP
from sniffer.model.protocols import ETHER_ARP, ETHER_IPV4, ETHER_IPV6


@dataclass(slots=True)
class Marks:
    """What else is known of each row: encrypted on the link, of an unknown EtherType, a tunnel that was not peeled."""

    encrypted: Mask
    other: Mask
    tunnel: Mask


def read_packets(
    link_type: int, data: Bytes, offset: Index, captured: I64, wire: I64
) -> tuple[Links, Networks, Transports, Marks]:
    """Read all headers of all rows, through tags and tunnels."""
    rows = len(offset)
    marks = Marks(*(np.zeros(rows, dtype=np.bool_) for _ in range(3)))
    read = LINKS.get(link_type)
    if read is None:
        links, unusual = blank(rows), np.arange(rows)
    else:
        links = read(data, offset, captured)
        unusual = np.flatnonzero(links.good & ~np.isin(links.ether_type, (ETHER_IPV4, ETHER_IPV6, ETHER_ARP)))
    for row in unusual.tolist():
        try:
            _set(
                links,
                marks,
                row,
                read_head(link_type, data.frame(int(offset[row]), int(captured[row])), int(wire[row])),
            )
        except DamagedError:
            links.good[row] = False
        except EncryptedError:
            links.good[row], marks.encrypted[row] = False, True
    networks = network(data, offset, captured, wire, links.good, links.ether_type, links.network)
    transports = transport(data, offset, captured, networks)
    _peel(data, offset, captured, wire, links, networks, transports, marks)
    return links, networks, transports, marks


def _set(links: Links, marks: Marks, row: int, head: Head) -> None:
    links.good[row] = True
    links.has_src[row], links.src[row] = head.src is not None, head.src or 0
    links.has_dst[row], links.dst[row] = head.dst is not None, head.dst or 0
    links.ether_type[row], links.network[row] = head.ether_type, head.network
    marks.other[row] = head.other


def _peel(
    data: Bytes,
    offset: Index,
    captured: I64,
    wire: I64,
    links: Links,
    networks: Networks,
    transports: Transports,
    marks: Marks,
) -> None:
    """Replace each packet of a tunnel by what is in it."""
    pending = _tunnels(np.arange(len(offset)), networks, transports)
    for _ in range(MAX_TUNNELS):
        changed, outer = [], []
        for row in pending:
            frame = data.frame(int(offset[row]), int(captured[row]))
            at, port = int(transports.payload[row]), int(transports.dst_port[row])
            head = peel(frame, int(wire[row]), int(networks.proto[row]), at, port)
            marks.tunnel[row] = head is None
            if head is not None:
                outer.append(_outer(links, networks, row))
                _set(links, marks, row, head)
                changed.append(row)
        if not changed:
            return
        rows = np.array(changed, dtype=np.int64)
        found = network(
            data,
            offset[rows],
            captured[rows],
            wire[rows],
            links.good[rows],
            links.ether_type[rows],
            links.network[rows],
        )
        inside = np.array([_accept(links, found, at, before) for at, before in enumerate(outer)], dtype=np.bool_)
        marks.tunnel[rows[~inside]], marks.other[rows[~inside]] = True, False
        read = transport(data, offset[rows], captured[rows], found)
        rows = rows[inside]
        _put(networks, rows, found, inside)
        _put(transports, rows, read, inside)
        pending = _tunnels(rows, networks, transports)
    marks.tunnel[pending] = True


def _tunnels(rows: Index, networks: Networks, transports: Transports) -> list[int]:
    whole = (networks.version[rows] != 0) & ~networks.later[rows] & ~networks.bad4[rows] & ~networks.bad6[rows]
    proto = networks.proto[rows]
    plain = whole & np.isin(proto, TUNNEL_PROTOCOLS)
    udp = whole & (proto == PROTO_UDP) & ~transports.bad_udp[rows] & np.isin(transports.dst_port[rows], TUNNEL_PORTS)
    return [
        row
        for row in rows[plain | udp].tolist()
        if networks.proto[row] != PROTO_UDP or ends_at_home(int(networks.dst_high[row]), int(networks.dst_low[row]))
    ]


@dataclass(frozen=True, slots=True)
class _Outer:
    """A packet that carries another: its row, its link, its protocol, and whether it comes from or goes to the
    Internet."""

    row: int
    link: dict[str, Any]
    proto: int
    abroad: bool


def _outer(links: Links, networks: Networks, row: int) -> _Outer:
    link = {column.name: getattr(links, column.name)[row] for column in dataclasses.fields(links)}
    return _Outer(row, link, int(networks.proto[row]), _abroad(networks, row))


def _abroad(networks: Networks, row: int) -> bool:
    """Return whether one end of a packet is somewhere on the Internet."""
    ends = ((networks.src_high, networks.src_low), (networks.dst_high, networks.dst_low))
    return not all(ends_at_home(int(high[row]), int(low[row])) for high, low in ends)


def _accept(links: Links, found: Networks, at: int, outer: _Outer) -> bool:
    """Return whether what is in a tunnel counts instead of the packet that carried it; if not, its link is that of the
    packet again.

    A tunnel of its own IP protocol that goes to the Internet belongs to the host whose frame it is in: its MAC
    addresses stay, and where nothing in it tells a place on the Internet, or a whole frame with other MAC addresses is
    in it, the tunnel is the upload. So it is with IPv6 in IPv4 everywhere. Other tunnels within the house are mirrors:
    what is in them has MAC addresses of its own.
    """
    if outer.proto == PROTO_UDP or not outer.abroad:
        return True
    row = outer.row
    if links.has_src[row] or links.has_dst[row] or not _abroad(found, at):
        for name, value in outer.link.items():
            getattr(links, name)[row] = value
        return False
    for name in ("src", "dst", "has_src", "has_dst"):
        getattr(links, name)[row] = outer.link[name]
    return True


def _put(columns: Networks | Transports, rows: Index, found: Networks | Transports, chosen: Mask) -> None:
    for column in dataclasses.fields(columns):
        getattr(columns, column.name)[rows] = getattr(found, column.name)[chosen]
