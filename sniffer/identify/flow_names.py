"""Names of addresses and of flows, with a short history each, so that a question about the past gets the answer of
the past: how packets were batched, and when the question is asked, does not matter."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Generic, TypeVar

from sniffer.model import PROTO_TCP, FlowKey, NameSeen

Address = tuple[int, int]
#: host, protocol, client port, server address, server port
Connection = tuple[int, int, int, Address, int]

ADDRESS_HISTORY = 64
FLOW_HISTORY = 4
ANYBODY = 0
#: Values a key may have on average: most have one.
_MEAN = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """A name that was seen at a time."""

    time_ns: int
    name: str
    source: str
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """The name of a flow, how it is known, and since when."""

    name: str
    source: str
    time_ns: int


Key = TypeVar("Key")
Value = TypeVar("Value")


class History(Generic[Key, Value]):
    """The last few values of each key; the key longest without a new one is forgotten first."""

    def __init__(self, keys: int, each: int) -> None:
        self._keys, self._each = keys, each
        self._values = 0
        self._table: OrderedDict[Key, list[Value]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def add(self, key: Key, value: Value) -> None:
        entries = self._table.get(key)
        if entries is None:
            entries = self._table[key] = []
        else:
            self._table.move_to_end(key)
        entries.append(value)
        self._values += 1
        if len(entries) > self._each:
            del entries[0]
            self._values -= 1
        while len(self._table) > self._keys or (self._values > _MEAN * self._keys and len(self._table) > 1):
            self._values -= len(self._table.popitem(last=False)[1])

    def touch(self, key: Key) -> None:
        """This key is still in use."""
        self._table.move_to_end(key)

    def get(self, key: Key) -> list[Value]:
        return self._table.get(key, [])

    def items(self) -> list[tuple[Key, list[Value]]]:
        return list(self._table.items())


class Names:
    """Learns names and flow starts; tells the name of a flow as of a time."""

    def __init__(self, limit: int) -> None:
        self.addresses: History[tuple[int, Address], Entry] = History(limit, ADDRESS_HISTORY)
        self._flows: History[Connection, Entry] = History(max(1, limit // 4), FLOW_HISTORY)
        self._starts: History[Connection, int] = History(max(1, limit // 4), FLOW_HISTORY)

    def learn(self, seen: NameSeen, *, flow: bool = True) -> None:
        """Take a name in: of its address, and (where `flow` is set) of the connection that it was seen in."""
        entry = Entry(seen.time_ns, seen.name, seen.source, seen.ttl_seconds)
        if flow and seen.client_port is not None and seen.port is not None:
            connection = (seen.key, seen.proto or PROTO_TCP, seen.client_port, seen.address, seen.port)
            self._flows.add(connection, entry)
        for key in (seen.key, ANYBODY):
            known = self.addresses.get((key, seen.address))
            # An answer that is asked for again and again says nothing new: it stands since its first time.
            if not known or (known[-1].name, known[-1].source) != (entry.name, entry.source):
                self.addresses.add((key, seen.address), entry)
            else:
                self.addresses.touch((key, seen.address))

    def started(self, connection: Connection, time_ns: int) -> None:
        """A connection began (its SYN was seen)."""
        starts = self._starts.get(connection)
        if not starts or time_ns - starts[-1] > 3_000_000_000:  # a SYN that is sent again begins nothing
            self._starts.add(connection, time_ns)

    def find(self, key: int, flow: FlowKey, at_ns: int) -> Found | None:
        """SNI of the flow itself; else the last DNS answer before it began (before now, where it has no beginning);
        else what its address was called later, or by others, marked as late."""
        connection = (key, flow.proto, flow.src_port, flow.dst, flow.dst_port)
        start = _last(self._starts.get(connection), at_ns)
        for entry in reversed(self._flows.get(connection)):
            if entry.time_ns <= at_ns and (start is None or entry.time_ns >= start):
                return Found(entry.name, entry.source, entry.time_ns)
        own = [entry for entry in self.addresses.get((key, flow.dst)) if entry.time_ns <= at_ns]
        answers = [entry for entry in own if entry.source in ("dns", "mdns")]
        if start is not None or flow.proto != PROTO_TCP:
            before = [entry for entry in answers if start is None or entry.time_ns <= start]
            if before:
                return Found(before[-1].name, before[-1].source, before[-1].time_ns)
        others = [entry for entry in self.addresses.get((ANYBODY, flow.dst)) if entry.time_ns <= at_ns]
        for entries in (own, others):
            if entries:
                return Found(entries[-1].name, "dns_late", entries[-1].time_ns)
        return None


def _last(times: list[int], at_ns: int) -> int | None:
    return next((time for time in reversed(times) if time <= at_ns), None)
