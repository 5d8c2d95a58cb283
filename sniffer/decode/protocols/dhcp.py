"""What a host says of itself when it asks for an address: DHCPv4 (RFC 2131, 2132) and DHCPv6 (RFC 8415).

A parser of ours and no scapy layer: `import scapy.layers.dhcp` was measured at 45 MiB of the daemon's 100.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sniffer.decode.protocols.text import Buffer, printable
from sniffer.model import V4_MAPPED

_COOKIE = b"\x63\x82\x53\x63"
HOSTNAME, REQUESTED, MESSAGE, PARAMETERS, VENDOR, CLIENT_ID, FQDN = 12, 50, 53, 55, 60, 61, 81


@dataclass(frozen=True, slots=True)
class Dhcp:
    """`facts` are (kind, value) pairs; `client` is the MAC the message speaks for; `address` was given to it or
    is its own already."""

    client: int
    from_client: bool
    relayed: bool = False
    facts: tuple[tuple[str, str], ...] = ()
    address: tuple[int, int] | None = None


def parse(data: Buffer) -> Dhcp | None:
    """A DHCPv4 message, or None. A cut one gives the options that are whole. Never raises."""
    if len(data) < 240 or data[0] not in (1, 2) or data[1] != 1 or data[2] != 6 or bytes(data[236:240]) != _COOKIE:
        return None
    options = _options(bytes(data[240:1500]))
    facts: list[tuple[str, str]] = []
    from_client = data[0] == 1
    if from_client:
        if HOSTNAME in options:
            facts.append(("dhcp.hostname", printable(options[HOSTNAME].rstrip(b"\0"))))
        elif FQDN in options:
            facts.append(("dhcp.hostname", _fqdn(options[FQDN])))
        if VENDOR in options:
            facts.append(("dhcp.vendor_class", printable(options[VENDOR].rstrip(b"\0"))))
        if PARAMETERS in options:
            facts.append(("dhcp.parameters", ",".join(map(str, options[PARAMETERS][:64]))))
        if CLIENT_ID in options and not _is_mac(options[CLIENT_ID], data):
            facts.append(("dhcp.client_id", options[CLIENT_ID][:64].hex()))
    return Dhcp(
        client=int.from_bytes(data[28:34], "big"),
        from_client=from_client,
        relayed=any(data[24:28]),  # `giaddr`: a relay agent has sent it on
        facts=tuple((kind, value) for kind, value in facts if value),
        address=_address(data, options, from_client),
    )


def _options(data: bytes) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        kind = data[at]
        if kind == 255:
            break
        if kind == 0:
            at += 1
            continue
        if at + 2 > len(data) or at + 2 + data[at + 1] > len(data):
            break
        value = data[at + 2 : at + 2 + data[at + 1]]
        found[kind] = found.get(kind, b"") + value  # RFC 3396: a long option comes in pieces
        at += 2 + len(value)
    return found


def _address(data: Buffer, options: dict[int, bytes], from_client: bool) -> tuple[int, int] | None:
    """`ciaddr` of a client is its own; `yiaddr` counts only once the server acknowledges it."""
    message = options.get(MESSAGE, b"")
    if not from_client and message != b"\x05":
        return None
    start = 12 if from_client else 16
    address = int.from_bytes(data[start : start + 4], "big")
    return (0, V4_MAPPED | address) if address else None


def _is_mac(value: bytes, data: Buffer) -> bool:
    """The usual client id says nothing new: the hardware type and the MAC."""
    return value == b"\x01" + bytes(data[28:34])


def _fqdn(value: bytes) -> str:
    if len(value) < 4:
        return ""
    name = value[3:]
    if value[0] & 4:  # in the format of DNS
        labels, at = [], 0
        while at < len(name) and name[at] and name[at] < 64:
            labels.append(name[at + 1 : at + 1 + name[at]])
            at += 1 + name[at]
        name = b".".join(labels)
    return printable(name.rstrip(b"\0."))


def parse_v6(data: Buffer) -> tuple[tuple[str, str], ...]:
    """The facts a DHCPv6 client tells: vendor class, requested options, its DUID, its name. Never raises."""
    if len(data) < 4 or data[0] not in (1, 3, 4, 5, 6, 8, 9, 11):
        return ()
    facts: list[tuple[str, str]] = []
    raw = bytes(data[4:1500])
    at = 0
    while at + 4 <= len(raw):
        kind, length = struct.unpack_from("!HH", raw, at)
        value = raw[at + 4 : at + 4 + length]
        if len(value) < length:
            break
        at += 4 + length
        if kind == 1:
            facts.append(("dhcp.client_id", value[:64].hex()))
        elif kind == 6:
            numbers = struct.unpack(f"!{len(value) // 2}H", value[: len(value) // 2 * 2])
            facts.append(("dhcp.parameters6", ",".join(map(str, numbers[:64]))))
        elif kind == 16 and length > 6:
            facts.append(("dhcp.vendor_class", printable(value[6:])))
        elif kind == 39 and length > 1:
            facts.append(("dhcp.hostname", _fqdn(b"\4\0\0" + value[1:])))
    return tuple((kind_, value_) for kind_, value_ in facts if value_)
