"""What leaves over several connections at once, on each of them too slowly to be a run: its rows, by device and server.

A row that belongs to no run says nothing by itself. Rows of several connections to one address that follow each other
closely may be a voice that was dealt over them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from sniffer.detect.features.rows import TINY, Rows
from sniffer.detect.flows.flow import Flow, Flows
from sniffer.detect.flows.run import ANSWERS, BYTES, TIME, UNIT, UNITS
from sniffer.detect.flows.tcp_upstream import DOWN, PLACE
from sniffer.model import I64
from sniffer.model.clock import NEVER, SECOND

#: A pause that ends such a piece, and its longest duration (ns). Nothing is known of one before so long after its end:
#: until then a row may become part of a run.
PAUSE_NS, LONGEST_NS, SETTLED_NS = SECOND, 20 * SECOND, 5 * SECOND
#: Connections, rows and bytes of a piece, at least, and bytes a second.
LEAST_CONNECTIONS, LEAST_ROWS, LEAST_BYTES, LEAST_RATE = 3, 20, 6_000, 1_500
#: Servers of devices of which rows are held, and rows in all.
MAX_SERVERS, MAX_ROWS = 256, 131_072


#: A device and the address of a server.
_Key = tuple[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of several connections of a device to one address, and when it was known that they are no runs. `down` are
    the bytes that came back meanwhile; `one_sided` says that nothing ever came back on these connections."""

    due_ns: int
    flows: tuple[Flow, ...]
    first_ns: int
    last_ns: int
    down: int
    one_sided: bool
    rows: Rows


@dataclass(slots=True)
class _Server:
    flows: dict[int, Flow] = field(default_factory=dict)  # by connection
    places: dict[int, int] = field(default_factory=dict)  # of those that are remembered
    heard_ns: dict[int, int] = field(default_factory=dict)  # of those that were forgotten
    parts: list[I64] = field(default_factory=list)
    oldest_ns: int = 0


class Dealt:
    """Holds rows that belong to no run until it is known what they are together."""

    def __init__(self, flows: Flows) -> None:
        self._flows = flows
        self._servers: dict[_Key, _Server] = {}
        self._held = 0

    def add(self, rows: I64) -> None:
        """Rows (as of `tcp_upstream`) that will not become part of a run. Tiny ones are left out: they are
        acknowledgements."""
        rows = rows[:, rows[BYTES] >= TINY]
        servers: dict[_Key, list[tuple[int, Flow]]] = {}
        for place in np.unique(rows[PLACE]).tolist():
            flow = self._flows.flow[place]
            if flow is not None:
                servers.setdefault((flow.key, flow.flow.dst), []).append((place, flow))
        for key, places in servers.items():
            mine = rows[:, np.isin(rows[PLACE], [place for place, _ in places])]
            known = self._servers.get(key)
            if self._held + mine.shape[1] > MAX_ROWS or (known is None and len(self._servers) >= MAX_SERVERS):
                continue
            server = self._servers.setdefault(key, known or _Server())
            mine[PLACE] = self._flows.connection[mine[PLACE]].view(np.int64)
            for place, flow in places:
                server.flows[flow.connection], server.places[flow.connection] = flow, place
            first_ns = int(mine[TIME].min())
            server.oldest_ns = min(server.oldest_ns, first_ns) if server.parts else first_ns
            server.parts.append(mine)
            self._held += mine.shape[1]

    def forget(self, places: I64) -> None:
        """The connections at these places are forgotten: note what came back on them."""
        for place in places.tolist():
            flow = self._flows.flow[place]
            server = None if flow is None else self._servers.get((flow.key, flow.flow.dst))
            if flow is not None and server is not None and server.places.pop(flow.connection, None) is not None:
                before = server.heard_ns.get(flow.connection, NEVER)
                server.heard_ns[flow.connection] = min(before, int(self._flows.heard_ns[place]))

    def due(self, now_ns: int) -> list[Piece]:
        """The pieces that are known by now, in the order in which they became known."""
        keys = [key for key, server in self._servers.items() if server.oldest_ns + SETTLED_NS < now_ns]
        found = [piece for key in keys for piece in self._pieces(key, now_ns)]
        return sorted(found, key=lambda piece: (piece.due_ns, piece.flows[0].key, piece.flows[0].connection))

    def _pieces(self, key: _Key, now_ns: int) -> Iterator[Piece]:
        server = self._servers[key]
        rows = np.concatenate(server.parts, axis=1)
        rows = rows[:, np.lexsort((rows[PLACE], rows[TIME]))]
        times = rows[TIME]
        done = 0
        for first, last in pairwise([0, *(np.flatnonzero(np.diff(times) > PAUSE_NS) + 1).tolist(), len(times)]):
            begin = first
            while times[last - 1] - times[begin] > LONGEST_NS:
                cut = int(times.searchsorted(times[begin] + LONGEST_NS, side="right"))
                if times[cut - 1] + SETTLED_NS >= now_ns:
                    break
                yield from self._piece(server, rows[:, begin:cut])
                begin = done = cut
            if times[last - 1] + SETTLED_NS >= now_ns:
                break
            yield from self._piece(server, rows[:, begin:last])
            done = last
        self._held -= done
        if done == len(times):
            del self._servers[key]
        elif done:
            server.parts, server.oldest_ns = [rows[:, done:]], int(times[done])

    def _piece(self, server: _Server, rows: I64) -> Iterator[Piece]:
        """The rows as a piece, if they may be a voice together."""
        times, amount = rows[TIME], int(rows[BYTES].sum())
        if rows.shape[1] < LEAST_ROWS or amount < LEAST_BYTES:
            return
        first_ns, last_ns = int(times[0]), int(times[-1])
        numbers = dict.fromkeys(rows[PLACE].tolist())
        if len(numbers) < LEAST_CONNECTIONS or amount * SECOND < LEAST_RATE * (last_ns - first_ns):
            return
        due_ns = last_ns + SETTLED_NS
        flows = tuple(server.flows[number % (1 << 64)] for number in numbers)
        heard_ns = [
            min(server.heard_ns.get(flow.connection, NEVER), self._heard_ns(server.places.get(flow.connection)))
            for flow in flows
        ]
        yield Piece(
            due_ns=due_ns,
            flows=flows,
            first_ns=first_ns,
            last_ns=last_ns,
            down=sum(int(np.ptp(rows[DOWN, rows[PLACE] == number])) for number in numbers),
            one_sided=min(heard_ns) > due_ns,
            rows=Rows((times - first_ns) / 1e9, rows[BYTES], rows[ANSWERS].astype(np.bool_), rows[UNIT], rows[UNITS]),
        )

    def _heard_ns(self, place: int | None) -> int:
        return NEVER if place is None else int(self._flows.heard_ns[place])
