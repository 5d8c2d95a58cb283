"""Which packets tell something of a host that was not told before: that it is there, or an address that it uses.

A look at who is who needs those and the identity protocols; all others it need not see. What was told is remembered as
hashes in one table of fixed size, whoever sends whatever.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sniffer.decode.frames.layout import Mask
from sniffer.model import MAC_GROUP, PROTO_TCP, U64, PacketBatch, address_keys, local_addresses, sorted_keys
from sniffer.model.protocols import TCP_ACK, TCP_SYN

#: Places in the table (a power of two), and how many of them may be taken. What does not fit is no news.
SLOTS = 1 << 16
MOST = SLOTS // 2
#: A router sends for all of the Internet: of its public addresses so many kinds are told apart, and no more.
PUBLIC_KINDS = 8

_GROUP = np.uint64(MAC_GROUP)


class News:
    """What was told so far. Handed to `decode`, which takes out of each block what is new in it, and asks of each host
    of which something is new whether it is `wanted`: then all of its packets are taken from there on."""

    def __init__(self, wanted: Callable[[int], bool] = lambda key: False) -> None:
        self._wanted = wanted
        self._arrived: set[int] = set()
        #: An open hash table for the compiled piece, and how many places are taken.
        self.table = np.zeros(SLOTS, dtype=np.uint64)
        self.taken = np.zeros(1, dtype=np.int64)
        self._known = np.zeros(0, dtype=np.uint64)

    def __len__(self) -> int:
        return int(self.taken[0]) + len(self._known)

    def wanted(self, key: int) -> bool:
        """Something of this host is new: whether its packets are wanted."""
        if self._wanted(key):
            self._arrived.add(key)
        return key in self._arrived

    def forget(self, key: int) -> None:
        """The packets of this host are not wanted any more."""
        self._arrived.discard(key)

    def also(self, keys: U64 | None) -> U64 | None:
        """The keys of a selection, and who arrived since (None is everybody)."""
        return keys if keys is None or not self._arrived else sorted_keys([*keys.tolist(), *self._arrived])

    def look(self, batch: PacketBatch, known: Mask | None = None) -> Mask:
        """The rows that tell something new, and those that open a TCP connection (but for senders that are `known`).
        Who is wanted because of them sent and received nothing before."""
        mask = (batch.proto == PROTO_TCP) & (batch.tcp_flags & (TCP_SYN | TCP_ACK) == TCP_SYN)
        if known is not None:
            mask &= ~known
        found = np.stack([_senders(batch), _receivers(batch)], axis=1).ravel()
        new, first = np.unique(found, return_index=True)
        fresh = np.sort(first[(new != 0) & ~np.isin(new, self._known)])[: MOST - len(self._known)]
        mask[fresh // 2] = True
        self._known = np.union1d(self._known, found[fresh])
        hosts = np.where(fresh % 2, batch.eth_dst[fresh // 2], batch.eth_src[fresh // 2])
        for key in hosts.tolist():
            self.wanted(key)
        return np.asarray(mask, dtype=np.bool_)


def _senders(batch: PacketBatch) -> U64:
    """A number for each row: the same where sender and (local) address are the same; 0 where it is nobody."""
    address = address_keys(batch.src_high, batch.src_low)
    public = np.uint64(1) + address % np.uint64(PUBLIC_KINDS)
    told = np.where(local_addresses(batch.src_high, batch.src_low), address, public)
    told = np.where(batch.ip_version != 0, told, np.uint64(0))
    return _tokens(batch.eth_src, told)


def _receivers(batch: PacketBatch) -> U64:
    """The same for those to whom somebody sent: they are there, whether they answer or not."""
    return _tokens(batch.eth_dst, np.full(len(batch), 1 + PUBLIC_KINDS, dtype=np.uint64))


def _tokens(key: U64, told: U64) -> U64:
    nobody = (key == 0) | ((key & _GROUP != 0) & (key >> np.uint64(63) == 0))
    token = address_keys(key, told) | np.uint64(1)
    return np.asarray(np.where(nobody, np.uint64(0), token), dtype=np.uint64)
