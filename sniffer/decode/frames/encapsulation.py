"""Everything that may stand before a network header, one frame at a time: rare link types, tags and tunnels.

What is usual is read in columns (`link`, `network`, `transport`); the frames that are left come here. A tunnel is
peeled: what is inside counts as if it had been captured there, with the MAC addresses of the inner frame where there is
one. A speaker that wraps an upload and sends it over the Internet does not hide it: UDP tunnels are peeled only where
they end in the house (`ends_at_home`), and of others that do not, the MAC addresses of the outer frame stay. It is over
400 lines since each kind of header may lead to each other one: they are the steps of one walk.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from sniffer.model import V4_MAPPED
from sniffer.model.protocols import ETHER_ARP as ARP
from sniffer.model.protocols import ETHER_IPV4 as IPV4
from sniffer.model.protocols import ETHER_IPV6 as IPV6
from sniffer.model.protocols import ETHER_PPPOE as PPPOE_SESSION
from sniffer.model.protocols import VLAN_TAGS

MAX_TAGS = 8
TRANSPARENT, MPLS, MPLS_MULTICAST, BATMAN, MACSEC = 0x6558, 0x8847, 0x8848, 0x4305, 0x88E5
BACKBONE, VN_TAG, HSR, CISCO_METADATA, SERVICE_HEADER, TRILL = 0x88E7, 0x8926, 0x892F, 0x8909, 0x894F, 0x22F3
#: Headers within each other: more are no packet of ours.
MAX_LAYERS, MAX_TUNNELS = 16, 8
#: IP protocols that carry packets: IPv4, IPv6, GRE, EtherIP, MPLS.
TUNNEL_PROTOCOLS = (4, 41, 47, 97, 137)
#: UDP ports that carry packets: VXLAN (two ports, and the generic form), Geneve, TZSP.
VXLAN, VXLAN_GENERIC, GENEVE, TZSP = (4789, 8472), 4790, 6081, 37008
TUNNEL_PORTS = (*VXLAN, VXLAN_GENERIC, GENEVE, TZSP)
#: Protocols of a LAN that carry no IP: nothing is missed where they are not decoded.
PLAIN = frozenset({
    IPV4, IPV6, ARP, 0x0842, 0x22EA, 0x22F0, 0x8035, 0x809B, 0x80F3, 0x8137, 0x8808, 0x8809, 0x8863, 0x886D, 0x887B,
    0x888E, 0x8892, 0x8899, 0x88A4, 0x88B8, 0x88CC, 0x88CD, 0x88E1, 0x88E3, 0x88F5, 0x88F6, 0x88F7, 0x8902, 0x8912,
    0x890D, 0x8914, 0x893A, 0x8999, 0x9000,
})  # fmt: skip


class DamagedError(Exception):
    """The headers are not whole, or there are too many of them."""


class UnknownLinkError(DamagedError):
    """The link type is not known."""


class EncryptedError(Exception):
    """The frame is encrypted on the link."""


@dataclass(slots=True)
class Head:
    """What stands before the network layer: MAC addresses (None where the link has none), the type of what follows at
    `network`, and whether that type is unknown (`other`)."""

    src: int | None = None
    dst: int | None = None
    ether_type: int = 0
    network: int = 0
    other: bool = False


def read_head(link_type: int, frame: memoryview, wire: int) -> Head:
    """Return the head of one frame. Raises DamagedError, UnknownLinkError and EncryptedError."""
    return _Walk(frame, wire).link(link_type, 0)


def peel(frame: memoryview, wire: int, proto: int, at: int, port: int) -> Head | None:
    """Return the head of what is in a tunnel, or None where that cannot be read.

    `proto` is the IP protocol and `at` where its payload begins (behind the header of UDP, to `port`).
    """
    try:
        return _Walk(frame, wire).tunnel(proto, at, port)
    except (DamagedError, EncryptedError):
        return None


def ends_at_home(high: int, low: int) -> bool:
    """Return whether an address (in halves) is none of the Internet: private, of the link, multicast, for examples."""
    if high == 0 and low >> 32 == V4_MAPPED >> 32:
        a = low & 0xFFFF_FFFF
        return (
            a >> 24 in (0, 10, 127)
            or a >> 20 == 0xAC1
            or a >> 16 in (0xC0A8, 0xA9FE)
            or a >> 22 == 0x191
            or a >> 8 in (0xC00002, 0xC63364, 0xCB0071)
            or a >> 17 == 0x6309
            or a >> 28 >= 14
        )
    return high == 0 or high >> 57 == 0x7E or high >> 54 == 0x3FA or high >> 56 == 0xFF or high >> 32 == 0x2001_0DB8


def family_type(family: int) -> int:
    """Return the EtherType of an address family of any system; 0 where it is not IP."""
    return IPV4 if family == 2 else IPV6 if family in (10, 24, 28, 30) else 0


class _Walk:
    """One frame, from the outside to the inside. `wire` is its length on the link."""

    def __init__(self, frame: memoryview, wire: int) -> None:
        self._p, self._cap, self._wire = frame, len(frame), wire
        self._layers = 0

    # --- numbers ---

    def _need(self, end: int) -> None:
        if self._cap < end:
            raise DamagedError

    def _u16(self, at: int) -> int:
        return self._p[at] << 8 | self._p[at + 1]

    def _le16(self, at: int) -> int:
        return self._p[at + 1] << 8 | self._p[at]

    def _u32(self, at: int) -> int:
        return int.from_bytes(self._p[at : at + 4], "big")

    def _le32(self, at: int) -> int:
        return int.from_bytes(self._p[at : at + 4], "little")

    def _mac(self, at: int) -> int:
        return int.from_bytes(self._p[at : at + 6], "big")

    # --- links ---

    def link(self, link_type: int, at: int) -> Head:
        """Read the header of a link (https://www.tcpdump.org/linktypes.html) that begins at `at`."""
        if link_type != 1:
            self._deeper()
        read = _LINKS.get(link_type)
        if read is None:
            raise UnknownLinkError
        return read(self, at)

    def _deeper(self) -> None:
        if self._layers == MAX_LAYERS:
            raise DamagedError
        self._layers += 1

    def ethernet(self, at: int) -> Head:
        self._need(at + 14)
        self._deeper()
        return self._inner(Head(self._mac(at + 6), self._mac(at), self._u16(at + 12), at + 14))

    def ethernet_behind_4(self, at: int) -> Head:
        """Ethernet behind the four bytes of netANALYZER, or of Broadcom's tag in front."""
        return self.ethernet(at + 4)

    def _tagged(self, at: int, tag: int) -> Head:
        self._need(at + 14 + tag)
        return self._inner(Head(self._mac(at + 6), self._mac(at), self._u16(at + 12 + tag), at + 14 + tag))

    def tagged_4(self, at: int) -> Head:
        """Ethernet with a tag of Broadcom's or Marvell's (DSA) before the type."""
        return self._tagged(at, 4)

    def tagged_8(self, at: int) -> Head:
        """Ethernet with a tag of Marvell's with a type of its own (EtherType DSA)."""
        return self._tagged(at, 8)

    def raw_ip(self, at: int) -> Head:
        self._need(at + 1)
        version = self._p[at] >> 4
        if version not in (4, 6):
            raise DamagedError
        return Head(ether_type=IPV4 if version == 4 else IPV6, network=at)

    def loopback(self, at: int, size: int = 4) -> Head:
        self._need(at + size)
        family = self._u32(at)
        if family > 0xFFFF:
            family = self._le16(at)
        return Head(ether_type=family_type(family), network=at + size)

    def openbsd_ipsec(self, at: int) -> Head:
        return self.loopback(at, 12)

    def pf_log(self, at: int) -> Head:
        self._need(at + 4)
        size = (self._p[at] + 3) & ~3
        if size < 4:
            raise DamagedError
        self._need(at + size)
        return Head(ether_type=family_type(self._p[at + 1]), network=at + size)

    def ppp(self, at: int) -> Head:
        self._need(at + 4)
        return self._ppp_protocol(Head(network=at + (2 if self._u16(at) == 0xFF03 else 0)))

    def ppp_with_direction(self, at: int) -> Head:
        return self.ppp(at + 1)

    def pppoe(self, at: int) -> Head:
        return self._inner(Head(ether_type=PPPOE_SESSION, network=at))

    def cisco_hdlc(self, at: int) -> Head:
        self._need(at + 4)
        return self._inner(Head(ether_type=self._u16(at + 2), network=at + 4))

    def cooked(self, at: int) -> Head:
        """Linux cooked capture, version 1."""
        self._need(at + 16)
        return self._cooked(self._u16(at + 4), self._u16(at + 2), at + 6, at + 14, at + 16)

    def cooked2(self, at: int) -> Head:
        """Linux cooked capture, version 2."""
        self._need(at + 20)
        return self._cooked(self._p[at + 11], self._u16(at + 8), at + 12, at, at + 20)

    def _cooked(self, size: int, hardware: int, address: int, protocol: int, network: int) -> Head:
        if hardware == 803:
            return self.radiotap(network)
        if hardware == 801:
            return self.wifi(network)
        known = size == 6 and hardware != 772
        return self._inner(Head(self._mac(address) if known else None, None, self._u16(protocol), network))

    def wifi(self, at: int, *, padded: bool = False) -> Head:
        """802.11: data frames that are not encrypted."""
        p = self._p
        self._need(at + 2)
        if p[at] & 3:
            raise DamagedError
        if (p[at] >> 2 & 3) != 2 or p[at] & 0x40:
            return Head(network=at)
        self._need(at + 24)
        if p[at + 1] & 0x40:
            raise EncryptedError
        if p[at + 22] & 15:
            return Head(network=at)
        between, service = p[at + 1] & 3, p[at] >> 7
        header = 30 if between == 3 else 24
        end = at + header + service * 2 + (4 if service and p[at + 1] & 0x80 else 0)
        if padded:
            end = at + ((end - at + 3) & ~3)
        self._need(end + 8)
        dst = self._mac(at + (16 if between & 1 else 4))
        src = self._mac(at + (24 if between == 3 else 16 if between == 2 else 10))
        if service and p[at + header] & 0x80:
            self._need(end + 22)
            dst, src = self._mac(end), self._mac(end + 6)
            end += 14
        head = self._inner(Head(src, None, 0, end))
        if head.dst is None:
            head.dst = dst
        return head

    def radiotap(self, at: int) -> Head:
        self._need(at + 8)
        end, field = at + self._le16(at + 2), at + 8
        if self._p[at] or end < at + 8:
            raise DamagedError
        self._need(end)
        present = word = self._le32(at + 4)
        while word >> 31:
            if field + 4 > end:
                raise DamagedError
            word = self._le32(field)
            field += 4
        if present & 1:
            field = at + ((field - at + 7) & ~7) + 8
        flags = self._p[field] if present & 2 and field < end else 0
        if flags & 0x40:
            raise DamagedError
        return self.wifi(end, padded=bool(flags & 0x20))

    def prism(self, at: int) -> Head:
        """Prism or AVS headers before 802.11."""
        self._need(at + 8)
        big = self._u32(at) >> 12 == 0x80211 or not self._p[at]
        size = self._u32(at + 4) if big else self._le32(at + 4)
        if size < 8:
            raise DamagedError
        self._need(at + size)
        return self.wifi(at + size)

    def ppi(self, at: int) -> Head:
        self._need(at + 8)
        size = self._le16(at + 2)
        if size < 8:
            raise DamagedError
        self._need(at + size)
        return self.link(self._le32(at + 4), at + size)

    def pktap(self, at: int) -> Head:
        self._need(at + 12)
        size = self._le32(at)
        if size < 12:
            raise DamagedError
        self._need(at + size)
        if self._le32(at + 4) != 1:
            return Head(network=at + size)
        return self.link(self._le32(at + 8), at + size)

    def nflog(self, at: int) -> Head:
        """Netfilter's log: fields of length and kind in the byte order of the host, and among them the packet."""
        self._need(at + 8)
        if self._p[at + 1]:
            raise DamagedError
        field = at + 4
        number = self._u16 if self._le16(field) > self._u16(field) else self._le16
        head = Head(ether_type=family_type(self._p[at]))
        for _ in range(64):
            self._need(field + 4)
            size, kind, value = number(field), number(field + 2) & 0x7FFF, field + 4
            if size < 4:
                raise DamagedError
            if kind == 9:
                head.network = value
                return self._inner(head)
            self._need(field + size)
            if kind == 1 and size >= 6 and not head.ether_type:
                head.ether_type = self._u16(value)
            if kind == 8 and size >= 14 and self._u16(value) == 6 and head.dst is None:
                head.src = self._mac(value + 4)
            if kind == 16 and size == 18:
                head.dst, head.src = self._mac(value), self._mac(value + 6)
            field += (size + 3) & ~3
        raise DamagedError

    # --- between link and network ---

    def _inner(self, head: Head) -> Head:
        """Step over everything that stands between a link header and the network layer."""
        tags = 0
        for _ in range(MAX_LAYERS):
            at, kind = head.network, head.ether_type
            if kind in VLAN_TAGS:
                if tags == MAX_TAGS:
                    raise DamagedError
                tags += 1
                self._follow(head, 2)
                continue
            if kind in (IPV4, IPV6, ARP):
                return head
            if kind == PPPOE_SESSION:
                head.network += 6
                return self._ppp_protocol(head)
            if kind in (MPLS, MPLS_MULTICAST):
                return self._labels(head)
            if kind == TRANSPARENT:
                return self.ethernet(at)
            if kind == BACKBONE:
                return self.ethernet(at + 4)
            if kind == BATMAN:
                return self._batman(head)
            if kind == TRILL:
                self._need(at + 6)
                return self.ethernet(at + 6 + ((self._p[at] & 7) << 2 | self._p[at + 1] >> 6) * 4)
            if kind == SERVICE_HEADER:
                self._need(at + 8)
                size, following = (self._p[at + 1] & 63) * 4, self._p[at + 3]
                if size < 8:
                    raise DamagedError
                if following == 3:
                    return self.ethernet(at + size)
                head.network += size
                head.ether_type = {1: IPV4, 2: IPV6, 5: MPLS}.get(following, 0)
                if not head.ether_type:
                    return head
                continue
            if kind == MACSEC:
                self._need(at + 1)
                if self._p[at] & 0x0C:
                    raise EncryptedError
                self._follow(head, 14 if self._p[at] & 0x20 else 6)
                continue
            if kind in (VN_TAG, HSR, CISCO_METADATA):
                self._follow(head, 6 if kind == CISCO_METADATA else 4)
                continue
            if kind < 0x600 and self._cap >= at + 8 and self._is_snap(at):
                self._follow(head, 6)
                continue
            size = self._switch_tag(at - 2) if head.dst is not None else 0
            if not size:
                head.other = kind >= 0x600 and kind not in PLAIN
                return head
            head.ether_type = self._u16(at - 2 + size)
            head.network += size
        raise DamagedError

    def _follow(self, head: Head, size: int) -> None:
        """Go on with the type that stands behind `size` bytes."""
        self._need(head.network + size + 2)
        head.ether_type = self._u16(head.network + size)
        head.network += size + 2

    def _is_snap(self, at: int) -> bool:
        return bytes(self._p[at : at + 6]) in (b"\xaa\xaa\x03\0\0\0", b"\xaa\xaa\x03\0\0\xf8")

    def _ppp_protocol(self, head: Head) -> Head:
        at = head.network
        self._need(at + 2)
        short = self._p[at] & 1
        protocol = self._p[at] if short else self._u16(at)
        head.ether_type = {0x21: IPV4, 0x57: IPV6}.get(protocol, 0)
        head.network += 1 if short else 2
        return head

    def _labels(self, head: Head) -> Head:
        at = head.network
        for _ in range(MAX_TAGS):
            self._need(at + 4)
            at += 4
            if self._p[at - 2] & 1:
                break
        else:
            raise DamagedError
        self._need(at + 1)
        version = self._p[at] >> 4
        if version in (4, 6):
            head.network, head.ether_type = at, IPV4 if version == 4 else IPV6
            return head
        return self.ethernet(at if version else at + 4)  # a pseudowire, with or without a control word

    def _batman(self, head: Head) -> Head:
        at = head.network
        self._need(at + 10)
        size = {0x40: 10, 0x42: 18, 0x01: 14}.get(self._p[at])
        if self._p[at + 1] != 15 or size is None:
            head.ether_type = 0
            return head
        return self.ethernet(at + size)

    def _plausible(self, kind: int, at: int) -> bool:
        """Return whether a header that we decode stands at `at`, if its type says so."""
        p, cap = self._p, self._cap
        if kind == IPV4 and cap >= at + 20:
            header, total = (p[at] & 15) * 4, self._u16(at + 2)
            return p[at] >> 4 == 4 and header >= 20 and header <= total <= self._wire - at and p[at + 8] > 0
        if kind == IPV6 and cap >= at + 40:
            return p[at] >> 4 == 6 and at + 40 + self._u16(at + 4) <= self._wire and p[at + 7] > 0
        if kind == ARP and cap >= at + 8:
            return bytes(p[at : at + 6]) == b"\0\1\x08\0\6\4"
        if kind in VLAN_TAGS and cap >= at + 4 and self._u16(at + 2) not in VLAN_TAGS:
            return self._plausible(self._u16(at + 2), at + 4)
        return False

    def _switch_tag(self, at: int) -> int:
        """Return the length of a switch's tag (2, 4, 6 or 8 bytes) before the type, or 0."""
        for skip in (2, 4, 6, 8):
            if self._cap >= at + skip + 2 and self._plausible(self._u16(at + skip), at + skip + 2):
                return skip
        return 0

    # --- tunnels ---

    def tunnel(self, proto: int, at: int, port: int) -> Head | None:
        """See `peel`."""
        match proto:
            case 4:
                return self._without_mac(IPV4, at)
            case 41:
                return self._without_mac(IPV6, at)
            case 47:
                return self._gre(at)
            case 97:
                self._need(at + 2)
                return self.ethernet(at + 2) if self._u16(at) == 0x3000 else None
            case 137:
                return self._without_mac(MPLS, at)
        if port == TZSP:
            return self._tzsp(at)
        self._need(at + 8)
        if port == GENEVE:
            if self._p[at] >> 6:
                return None
            body, kind = at + 8 + (self._p[at] & 63) * 4, self._u16(at + 2)
            return self.ethernet(body) if kind == TRANSPARENT else self._without_mac(kind, body)
        if not self._p[at] & 8:
            return None
        following = self._p[at + 3]
        if port != VXLAN_GENERIC or following == 3:
            return self.ethernet(at + 8)
        return self._without_mac(IPV4 if following == 1 else IPV6, at + 8) if following in (1, 2) else None

    def _without_mac(self, kind: int, at: int) -> Head | None:
        head = self._inner(Head(ether_type=kind, network=at))
        return head if head.ether_type in (IPV4, IPV6) or head.dst is not None else None

    def _gre(self, at: int) -> Head | None:
        self._need(at + 4)
        flags, kind = struct.unpack_from(">HH", self._p, at)
        version = flags & 7
        if flags & 0x4000 or version > 1:
            return None
        body = at + 4 + 4 * sum(flags & flag > 0 for flag in (0x8000, 0x2000, 0x1000))
        if version == 1:  # PPTP
            body += 4 if flags & 0x0080 else 0
            if kind != 0x880B:
                return None
            head = self.ppp(body)
            return head if head.ether_type else None
        if kind == 0x88BE:  # ERSPAN II, or I
            return self.ethernet(body + (8 if flags & 0x1000 else 0))
        if kind == 0x22EB:  # ERSPAN III
            self._need(body + 12)
            payload, frame = self._p[body + 10] >> 2 & 31, body + 12 + (8 if self._p[body + 11] & 1 else 0)
            if payload == 2:
                self._need(frame + 1)
                return self._without_mac(IPV6 if self._p[frame] >> 4 == 6 else IPV4, frame)
            return self.ethernet(frame) if payload == 0 else None
        return self.ethernet(body) if kind == TRANSPARENT else self._without_mac(kind, body)

    def _tzsp(self, at: int) -> Head | None:
        self._need(at + 4)
        if self._p[at] != 1 or self._p[at + 1] > 1:
            return None
        kind = self._u16(at + 2)
        at += 4
        for _ in range(64):
            self._need(at + 1)
            if self._p[at] == 1:
                return self.link({1: 1, 18: 105, 119: 119, 127: 163}.get(kind, -1), at + 1)
            if not self._p[at]:
                at += 1
                continue
            self._need(at + 2)
            at += 2 + self._p[at + 1]
        return None


_LINKS: Final[Mapping[int, Callable[[_Walk, int], Head]]] = {
    0: _Walk.loopback,
    1: _Walk.ethernet,
    9: _Walk.ppp,
    12: _Walk.raw_ip,
    14: _Walk.raw_ip,
    50: _Walk.ppp,
    51: _Walk.pppoe,
    101: _Walk.raw_ip,
    104: _Walk.cisco_hdlc,
    105: _Walk.wifi,
    108: _Walk.loopback,
    109: _Walk.openbsd_ipsec,
    113: _Walk.cooked,
    117: _Walk.pf_log,
    119: _Walk.prism,
    127: _Walk.radiotap,
    163: _Walk.prism,
    166: _Walk.ppp_with_direction,
    192: _Walk.ppi,
    204: _Walk.ppp_with_direction,
    228: _Walk.raw_ip,
    229: _Walk.raw_ip,
    239: _Walk.nflog,
    240: _Walk.ethernet_behind_4,
    258: _Walk.pktap,
    276: _Walk.cooked2,
    281: _Walk.tagged_4,
    282: _Walk.ethernet_behind_4,
    284: _Walk.tagged_4,
    285: _Walk.tagged_8,
}
#: The link types that are decoded.
LINK_TYPES: Final = frozenset(_LINKS)
