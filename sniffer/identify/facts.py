"""The kinds of facts, each once: what it is, and what it may be used for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of fact.

    `own`: a host that forwards for others shows it of itself, not of them. `shown`: worth listing though no rule asks
    for it. `forwards`: who shows it forwards for others. `host_name`: the value is the name of a host on the Internet.
    `identity`: the value is the same after the device has changed its MAC address.
    """

    name: str
    meaning: str
    own: bool = False
    shown: bool = False
    forwards: bool = False
    host_name: bool = False
    identity: bool = False


KINDS = (
    Kind("oui", "maker of the network card, by the prefix of the MAC address", own=True, shown=True),
    Kind("dhcp.hostname", "host name in a DHCP request", own=True, shown=True, identity=True),
    Kind("dhcp.vendor_class", "vendor class in a DHCP request (option 60)", own=True, shown=True),
    Kind("dhcp.parameters", "options that a DHCP client asks for (option 55), in order", own=True),
    Kind("dhcp.parameters6", "options that a DHCPv6 client asks for, in order", own=True),
    Kind("dhcp.client_id", "client identifier or DUID in a DHCP request", own=True, identity=True),
    Kind("dhcp.server", "answers DHCP requests", own=True, shown=True, forwards=True),
    Kind("mdns.service", "service type that the host announces by mDNS", shown=True),
    Kind("mdns.txt", "one key of an announced service: `_type._proto:key=value`"),
    Kind("mdns.host", "host name that it announces by mDNS", shown=True, identity=True),
    Kind("mdns.instance", "name of an announced service: `_type._proto:name`", shown=True),
    Kind("mdns.query", "service type that it looks for by mDNS"),
    Kind("ssdp.server", "SERVER header of an SSDP announcement", shown=True),
    Kind("ssdp.type", "type of an SSDP announcement", shown=True),
    Kind("ssdp.search", "type that it searches by SSDP"),
    Kind("ssdp.header", "vendor header of an SSDP announcement: `x-name=value`"),
    Kind("user_agent", "USER-AGENT header of SSDP", shown=True),
    Kind("dns.query", "host name that it asked a resolver for", host_name=True),
    Kind("dns.server", "answers DNS questions that were seen", own=True, shown=True, forwards=True),
    Kind("dns.encrypted", "uses encrypted DNS", shown=True),
    Kind("tls.sni", "server name in a TLS ClientHello", host_name=True),
    Kind("tls.ja3", "JA3 fingerprint of its ClientHello"),
    Kind("tls.ja4", "JA4 fingerprint of its ClientHello"),
    Kind("tls.alpn", "protocols that its ClientHello offers"),
    Kind("tls.ech", "sends Encrypted ClientHello, or pretends to", shown=True),
    Kind("quic.sni", "server name in a QUIC Initial packet", host_name=True),
    Kind("network.router", "advertises itself as an IPv6 router", own=True, shown=True, forwards=True),
    Kind("network.gateway", "sends packets of several public addresses", own=True, shown=True, forwards=True),
    Kind("network.nat", "sends packets whose time to live shows one more router", own=True, shown=True),
    Kind("network.carries", "a DHCP client whose requests it sends on: its MAC address", own=True, shown=True),
    Kind("port.tcp", "TCP port on which it accepted a connection"),
    Kind("port.udp", "UDP port from which it sends"),
    Kind("udp.discovery", "vendor's discovery: `multicast address:port` to which it sends"),
    Kind("p2p.rendezvous", "asks several public servers at once to be found by a peer: `pppp`", shown=True),
)

FACT_KINDS = frozenset(kind.name for kind in KINDS)
#: Kinds by which a name is learned: what `name` in a rule stands for.
NAME_KINDS = tuple(kind.name for kind in KINDS if kind.host_name)
OWN_FACTS = frozenset(kind.name for kind in KINDS if kind.own)
SHOWN = frozenset(kind.name for kind in KINDS if kind.shown)
FORWARDING = frozenset(kind.name for kind in KINDS if kind.forwards)
IDENTITY_FACTS = frozenset(kind.name for kind in KINDS if kind.identity)
