"""What is held of each host: bounded, however many there are and whatever they say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sniffer.identify.classifier import Hits, Opinion
from sniffer.identify.facts import SHOWN
from sniffer.model import Fact
from sniffer.model.clock import SECOND

MAX_ADDRESSES = 16
MAX_SHOWN = 24
#: Uploads shaped like speech by which a host that no rule knows is listed as what may be a speaker.
ENOUGH_VOICES = 2
MINUTE_NS = 60 * SECOND
#: Different minutes in which a recognised speaker must be seen to forward before it is taken for a router; fewer do
#: where it was seen that often: frames with its MAC address are soon forged, and must not hide it.
FORWARDING_MINUTES, OFTEN_MINUTES, FORWARDING_SIGHTINGS = 5, 3, 50

Address = tuple[int, int]


@dataclass(slots=True)
class Host:
    """One host: the facts that matter, its addresses (last used last), and what is thought of it."""

    key: int
    first_ns: int
    hits: Hits = field(default_factory=Hits)
    shown: dict[tuple[str, str], Fact] = field(default_factory=dict)
    addresses: OrderedDict[Address, int] = field(default_factory=OrderedDict)
    oui: str | None = None
    forwards: bool = False
    opinion: Opinion | None = None
    since_ns: int | None = None
    listed_ns: int | None = None
    vendors: list[tuple[int, str | None]] = field(default_factory=list)
    same_as: str | None = None
    last_ns: int = 0
    carries: bool = False
    lost: str | None = None
    hides: str | None = None
    voices: int = 0
    voice_probability: float = 0.0
    forwarding: set[int] = field(default_factory=set)
    sightings: int = 0

    @property
    def recognised(self) -> bool:
        """Taken for a device with a microphone, or probably one."""
        return self.since_ns is not None or self.listed_ns is not None

    def seen_forwarding(self, fact: Fact) -> bool:
        """Note that the host seemed to forward; return whether that was seen long or often enough."""
        self.sightings += 1
        minute = fact.time_ns // MINUTE_NS
        if len(self.forwarding) < FORWARDING_MINUTES:
            self.forwarding.add(minute)
        minutes = len(self.forwarding)
        return minutes >= FORWARDING_MINUTES or (minutes >= OFTEN_MINUTES and self.sightings >= FORWARDING_SIGHTINGS)

    def show(self, fact: Fact) -> bool:
        """Keep a fact for display; whether it is new."""
        place = (fact.kind, fact.value)
        if fact.kind not in SHOWN or place in self.shown or len(self.shown) >= MAX_SHOWN:
            return False
        self.shown[place] = fact
        return True

    def add_address(self, address: Address, time_ns: int) -> None:
        self.addresses[address] = time_ns
        self.addresses.move_to_end(address)
        if len(self.addresses) > MAX_ADDRESSES:
            self.addresses.popitem(last=False)

    @property
    def address(self) -> Address | None:
        """The address to show: the IPv4 one used last, else a routable IPv6 one, else any."""
        newest = list(reversed(self.addresses))
        return next(
            (a for a in newest if a[0] == 0),
            next((a for a in newest if a[0] >> 48 != 0xFE80), next(iter(newest), None)),
        )

    def vendor_at(self, time_ns: int) -> str | None:
        """What the vendor was thought to be at a time."""
        return next((vendor for since, vendor in reversed(self.vendors) if since <= time_ns), None)


class Hosts:
    """All hosts; the one longest without news is forgotten first, but never one that is `kept`."""

    def __init__(self, limit: int, kept: Callable[[int], bool]) -> None:
        self._limit, self._kept = limit, kept
        self._table: OrderedDict[int, Host] = OrderedDict()

    def __len__(self) -> int:
        return len(self._table)

    def __iter__(self) -> Iterator[Host]:
        return iter(self._table.values())

    def __contains__(self, key: int) -> bool:
        return key in self._table

    def get(self, key: int) -> Host | None:
        return self._table.get(key)

    def add(self, key: int, time_ns: int) -> tuple[Host, int | None]:
        """Return a new host, and the key of the one that was forgotten for it."""
        host = self._table[key] = Host(key, time_ns)
        if len(self._table) <= self._limit:
            return host, None
        for _ in range(len(self._table)):
            victim = next(iter(self._table))
            if victim != key and not self._kept(victim):
                break
            self._table.move_to_end(victim)  # so that the kept ones are not looked at again and again
        del self._table[victim]
        return host, victim

    def remove(self, key: int) -> None:
        self._table.pop(key, None)

    def touch(self, key: int) -> None:
        self._table.move_to_end(key)
