"""Numbers of the protocols on the wire, each once, and the table of the identity protocols.

The kernel's filter (`sniffer.capture.live.bpf`), the row masks and the dissector (`sniffer.decode`) and the header of
the compiled piece (`sniffer/decode/_protocols.h`, written by `tools/make_c_header.py`) are made from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.model.addresses import PROTO_ICMPV6, PROTO_TCP, PROTO_UDP, U8

#: EtherTypes (IEEE 802 numbers).
ETHER_IPV4, ETHER_ARP, ETHER_IPV6, ETHER_PPPOE = 0x0800, 0x0806, 0x86DD, 0x8864
#: Tags in front of an EtherType: 802.1Q, 802.1ad, and the two that vendors used for QinQ before that.
VLAN_TAGS = (0x8100, 0x88A8, 0x9100, 0x9200)

#: Flags of TCP (RFC 9293, 3.1).
TCP_FIN, TCP_SYN, TCP_RST, TCP_PSH, TCP_ACK = 0x01, 0x02, 0x04, 0x08, 0x10

#: Content types of TLS records (RFC 8446, 5.1), and the handshake message that begins a connection.
TLS_HANDSHAKE, TLS_APPLICATION_DATA = 22, 23
TLS_CLIENT_HELLO = 1
#: Bytes of a record's header: content type, version, length.
TLS_HEADER_BYTES = 5

PORT_DNS, PORT_MDNS, PORT_SSDP, PORT_HTTPS, PORT_DNS_OVER_TLS = 53, 5353, 1900, 443, 853
DHCP_PORTS, DHCPV6_PORTS = (67, 68), (546, 547)
#: Rendezvous port of the peer-to-peer library PPPP in cameras of many makers.
PORT_PPPP = 32100
#: Discovery port of Xiaodu (Baidu) speakers.
PORT_XIAODU_DISCOVERY = 19704

#: Least payload of a datagram with a client's Initial packet, in bytes (RFC 9000, 14.1; gQUIC padded its hello too).
QUIC_INITIAL_BYTES = 1200
#: Version 2 of QUIC, whose packet types have other numbers (RFC 9369, 3.2).
QUIC_V2 = 0x6B33_43CF
#: The other versions whose Initial packets can be opened, as ranges: 1, drafts 23 to 34, Q050, T050 and T051, and two
#: of Facebook's.
QUIC_VERSIONS = (
    (1, 1),
    (0xFF00_0017, 0xFF00_0022),
    (0x5130_3530, 0x5130_3530),
    (0x5430_3530, 0x5430_3531),
    (0xFACE_B002, 0xFACE_B002),
    (0xFACE_B00E, 0xFACE_B00E),
)
#: First half of the version of gQUIC before Q050: `Q0`.
GQUIC_MARK = 0x5130


@dataclass(frozen=True, slots=True)
class Field:
    """A big-endian number of `width` bytes in the transport payload that, masked, lies in one of `ranges`."""

    offset: int
    width: int
    ranges: tuple[tuple[int, int], ...]
    mask: int = 0xFFFF_FFFF

    @property
    def end(self) -> int:
        """Bytes of payload that must have been captured to read it."""
        return self.offset + self.width


@dataclass(frozen=True, slots=True)
class IdentityProtocol:
    """A protocol by which a host shows who it is, or whom it wants.

    By EtherType (`proto` 0), else by IP protocol and either `ports` (at one end) or all of `fields`, in a payload of at
    least `least` bytes on the wire. Of `sampled` ones a host shows more the more it is used: they are read until it is
    known, and then now and then.
    """

    name: str
    proto: int = 0
    ether_type: int = 0
    ports: tuple[int, ...] = ()
    fields: tuple[Field, ...] = ()
    least: int = 0
    sampled: bool = False


def _is(offset: int, value: int, width: int = 1) -> Field:
    return Field(offset, width, ((value, value),))


IDENTITY = (
    IdentityProtocol("arp", ether_type=ETHER_ARP),
    # Router and neighbour solicitations and advertisements, and redirects (RFC 4861, 4).
    IdentityProtocol("neighbour", PROTO_ICMPV6, fields=(Field(0, 1, ((133, 137),)),)),
    IdentityProtocol("dns", PROTO_UDP, ports=(PORT_DNS,), sampled=True),
    IdentityProtocol("dns.tcp", PROTO_TCP, ports=(PORT_DNS,), sampled=True),
    IdentityProtocol("dhcp", PROTO_UDP, ports=DHCP_PORTS),
    IdentityProtocol("dhcpv6", PROTO_UDP, ports=DHCPV6_PORTS),
    IdentityProtocol("mdns", PROTO_UDP, ports=(PORT_MDNS,), sampled=True),
    IdentityProtocol("ssdp", PROTO_UDP, ports=(PORT_SSDP,)),
    IdentityProtocol("pppp", PROTO_UDP, ports=(PORT_PPPP,)),
    IdentityProtocol("discovery", PROTO_UDP, ports=(PORT_XIAODU_DISCOVERY,)),
    # A handshake record (type, major version) whose first message, behind its length, is a ClientHello.
    IdentityProtocol(
        "hello", PROTO_TCP, fields=(_is(0, TLS_HANDSHAKE << 8 | 3, 2), _is(5, TLS_CLIENT_HELLO)), sampled=True
    ),
    # A long header of an Initial packet (RFC 9000, 17.2.2), and a version that is known.
    IdentityProtocol(
        "quic",
        PROTO_UDP,
        fields=(Field(0, 1, ((0xC0, 0xC0),), mask=0xF0), Field(1, 4, QUIC_VERSIONS)),
        least=QUIC_INITIAL_BYTES,
        sampled=True,
    ),
    IdentityProtocol(
        "quic.2",
        PROTO_UDP,
        fields=(Field(0, 1, ((0xD0, 0xD0),), mask=0xF0), _is(1, QUIC_V2, 4)),
        least=QUIC_INITIAL_BYTES,
        sampled=True,
    ),
    # The version of gQUIC stands behind the flags, or behind the flags and a connection id of eight bytes.
    IdentityProtocol("gquic", PROTO_UDP, fields=(_is(1, GQUIC_MARK, 2),), least=QUIC_INITIAL_BYTES, sampled=True),
    IdentityProtocol("gquic.id", PROTO_UDP, fields=(_is(9, GQUIC_MARK, 2),), least=QUIC_INITIAL_BYTES, sampled=True),
)


def begins_tls_record(kind: U8, major: U8, minor: U8) -> npt.NDArray[np.bool_]:
    """Whether the first three bytes of each payload can be those of a TLS record: type 20 to 24, version 3.0 to 3.4."""
    return np.asarray((kind >= 20) & (kind <= 24) & (major == 3) & (minor <= 4), dtype=np.bool_)


def identity_ports(proto: int, *, sampled: bool | None = None) -> tuple[int, ...]:
    """The ports of the identity protocols over one IP protocol: of all, or of those that are `sampled`, or are not."""
    return tuple(port for protocol in _over(proto, sampled) for port in protocol.ports)


def identity_shapes(proto: int, *, sampled: bool | None = None) -> tuple[IdentityProtocol, ...]:
    """The identity protocols over one IP protocol that are known by their content: all, or those that are `sampled`,
    or are not."""
    return tuple(protocol for protocol in _over(proto, sampled) if protocol.fields)


def _over(proto: int, sampled: bool | None) -> tuple[IdentityProtocol, ...]:
    return tuple(found for found in IDENTITY if found.proto == proto and sampled in (None, found.sampled))
