"""What the kernel tells anybody about links, addresses, neighbours and routes (rtnetlink), for this network namespace.

/sys would say some of it too, but shows the namespace in which it was mounted, and is missing in many containers.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from sniffer.errors import CaptureError

_NETLINK_ROUTE = 0
_RTM_GETLINK, _RTM_GETADDR, _RTM_GETROUTE, _RTM_GETNEIGH = 18, 22, 26, 30
_NLM_F_REQUEST, _NLM_F_DUMP = 0x1, 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINK, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_KIND = 1, 3, 5, 10, 18, 1
_IFF_UP, _IFF_RUNNING = 0x1, 0x40
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_NDA_DST, _NDA_LLADDR = 1, 2
_NUD_KNOWN = 0x02 | 0x04 | 0x08 | 0x10 | 0x80  # reachable, stale, delay, probe, permanent
_RTA_DST, _RTA_OIF, _RTA_PRIORITY, _RTA_TABLE = 1, 4, 6, 15
_RT_TABLE_MAIN = 254
_RTN_UNICAST = 1
#: Answers to one question are read up to this: a router with a whole routing table is not asked for all of it.
_MAX_BYTES = 16 << 20

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(slots=True)
class Link:
    """One interface. `kind` is None for a real device (Ethernet, Wi-Fi), else `bridge`, `vlan`, `veth`, `tun` ..."""

    index: int
    name: str
    hardware: int
    up: bool
    carrier: bool = True
    mac: bytes = b""
    kind: str | None = None
    master: int | None = None
    lower: int | None = None
    addresses: list[Address] = field(default_factory=list)
    neighbours: dict[Address, bytes] = field(default_factory=dict)
    default_route: bool = False


def links() -> list[Link]:
    """All interfaces and what is known of them. Raises CaptureError where the kernel does not answer."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_ROUTE) as asking:
            asking.settimeout(2)
            found = {link.index: link for link in _links(asking)}
            for family in (socket.AF_INET, socket.AF_INET6):
                _add_addresses(asking, family, found)
                _add_neighbours(asking, family, found)
                _add_default_routes(asking, family, found)
    except (OSError, struct.error) as error:
        raise CaptureError(f"the kernel does not tell which interfaces there are: {error}") from None
    return list(found.values())


def _links(asking: socket.socket) -> Iterator[Link]:
    for body in _dump(asking, _RTM_GETLINK, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)):
        _, hardware, index, flags, _ = struct.unpack_from("=BxHiII", body)
        given = dict(_attributes(body[16:]))
        info = dict(_attributes(given.get(_IFLA_LINKINFO, b"")))
        kind = info.get(_IFLA_INFO_KIND, b"").rstrip(b"\0").decode(errors="replace")
        yield Link(
            index=index,
            name=given.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
            hardware=hardware,
            up=bool(flags & _IFF_UP),
            carrier=bool(flags & _IFF_RUNNING),
            mac=given.get(_IFLA_ADDRESS, b""),
            kind=kind or None,
            master=_number(given.get(_IFLA_MASTER)),
            lower=_number(given.get(_IFLA_LINK)),
        )


def _add_addresses(asking: socket.socket, family: int, found: dict[int, Link]) -> None:
    for body in _dump(asking, _RTM_GETADDR, struct.pack("=BBBBI", family, 0, 0, 0, 0)):
        (index,) = struct.unpack_from("=I", body, 4)
        given = dict(_attributes(body[8:]))
        packed = given.get(_IFA_LOCAL) or given.get(_IFA_ADDRESS)
        if packed and index in found:
            found[index].addresses.append(ipaddress.ip_address(packed))


def _add_neighbours(asking: socket.socket, family: int, found: dict[int, Link]) -> None:
    for body in _dump(asking, _RTM_GETNEIGH, struct.pack("=BxxxiHBB", family, 0, 0, 0, 0)):
        index, state = struct.unpack_from("=iH", body, 4)
        given = dict(_attributes(body[12:]))
        packed, mac = given.get(_NDA_DST), given.get(_NDA_LLADDR, b"")
        if packed and len(mac) == 6 and state & _NUD_KNOWN and index in found:
            found[index].neighbours[ipaddress.ip_address(packed)] = mac


def _add_default_routes(asking: socket.socket, family: int, found: dict[int, Link]) -> None:
    best: tuple[int, int] | None = None
    header = struct.pack("=BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_MAIN, 0, 0, 0, 0)
    for body in _dump(asking, _RTM_GETROUTE, header):
        length, table, kind = body[1], body[4], body[7]
        given = dict(_attributes(body[12:]))
        table = _number(given.get(_RTA_TABLE)) or table
        index = _number(given.get(_RTA_OIF))
        if length == 0 and table == _RT_TABLE_MAIN and kind == _RTN_UNICAST and index in found:
            candidate = (_number(given.get(_RTA_PRIORITY)) or 0, index)
            best = candidate if best is None else min(best, candidate)
    if best is not None:
        found[best[1]].default_route = True


def _dump(asking: socket.socket, question: int, body: bytes) -> Iterator[bytes]:
    """The bodies of all messages that answer one question."""
    header = struct.pack("=IHHII", 16 + len(body), question, _NLM_F_REQUEST | _NLM_F_DUMP, question, 0)
    asking.sendto(header + body, (0, 0))
    taken = 0
    while taken < _MAX_BYTES:
        data = asking.recv(1 << 16)
        taken += len(data)
        at = 0
        while at + 16 <= len(data):
            length, kind, _, sequence, _ = struct.unpack_from("=IHHII", data, at)
            if length < 16 or sequence != question:
                break
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                (number,) = struct.unpack_from("=i", data, at + 16)
                if number == 0 or -number in (95, 97):  # a protocol that this kernel does not have
                    return
                raise OSError(-number, f"request {question}")
            yield data[at + 16 : at + length]
            at += (length + 3) & ~3


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from("=HH", data, at)
        if length < 4:
            return
        yield kind & 0x3FFF, data[at + 4 : at + length]
        at += (length + 3) & ~3


def _number(packed: bytes | None) -> int | None:
    return struct.unpack("=I", packed)[0] if packed is not None and len(packed) == 4 else None
