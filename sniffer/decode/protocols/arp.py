"""Which address belongs to which MAC: ARP (RFC 826) and IPv6 neighbour discovery (RFC 4861)."""

from __future__ import annotations

import struct

from sniffer.decode.protocols.text import Buffer
from sniffer.model import V4_MAPPED

SOLICITATION, ADVERTISEMENT, ROUTER = 135, 136, 134

Binding = tuple[int, tuple[int, int]]


def parse_arp(data: Buffer) -> Binding | None:
    """The sender of an ARP message: its MAC as a key, and its address; None for probes and what is not ARP."""
    if len(data) < 28 or bytes(data[:6]) != b"\x00\x01\x08\x00\x06\x04":
        return None
    mac = int.from_bytes(data[8:14], "big")
    address = int.from_bytes(data[14:18], "big")
    if not mac or mac >> 40 & 1 or not address:
        return None
    return mac, (0, V4_MAPPED | address)


def parse_neighbour(data: Buffer, eth_src: int, source: tuple[int, int]) -> Binding | None:
    """The address a host claims by ICMPv6: its own in a solicitation, the target of an advertisement, or the one it
    is about to take (duplicate address detection sends from the unspecified address)."""
    if len(data) < 24 or data[0] not in (SOLICITATION, ADVERTISEMENT):
        return None
    high, low = struct.unpack_from("!QQ", data, 8)
    if data[0] == ADVERTISEMENT:
        return _option(data, 2) or eth_src, (high, low)
    if source == (0, 0):
        return eth_src, (high, low)
    return eth_src, source


def is_router(data: Buffer) -> bool:
    """A router advertisement of a default router: who sends it forwards for others. Speakers that are border routers
    of a Thread network advertise that, too, with a lifetime of 0 (RFC 4191): they forward for nobody here."""
    return len(data) >= 16 and data[0] == ROUTER and (data[6] or data[7]) != 0


def _option(data: Buffer, wanted: int) -> int:
    at = 24
    while at + 8 <= len(data):
        kind, length = data[at], data[at + 1] * 8
        if length == 0 or at + length > len(data):
            break
        if kind == wanted and length == 8:
            return int.from_bytes(data[at + 2 : at + 8], "big")
        at += length
    return 0
