"""The kernel's filter: which packets reach us at all, compiled to classic BPF.

The program answers with the number of bytes to keep. In this order:

1. a packet *from* a watched device is kept whole (a ClientHello may fill two segments; TLS record headers are
   anywhere),
2. the identity protocols of every host (`sniffer.model.protocols.IDENTITY`) are kept whole,
3. a packet *to* a watched device is kept up to the snap length,
4. everything else is dropped.

MAC addresses are found by binary search: on their lower 32 bits, which differ even where a vendor's prefix is shared,
then on the upper 16. All jumps of BPF lead forward, so the program is built from its end to its start: every target is
already there, and where it is further than a conditional jump reaches (255), an unconditional one is put in between.

Reading past the end of a packet drops it, so each load is guarded by the packet's length.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from sniffer.model import PROTO_ICMPV6, PROTO_TCP, PROTO_UDP
from sniffer.model.protocols import (
    ETHER_IPV4,
    ETHER_IPV6,
    IDENTITY,
    VLAN_TAGS,
    Field,
    IdentityProtocol,
    identity_ports,
    identity_shapes,
)

#: The kernel takes no more instructions than this (include/uapi/linux/bpf_common.h).
BPF_MAXINSNS = 4096
#: What a conditional jump reaches.
MAX_JUMP = 255
#: Instructions of `not_forged`.
FORGED_INSNS = 7
#: Devices of which a program holds at least so many, whatever their addresses.
ROOM = 500
#: Bits that may be left out at the end of each address, one after the other: the last leaves the maker's prefix.
WIDENING = (0, 4, 8, 12, 16, 20, 24)
#: Comparisons of a search that end in a row instead of a tree: fewer instructions, hardly more time.
BUCKET = 4

# Instruction codes: class | size or operation | mode or source (linux/bpf_common.h).
LD_W_ABS, LD_H_ABS, LD_B_ABS = 0x20, 0x28, 0x30
LD_W_IND, LD_H_IND, LD_B_IND = 0x40, 0x48, 0x50
LD_W_LEN = 0x80
LDX_MSH = 0xB1
AND_K, RSH_K, ADD_X, SUB_X = 0x54, 0x74, 0x0C, 0x1C
JA, JEQ_K, JGT_K, JGE_K, JSET_K = 0x05, 0x15, 0x25, 0x35, 0x45
TAX, TXA = 0x07, 0x87
RET_K = 0x06

#: Where the kernel says whether a packet arrives or leaves (SKF_AD_OFF + SKF_AD_PKTTYPE, linux/filter.h).
_PACKET_TYPE = 0xFFFF_F000 + 4

ETHER_HEADER = 14
#: Tags that are left in the frame: the kernel strips the outermost one, a second (QinQ) stays.
MAX_VLAN_TAGS = 2
#: The IP protocol GRE, and the UDP ports of VXLAN (three), Geneve and TZSP.
PROTO_GRE = 47
TUNNEL_PORTS = (4789, 8472, 4790, 6081, 37008)
#: Length of a UDP header, and where the length of the datagram stands in it.
UDP_HEADER, UDP_LENGTH = 8, 4


class Instruction(NamedTuple):
    """One `struct sock_filter`."""

    code: int
    jump_true: int
    jump_false: int
    k: int


Program = Sequence[Instruction]


class _Builder:
    """A program that grows from its end. A label is a distance from the end; labels never change."""

    def __init__(self) -> None:
        self._reversed: list[Instruction] = []
        self._bridges: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._reversed)

    def finish(self) -> tuple[Instruction, ...]:
        return tuple(reversed(self._reversed))

    def ret(self, k: int) -> int:
        return self._put(RET_K, k)

    def op(self, code: int, k: int, then: int) -> int:
        """An instruction that falls through to `then`."""
        if then != len(self._reversed):
            self._put(JA, len(self._reversed) - then)
        return self._put(code, k)

    def branch(self, code: int, k: int, yes: int, no: int) -> int:
        """A comparison of the accumulator with `k`."""
        yes, no = self._near(yes), self._near(no)
        # Bridging `no` may have moved us one further away from `yes`: `_near` leaves room for that.
        here = len(self._reversed)
        return self._put(code, k, here - yes, here - no)

    def _put(self, code: int, k: int, jump_true: int = 0, jump_false: int = 0) -> int:
        self._reversed.append(Instruction(code, jump_true, jump_false, k))
        return len(self._reversed)

    def _near(self, label: int) -> int:
        for candidate in (label, self._bridges.get(label, 0)):
            if candidate and len(self._reversed) - candidate < MAX_JUMP - 1:
                return candidate
        self._bridges[label] = self._put(JA, len(self._reversed) - label)
        return self._bridges[label]


def compile_filter(
    keys: Iterable[int], snap_length: int, full_length: int, most: int = BPF_MAXINSNS
) -> tuple[Instruction, ...]:
    """Compile the program for Ethernet frames of the devices with these MAC addresses.

    Keys that are no MAC addresses are passed over. A program holds `ROOM` devices. Where there are more, the last bits
    of the addresses are left out of the comparison, as few as possible: the packets of these devices all pass, and
    those of a few others with them. The same is done where the program would have over `most` instructions. Raises
    ValueError where not even the makers' prefixes fit.
    """
    macs = {key for key in keys if key < 1 << 48}
    for left_out in WIDENING:
        code = _Builder()
        drop, whole = code.ret(0), code.ret(full_length)
        label = drop
        known = sorted({mac >> left_out << left_out for mac in macs})
        if known:
            label = _search(code, known, left_out, 0, code.ret(snap_length), drop)
        label = _identity(code, whole, label)
        if known:
            label = _search(code, known, left_out, 6, whole, label)
        if len(code) <= most:
            return code.finish()
    raise ValueError(f"{len(macs)} devices of {len(known)} makers do not fit into the kernel's filter")


def pass_all(length: int) -> tuple[Instruction, ...]:
    """Every packet, up to `length` bytes: for links without MAC addresses, and where no other program fits."""
    return (Instruction(RET_K, 0, 0, length),)


def not_forged(own: int) -> tuple[Instruction, ...]:
    """What stands before a program on the router of a network, whose MAC address is `own`: frames with that address
    which arrive instead of leaving were made by another host, and are dropped."""
    outgoing = 4  # PACKET_OUTGOING (linux/if_packet.h)
    return (
        Instruction(LD_W_ABS, 0, 0, _PACKET_TYPE),
        Instruction(JEQ_K, 5, 0, outgoing),
        Instruction(LD_W_ABS, 0, 0, 8),
        Instruction(JEQ_K, 0, 3, own & 0xFFFF_FFFF),
        Instruction(LD_H_ABS, 0, 0, 6),
        Instruction(JEQ_K, 0, 1, own >> 32),
        Instruction(RET_K, 0, 0, 0),
    )


def tunnel_filter(sender: str, full_length: int) -> tuple[Instruction, ...]:
    """Compile the program for what `sender`, an IP address, mirrors to this machine: GRE (with ERSPAN in it), VXLAN,
    Geneve and TZSP, whole. Raises ValueError for no address."""
    address = ip_address(sender)
    code = _Builder()
    drop, whole = code.ret(0), code.ret(full_length)
    at = ETHER_HEADER
    ports = drop
    for port in TUNNEL_PORTS:
        ports = code.branch(JEQ_K, port, whole, ports)
    if address.version == 4:
        # The destination port stands behind a header of variable length; fragments but the first have none.
        udp = code.op(LDX_MSH, at, code.op(LD_H_IND, at + 2, ports))
        udp = code.op(LD_H_ABS, at + 6, code.branch(JSET_K, 0x1FFF, whole, udp))
        protocol, source, ether_type = at + 9, at + 12, ETHER_IPV4
    else:
        udp = code.op(LD_H_ABS, at + 42, ports)
        protocol, source, ether_type = at + 6, at + 8, ETHER_IPV6
    label = code.branch(JEQ_K, PROTO_GRE, whole, code.branch(JEQ_K, PROTO_UDP, udp, drop))
    label = code.op(LD_B_ABS, protocol, label)
    for number in reversed(range(0, len(address.packed), 4)):
        word = int.from_bytes(address.packed[number : number + 4], "big")
        label = code.op(LD_W_ABS, source + number, code.branch(JEQ_K, word, label, drop))
    code.op(LD_H_ABS, 12, code.branch(JEQ_K, ether_type, label, drop))
    return code.finish()


def pack(program: Program) -> bytes:
    """The program as an array of `struct sock_filter`."""
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def listing(program: Program) -> str:
    """The program as `tcpdump -ddd` prints it, without the count in its first line."""
    return "\n".join(" ".join(map(str, instruction)) for instruction in program)


# --- MAC addresses -------------------------------------------------------------------------------------------------


def _search(code: _Builder, macs: Sequence[int], left_out: int, offset: int, found: int, missed: int) -> int:
    """Is the address at `offset`, without its last bits, one of these (sorted)? The upper 16 bits wait in X while the
    lower 32 are in A."""
    by_lower: dict[int, list[int]] = {}
    for mac in macs:
        by_lower.setdefault(mac & 0xFFFF_FFFF, []).append(mac >> 32)
    tree = _tree(code, sorted(by_lower.items()), found, missed)
    if left_out:
        tree = code.op(AND_K, 0xFFFF_FFFF >> left_out << left_out, tree)
    return code.op(LD_H_ABS, offset, code.op(TAX, 0, code.op(LD_W_ABS, offset + 2, tree)))


def _tree(code: _Builder, items: Sequence[tuple[int, list[int]]], found: int, missed: int) -> int:
    if len(items) > BUCKET:
        middle = len(items) // 2
        above = _tree(code, items[middle:], found, missed)
        below = _tree(code, items[:middle], found, missed)
        return code.branch(JGE_K, items[middle][0], above, below)
    label = missed
    for lower, uppers in reversed(items):
        otherwise = label
        matched = missed
        for upper in uppers:
            matched = code.branch(JEQ_K, upper, found, matched)
        label = code.branch(JEQ_K, lower, code.op(TXA, 0, matched), otherwise)
    return label


# --- identity protocols ----------------------------------------------------------------------------------------------


def _identity(code: _Builder, whole: int, other: int) -> int:
    """Is it one of the protocols that tell who a host is? Tags are looked through, each depth with code of its own."""
    label = other
    for tags in range(MAX_VLAN_TAGS, -1, -1):
        base = 4 * tags
        tagged, label = label, other
        if tags < MAX_VLAN_TAGS:
            for vlan in VLAN_TAGS:
                label = code.branch(JEQ_K, vlan, tagged, label)
        for protocol in IDENTITY:
            if not protocol.proto:
                label = code.branch(JEQ_K, protocol.ether_type, whole, label)
        v6 = _ipv6(code, base, whole, other)
        label = code.branch(JEQ_K, ETHER_IPV6, v6, label)
        v4 = _ipv4(code, base, whole, other)
        label = code.branch(JEQ_K, ETHER_IPV4, v4, label)
        label = code.op(LD_H_ABS, base + 12, label)
        if tags:
            label = _long_enough(code, base + ETHER_HEADER, label, other)
    return label


def _ipv4(code: _Builder, base: int, whole: int, other: int) -> int:
    """Ports and payload are behind a header of variable length, held in X; fragments but the first have neither."""
    at = base + ETHER_HEADER
    udp = _udp(code, at, whole, other, indexed=True)
    tcp = _tcp(code, at, whole, other, indexed=True)
    starts = [
        code.op(LD_H_ABS, at + 6, code.branch(JSET_K, 0x1FFF, other, code.op(LDX_MSH, at, body))) for body in (udp, tcp)
    ]
    label = code.branch(JEQ_K, PROTO_TCP, starts[1], other)
    label = code.branch(JEQ_K, PROTO_UDP, starts[0], label)
    label = code.op(LD_B_ABS, at + 9, label)
    return _long_enough(code, at + 20, label, other)


def _ipv6(code: _Builder, base: int, whole: int, other: int) -> int:
    """No extension headers: none of the identity protocols comes with one."""
    at = base + ETHER_HEADER
    body = at + 40
    udp = _udp(code, body, whole, other, indexed=False)
    tcp = _tcp(code, body, whole, other, indexed=False)
    discovery = other
    for protocol in identity_shapes(PROTO_ICMPV6):
        discovery = _fields(code, protocol, body, whole, discovery, indexed=False)
    label = code.branch(JEQ_K, PROTO_ICMPV6, discovery, other)
    label = code.branch(JEQ_K, PROTO_TCP, tcp, label)
    label = code.branch(JEQ_K, PROTO_UDP, udp, label)
    label = code.op(LD_B_ABS, at + 6, label)
    return _long_enough(code, body, label, other)


def _udp(code: _Builder, at: int, whole: int, other: int, *, indexed: bool) -> int:
    half = LD_H_IND if indexed else LD_H_ABS
    label = other
    by_length: dict[int, list[IdentityProtocol]] = {}
    for protocol in identity_shapes(PROTO_UDP):
        by_length.setdefault(protocol.least, []).append(protocol)
    for least, protocols in by_length.items():
        shaped = label
        for protocol in reversed(protocols):
            shaped = _fields(code, protocol, at + UDP_HEADER, whole, shaped, indexed=indexed)
        label = code.op(half, at + UDP_LENGTH, code.branch(JGE_K, least + UDP_HEADER, shaped, label))
    label = _ports(code, PROTO_UDP, at, whole, label, indexed=indexed)
    return _long_enough(code, at + UDP_HEADER, label, other, indexed=indexed)


def _tcp(code: _Builder, at: int, whole: int, other: int, *, indexed: bool) -> int:
    byte = LD_B_IND if indexed else LD_B_ABS
    label = other
    for protocol in reversed(identity_shapes(PROTO_TCP)):
        label = _fields(code, protocol, at, whole, label, indexed=True)
    # The payload is behind a header of variable length: X is moved on by that.
    label = code.op(TAX, 0, label)
    if indexed:
        label = code.op(ADD_X, 0, label)
    label = code.op(byte, at + 12, code.op(AND_K, 0xF0, code.op(RSH_K, 2, label)))
    label = _ports(code, PROTO_TCP, at, whole, label, indexed=indexed)
    return _long_enough(code, at + 20, label, other, indexed=indexed)


def _ports(code: _Builder, proto: int, at: int, whole: int, otherwise: int, *, indexed: bool) -> int:
    """Is either port one of an identity protocol?"""
    half = LD_H_IND if indexed else LD_H_ABS
    label = otherwise
    for offset in (2, 0):
        for port in identity_ports(proto):
            label = code.branch(JEQ_K, port, whole, label)
        label = code.op(half, at + offset, label)
    return label


def _fields(code: _Builder, protocol: IdentityProtocol, at: int, found: int, missed: int, *, indexed: bool) -> int:
    """Has the payload at `at` (beyond X where indexed) all fields of a protocol?"""
    label = found
    for field in reversed(protocol.fields):
        label = _field(code, field, at, label, missed, indexed=indexed)
    return _long_enough(code, at + max(field.end for field in protocol.fields), label, missed, indexed=indexed)


def _field(code: _Builder, field: Field, at: int, found: int, missed: int, *, indexed: bool) -> int:
    label = missed
    for low, high in reversed(field.ranges):
        if low == high:
            label = code.branch(JEQ_K, low, found, label)
        else:
            label = code.branch(JGE_K, low, code.branch(JGT_K, high, label, found), label)
    if field.mask & (every := (1 << 8 * field.width) - 1) != every:
        label = code.op(AND_K, field.mask & every, label)
    loads = {1: (LD_B_ABS, LD_B_IND), 2: (LD_H_ABS, LD_H_IND), 4: (LD_W_ABS, LD_W_IND)}
    return code.op(loads[field.width][indexed], at + field.offset, label)


def _long_enough(code: _Builder, length: int, then: int, other: int, *, indexed: bool = False) -> int:
    """Is the frame at least that long (beyond X where indexed)?"""
    label = code.branch(JGE_K, length, then, other)
    if indexed:
        # Less than nothing is left where a header claims to be longer than its frame.
        label = code.op(SUB_X, 0, code.branch(JSET_K, 0x8000_0000, other, label))
    return code.op(LD_W_LEN, 0, label)
