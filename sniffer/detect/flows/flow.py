"""The connections of watched devices, in columns: what is remembered of each, and which are forgotten."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sniffer.detect.flows.flow_table import TcpStreams
from sniffer.detect.flows.rows import LocalNetworks, Packets
from sniffer.detect.flows.run import Run
from sniffer.model import I64, PROTO_TCP, PROTO_UDP, FlowKey
from sniffer.model.clock import NEVER, SECOND

#: After so long a flow that was never seen is a new one, not one that was there before.
_KNOWS_FLOWS_NS = 60 * SECOND
#: Stands for what was not seen, or is not.
UNSEEN = int(np.iinfo(np.int64).min)


@dataclass(frozen=True, slots=True, eq=False)
class Flow:
    """One connection of a device. `connection` orders flows where nothing else does."""

    key: int
    flow: FlowKey
    connection: int


class Flows:
    """At most `limit` connections. The place of one is an index into all columns; it is used again when the
    connection was forgotten."""

    def __init__(self, limit: int, local: LocalNetworks) -> None:
        self._limit, self._networks = limit, local
        self.flow: list[Flow | None] = [None] * limit
        self.runs: dict[int, Run] = {}  # what is being uploaded, by place
        self.seen_ns = np.zeros(limit, dtype=np.int64)
        self.first_ns = np.zeros(limit, dtype=np.int64)  # the packet with which it became known
        self.heard_ns = np.full(limit, NEVER)  # the first sign of the other side
        self.opened_ns = np.zeros(limit, dtype=np.int64)
        self.last_ns = np.full(limit, UNSEEN)  # the last packet of the run that is open
        self.largest = np.zeros(limit, dtype=np.int64)  # packet that was part of a run
        self.local = np.zeros(limit, dtype=np.bool_)
        self.tcp = np.zeros(limit, dtype=np.bool_)
        self.answered = np.zeros(limit, dtype=np.bool_)  # the other side said something since the last upload
        self.records = np.zeros(limit, dtype=np.bool_)  # headers of TLS records were seen
        self.streams = TcpStreams(limit)
        self.down = np.zeros(limit, dtype=np.int64)  # bytes that came back so far
        self.fresh_ns = np.zeros(limit, dtype=np.int64)  # the last segment with new bytes
        self.repeats: dict[int, list[int]] = {}  # when segments without a new byte were seen, by place
        self.device = np.zeros(limit, dtype=np.uint64)
        self.connection = np.zeros(limit, dtype=np.uint64)  # 0 where a place is free
        self._places: dict[int, int] = {}
        self._free: list[int] = []  # places that were used before
        # A guess at the place of each connection, by its highest bits; checked, and looked up where it is wrong.
        bits = (4 * limit).bit_length()
        self._guess = np.zeros(1 << bits, dtype=np.uint32)
        self._shift = np.uint64(64 - bits)

    def __len__(self) -> int:
        return len(self._places)

    def admit(self, packets: Packets, since_ns: int) -> I64:
        """The place of each packet's connection, made where it has none; only up to the packet for which there is no
        room. `since_ns` is when we began to listen."""
        places: I64 = self._guess[packets.connection >> self._shift].astype(np.int64)
        wrong = np.flatnonzero(self.connection[places] != packets.connection)
        if not wrong.size:
            return places
        missed, first, back = np.unique(packets.connection[wrong], return_index=True, return_inverse=True)
        found = np.array([self._places.get(connection, -1) for connection in missed.tolist()], dtype=np.int64)
        unknown = np.flatnonzero(found < 0)
        for number in unknown[np.argsort(first[unknown])].tolist():
            if len(self) == self._limit:
                return self._up_to(places, wrong, found[back])
            found[number] = self._make(packets, int(wrong[first[number]]), since_ns)
        places[wrong] = found[back]
        return places

    def hear(self, packets: Packets, places: I64) -> None:
        """Note when something first came back on these connections."""
        new = np.flatnonzero(~packets.upstream & (packets.time_ns < self.heard_ns[places]))
        if new.size:
            np.minimum.at(self.heard_ns, places[new], packets.time_ns[new])

    def hear_acknowledgements(self, packets: Packets) -> None:
        """Note the same for packets of connections that may not be known. The connection must have been known when
        the packet came: how packets are cut into batches must not matter."""
        places: I64 = self._guess[packets.connection >> self._shift].astype(np.int64)
        for number in np.flatnonzero(self.connection[places] != packets.connection).tolist():
            places[number] = self._places.get(int(packets.connection[number]), 0)
        known = np.flatnonzero(
            (self.connection[places] == packets.connection) & (packets.time_ns >= self.first_ns[places])
        )
        self.hear(packets.part(known), places[known])

    @staticmethod
    def _up_to(places: I64, wrong: I64, found: I64) -> I64:
        places[wrong] = found
        return places[: int(wrong[int(np.argmax(found < 0))])]

    def _make(self, packets: Packets, number: int, since_ns: int) -> int:
        place = self._free.pop() if self._free else len(self)
        key, connection = packets.flow_key(number), int(packets.connection[number])
        self.flow[place] = Flow(int(packets.device[number]), key, connection)
        first_ns = int(packets.time_ns[number])
        # Datagrams have no opening that can be seen: a pair of ports that was quiet for a while has one now.
        opens = key.proto == PROTO_UDP and first_ns - since_ns > _KNOWS_FLOWS_NS
        self.opened_ns[place] = first_ns if opens else UNSEEN
        self.first_ns[place], self.heard_ns[place] = first_ns, NEVER
        self.device[place] = packets.device[number]
        self.local[place] = self._networks.excludes(key)
        self.tcp[place] = key.proto == PROTO_TCP
        self.last_ns[place] = UNSEEN
        self.largest[place] = self.down[place] = 0
        self.answered[place] = self.records[place] = False
        self.streams.reset(place)
        self.repeats.pop(place, None)
        self.connection[place] = connection
        self._places[connection] = place
        self._guess[connection >> int(self._shift)] = place
        return place

    def dispensable(self) -> I64:
        """A tenth of the places: those that were quiet longest, and where all are uploading, some of these too."""
        used = np.flatnonzero(self.connection)
        order = np.lexsort((self.connection[used], self.seen_ns[used], self.last_ns[used] != UNSEEN))
        places: I64 = used[order[: max(len(used) - self._limit * 9 // 10, 1)]]
        return places

    def forget(self, places: I64) -> None:
        """Forget the connections at these places."""
        for place in places.tolist():
            del self._places[int(self.connection[place])]
            self.flow[place] = None
            self.repeats.pop(place, None)
        self.connection[places] = 0
        self._free += places.tolist()
