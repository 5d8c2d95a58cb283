"""Facts in, devices out; and names for flows. No I/O, and no clock but the packets'."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sniffer.identify.classifier import Hits, Opinion, Scales
from sniffer.identify.facts import FORWARDING, IDENTITY_FACTS
from sniffer.identify.flow_names import Names
from sniffer.identify.hosts import Host, Hosts
from sniffer.identify.oui import OuiTable
from sniffer.identify.packet_facts import (
    Bindings,
    first_rows,
    gateway_rows,
    handshakes,
    local_pairs,
    open_ports,
    resolved,
    somebody,
)
from sniffer.identify.roles import Roles
from sniffer.identify.settings import IdentifySettings
from sniffer.model import AddressSeen, Device, Fact, FlowKey, NameSeen, Observation, PacketBatch, Service, key_text
from sniffer.settings.base import DeviceSettings

#: A device that was recognised stays so until the facts speak clearly against it.
LOSE_CONFIDENCE = 0.5
#: Below this a guess is not told as one.
GUESS_CONFIDENCE = 0.5
#: As many public IPv4 source addresses behind one MAC make it a gateway.
GATEWAY_ADDRESSES = 4
_HIDES = {
    "dns.encrypted": "looks names up by encrypted DNS, so that its services may stay unnamed",
    "tls.ech": "hides names by Encrypted ClientHello, or pretends to",
}
_COMMON_NAMES = frozenset({"localhost", "android", "unknown", "wlan0", "espressif"})


class Identifier:
    """Who is a speaker, and which service is it talking to. A person (`devices`) is always right."""

    def __init__(
        self,
        settings: IdentifySettings,
        devices: Sequence[DeviceSettings],
        scales: Scales,
        roles: Roles,
        oui: OuiTable,
    ) -> None:
        self._settings = settings
        self._configured = {device.key: device for device in devices}
        self._scales = scales
        self._ports = {kind: self._scales.numbers(kind) for kind in ("port.tcp", "port.udp")}
        self._roles = roles
        self._oui = oui
        self._hosts = Hosts(settings.max_hosts)
        self._names = Names(settings.max_names)
        self._bindings = Bindings(settings.max_hosts * 4)
        self._public: OrderedDict[int, set[int]] = OrderedDict()
        self._suspects: set[int] = set()
        self._identities: OrderedDict[tuple[str, str], int] = OrderedDict()

    # --- in ----------------------------------------------------------------------------------------------------------

    def seen(self, batch: PacketBatch) -> list[Device]:
        """What any packet tells: that a host is there, its address, that it forwards, that a connection began."""
        changed: dict[int, None] = {}
        for key, time_ns in first_rows(batch):
            if key not in self._hosts:
                self._host(key, time_ns)
                changed[key] = None
        for key, address, time_ns in local_pairs(batch):
            self._bind(key, address, time_ns)
        gateways = {host.key for host in self._hosts if host.forwards}
        for key, public, time_ns in gateway_rows(batch, gateways):
            if self._forwards_public(key, public):
                changed |= self._fact(Fact(time_ns, key, "network.gateway", "public addresses"))
        for key, kind, port, time_ns in open_ports(batch, self._ports["port.tcp"], self._ports["port.udp"]):
            changed |= self._fact(Fact(time_ns, key, kind, str(port)))
        for connection, time_ns in handshakes(batch):
            self._names.started(connection, time_ns)
        return [self.device(key) for key in changed]

    def observe(self, observations: Iterable[Observation]) -> list[Device]:
        """Take in what the identity packets said; the devices that became known or changed."""
        changed: dict[int, None] = {}
        for observation in observations:
            match observation:
                case Fact():
                    changed |= self._fact(observation)
                case NameSeen():
                    self._names.learn(observation)
                    purpose = self._roles.purpose(observation.name)
                    if purpose is not None and purpose.encrypted_dns and observation.source != "dns":
                        fact = Fact(observation.time_ns, observation.key, "dns.encrypted", f"doh {observation.name}")
                        changed |= self._fact(fact)
                case AddressSeen():
                    self._bind(observation.key, observation.address, observation.time_ns)
        return [self.device(key) for key in changed]

    def names_only(self, batch: PacketBatch, observations: Iterable[Observation]) -> None:
        """Names of flows, and nothing about who is who: for a second look at packets whose hosts are known."""
        for connection, time_ns in handshakes(batch):
            self._names.started(connection, time_ns)
        for observation in observations:
            if isinstance(observation, NameSeen):
                self._names.learn(observation)

    def look_again(self) -> None:
        """Before a second look at the same packets: forget names (they would be of the future), keep devices, and
        take what is known of them now for what was known from the beginning."""
        self._names = Names(self._settings.max_names)
        for host in self._hosts:
            host.vendors = [(0, vendor) for _, vendor in host.vendors[-1:]]

    def _host(self, key: int, time_ns: int) -> Host:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts.add(key, time_ns)
            host.oui = self._oui.lookup(key)
            if host.oui is not None:
                self._take(host, Fact(time_ns, key, "oui", host.oui))
        return host

    def _fact(self, fact: Fact) -> dict[int, None]:
        if not somebody(fact.key):
            return {}
        known = fact.key in self._hosts
        host = self._host(fact.key, fact.time_ns)
        self._hosts.touch(fact.key)
        return {fact.key: None} if self._take(host, fact) or not known else {}

    def _take(self, host: Host, fact: Fact) -> bool:
        """Whether what is thought of the host changed."""
        new = self._scales.note(host.hits, fact)
        if new and self._scales.microphone(host.hits) and len(self._suspects) < self._settings.max_hosts:
            self._suspects.add(host.key)
        host.show(fact)
        if fact.kind in FORWARDING and not host.forwards:
            host.forwards = new = True
        if fact.kind in IDENTITY_FACTS:
            self._compare(host, fact)
        return new and self._weigh(host, fact.time_ns)

    def _weigh(self, host: Host, time_ns: int) -> bool:
        before = host.opinion
        opinion = host.opinion = self._scales.weigh(host.hits, forwards=host.forwards)
        # That it is a speaker a person has said already; then little tells whose.
        enough = 0.0 if host.key in self._configured and opinion and opinion.microphone else GUESS_CONFIDENCE
        vendor = opinion.rule.vendor if opinion and opinion.confidence >= enough else None
        if not host.vendors or host.vendors[-1][1] != vendor:
            host.vendors = [*host.vendors[-3:], (time_ns, vendor)]
        microphone = opinion is not None and opinion.microphone
        confidence = opinion.confidence if opinion else 0.0
        if microphone and confidence >= self._settings.confidence:
            host.since_ns = time_ns if host.since_ns is None else host.since_ns
        elif not microphone or confidence < LOSE_CONFIDENCE:
            host.since_ns = None
        innocent = opinion is not None and not opinion.microphone and confidence >= GUESS_CONFIDENCE
        if innocent or host.forwards or self._scales.lists(host.hits) is None:
            host.listed_ns = None
        elif host.listed_ns is None:
            host.listed_ns = time_ns
        return before is None or opinion is None or _told(before) != _told(opinion)

    def _compare(self, host: Host, fact: Fact) -> None:
        """A device that changed its MAC address keeps its name: proposed as the same, never taken for it."""
        value = fact.value.lower()
        if len(value) < 4 or value in _COMMON_NAMES:
            return
        other = self._identities.pop((fact.kind, value), None)
        self._identities[(fact.kind, value)] = host.key
        if len(self._identities) > self._settings.max_hosts:
            self._identities.popitem(last=False)
        if other is not None and other != host.key:
            host.same_as = f"perhaps the same device as {key_text(other)}: both say {fact.kind} {fact.value}"

    def _bind(self, key: int, address: tuple[int, int], time_ns: int) -> None:
        self._bindings.learn(key, address, time_ns)
        host = self._host(key, time_ns)
        host.add_address(address, time_ns)

    def _forwards_public(self, key: int, address: int) -> bool:
        known = self._public.setdefault(key, set())
        known.add(address)
        if len(self._public) > self._settings.max_hosts:
            self._public.popitem(last=False)
        if len(known) < GATEWAY_ADDRESSES:
            return False
        del self._public[key]
        return True

    # --- out ---------------------------------------------------------------------------------------------------------

    def device(self, key: int) -> Device:
        """Who a host is, as far as is known."""
        host = self._hosts.get(key)
        device = self._recognised(host) if host else Device(key=key, name=f"host-{_suffix(key)}")
        settings = self._configured.get(key)
        if settings is None:
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
            reasons=("named in the configuration", *device.reasons),
            since_ns=0,
            earshot=settings.earshot,
        )

    def _recognised(self, host: Host) -> Device:
        opinion = host.opinion
        shown = tuple(host.shown.values())
        extra = ((host.same_as,) if host.same_as else ()) + tuple(_hidden(shown))
        facts = shown if opinion is None else tuple(dict.fromkeys(opinion.facts + shown))
        if opinion is None or opinion.confidence < GUESS_CONFIDENCE:
            name = f"host-{_suffix(host.key)}"
            return Device(host.key, name, host.address, vendor=host.oui, facts=facts, reasons=extra)
        return Device(
            key=host.key,
            name=f"{_slug(opinion.model or opinion.kind)}-{_suffix(host.key)}",
            address=host.address,
            vendor=opinion.rule.vendor or host.oui,
            model=opinion.model,
            kind=opinion.kind,
            confidence=opinion.confidence,
            microphone=host.since_ns is not None,
            rules=(opinion.rule.id,),
            facts=facts,
            reasons=opinion.reasons + extra,
            since_ns=host.since_ns or 0,
        )

    def devices(self) -> list[Device]:
        """Everybody: configured devices first, then the others in the order in which they were seen."""
        seen = sorted((host for host in self._hosts if host.key not in self._configured), key=lambda h: h.first_ns)
        return [self.device(key) for key in (*self._configured, *(host.key for host in seen))]

    def watched(self) -> dict[int, int]:
        """Whose uploads are looked at, each since the time of the packet that decided it: recognised devices with a
        microphone, and those that probably are (`Device.microphone` is false for these: listed, never accused)."""
        watched = {host.key: host.listed_ns for host in self._hosts if host.listed_ns is not None}
        for host in self._hosts:
            if host.since_ns is not None:
                watched[host.key] = min(host.since_ns, watched.get(host.key, host.since_ns))
        for key, settings in self._configured.items():
            if settings.watch:
                watched[key] = 0
            else:
                watched.pop(key, None)
        return watched

    def suspects(self) -> set[int]:
        """Who is watched, or may turn out to be when more is known: any host of which something fits a rule for
        devices with a microphone."""
        return self._suspects | self.watched().keys()

    def suspicious(self, key: int) -> bool:
        """Whether a host of which nothing is known but its MAC address may turn out to be watched."""
        maker, hits = self._oui.lookup(key), Hits()
        if maker is None:
            return False
        self._scales.note(hits, Fact(0, key, "oui", maker))
        return self._scales.microphone(hits)

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service:
        """Whom a flow talks to, as of a time."""
        found = self._names.find(key, flow, at_ns)
        if found is None:
            return Service()
        host, settings = self._hosts.get(key), self._configured.get(key)
        vendor = (settings.vendor if settings else None) or (host.vendor_at(at_ns) if host else None)
        purpose = self._roles.purpose(found.name, vendor)
        role = purpose.role if purpose else "unknown"
        return Service(found.name, role, found.source, max(0, at_ns - found.time_ns) / 1e9)

    def resolve(self, batch: PacketBatch) -> PacketBatch:
        """Keys that were made from addresses become the MAC addresses that are known for them."""
        return resolved(batch, self._bindings)

    def aliases(self, keys: Iterable[int]) -> frozenset[int]:
        """These keys, and those made from their addresses: by which packets are known before `resolve`."""
        wanted = frozenset(keys)
        return wanted.union(self._bindings.made_for(wanted))

    # --- what was learned ------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """What is worth keeping over a restart, as JSON."""
        hosts = [
            {
                "key": host.key,
                "first": host.first_ns,
                "since": host.since_ns,
                "addresses": [[*address, time_ns] for address, time_ns in host.addresses.items()],
                "facts": [
                    [f.time_ns, f.kind, f.value]
                    for f in dict.fromkeys([*(fact for fact, _ in host.hits.found.values()), *host.shown.values()])
                ],
            }
            for host in self._hosts
        ]
        names = [
            [key, *address, entries[-1].time_ns, entries[-1].name, entries[-1].source]
            for (key, address), entries in self._names.addresses.items()
            if key
        ]
        return {"version": 1, "hosts": hosts, "names": names[-self._settings.max_names // 4 :]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take back what `state` gave. What does not fit is left out: it will be learned again."""
        if state.get("version") != 1:
            return
        for saved in state.get("hosts", ()):
            try:
                key, facts = int(saved["key"]), [(int(t), str(k), str(v)) for t, k, v in saved["facts"]]
                host = self._host(key, int(saved["first"]))
                for time_ns, kind, value in facts:
                    self._take(host, Fact(time_ns, key, kind, value[:255]))
                for high, low, time_ns in saved["addresses"]:
                    self._bind(key, (int(high), int(low)), int(time_ns))
                if host.since_ns is not None and saved["since"] is not None:
                    host.since_ns = int(saved["since"])
            except (KeyError, TypeError, ValueError):
                continue
        for saved in state.get("names", ()):
            try:
                key, high, low, time_ns, name, source = saved
                seen = NameSeen(int(time_ns), int(key), str(name)[:255], source, (int(high), int(low)))
                self._names.learn(seen)
            except (TypeError, ValueError):
                continue


def _told(opinion: Opinion) -> tuple[object, ...]:
    """What people see of an opinion: a change elsewhere is no news."""
    return opinion.rule.id, opinion.model, opinion.kind, round(opinion.confidence, 1), len(opinion.reasons)


def _hidden(facts: Sequence[Fact]) -> Iterator[str]:
    """What keeps the names of services from us."""
    for kind, text in _HIDES.items():
        values = [fact.value for fact in facts if fact.kind == kind]
        if values:
            yield f"{text} ({', '.join(filter(None, values[:3])) or kind})"


def _suffix(key: int) -> str:
    return f"{key & 0xFF_FFFF:06x}"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "device"
