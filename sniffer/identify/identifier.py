"""Facts in, devices out; and names for flows. No I/O, and no clock but the packets'.

It is over 400 lines since each method reads or changes the one table of hosts; what does not is in files beside it.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from typing import Any

from sniffer.identify import memory
from sniffer.identify.classifier import Hits, Opinion, Scales
from sniffer.identify.configured import Configured, Unseen
from sniffer.identify.facts import FORWARDING, IDENTITY_FACTS
from sniffer.identify.flow_names import Names
from sniffer.identify.hosts import ENOUGH_VOICES, Host, Hosts
from sniffer.identify.naming import GUESS_CONFIDENCE, described, unknown
from sniffer.identify.oui import OuiTable
from sniffer.identify.packet_facts import (
    Bindings,
    Often,
    gateway_rows,
    handshakes,
    local_pairs,
    open_ports,
    resolved,
    routed_rows,
    sender_rows,
    somebody,
)
from sniffer.identify.roles import Roles
from sniffer.identify.settings import IdentifySettings
from sniffer.identify.sharing import Sharing
from sniffer.identify.watchlist import Watchlist
from sniffer.model import (
    KEY_FROM_ADDRESS,
    AddressSeen,
    Device,
    Fact,
    FlowKey,
    NameSeen,
    Observation,
    PacketBatch,
    Service,
    address_key,
    address_text,
    key_text,
)
from sniffer.model.clock import timestamp
from sniffer.model.hosts import NAMED
from sniffer.settings.base import DeviceSettings

#: A device that was recognised stays so until the facts speak clearly against it.
LOSE_CONFIDENCE = 0.5
#: As many public IPv4 source addresses behind one MAC make it a gateway.
GATEWAY_ADDRESSES = 4
#: As many connections with a time to live that a router has lowered make their sender one.
ROUTED_CONNECTIONS = 4
#: Lines of news that are held until they are asked for.
MAX_NEWS = 64
_COMMON_NAMES = frozenset({"localhost", "android", "unknown", "wlan0", "espressif"})


class Identifier:
    """Who is a speaker, and which service is it talking to. The configuration (`devices`) is always right."""

    def __init__(
        self,
        settings: IdentifySettings,
        devices: Sequence[DeviceSettings],
        scales: Scales,
        roles: Roles,
        oui: OuiTable,
    ) -> None:
        self.settings = settings
        self._configured = Configured(devices)
        self._scales = scales
        self._ports = {kind: self._scales.numbers(kind) for kind in ("port.tcp", "port.udp")}
        self._roles = roles
        self._oui = oui
        self._watchlist = Watchlist(settings.max_recognised)
        self.hosts = Hosts(settings.max_hosts, lambda key: key in self._configured or key in self._watchlist)
        self.names = Names(settings.max_names)
        self._bindings = Bindings(settings.max_hosts * 4)
        self._sharing = Sharing(settings.max_hosts)
        self._public: OrderedDict[int, set[int]] = OrderedDict()
        self._routed = Often(ROUTED_CONNECTIONS, settings.max_hosts)
        self._suspects: set[int] = set()
        self._promising: set[int] = set()
        self._innocent: set[int] = set()
        self._identities: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._departed: set[int] = set()
        self._news: list[str] = []
        #: What was counted since the counts were taken: `lost` speakers, `refused` ones, `shared` MAC addresses.
        self.counts: Counter[str] = Counter()

    # --- in ----------------------------------------------------------------------------------------------------------

    def seen(self, batch: PacketBatch) -> list[Device]:
        """What any packet shows: that a host is there, its address, that it forwards, that a connection began."""
        changed: dict[int, None] = {}
        recognised = self._watchlist.known()
        for key, first_ns, last_ns in sender_rows(batch):
            host = self.hosts.get(key)
            if host is None:
                host = self._host(key, first_ns)
                changed[key] = None
            host.last_ns = max(host.last_ns, last_ns)
            if key in recognised:
                self._watchlist.active(key, last_ns)
        for carrier in self._sharing.look(batch, {host.key for host in self.hosts if host.forwards}):
            self._split(carrier)
            changed[carrier] = None
        for key, address, time_ns in local_pairs(batch):
            self._bind(key, address, time_ns)
        gateways = {host.key for host in self.hosts if host.forwards}
        for key, public, time_ns in gateway_rows(batch, gateways):
            if self._forwards_public(key, public):
                changed |= self._fact(Fact(time_ns, key, "network.gateway", "public addresses"))
        for key, kind, port, time_ns in open_ports(batch, self._ports["port.tcp"], self._ports["port.udp"]):
            changed |= self._fact(Fact(time_ns, key, kind, str(port)))
        for key, live, time_ns in routed_rows(batch):
            if self._routed.add(key):
                changed |= self._fact(Fact(time_ns, key, "network.nat", f"time to live {live}"))
        self._started(batch, self.innocent())
        return [self.device(key) for key in changed]

    def observe(self, observations: Iterable[Observation]) -> list[Device]:
        """Take in what the identity packets said; return the devices that became known or changed."""
        changed: dict[int, None] = {}
        innocent = self.innocent()
        for observation in observations:
            match observation:
                case Fact():
                    changed |= self._fact(observation)
                case NameSeen():
                    self.names.learn(observation, flow=observation.key not in innocent)
                    purpose = self._roles.purpose(observation.name)
                    if purpose is not None and purpose.encrypted_dns and observation.source != "dns":
                        fact = Fact(observation.time_ns, observation.key, "dns.encrypted", f"doh {observation.name}")
                        changed |= self._fact(fact)
                case AddressSeen():
                    self._sharing.own(observation.key, observation.address)
                    self._bind(observation.key, observation.address, observation.time_ns)
        return [self.device(key) for key in changed]

    def names_only(self, batch: PacketBatch, observations: Iterable[Observation]) -> None:
        """Learn names of flows, and nothing about who is who: for a second pass over packets whose hosts are known."""
        innocent = self.innocent()
        self._started(batch, innocent)
        for observation in observations:
            if isinstance(observation, NameSeen):
                self.names.learn(observation, flow=observation.key not in innocent)

    def _started(self, batch: PacketBatch, innocent: Set[int]) -> None:
        """Note which connections begin: not those of hosts that are taken for something else, whose names of flows will
        not be asked for. Should one be watched later, its connections from then on have names."""
        for connection, time_ns in handshakes(batch):
            if connection[0] not in innocent:
                self.names.started(connection, time_ns)

    def look_again(self) -> None:
        """Before a second pass over the same packets: forget names (they would be of the future), keep devices, and
        take what is known of them now for what was known from the beginning."""
        self.names = Names(self.settings.max_names)
        for host in self.hosts:
            host.vendors = [(0, vendor) for _, vendor in host.vendors[-1:]]

    def carry(self, carrier: int) -> None:
        """This MAC address is known to carry several hosts, from before."""
        self._sharing.carry(carrier)
        self._host(carrier, 0).carries = True

    def adopt(self, other: Identifier) -> None:
        """Before another pass over the same packets: take over which MAC addresses carry several hosts, and news."""
        self._sharing.adopt(other._sharing)
        for carrier in other.carriers:
            self.carry(carrier)
        self.tell(*other.news())

    def remember(
        self,
        key: int,
        first_ns: int,
        last_ns: int,
        facts: Iterable[Fact],
        addresses: Iterable[tuple[tuple[int, int], int]],
        since_ns: int | None,
    ) -> None:
        """Take back what was known of a host before a restart."""
        host = self._host(key, first_ns)
        host.last_ns = max(host.last_ns, last_ns)
        for fact in facts:
            self._take(host, fact)
        for address, time_ns in addresses:
            self._bind(key, address, time_ns)
        if host.since_ns is not None and since_ns is not None:
            host.since_ns = since_ns

    def _host(self, key: int, time_ns: int) -> Host:
        host = self.hosts.get(key)
        if host is None:
            host, forgotten = self.hosts.add(key, time_ns)
            if forgotten is not None:
                self._watchlist.drop(forgotten)
                self._innocent.discard(forgotten)
            host.oui = self._oui.lookup(key)
            if host.oui is not None:
                self._take(host, Fact(time_ns, key, "oui", host.oui))
        return host

    def _fact(self, fact: Fact) -> dict[int, None]:
        if fact.key & KEY_FROM_ADDRESS and (owner := self._bindings.owner(fact.key)) is not None:
            fact = replace(fact, key=owner)
        if not somebody(fact.key):
            return {}
        known = fact.key in self.hosts
        host = self._host(fact.key, fact.time_ns)
        host.last_ns = max(host.last_ns, fact.time_ns)
        self.hosts.touch(fact.key)
        return {fact.key: None} if self._take(host, fact) or not known else {}

    def _take(self, host: Host, fact: Fact) -> bool:
        """Add a fact to a host; return whether the opinion of it changed."""
        if fact.kind in FORWARDING and not host.forwards:
            enough = host.seen_forwarding(fact)
            if host.since_ns is not None and not enough and self._scales.own(host.hits, host.opinion):
                return False  # a speaker does not become a router by a frame that says so
            host.forwards = True
            self._scales.note(host.hits, fact)
            host.show(fact)
            self._weigh(host, fact.time_ns)
            return True
        new = self._scales.note(host.hits, fact)
        if new and self._scales.microphone(host.hits) and len(self._suspects) < self.settings.max_hosts:
            self._suspects.add(host.key)
        host.show(fact)
        if new:
            self._hides(host)
        if fact.kind in IDENTITY_FACTS:
            self._compare(host, fact)
        return new and self._weigh(host, fact.time_ns)

    def _weigh(self, host: Host, time_ns: int) -> bool:
        before, was = host.opinion, host.since_ns
        if self._scales.promises(host.hits) and len(self._promising) < self.settings.max_hosts:
            self._promising.add(host.key)
        else:
            self._promising.discard(host.key)
        opinion = host.opinion = self._scales.weigh(host.hits, forwards=host.forwards)
        # The configuration has said already that it is a speaker; then little shows whose.
        enough = 0.0 if host.key in self._configured and opinion and opinion.microphone else GUESS_CONFIDENCE
        vendor = opinion.rule.vendor if opinion and opinion.confidence >= enough else None
        if not host.vendors or host.vendors[-1][1] != vendor:
            host.vendors = [*host.vendors[-3:], (time_ns, vendor)]
        microphone = opinion is not None and opinion.microphone and not host.carries
        confidence = opinion.confidence if opinion else 0.0
        if microphone and confidence >= self.settings.confidence:
            host.since_ns = time_ns if host.since_ns is None else host.since_ns
        elif not microphone or confidence < LOSE_CONFIDENCE:
            host.since_ns = None
        innocent = opinion is not None and not opinion.microphone and confidence >= GUESS_CONFIDENCE
        if innocent:
            self._innocent.add(host.key)
        else:
            self._innocent.discard(host.key)
        listed = self._scales.lists(host.hits) is not None or host.voices >= ENOUGH_VOICES
        if innocent or host.forwards or host.carries or not listed:
            host.listed_ns = None
        elif host.listed_ns is None:
            host.listed_ns = time_ns
        self._place(host, time_ns, before if was is not None and host.since_ns is None else None)
        return before is None or opinion is None or _shown(before) != _shown(opinion)

    def _place(self, host: Host, time_ns: int, lost: Opinion | None) -> None:
        """Give a recognised host its place among the watched ones, or take it away; `lost` is the opinion by which it
        was a speaker until now."""
        if host.key in self._configured:
            return
        if host.recognised:
            waiting = self._watchlist.waiting
            self._watchlist.offer(host.key, len(host.hits.found), host.first_ns, time_ns)
            if self._watchlist.waiting > waiting:
                self.counts["refused"] += 1
                if not waiting:
                    self.tell(
                        f"more than {self.settings.max_recognised} devices look like speakers; the newest and least "
                        "known are not watched: name yours in the configuration"
                    )
        else:
            self._watchlist.drop(host.key)
        if lost is not None:
            self.counts["lost"] += 1
            self._departed.add(host.key)
            host.lost = f"was taken for {lost.model or lost.kind} ({lost.confidence:.0%}) until {timestamp(time_ns)}"
            now = described(host, watched=False, waits=False)
            why = "; ".join(now.reasons[:2])
            self.tell(f"{key_text(host.key)} is not watched any more: it {host.lost}, and now {why or 'fits no rule'}")

    def tell(self, *lines: str) -> None:
        """Add to the news."""
        self._news.extend(lines[: MAX_NEWS - len(self._news)])

    def _split(self, carrier: int) -> None:
        """A MAC address turned out to carry several hosts: what it showed so far is of no one host."""
        host = self.hosts.get(carrier)
        if host is None:
            return
        behind = ", ".join(address_text(*address) for address in self._sharing.addresses(carrier)[:6])
        self._configured.release(carrier)
        host.carries, host.hits = True, Hits()
        host.since_ns = host.listed_ns = host.opinion = None
        self._watchlist.drop(carrier)
        host.shown = {place: fact for place, fact in host.shown.items() if fact.kind == "oui"}
        host.same_as = None
        self.counts["shared"] += 1
        self.tell(
            f"{key_text(carrier)}: several hosts send from this MAC address ({behind}), as behind a Wi-Fi extender or "
            "a second router; they are kept apart by address from now on, and can be named by it "
            f"(--device {behind.split(',')[0]}=kitchen)"
        )
        if host.oui is not None:
            self._take(host, Fact(host.last_ns, carrier, "oui", host.oui))

    def _hides(self, host: Host) -> None:
        """Say once that a host seems to hide others behind its address."""
        if host.hides or host.forwards or host.carries or host.key in self._configured:
            return
        routed = ("network.nat", "time to live 63") in host.shown or ("network.nat", "time to live 127") in host.shown
        things = self._scales.hides(host.hits)
        if not routed and things is None:
            return
        what = f" (it shows {things})" if things else ""
        host.hides = f"is perhaps a router that hides other hosts behind its own address{what}"
        self.tell(
            f"{key_text(host.key)} {host.hides}: what they send cannot be told apart here; capture behind it, or set "
            "it up as an access point"
        )

    def _compare(self, host: Host, fact: Fact) -> None:
        """A device that changed its MAC address keeps its name: proposed as the same, never taken for it."""
        value = fact.value.lower()
        if len(value) < 4 or value in _COMMON_NAMES:
            return
        other = self._identities.pop((fact.kind, value), None)
        self._identities[(fact.kind, value)] = host.key
        if len(self._identities) > self.settings.max_hosts:
            self._identities.popitem(last=False)
        if other is not None and other != host.key:
            host.same_as = f"perhaps the same device as {key_text(other)}: both say {fact.kind} {fact.value}"

    def _bind(self, key: int, address: tuple[int, int], time_ns: int) -> None:
        if key in self._sharing.carriers:
            return
        self._bindings.learn(key, address, time_ns)
        host = self._host(key, time_ns)
        host.add_address(address, time_ns)
        if self._configured.names_address(address) and not key & KEY_FROM_ADDRESS:
            self._configured.bind(key, address)
        made = self.hosts.get(address_key(*address))
        if made is not None and not key & KEY_FROM_ADDRESS:
            self._join(made, host)

    def _join(self, made: Host, host: Host) -> None:
        """A host that was known by its address alone is this one."""
        self.hosts.remove(made.key)
        self._watchlist.drop(made.key)
        facts = [*(fact for fact, _ in made.hits.found.values()), *made.shown.values()]
        for fact in dict.fromkeys(facts):
            self._take(host, replace(fact, key=host.key))

    def _forwards_public(self, key: int, address: int) -> bool:
        known = self._public.setdefault(key, set())
        known.add(address)
        if len(self._public) > self.settings.max_hosts:
            self._public.popitem(last=False)
        if len(known) < GATEWAY_ADDRESSES:
            return False
        del self._public[key]
        return True

    # --- out ---------------------------------------------------------------------------------------------------------

    def device(self, key: int) -> Device:
        """Who a host is, as far as is known."""
        host = self.hosts.get(key)
        if host is None:
            device = unknown(key)
        else:
            watched = key in self._watchlist or key in self._configured
            device = described(host, watched=watched, waits=host.recognised and not watched)
        settings = self._configured.get(key)
        if settings is None or (host is not None and host.carries):
            return device
        known_kind = device.kind if device.microphone else settings.kind
        return replace(
            device,
            name=settings.name,
            vendor=settings.vendor or (host.vendors[-1][1] if host and host.vendors else None) or device.vendor,
            model=settings.model or device.model,
            kind=settings.kind if "kind" in settings.model_fields_set else known_kind,
            confidence=1.0,
            microphone=settings.watch,
            configured=True,
            reasons=(NAMED, *device.reasons),
            since_ns=0,
            earshot=settings.earshot,
        )

    def devices(self) -> list[Device]:
        """All hosts: configured devices first, then the others in the order in which they were seen."""
        seen = sorted((host for host in self.hosts if host.key not in self._configured), key=lambda h: h.first_ns)
        return [self.device(key) for key in (*self._configured, *(host.key for host in seen))]

    def last_seen(self, key: int) -> int:
        """When a host last showed something of itself, in nanoseconds; 0 where it was never seen."""
        host = self.hosts.get(key)
        return host.last_ns if host else 0

    def unseen(self) -> list[Unseen]:
        """The configured devices that sent nothing."""
        return self._configured.unseen({host.key for host in self.hosts})

    def departed(self) -> set[int]:
        """The hosts that stopped being taken for speakers since this was asked."""
        gone, self._departed = self._departed, set()
        return gone

    def news(self) -> list[str]:
        """What a person should know, since this was asked: a line each."""
        lines, self._news = self._news, []
        return lines

    @property
    def carriers(self) -> frozenset[int]:
        """The MAC addresses that carry several hosts."""
        return self._sharing.carriers

    def watched(self) -> dict[int, int]:
        """Whose uploads are looked at, each since the time of the packet that decided it: recognised devices with a
        microphone, and those that probably are (`Device.microphone` is false for these: listed, never accused)."""
        watched: dict[int, int] = {}
        for key in self._watchlist.keys:
            host = self.hosts.get(key)
            if host is not None:
                times = [time_ns for time_ns in (host.since_ns, host.listed_ns) if time_ns is not None]
                watched[key] = min(times, default=0)
        for key, settings in self._configured.items():
            if settings.watch and key not in self._sharing.carriers:
                watched[key] = 0
            else:
                watched.pop(key, None)
        return watched

    def suspects(self) -> set[int]:
        """Who is watched, or may turn out to be when more is known: any host of which something fits a rule for
        devices with a microphone."""
        return self._suspects | self.watched().keys()

    def promising(self) -> set[int]:
        """Hosts that are watched, or nearly: what they show is worth reading, however much it is."""
        return self._promising | self.watched().keys()

    def innocent(self) -> set[int]:
        """Hosts that are taken for something else than what is watched."""
        return self._innocent - self.watched().keys()

    def known(self) -> set[int]:
        """Hosts of which more facts would change nothing: what they are taken for is far from what is watched."""
        return self.innocent() - self._promising

    def suspicious(self, key: int) -> bool:
        """Whether a host of which nothing is known but its MAC address may turn out to be watched."""
        maker, hits = self._oui.lookup(key), Hits()
        if maker is None:
            return False
        self._scales.note(hits, Fact(0, key, "oui", maker))
        return self._scales.microphone(hits)

    def unknown(self) -> set[int]:
        """Hosts that no rule knows: they may be speakers of a kind that is not known yet."""
        return {
            host.key
            for host in self.hosts
            if (host.opinion is None or host.opinion.confidence < GUESS_CONFIDENCE)
            and not (host.forwards or host.carries or host.recognised or host.hides or host.key in self._configured)
            and host.last_ns
        }

    def sounds(self, key: int, time_ns: int, probability: float) -> None:
        """A host that no rule knows sent what is shaped like speech. Seen often enough it is listed, and reported."""
        host = self.hosts.get(key)
        if host is None or host.recognised:
            return
        host.voices += 1
        host.voice_probability = max(host.voice_probability, probability)
        if host.voices < ENOUGH_VOICES:
            return
        host.listed_ns = time_ns
        self._place(host, time_ns, None)
        text = key_text(key)
        self.tell(
            f"{text} sends what could be a voice ({host.voice_probability:.0%} sure at best), and no rule says what it "
            f"is: it is listed, never accused; if it is a speaker, name it: --device {text}=kitchen"
        )

    def recall(self, facts: Iterable[Fact]) -> None:
        """Take facts from other captures of the same house: they say who a host is, not that it was seen here."""
        for fact in facts:
            if somebody(fact.key):
                self._take(self._host(fact.key, fact.time_ns), fact)

    def doubtful(self, key: int) -> bool:
        """Whether a MAC address may carry several hosts, so that all of its packets are worth seeing."""
        return key in self._sharing.carriers or self._sharing.doubtful(key)

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service:
        """The service that a flow goes to, as of a time."""
        found = self.names.find(key, flow, at_ns)
        if found is None:
            return Service()
        host, settings = self.hosts.get(key), self._configured.get(key)
        vendor = (settings.vendor if settings else None) or (host.vendor_at(at_ns) if host else None)
        purpose = self._roles.purpose(found.name, vendor)
        role = purpose.role if purpose else "unknown"
        return Service(found.name, role, found.source, max(0, at_ns - found.time_ns) / 1e9)

    def resolve(self, batch: PacketBatch) -> PacketBatch:
        """Keys that were made from addresses become the MAC addresses that are known for them, and MAC addresses of
        several hosts become the keys of these hosts."""
        batch = resolved(batch, self._bindings)
        if not self._sharing.carriers:
            return batch
        source = self._sharing.apart(batch.eth_src, batch.src_high, batch.src_low)
        destination = self._sharing.apart(batch.eth_dst, batch.dst_high, batch.dst_low)
        return replace(batch, eth_src=source, eth_dst=destination)

    def aliases(self, keys: Iterable[int]) -> frozenset[int]:
        """These keys, those made from their addresses, and the MAC addresses that carry them: by which packets are
        known before `resolve`."""
        wanted = frozenset(keys)
        return wanted.union(self._bindings.made_for(wanted), self._sharing.carriers_of(wanted))

    # --- what was learned ------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What is worth keeping over a restart, as JSON."""
        return memory.saved(self)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave. What does not fit is left out: it will be learned again."""
        memory.restore(self, state)


def _shown(opinion: Opinion) -> tuple[object, ...]:
    """What people see of an opinion: a change elsewhere is no news."""
    return opinion.rule.id, opinion.model, opinion.kind, round(opinion.confidence, 1), len(opinion.reasons)
