"""What every packet tells of its sender, in columns: the only part of identification that sees all packets."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.identify.flow_names import Connection
from sniffer.model import (
    KEY_FROM_ADDRESS,
    KEY_FROM_IPV6,
    MAC_GROUP,
    PROTO_TCP,
    PROTO_UDP,
    V4_MAPPED,
    PacketBatch,
    address_key,
    is_local_address,
    local_addresses,
)
from sniffer.model.protocols import ETHER_IPV4, TCP_ACK, TCP_SYN

Address = tuple[int, int]
#: Link type of Ethernet, length of its header, and where an IPv4 header has its time to live.
ETHERNET, ETHERNET_HEADER, IPV4_TTL = 1, 14, 8
#: What the time to live begins with: Linux and Apple 64, Windows 128.
FIRST_TTLS = (64, 128)
_GROUP = np.uint64(MAC_GROUP)
_BY_ADDRESS = np.uint64(KEY_FROM_ADDRESS)

Mask = npt.NDArray[np.bool_]


def _is_host(batch: PacketBatch) -> Mask:
    """Senders that are hosts of this network: a MAC that is not a group's; by address only local ones."""
    source = batch.eth_src
    named: Mask = (source != 0) & (source & _GROUP == 0) & (source & _BY_ADDRESS == 0)
    by_address = source & _BY_ADDRESS != 0
    if by_address.any():
        named |= by_address & local_addresses(batch.src_high, batch.src_low)
    return named


def somebody(key: int) -> bool:
    """A key that can be a host of this network: no group, nobody's, and no IPv4 address of the Internet."""
    if key & KEY_FROM_ADDRESS:
        return bool(key & KEY_FROM_IPV6) or is_local_address(0, V4_MAPPED | (key & 0xFFFF_FFFF))
    return key != 0 and not key & MAC_GROUP


def sender_rows(batch: PacketBatch) -> Iterator[tuple[int, int, int]]:
    """Yield each sender, in the order in which they come, and the times of its first and last packet."""
    rows = np.flatnonzero(_is_host(batch))
    if len(rows):
        senders = batch.eth_src[rows]
        keys, first = np.unique(senders, return_index=True)
        last = len(rows) - 1 - np.unique(senders[::-1], return_index=True)[1]
        for index in np.argsort(first):
            yield int(keys[index]), int(batch.time_ns[rows[first[index]]]), int(batch.time_ns[rows[last[index]]])


def local_pairs(batch: PacketBatch) -> Iterator[tuple[int, Address, int]]:
    """Each local address that a sender used, and when it did so last. A router forwards public addresses under its
    own MAC, so those belong to nobody here."""
    rows = np.flatnonzero(_is_host(batch) & (batch.ip_version != 0) & local_addresses(batch.src_high, batch.src_low))
    yield from _pairs(batch, rows)


def gateway_rows(batch: PacketBatch, known: Collection[int]) -> Iterator[tuple[int, int, int]]:
    """Public IPv4 addresses that a MAC sends from, for MACs not yet known to forward."""
    public = (batch.src_low >> np.uint64(32) == np.uint64(0xFFFF)) & (batch.src_high == 0)
    mask = (
        public
        & (batch.eth_src & _BY_ADDRESS == 0)
        & (batch.eth_src != 0)
        & ~local_addresses(batch.src_high, batch.src_low)
    )
    mask &= batch.src_low & np.uint64(0xFFFF_FFFF) != 0
    if known:
        mask &= ~np.isin(batch.eth_src, np.fromiter(known, np.uint64))
    for key, (_, low), time_ns in _pairs(batch, np.flatnonzero(mask), last=False):
        yield key, low, time_ns


def handshakes(batch: PacketBatch) -> Iterator[tuple[Connection, int]]:
    """TCP connections that begin."""
    for row in np.flatnonzero((batch.proto == PROTO_TCP) & (batch.tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN)):
        address = int(batch.dst_high[row]), int(batch.dst_low[row])
        connection = int(batch.eth_src[row]), PROTO_TCP, int(batch.src_port[row]), address, int(batch.dst_port[row])
        yield connection, int(batch.time_ns[row])


def routed_rows(batch: PacketBatch) -> Iterator[tuple[int, int, int]]:
    """Yield (sender, time to live, time) of TCP connections that begin, from local hosts, with a time to live that is
    one less than what operating systems begin with: a router between has taken it."""
    mask = (batch.proto == PROTO_TCP) & (batch.tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN)
    mask &= (batch.ip_version == 4) & (batch.frame_captured >= ETHERNET_HEADER + IPV4_TTL + 1)
    if batch.link_type != ETHERNET:
        return
    rows = np.flatnonzero(mask)
    rows = rows[_is_host(batch)[rows] & local_addresses(batch.src_high, batch.src_low)[rows]] if len(rows) else rows
    if not len(rows):
        return
    data, start = np.frombuffer(batch.data, np.uint8), batch.frame_offset[rows]
    plain = (data[start + 12].astype(np.int64) << 8 | data[start + 13]) == ETHER_IPV4  # no tag before it
    lives = data[start + ETHERNET_HEADER + IPV4_TTL]
    for row, live in zip(rows[plain].tolist(), lives[plain].tolist(), strict=True):
        if live + 1 in FIRST_TTLS:
            yield int(batch.eth_src[row]), live, int(batch.time_ns[row])


def open_ports(batch: PacketBatch, tcp: Collection[int], udp: Collection[int]) -> Iterator[tuple[int, str, int, int]]:
    """Local ports of a host that rules ask about: accepted connections, and datagrams sent from them. (sender, fact
    kind, port, time), once for each."""
    accepted = (batch.proto == PROTO_TCP) & (batch.tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN | TCP_ACK)
    for kind, ports, mask in (("port.tcp", tcp, accepted), ("port.udp", udp, batch.proto == PROTO_UDP)):
        if not ports:
            continue
        rows = np.flatnonzero(mask & np.isin(batch.src_port, np.fromiter(ports, np.uint16)))
        rows = rows[_is_host(batch)[rows] & local_addresses(batch.src_high, batch.src_low)[rows]] if len(rows) else rows
        both = batch.eth_src[rows] << np.uint64(16) | batch.src_port[rows]
        for index in np.sort(np.unique(both, return_index=True)[1]):
            row = rows[index]
            yield int(batch.eth_src[row]), kind, int(batch.src_port[row]), int(batch.time_ns[row])


def _pairs(batch: PacketBatch, rows: Any, *, last: bool = True) -> Iterator[tuple[int, Address, int]]:
    if not len(rows):
        return
    key, high, low = batch.eth_src[rows], batch.src_high[rows], batch.src_low[rows]
    order = np.lexsort((low, high, key))
    new = np.ones(len(rows), bool)
    k, h, w = key[order], high[order], low[order]
    new[1:] = (k[1:] != k[:-1]) | (h[1:] != h[:-1]) | (w[1:] != w[:-1])
    first = np.flatnonzero(new)
    # lexsort is stable: within one pair the rows stand in the order of capture
    chosen = (np.append(first[1:], len(rows)) - 1) if last else first
    for index in np.sort(order[chosen]):
        row = rows[index]
        yield int(key[index]), (int(high[index]), int(low[index])), int(batch.time_ns[row])


class Bindings:
    """Address-made keys to the MACs that own the addresses; the one longest unseen is forgotten first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._owner: OrderedDict[int, int] = OrderedDict()
        self._sorted: tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]] | None = None

    def learn(self, key: int, address: Address, time_ns: int) -> None:
        if key & KEY_FROM_ADDRESS:
            return
        made = address_key(*address)
        if self._owner.get(made) != key:
            self._sorted = None
        self._owner[made] = key
        self._owner.move_to_end(made)
        if len(self._owner) > self._limit:
            self._owner.popitem(last=False)
            self._sorted = None

    def owner(self, made: int) -> int | None:
        """The MAC address that owns the address a key was made from."""
        return self._owner.get(made)

    def made_for(self, keys: Collection[int]) -> Iterator[int]:
        """The address-made keys that belong to these hosts."""
        return (made for made, owner in self._owner.items() if owner in keys)

    def columns(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint64]]:
        """Address-made keys, sorted, and their owners."""
        if self._sorted is None:
            made = np.fromiter(self._owner.keys(), np.uint64, len(self._owner))
            owner = np.fromiter(self._owner.values(), np.uint64, len(self._owner))
            order = np.argsort(made)
            self._sorted = made[order], owner[order]
        return self._sorted


def resolved(batch: PacketBatch, bindings: Bindings) -> PacketBatch:
    """The batch with known owners in place of address-made keys; the same batch where there is nothing to do."""
    made, owner = bindings.columns()
    changed: dict[str, Any] = {}
    for name in ("eth_src", "eth_dst"):
        column = getattr(batch, name)
        rows = np.flatnonzero(column & _BY_ADDRESS != 0)
        if not len(rows) or not len(made):
            continue
        at = np.minimum(np.searchsorted(made, column[rows]), len(made) - 1)
        known = made[at] == column[rows]
        if known.any():
            new = column.copy()
            new[rows[known]] = owner[at[known]]
            changed[name] = new
    return replace(batch, **changed) if changed else batch


class Often:
    """Counts hosts up to a number; the one longest unseen is forgotten first."""

    def __init__(self, enough: int, limit: int) -> None:
        self._enough, self._limit = enough, limit
        self._counts: OrderedDict[int, int] = OrderedDict()

    def add(self, key: int) -> bool:
        """Count a host; return whether it was now seen often enough, once."""
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._limit:
            self._counts.popitem(last=False)
        return count == self._enough
