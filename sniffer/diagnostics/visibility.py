"""What can be seen of the network from where we capture: others' packets, their names, and what hides them.

Packets go in in batches; what they show is read at any time. State is bounded: a handful of counters, and a set of
addresses that stops growing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

import numpy as np

from sniffer.model import KEY_FROM_ADDRESS, PROTO_TCP, PROTO_UDP, PacketBatch
from sniffer.model.protocols import PORT_DNS, PORT_DNS_OVER_TLS

MAX_HOSTS = 4096
#: The longest Ethernet frame of a usual network; what is longer was merged on this machine.
LONGEST_FRAME = 1522
_MULTICAST = np.uint64(1 << 40)


class Sight:
    """What a stretch of traffic shows. `own` are the MAC addresses of this machine, `addresses` its IP addresses."""

    def __init__(self, own: Collection[int], addresses: Collection[tuple[int, int]] = ()) -> None:
        self._own = np.fromiter(own, dtype=np.uint64)
        # One column is enough to tell our own addresses from others: the lower half.
        self._addresses = np.fromiter((low for _, low in addresses), dtype=np.uint64)
        self._talkers: Counter[int] = Counter()
        self._others = 0
        self.packets = 0
        self.merged = 0
        self.dns = 0
        self.dot = 0
        self.longest = 0
        self.first_ns = self.last_ns = 0

    def add(self, batch: PacketBatch) -> None:
        """Take some packets into account."""
        if not len(batch):
            return
        self.packets += len(batch)
        self.first_ns = self.first_ns or int(batch.time_ns[0])
        self.last_ns = int(batch.time_ns[-1])
        self.longest = max(self.longest, int(batch.wire_len.max()))
        self.merged += int((batch.wire_len > LONGEST_FRAME).sum())
        others_source = ~np.isin(batch.eth_src, self._own)
        unicast = batch.eth_dst & _MULTICAST == 0
        # Between two strangers, or handed to us to be passed on: only a router, a bridge or a mirror port sees those.
        stranger = ~np.isin(batch.eth_dst, self._own)
        passed_on = (batch.ip_version != 0) & ~np.isin(batch.dst_low, self._addresses)
        self._others += int((others_source & unicast & (stranger | passed_on)).sum())
        for mac, count in zip(*np.unique(batch.eth_src[others_source], return_counts=True), strict=True):
            if int(mac) in self._talkers or len(self._talkers) < MAX_HOSTS:
                self._talkers[int(mac)] += int(count)
        transport = (batch.proto == PROTO_UDP) | (batch.proto == PROTO_TCP)
        self.dns += int((transport & ((batch.dst_port == PORT_DNS) | (batch.src_port == PORT_DNS))).sum())
        self.dot += int((batch.dst_port == PORT_DNS_OVER_TLS).sum())

    @property
    def hosts(self) -> int:
        """How many other hosts have sent something."""
        return len([mac for mac in self._talkers if not mac & KEY_FROM_ADDRESS])

    @property
    def sees_others(self) -> bool:
        """Are packets between other hosts seen?"""
        return self._others > 0

    @property
    def behind_nat(self) -> bool:
        """Does all traffic come from one neighbour, as on the far side of a router that rewrites addresses?"""
        return self.packets >= 50 and self.hosts == 1 and not self.sees_others
