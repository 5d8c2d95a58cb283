"""Several hosts that send from one MAC address: behind a Wi-Fi extender, a second router, or proxy ARP.

A host has one IPv4 address at a time. A MAC address that goes back and forth between several local ones carries several
hosts: from then on they are kept apart by address, so that nothing of one is taken for another's.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from sniffer.model import (
    KEY_FROM_ADDRESS,
    U64,
    V4_MAPPED,
    PacketBatch,
    address_key,
    address_keys,
    local_addresses,
    sorted_keys,
)
from sniffer.model.clock import SECOND

Address = tuple[int, int]

#: Changes from one address to another that prove several hosts, and the least time between the first and the last: a
#: host that gets a new address goes over to it, with few packets of old connections between.
CHANGES, SPAN_NS = 6, 5 * SECOND
#: Addresses that are remembered of one sender, and senders with more than one address.
MAX_ADDRESSES, MAX_CARRIERS = 256, 64
#: Link-local IPv4 addresses: a host may have one beside its own (network and mask, RFC 3927).
_LINK_LOCAL = V4_MAPPED | 0xA9FE << 16, 0xFFFF_FFFF_FFFF_0000


@dataclass(slots=True)
class _Sender:
    """The addresses that a MAC address sent from: `returned` those to which it came back."""

    last: Address
    addresses: dict[Address, None] = field(default_factory=dict)
    returned: set[Address] = field(default_factory=set)
    changes: int = 0
    first_change_ns: int = 0
    last_change_ns: int = 0

    def use(self, address: Address, time_ns: int) -> None:
        if address == self.last:
            return
        self.changes += 1
        self.first_change_ns = self.first_change_ns or time_ns
        self.last_change_ns = time_ns
        self.last = address
        if address in self.addresses:
            self.returned.add(address)
        elif len(self.addresses) < MAX_ADDRESSES:
            self.addresses[address] = None

    @property
    def shared(self) -> bool:
        lasted = self.last_change_ns - self.first_change_ns
        if self.changes < CHANGES or lasted < SPAN_NS:
            return False
        # Addresses of different networks are those of one host with two interfaces, or of a router's other side.
        return len(self.returned) > len({low >> 8 for _, low in self.returned})


class Sharing:
    """Notices MAC addresses of several hosts, and gives each of these hosts a key of its own."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._senders: OrderedDict[int, _Sender] = OrderedDict()
        self._owners: OrderedDict[Address, int] = OrderedDict()
        self._carriers: dict[int, set[int]] = {}

    @property
    def carriers(self) -> frozenset[int]:
        """The MAC addresses that carry several hosts."""
        return frozenset(self._carriers)

    def carry(self, carrier: int) -> None:
        """This MAC address is known to carry several hosts."""
        if len(self._carriers) < MAX_CARRIERS:
            self._carriers.setdefault(carrier, set())

    def adopt(self, other: Sharing) -> None:
        """Take over which MAC addresses carry several hosts, and whose the addresses behind them are."""
        for carrier in other.carriers:
            self.carry(carrier)
        for address, key in other._owners.items():
            self.own(key, address)

    def addresses(self, carrier: int) -> list[Address]:
        """The addresses of the hosts behind a MAC address, as far as they were seen."""
        sender = self._senders.get(carrier)
        return list(sender.addresses) if sender else []

    def doubtful(self, key: int) -> bool:
        """Whether a MAC address sent from more than one local address, so that all of its packets are worth seeing."""
        sender = self._senders.get(key)
        return sender is not None and len(sender.addresses) > 1

    def own(self, key: int, address: Address) -> None:
        """A host says by DHCP or ARP that an address is its own."""
        if key & KEY_FROM_ADDRESS or key in self._carriers:
            return
        self._owners[address] = key
        self._owners.move_to_end(address)
        if len(self._owners) > self._limit:
            self._owners.popitem(last=False)

    def look(self, batch: PacketBatch, forwarding: Collection[int]) -> Iterator[int]:
        """Yield the MAC addresses that turn out to carry several hosts. `forwarding` hosts are routers: what they send
        has the addresses of others by their trade."""
        low = batch.src_low
        rows = np.flatnonzero(
            (batch.ip_version == 4)
            & (batch.eth_src != 0)
            & (batch.eth_src & np.uint64(KEY_FROM_ADDRESS) == 0)
            & local_addresses(batch.src_high, low)
            & (low & np.uint64(_LINK_LOCAL[1]) != np.uint64(_LINK_LOCAL[0]))
        )
        if not len(rows):
            return
        keys, addresses = batch.eth_src[rows], low[rows]
        order = np.argsort(keys, kind="stable")
        keys, addresses, rows = keys[order], addresses[order], rows[order]
        changed = np.ones(len(rows), dtype=np.bool_)
        changed[1:] = (keys[1:] != keys[:-1]) | (addresses[1:] != addresses[:-1])
        for at in np.flatnonzero(changed).tolist():
            key, address = int(keys[at]), (0, int(addresses[at]))
            if key in self._carriers or key in forwarding:
                continue
            sender = self._senders.get(key)
            if sender is None:
                self._senders[key] = _Sender(address, {address: None})
                if len(self._senders) > self._limit:
                    self._senders.popitem(last=False)
                continue
            sender.use(address, int(batch.time_ns[rows[at]]))
            if sender.shared and len(self._carriers) < MAX_CARRIERS:
                self._carriers[key] = set()
                yield key

    def key_of(self, carrier: int, address: Address) -> int:
        """The key of the host behind a MAC address that has this address."""
        found = self._owners.get(address) or address_key(*address)
        behind = self._carriers[carrier]
        if len(behind) < MAX_ADDRESSES:
            behind.add(found)
        return found

    def carriers_of(self, keys: Collection[int]) -> frozenset[int]:
        """The MAC addresses that carry any of these hosts."""
        return frozenset(carrier for carrier, behind in self._carriers.items() if not behind.isdisjoint(keys))

    def apart(self, key: U64, high: U64, low: U64) -> U64:
        """The column of keys, where those of carriers are replaced by the keys of the hosts that have the addresses."""
        if not self._carriers:
            return key
        rows = np.flatnonzero(np.isin(key, sorted_keys(self._carriers)))
        rows = rows[local_addresses(high[rows], low[rows])]
        if not len(rows):
            return key
        made = key.copy()
        pairs = np.stack((key[rows], address_keys(high[rows], low[rows])), axis=1)
        _, first, back = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
        split = [self.key_of(int(key[rows[at]]), (int(high[rows[at]]), int(low[rows[at]]))) for at in first.tolist()]
        made[rows] = np.array(split, dtype=np.uint64)[back.ravel()]
        return made
