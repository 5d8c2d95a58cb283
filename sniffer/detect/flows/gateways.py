"""Which packets to a device come from the Internet, and which another host of the LAN made up.

What a device sends to the Internet goes to its gateway, and what comes back comes from there. Where a gateway is known
to deliver, a packet that claims to come from the Internet and has another source MAC address is forged: it is neither
an answer nor a part of a call. Where the gateway never delivers (routers that share an address answer from addresses of
their own), nothing is concluded.
"""

from __future__ import annotations

import numpy as np

from sniffer.detect.flows.rows import Flags, Packets
from sniffer.model import I64, KEY_FROM_ADDRESS, MAC_GROUP, U64, local_addresses
from sniffer.model.addresses import MIX
from sniffer.model.clock import NEVER

#: Gateways of a device, and devices, of which this is remembered.
_MAX_GATEWAYS, _MAX_DEVICES = 8, 1024
_MIX = np.uint64(MIX[0])

#: A device and the version of IP: a network may have a gateway for each.
_Device = tuple[int, int]


class Gateways:
    """Learns the gateways of devices, and leaves out what only claims to come through them. How packets are cut into
    batches does not matter."""

    def __init__(self) -> None:
        self._sent: dict[_Device, dict[int, int]] = {}  # when something was first sent to each gateway
        self._came: dict[_Device, dict[int, int]] = {}  # when something first came from each sender
        self._settled = (np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64))  # pairs in the two above
        #: Packets that were left out.
        self.forged = 0

    def drop(self, packets: Packets, bare: Packets) -> tuple[Packets, Packets]:
        """Return the packets of devices, and the bare acknowledgements to them, without the forged ones."""
        settled = self._settled[0]
        self._learn(packets, packets.upstream, 0)
        self._learn(packets, ~packets.upstream, 1)
        self._learn(bare, ~bare.upstream, 1)
        return self._own(packets, settled), self._own(bare, settled)

    def _learn(self, packets: Packets, chosen: Flags, which: int) -> None:
        rows = np.flatnonzero(chosen)
        if not rows.size:
            return
        neighbour, pairs, abroad = _sides(packets, rows, upstream=not which)
        rows_new = np.flatnonzero(~np.isin(pairs, self._settled[which]))
        rows_new = rows_new[abroad(rows_new)]
        if not rows_new.size:
            return
        table = (self._sent, self._came)[which]
        _, first = np.unique(pairs[rows_new], return_index=True)
        for at in rows_new[np.sort(first)].tolist():
            row = int(rows[at])
            key = int(packets.device[row]), int(packets.batch.ip_version[packets.rows[row]])
            if key not in table and len(table) >= _MAX_DEVICES:
                continue
            times = table.setdefault(key, {})
            mac, time_ns = int(neighbour[at]), int(packets.time_ns[row])
            if mac in times or len(times) < _MAX_GATEWAYS:
                times[mac] = min(times.get(mac, time_ns), time_ns)
        settled = np.union1d(self._settled[which], pairs[rows_new])[: 2 * _MAX_DEVICES * _MAX_GATEWAYS]
        self._settled = (settled, self._settled[1]) if which == 0 else (self._settled[0], settled)

    def _own(self, packets: Packets, settled: U64) -> Packets:
        """The packets, but for those that another host than the gateway sent in the name of the Internet."""
        rows = np.flatnonzero(~packets.upstream)
        if not rows.size or not self._sent:
            return packets
        neighbour, pairs, abroad = _sides(packets, rows, upstream=False)
        doubtful = np.flatnonzero(~np.isin(pairs, settled))
        doubtful = doubtful[abroad(doubtful)]
        if not doubtful.size:
            return packets
        _, first, pair = np.unique(pairs[doubtful], return_index=True, return_inverse=True)
        limits = [self._limits(packets, int(rows[at]), int(neighbour[at])) for at in doubtful[first].tolist()]
        since, until = np.array(limits, dtype=np.int64)[pair].T
        times = packets.time_ns[rows[doubtful]]
        forged = rows[doubtful[(since <= times) & (times < until)]]
        if not forged.size:
            return packets
        self.forged += forged.size
        kept = np.ones(len(packets), dtype=np.bool_)
        kept[forged] = False
        return packets.part(np.flatnonzero(kept))

    def _limits(self, packets: Packets, row: int, sender: int) -> tuple[int, int]:
        """Return from when on (ns) another sender is known to deliver to a device, and when this one turned out to be a
        gateway: between these, what it sends in the name of the Internet is forged."""
        key = int(packets.device[row]), int(packets.batch.ip_version[packets.rows[row]])
        gateways, came = self._sent.get(key, {}), self._came.get(key, {})
        delivers = (max(sent_ns, came.get(mac, NEVER)) for mac, sent_ns in gateways.items())
        return min(delivers, default=NEVER), gateways.get(sender, NEVER)


class _Abroad:
    """Which of some rows have a MAC address beside the device, and a peer on the Internet."""

    def __init__(self, neighbour: U64, high: U64, low: U64) -> None:
        self._neighbour, self._high, self._low = neighbour, high, low

    def __call__(self, at: I64) -> Flags:
        if not at.size:
            return np.zeros(0, dtype=np.bool_)
        real = self._neighbour[at] & np.uint64(KEY_FROM_ADDRESS | MAC_GROUP) == 0
        return np.asarray(real & ~local_addresses(self._high[at], self._low[at]), dtype=np.bool_)


def _sides(packets: Packets, rows: I64, *, upstream: bool) -> tuple[U64, U64, _Abroad]:
    """The MAC addresses on the other side of some packets, a number for each with the device and the version of IP, and
    which of them are of the Internet."""
    batch, numbers = packets.batch, packets.rows[rows]
    neighbour = (batch.eth_dst if upstream else batch.eth_src)[numbers]
    high, low = (
        (batch.dst_high[numbers], batch.dst_low[numbers])
        if upstream
        else (batch.src_high[numbers], batch.src_low[numbers])
    )
    pairs = (packets.device[rows] * _MIX ^ neighbour) * _MIX ^ batch.ip_version[numbers].astype(np.uint64)
    return neighbour, pairs, _Abroad(neighbour, high, low)
