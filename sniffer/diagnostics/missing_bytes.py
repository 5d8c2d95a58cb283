"""Bytes that devices sent and we did not see, told from what they sent before and after.

Flow offload takes connections past the place where we capture: what is left of them are their first packets and
their last, or one direction. TCP numbers its bytes: where the numbers went on and the bytes did not come, they were
hidden. What the kernel dropped looks the same, so after a loss everything is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from sniffer.model import I64, MIX, PROTO_TCP, U64, PacketBatch
from sniffer.model.protocols import TCP_FIN, TCP_SYN

MAX_FLOWS = 1024
HIDDEN_REMEDY = (
    "flow offloading takes connections past this interface; `sniffer doctor` tells which, and how to turn it off"
)
#: Segments out of order, and what a capture misses in its first moments, make holes as well: small ones.
LEAST_BYTES = 256 << 10
#: No connection moves on by more between two batches: another one uses its ports.
_JUMP = 64 << 20
_MIX = (np.uint64(MIX[0]), np.uint64(0xC2B2_AE3D_27D4_EB4F), np.uint64(0x1656_67B1_9E37_79F9))


class HiddenBytes:
    """Counts for TCP uploads of the devices that are watched. At most `MAX_FLOWS` connections are followed."""

    def __init__(self) -> None:
        self._flows: OrderedDict[int, tuple[int, int]] = OrderedDict()  # the next sequence number, the hole so far

    def forget(self) -> None:
        """Packets were lost: holes mean nothing now."""
        self._flows.clear()

    def add(self, batch: PacketBatch, keys: U64) -> int:
        """Bytes newly known to be hidden. `keys` are the watched devices (sorted)."""
        rows = np.flatnonzero((batch.proto == PROTO_TCP) & np.isin(batch.eth_src, keys))
        if not len(rows):
            return 0
        flows = batch.take(rows)
        ports = (flows.src_port.astype(np.uint64) << np.uint64(16)) | flows.dst_port
        mixed = (flows.src_low * _MIX[0]) ^ (flows.dst_low * _MIX[1]) ^ (ports * _MIX[2])
        names, first, group = np.unique(mixed, return_index=True, return_inverse=True)
        begins = flows.tcp_flags & TCP_SYN != 0
        numbered = flows.payload_len.astype(np.int64) + begins + (flows.tcp_flags & TCP_FIN != 0)
        end = flows.tcp_seq.astype(np.int64) + numbered
        opened = {int(group[at]): int(at) for at in np.flatnonzero(begins)}  # the last opening of each
        known = [None if at in opened else self._flows.get(name) for at, name in enumerate(names.tolist())]
        base: I64 = np.array(
            [
                int(flows.tcp_seq[opened.get(at, int(first[at]))]) if state is None else state[0]
                for at, state in enumerate(known)
            ]
        )
        ahead = (end - base[group] + (1 << 31)) % (1 << 32) - (1 << 31)
        progress = np.zeros(len(names), dtype=np.int64)
        np.maximum.at(progress, group, ahead)
        seen = np.bincount(group, weights=numbered, minlength=len(names)).astype(np.int64)
        hidden = 0
        for at, name in enumerate(names.tolist()):
            moved = int(progress[at])
            if moved > _JUMP:
                last = int(np.flatnonzero(group == at)[-1])
                state = int(end[last]) % (1 << 32), 0
            else:
                hole = max((known[at] or (0, 0))[1] + moved - int(seen[at]), 0)
                if hole >= LEAST_BYTES:
                    hidden, hole = hidden + hole, 0
                state = (int(base[at]) + moved) % (1 << 32), hole
            self._flows[name] = state
            self._flows.move_to_end(name)
        while len(self._flows) > MAX_FLOWS:
            self._flows.popitem(last=False)
        return hidden
