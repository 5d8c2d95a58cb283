"""Datagrams that were captured twice, as a mirror port or two interfaces deliver them. (TCP numbers its bytes.)"""

from __future__ import annotations

import numpy as np

from sniffer.detect.flows.repetitions import COPY_NS
from sniffer.detect.flows.rows import Packets
from sniffer.model import I64, PROTO_UDP, U64
from sniffer.model.addresses import MIX

#: How much of a datagram is compared (bytes), beside its connection, length and IP identification.
_MOST_COMPARED, _LEAST_COMPARED = 16, 9
_UDP_HEADER, _IPV4_HEADER = 8, 20
_MIX = np.uint64(MIX[0])
_SHIFT = np.uint64(29)


class Repeats:
    """Leaves out datagrams that were seen moments ago. How packets are cut into batches does not matter."""

    def __init__(self) -> None:
        self._keys: U64 = np.empty(0, dtype=np.uint64)
        self._times: I64 = np.empty(0, dtype=np.int64)
        #: Datagrams that were left out.
        self.count = 0

    def drop(self, packets: Packets) -> Packets:
        """Return the packets without copies."""
        batch, rows = packets.batch, packets.rows
        whole = (batch.proto[rows] == PROTO_UDP) & (batch.payload_captured[rows] >= _LEAST_COMPARED)
        chosen = np.flatnonzero(whole)
        if not chosen.size:
            return packets
        chosen, keys = _keys(packets, chosen)
        times = packets.time_ns[chosen]
        keys, times = np.concatenate((self._keys, keys)), np.concatenate((self._times, times))
        order = np.argsort(keys, kind="stable")
        since = np.diff(times[order])
        again = (keys[order][1:] == keys[order][:-1]) & (since >= 0) & (since <= COPY_NS)
        copies = order[1:][again] - len(self._keys)
        copies = copies[copies >= 0]
        if len(times):
            recent = times >= times[-1] - COPY_NS
            self._keys, self._times = keys[recent], times[recent]
        if not copies.size:
            return packets
        self.count += len(copies)
        kept = np.ones(len(packets), dtype=np.bool_)
        kept[chosen[copies]] = False
        return packets.part(np.flatnonzero(kept))


def _keys(packets: Packets, chosen: I64) -> tuple[I64, U64]:
    """Which of the chosen packets tell themselves apart by their content, and a number for each."""
    batch = packets.batch
    rows = packets.rows[chosen]
    at = batch.payload_offset[rows].astype(np.int64)
    data = np.ndarray(shape=(max(len(batch.data) - 7, 0),), dtype="<u8", buffer=batch.data, strides=(1,))
    compared = np.minimum(batch.payload_captured[rows], _MOST_COMPARED).astype(np.int64)
    first, second = data[at], data[at + compared - 8]
    telling = first != second  # filler is the same throughout
    chosen, rows, at, first, second = chosen[telling], rows[telling], at[telling], first[telling], second[telling]
    header = at - _UDP_HEADER - _IPV4_HEADER
    ipv4 = (batch.ip_version[rows] == 4) & (header >= batch.frame_offset[rows])
    octets = np.frombuffer(batch.data, dtype=np.uint8)
    place = np.where(ipv4, header + 4, 0)
    number = np.where(ipv4, octets[place].astype(np.uint64) << np.uint64(8) | octets[place + 1], 0)
    mixed = packets.connection[chosen]
    size = batch.payload_len[rows].astype(np.uint64) << np.uint64(17) | number << np.uint64(1)
    for part in (first, second, size | packets.upstream[chosen].astype(np.uint64)):
        mixed = (mixed ^ part) * _MIX
        mixed ^= mixed >> _SHIFT
    return chosen, mixed
