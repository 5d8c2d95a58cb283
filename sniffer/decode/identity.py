"""Which packets say who somebody is: the protocols that name hosts, addresses and services."""

from __future__ import annotations

import numpy as np

from sniffer.decode.frames.layout import Bytes, Mask
from sniffer.decode.frames.link import ARP
from sniffer.model import I64, PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, PacketBatch

#: DNS, DHCP, DHCPv6, mDNS, SSDP, at either end of a UDP packet; DNS over TCP too.
UDP_PORTS = (53, 67, 68, 546, 547, 1900, 5353)
TCP_PORTS = (53,)
QUIC_PORT = 443
QUIC_V2 = 0x6B3343CF
#: Router and neighbour solicitations and advertisements, and redirects.
NEIGHBOUR_TYPES = (133, 137)

_UDP_TABLE = np.zeros(65_536, dtype=np.bool_)
_UDP_TABLE[list(UDP_PORTS)] = True
_TCP_TABLE = np.zeros(65_536, dtype=np.bool_)
_TCP_TABLE[list(TCP_PORTS)] = True
for _table in (_UDP_TABLE, _TCP_TABLE):
    _table.setflags(write=False)


def identity_rows(batch: PacketBatch) -> I64:
    """The rows of the identity protocols: DNS, DHCP, DHCPv6, mDNS, SSDP, ARP, IPv6 neighbour discovery, TLS
    ClientHello, QUIC Initial."""
    return np.flatnonzero(identity_mask(batch)).astype(np.int64, copy=False)


def identity_mask(batch: PacketBatch) -> Mask:
    """Whether each row is one of `identity_rows`."""
    data = Bytes(batch.data)
    mask = batch.ether_type == ARP
    udp = (batch.ip_version != 0) & (batch.proto == PROTO_UDP)
    tcp = (batch.ip_version != 0) & (batch.proto == PROTO_TCP)
    mask |= udp & (_UDP_TABLE[batch.src_port] | _UDP_TABLE[batch.dst_port])
    mask |= tcp & (_TCP_TABLE[batch.src_port] | _TCP_TABLE[batch.dst_port])

    rows = np.flatnonzero((batch.proto == PROTO_ICMPV6) & (batch.ip_version == 6) & (batch.payload_captured >= 1))
    kind = data.u8(batch.payload_offset[rows])
    mask[rows[(kind >= NEIGHBOUR_TYPES[0]) & (kind <= NEIGHBOUR_TYPES[1])]] = True

    rows = np.flatnonzero(tcp & (batch.payload_captured >= 6))
    at = batch.payload_offset[rows]
    # Handshake record (22), version 3.x, and behind the two bytes of length a ClientHello (1).
    hello = (data.u16(at) == 0x1603) & (data.u8(at + 2) <= 4) & (data.u8(at + 5) == 1)
    mask[rows[hello]] = True

    quic = udp & ((batch.src_port == QUIC_PORT) | (batch.dst_port == QUIC_PORT))
    rows = np.flatnonzero(quic & (batch.payload_captured >= 5))
    at = batch.payload_offset[rows]
    first, version = data.u8(at), data.u32(at + 1)
    initial = (first & 0xF0) == np.where(version == QUIC_V2, 0xD0, 0xC0)
    mask[rows[initial & (version != 0)]] = True
    return np.asarray(mask, dtype=np.bool_)
