"""What identity packets say, and who a host is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from sniffer.model.addresses import PROTO_NAMES, address_text

#: The reasons of a device that the page tells apart: the configuration names it; it behaves like a speaker, and no rule
#: says what it is (the first words of the reason).
NAMED = "named in the configuration"
SENDS_VOICE = "sends what could be a voice"


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a host showed of itself.

    `kind` is one of `sniffer.identify.facts.KINDS`; `value` comes from the network: it is data, cut to 255 characters.
    """

    time_ns: int
    key: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class NameSeen:
    """A name that belongs to an address, or to one flow of one host.

    From DNS answers: `address` and `ttl_seconds`, `port` and `peer` None. From SNI: the flow's
    server `address`, `port`, and the client's port in `client_port`.
    """

    time_ns: int
    key: int
    name: str
    source: Literal["dns", "sni", "quic", "mdns"]
    address: tuple[int, int]
    proto: int | None = None
    port: int | None = None
    client_port: int | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """An address belongs to a host (ARP, neighbour discovery, DHCP, or a packet it sent)."""

    time_ns: int
    key: int
    address: tuple[int, int]


Observation = Fact | NameSeen | AddressSeen


@dataclass(frozen=True, slots=True)
class Device:
    """Who a host is, how sure that is, and why.

    `microphone` says whether it is judged; `configured` whether a person said so (a person is always right).
    `name` is the configured name, else one made from model and MAC that is safe as a metric label.
    """

    key: int
    name: str
    address: tuple[int, int] | None = None
    vendor: str | None = None
    model: str | None = None
    kind: str = "unknown"
    confidence: float = 0.0
    microphone: bool = False
    configured: bool = False
    rules: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    reasons: tuple[str, ...] = ()
    since_ns: int = 0
    earshot: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """The other end of a flow. `role` is a prior, never a verdict; `source` says where the name comes from:
    `sni`, `quic`, `dns`, `mdns`, `dns_late` (an answer seen after the flow began), or None (unknown)."""

    host: str | None = None
    role: Literal["voice", "telemetry", "control", "update", "media", "time", "unknown"] = "unknown"
    source: str | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FlowKey:
    """One flow, seen from the device: it is the source."""

    src: tuple[int, int]
    src_port: int
    dst: tuple[int, int]
    dst_port: int
    proto: int

    def __str__(self) -> str:
        name = PROTO_NAMES.get(self.proto, str(self.proto))
        return f"{_endpoint(self.src, self.src_port)} > {_endpoint(self.dst, self.dst_port)} {name}"


def _endpoint(address: tuple[int, int], port: int) -> str:
    text = address_text(*address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


class ServiceLookup(Protocol):
    """What `detect` may ask of `identify`. The answer is as of `at_ns`: what was observed later than that
    does not change it, so verdicts do not depend on how packets were batched."""

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service: ...
