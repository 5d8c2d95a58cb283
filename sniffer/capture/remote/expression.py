"""The filter of `sniffer.capture.live.bpf` in the language of tcpdump, for machines that capture for us.

What is sent to or by watched devices, and the identity protocols of every host. Older libpcap reads `udp[...]` and
`tcp[...]` in IPv4 only, so what is known by its content is written once for each version of IP.
"""

from __future__ import annotations

from collections.abc import Iterable

from sniffer.model import PROTO_ICMPV6, PROTO_TCP, PROTO_UDP
from sniffer.model.protocols import IDENTITY, Field, IdentityProtocol

UDP_HEADER, IPV6_HEADER = 8, 40
#: Watched devices that are written one by one. Of more, all packets are captured: a long filter is refused by some.
MAX_DEVICES = 64


def filter_expression(keys: Iterable[int] | None, exclude: str = "") -> str:
    """Return the expression for these devices (None: every packet), without what `exclude` matches."""
    macs = sorted(key for key in keys if key < 1 << 48) if keys is not None else None
    wanted = ""
    if macs is not None and len(macs) <= MAX_DEVICES:
        devices = [f"ether host {mac.to_bytes(6, 'big').hex(':')}" for mac in macs]
        wanted = " or ".join([*devices, *_identity()])
    if not exclude:
        return wanted
    return f"not ({exclude}) and ({wanted})" if wanted else f"not ({exclude})"


def _identity() -> list[str]:
    found = []
    for protocol in IDENTITY:
        if not protocol.proto:
            found.append(f"ether proto 0x{protocol.ether_type:04x}")
        elif protocol.ports:
            name = "udp" if protocol.proto == PROTO_UDP else "tcp"
            found += [f"{name} port {port}" for port in protocol.ports]
        else:
            found += [f"({shape})" for shape in _shapes(protocol)]
    return found


def _shapes(protocol: IdentityProtocol) -> list[str]:
    """A protocol that is known by its content, for IPv4 and for IPv6."""
    if protocol.proto == PROTO_ICMPV6:
        return [" and ".join(["icmp6", *_fields(protocol, "ip6", str(IPV6_HEADER))])]
    if protocol.proto == PROTO_TCP:
        return [
            " and ".join(["tcp", *_fields(protocol, "tcp", "((tcp[12] & 0xf0) >> 2)")]),
            " and ".join(["ip6[6] = 6", *_fields(protocol, "ip6", f"({IPV6_HEADER} + ((ip6[52] & 0xf0) >> 2))")]),
        ]
    least = protocol.least + UDP_HEADER
    return [
        " and ".join([f"udp[4:2] >= {least}", *_fields(protocol, "udp", str(UDP_HEADER))]),
        " and ".join(
            ["ip6[6] = 17", f"ip6[44:2] >= {least}", *_fields(protocol, "ip6", str(IPV6_HEADER + UDP_HEADER))]
        ),
    ]


def _fields(protocol: IdentityProtocol, header: str, payload: str) -> list[str]:
    return [_field(field, header, payload) for field in protocol.fields]


def _field(field: Field, header: str, payload: str) -> str:
    at = str(int(payload) + field.offset) if payload.isdecimal() else f"({payload} + {field.offset})"
    value = f"{header}[{at}:{field.width}]"
    every = (1 << 8 * field.width) - 1
    if field.mask & every != every:
        value = f"({value} & 0x{field.mask & every:x})"
    ranges = [
        f"{value} = {low}" if low == high else f"({value} >= {low} and {value} <= {high})" for low, high in field.ranges
    ]
    return ranges[0] if len(ranges) == 1 else f"({' or '.join(ranges)})"
