"""Addresses, host keys and protocol numbers."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


I32 = npt.NDArray[np.int32]


U64 = npt.NDArray[np.uint64]


U32 = npt.NDArray[np.uint32]


U16 = npt.NDArray[np.uint16]


U8 = npt.NDArray[np.uint8]


PROTO_ICMP = 1


PROTO_TCP = 6


PROTO_UDP = 17


PROTO_ICMPV6 = 58


PROTO_NAMES: Mapping[int, str] = {PROTO_ICMP: "ICMP", PROTO_TCP: "TCP", PROTO_UDP: "UDP", PROTO_ICMPV6: "IPv6-ICMP"}


#: Upper half of an IPv4 address in the 128-bit columns is 0, the lower half `V4_MAPPED | address` (RFC 4291, 2.5.5.2).
V4_MAPPED = 0xFFFF_0000_0000


#: Where a link has no MAC address, the key of a host is made from its address: this bit, and for IPv4 the address.
KEY_FROM_ADDRESS = 1 << 63


#: Set beside `KEY_FROM_ADDRESS` for IPv6: the other 62 bits are a hash of the address.
KEY_FROM_IPV6 = 1 << 62


def mac_key(text: str) -> int:
    """The 48-bit key of a MAC address written `aa:bb:cc:dd:ee:ff` (also `aa-bb-..`, `aabb.ccdd.eeff`, or bare). Raises
    ValueError."""
    dotted = len(text) == 14 and text[4:5] == text[9:10] == "."
    digits = (text.replace(".", "") if dotted else text).replace(":", "").replace("-", "")
    if len(digits) != 12 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"not a MAC address: {text!r}")
    return int(digits, 16)


def mac_text(key: int) -> str | None:
    """`aa:bb:cc:dd:ee:ff`, or None where the key was made from an IP address."""
    if key & KEY_FROM_ADDRESS:
        return None
    return ":".join(f"{key:012x}"[i : i + 2] for i in range(0, 12, 2))


def key_text(key: int) -> str:
    """How a host is written for people: its MAC address, its IPv4 address, or `ipv6-` and the hash."""
    mac = mac_text(key)
    if mac is not None:
        return mac
    if key & KEY_FROM_IPV6:
        return f"ipv6-{key & (KEY_FROM_IPV6 - 1):016x}"
    return str(ipaddress.IPv4Address(key & 0xFFFF_FFFF))


def address_pair(address: str) -> tuple[int, int]:
    """The two 64-bit halves of an IPv4 (mapped) or IPv6 address. Raises ValueError."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return 0, V4_MAPPED | int(parsed)
    return int(parsed) >> 64, int(parsed) & 0xFFFF_FFFF_FFFF_FFFF


def address_text(high: int, low: int) -> str:
    """The address whose two 64-bit halves are given, IPv4 where it is a mapped one."""
    high, low = int(high), int(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(low & 0xFFFF_FFFF))
    return str(ipaddress.IPv6Address(high << 64 | low))


def address_key(high: int, low: int) -> int:
    """The key of a host on a link without MAC addresses. The hash for IPv6 is splitmix64's finaliser over both
    halves (Steele et al., OOPSLA 2014): cheap in columns, and spread over all bits."""
    high, low = int(high), int(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return KEY_FROM_ADDRESS | (low & 0xFFFF_FFFF)
    mask = 0xFFFF_FFFF_FFFF_FFFF
    mixed = (high * 0x9E37_79B9_7F4A_7C15 + low) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB) & mask
    mixed ^= mixed >> 31
    return KEY_FROM_ADDRESS | KEY_FROM_IPV6 | (mixed & (KEY_FROM_IPV6 - 1))


def host_key(text: str) -> int:
    """The key of a host that a person wrote as a MAC or an IP address. Raises ValueError."""
    try:
        return mac_key(text)
    except ValueError:
        try:
            return address_key(*address_pair(text))
        except ValueError:
            raise ValueError(f"not a MAC or IP address: {text!r}") from None


def sorted_keys(keys: Iterable[int]) -> U64:
    """Keys as the sorted array that `Selection` wants."""
    return np.sort(np.fromiter(set(keys), dtype=np.uint64))  # np.unique loads a large module
