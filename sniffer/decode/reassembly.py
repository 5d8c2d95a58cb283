"""What dissection keeps between batches: hellos that are not whole yet, and how much each sender said. Bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sniffer.decode.protocols import quic, tls
from sniffer.model import KEY_FROM_ADDRESS, PacketBatch
from sniffer.model.clock import SECOND

#: What reading a message costs, in units of some 25 microseconds on one core of 2020.
COST_MESSAGE, COST_HELLO, COST_INITIAL = 1, 4, 12
#: Labels and pointers of a DNS message that are read for one more unit.
STEPS_A_UNIT = 32
#: Labels that take as long as what else there is to read in a record.
STEPS_A_RECORD = 8


@dataclass(frozen=True, slots=True)
class DissectSettings:
    """Bounds on the work that identity packets make, in units of cost (`COST_MESSAGE`).

    A sender may make `burst` units of work at once and `rate` a second after that, all senders together `total_burst`
    and `total_rate`. What is beyond that is counted and not read. Hosts that are watched do not wait for the others.
    A host that is not watched has shown what it is once reading it has cost `settled_cost`; `known_cost` where it is
    known to be something else, and `promising_cost` where a fact or two more may make it a watched one. From then on
    it is read in one second of `sample` (a power of two), in which it may cost `sample_cost`. `pending` hellos are
    waited for at once, and `questions` to resolvers for `answer_seconds`. JA3 and JA4 are computed where `fingerprints`
    is set.
    """

    rate: int = 200
    burst: int = 6_000
    total_rate: int = 2_000
    total_burst: int = 40_000
    senders: int = 4_096
    settled_cost: int = 400
    known_cost: int = 40
    promising_cost: int = 800
    sample: int = 16
    sample_cost: int = 4
    fingerprints: bool = True
    pending: int = 256
    questions: int = 4_096
    answer_seconds: int = 15


Address = tuple[int, int]


class FlowId(NamedTuple):
    """One direction of one connection."""

    key: int
    source: tuple[int, int]
    destination: tuple[int, int]
    client_port: int
    port: int

    @staticmethod
    def of(batch: PacketBatch, row: int) -> FlowId:
        """The flow of one packet."""
        return FlowId(
            int(batch.eth_src[row]),
            (int(batch.src_high[row]), int(batch.src_low[row])),
            (int(batch.dst_high[row]), int(batch.dst_low[row])),
            int(batch.src_port[row]),
            int(batch.dst_port[row]),
        )


@dataclass(slots=True)
class Segments:
    """TCP payload from `start` on, put in order; a hello needs few segments."""

    start: int
    told: set[str] = field(default_factory=set)
    _parts: dict[int, bytes] = field(default_factory=dict)
    _seen: int = 0

    LIMIT = 24

    @property
    def exhausted(self) -> bool:
        """No hello needs as many."""
        return self._seen >= self.LIMIT

    def add(self, sequence: int, data: bytes) -> None:
        """One segment, in any order."""
        self._seen += 1
        offset = (sequence - self.start) & 0xFFFF_FFFF
        if offset < tls.MAX_HELLO and len(data) > len(self._parts.get(offset, b"")):
            self._parts[offset] = data

    def stream(self) -> bytes:
        """What is there without a gap."""
        out = bytearray()
        for offset in sorted(self._parts):
            if offset > len(out):
                break
            out += self._parts[offset][len(out) - offset :]
        return bytes(out[: tls.MAX_HELLO])


@dataclass(slots=True)
class Connection:
    """A QUIC connection whose first flight is still read."""

    version: int
    destination: bytes
    told: set[str] = field(default_factory=set)
    crypto: quic.CryptoStream = field(default_factory=quic.CryptoStream)
    done: bool = False
    _keys: quic.Keys | None = None

    @property
    def keys(self) -> quic.Keys:
        """Derived when they are needed."""
        if self._keys is None:
            self._keys = quic.client_keys(self.version, self.destination)
        return self._keys


@dataclass(slots=True)
class _Bucket:
    """Units of work that are left, as of a time; it fills with packet time."""

    level: float
    last_ns: int

    def fill(self, time_ns: int, rate: int, most: int) -> None:
        if time_ns > self.last_ns:
            level = self.level + (time_ns - self.last_ns) * rate / SECOND
            self.level = level if level < most else float(most)
            self.last_ns = time_ns


class Limiter:
    """A budget of work for each sender, and one for all of them; the sender longest silent is forgotten first."""

    def __init__(self, settings: DissectSettings) -> None:
        self._settings = settings
        self._buckets: OrderedDict[int, _Bucket] = OrderedDict()
        self._all: _Bucket | None = None

    def allows(self, key: int, time_ns: int, cost: int, *, watched: bool = False) -> bool:
        """Take the cost of reading one more message of this sender, where its budget and that of all have it."""
        settings = self._settings
        own = self._buckets.get(key)
        if own is None:
            own = self._buckets[key] = _Bucket(float(settings.burst), time_ns)
            if len(self._buckets) > settings.senders:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(key)
        everyone = self._all = self._all or _Bucket(float(settings.total_burst), time_ns)
        own.fill(time_ns, settings.rate, settings.burst)
        everyone.fill(time_ns, settings.total_rate, settings.total_burst)
        if own.level < cost or (everyone.level < cost and not watched):
            return False
        own.level -= cost
        everyone.level -= cost
        return True

    def charge(self, key: int, cost: int) -> None:
        """Take what a message that was read has cost beyond what was expected."""
        for bucket in (self._buckets.get(key), self._all):
            if bucket is not None:
                bucket.level -= cost


class Settled:
    """Which hosts have been read for so long that more would say nothing new. Decided by the packets, and by what is
    known of their hosts when a batch begins."""

    def __init__(self, settings: DissectSettings) -> None:
        self._settings = settings
        self._cost: OrderedDict[int, int] = OrderedDict()
        self._spent: OrderedDict[tuple[int, bool], tuple[int, int]] = OrderedDict()
        self._enough: set[int] = set()
        self._known: set[int] = set()
        self._promising: frozenset[int] = frozenset()

    def know(self, known: Collection[int], promising: Collection[int]) -> None:
        """Of the `known` hosts it is known what they are, and the `promising` ones may become watched."""
        enough = self._settings.known_cost
        self._known = {key for key in known if self._cost.get(key, 0) >= enough}
        self._promising = frozenset(promising)

    def hosts(self, watched: Collection[int]) -> frozenset[int]:
        """Return the hosts that are sampled, as of the packets that were read."""
        most = self._settings.promising_cost
        patient = (key for key in self._enough & self._promising if self._cost.get(key, 0) < most)
        return frozenset(self._enough | self._known).difference(watched, patient)

    def reads(self, key: int, time_ns: int, cost: int, *, answer: bool) -> bool:
        """Whether a host is read at this time; then that is counted. An answer has a budget of its own: so it is read
        where its question was."""
        settings, spent = self._settings, self._cost.get(key, 0)
        if spent < settings.promising_cost:
            self._cost[key] = min(spent + cost, settings.promising_cost)
            if spent + cost >= settings.settled_cost:
                self._enough.add(key)
        self._cost.move_to_end(key)
        if len(self._cost) > settings.senders:
            forgotten = self._cost.popitem(last=False)[0]
            self._enough.discard(forgotten)
            self._known.discard(forgotten)
        enough = settings.promising_cost if key in self._promising else settings.settled_cost
        if spent < enough and key not in self._known:
            return True
        second = time_ns // SECOND
        if second % settings.sample != key % settings.sample:
            return False
        of, so_far = self._spent.pop((key, answer), (second, 0))
        so_far = so_far if of == second else 0
        self._spent[key, answer] = (second, so_far + cost if so_far < settings.sample_cost else so_far)
        if len(self._spent) > settings.senders:
            self._spent.popitem(last=False)
        return so_far < settings.sample_cost


#: Resolvers that are remembered to answer by themselves.
_MOST_RESOLVERS = 256


class Asked(NamedTuple):
    """A question that a client put to a resolver."""

    time_ns: int
    key: int
    name: str
    resolver_key: int


class Questions:
    """Questions to resolvers that are not answered yet. An answer counts only where its question was seen."""

    def __init__(self, settings: DissectSettings) -> None:
        self._limit, self._wait_ns = settings.questions, settings.answer_seconds * SECOND
        self._table: OrderedDict[tuple[Address, Address, int, int], Asked] = OrderedDict()
        self._resolvers: OrderedDict[int, None] = OrderedDict()  # that answered what was sent to them

    def ask(self, client: Address, resolver: Address, port: int, number: int, asked: Asked) -> None:
        """Remember a question: by the addresses of both, the client's port, and the number of the message."""
        place = (client, resolver, port, number)
        self._table.pop(place, None)
        self._table[place] = asked
        if len(self._table) > self._limit:
            self._table.popitem(last=False)

    def answered(
        self, client: Address, resolver: Address, port: int, number: int, name: str, time_ns: int, sender: int
    ) -> Asked | None:
        """Return the question that this is the answer to, or None where it was not asked, was asked long ago, is
        answered already, or where another host (`sender`) answers than the one to which questions go. Where that one
        never answers by itself (routers that share an address), nothing is concluded."""
        place = (client, resolver, port, number)
        asked = self._table.get(place)
        if asked is None or asked.name != name or not abs(time_ns - asked.time_ns) <= self._wait_ns:
            return None
        if sender == asked.resolver_key:
            self._resolvers[sender] = None
            self._resolvers.move_to_end(sender)
            if len(self._resolvers) > _MOST_RESOLVERS:
                self._resolvers.popitem(last=False)
        elif asked.resolver_key in self._resolvers and not sender & KEY_FROM_ADDRESS:
            return None
        return self._table.pop(place)


class Rendezvous:
    """Which hosts ask several public servers within a few seconds to be found by a peer."""

    SERVERS, SPAN_NS = 3, 5 * SECOND

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._asked: OrderedDict[int, dict[Address, int]] = OrderedDict()

    def ask(self, key: int, server: Address, time_ns: int) -> bool:
        """A host asked a server; return whether it asked enough of them lately."""
        asked = self._asked.pop(key, {})
        asked = {other: then for other, then in asked.items() if abs(time_ns - then) <= self.SPAN_NS}
        asked[server] = time_ns
        self._asked[key] = asked if len(asked) <= 2 * self.SERVERS else {server: time_ns}
        if len(self._asked) > self._limit:
            self._asked.popitem(last=False)
        return len(asked) >= self.SERVERS


def keep(table: OrderedDict[FlowId, Any], flow: FlowId, value: Any, limit: int) -> None:
    """Put a value into a bounded table; the oldest goes."""
    table.pop(flow, None)
    table[flow] = value
    if len(table) > limit:
        table.popitem(last=False)
