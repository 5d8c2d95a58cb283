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


#: What protocols are called in records (as Suricata does); others by their number.
PROTO_NAMES: Mapping[int, str] = {
    PROTO_ICMP: "ICMP", 4: "IPv4-in-IP", PROTO_TCP: "TCP", PROTO_UDP: "UDP", 33: "DCCP", 41: "IPv6-in-IP", 47: "GRE",
    50: "ESP", 51: "AH", PROTO_ICMPV6: "IPv6-ICMP", 115: "L2TP", 132: "SCTP", 136: "UDPLite",
}  # fmt: skip


#: Upper half of an IPv4 address in the 128-bit columns is 0, the lower half `V4_MAPPED | address` (RFC 4291, 2.5.5.2).
V4_MAPPED = 0xFFFF_0000_0000


#: Where a link has no MAC address, the key of a host is made from its address: this bit, and for IPv4 the address.
KEY_FROM_ADDRESS = 1 << 63


#: Set beside `KEY_FROM_ADDRESS` for IPv6: the other 62 bits are a hash of the address.
KEY_FROM_IPV6 = 1 << 62


#: Set in the first octet of a MAC address: it names a group of hosts (IEEE 802, 8.2).
MAC_GROUP = 1 << 40


#: Multipliers of the hash for keys: splitmix64 (Steele et al., OOPSLA 2014). The first is 2^64 over the golden ratio.
MIX = (0x9E37_79B9_7F4A_7C15, 0xBF58_476D_1CE4_E5B9, 0x94D0_49BB_1331_11EB)


#: Networks of which only local hosts have addresses: RFC 1918, link-local (RFC 3927), shared (RFC 6598), and for IPv6
#: unique local (RFC 4193) and link-local (RFC 4291).
LOCAL_NETWORKS = (
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "169.254.0.0/16",
    "100.64.0.0/10",
    "fc00::/7",
    "fe80::/10",
)


def _ipv4_networks() -> tuple[tuple[int, int], ...]:
    parsed = [ipaddress.ip_network(text) for text in LOCAL_NETWORKS]
    return tuple((int(net.network_address), int(net.netmask)) for net in parsed if net.version == 4)


def _ipv6_networks() -> tuple[tuple[int, int], ...]:
    parsed = [ipaddress.ip_network(text) for text in LOCAL_NETWORKS]
    return tuple(
        (int(net.network_address) >> (128 - net.prefixlen), net.prefixlen) for net in parsed if net.version == 6
    )


#: The same as numbers: (network, mask) for IPv4, (first bits, how many bits) for IPv6.
LOCAL_IPV4, LOCAL_IPV6 = _ipv4_networks(), _ipv6_networks()


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
    return key.to_bytes(6, "big").hex(":")


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
    mixed = (high * MIX[0] + low) & mask
    mixed = ((mixed ^ (mixed >> 30)) * MIX[1]) & mask
    mixed = ((mixed ^ (mixed >> 27)) * MIX[2]) & mask
    mixed ^= mixed >> 31
    return KEY_FROM_ADDRESS | KEY_FROM_IPV6 | (mixed & (KEY_FROM_IPV6 - 1))


def address_keys(high: U64, low: U64) -> U64:
    """`address_key` in columns."""
    v4 = (high == 0) & (low >> np.uint64(32) == np.uint64(0xFFFF))
    mixed = high * np.uint64(MIX[0]) + low
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(MIX[1])
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(MIX[2])
    mixed ^= mixed >> np.uint64(31)
    v6_key = np.uint64(KEY_FROM_ADDRESS | KEY_FROM_IPV6) | (mixed & np.uint64(KEY_FROM_IPV6 - 1))
    v4_key = np.uint64(KEY_FROM_ADDRESS) | (low & np.uint64(0xFFFF_FFFF))
    return np.asarray(np.where(v4, v4_key, v6_key), dtype=np.uint64)


def local_addresses(high: U64, low: U64) -> npt.NDArray[np.bool_]:
    """Whether each address belongs to one of `LOCAL_NETWORKS`."""
    v4 = (high == 0) & (low >> np.uint64(32) == np.uint64(0xFFFF))
    inside = np.zeros(len(low), dtype=np.bool_)
    for network, mask in LOCAL_IPV4:
        inside |= low & np.uint64(mask) == np.uint64(network)
    unique = np.zeros(len(low), dtype=np.bool_)
    for first, bits in LOCAL_IPV6:
        unique |= high >> np.uint64(64 - bits) == np.uint64(first)
    return np.asarray(np.where(v4, inside, unique), dtype=np.bool_)


def is_local_address(high: int, low: int) -> bool:
    """Whether one address belongs to one of `LOCAL_NETWORKS`."""
    if high == 0 and low >> 32 == 0xFFFF:
        return any(low & mask == network for network, mask in LOCAL_IPV4)
    return any(high >> (64 - bits) == first for first, bits in LOCAL_IPV6)


def host_key(text: str) -> int:
    """The key of a host that a person wrote as a MAC or an IP address. Raises ValueError."""
    try:
        return mac_key(text)
    except ValueError:
        try:
            return address_key(*address_pair(text))
        except ValueError:
            raise ValueError(
                f"not a MAC or IP address: {text!r}; a MAC has six pairs, such as 68:db:f5:90:19:64"
            ) from None


def sorted_keys(keys: Iterable[int]) -> U64:
    """Keys as the sorted array that `Selection` wants."""
    return np.sort(np.fromiter(set(keys), dtype=np.uint64))  # np.unique loads a large module
