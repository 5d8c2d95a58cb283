"""A house with a router and hosts, whose traffic is told as a story and comes out as frames."""

from __future__ import annotations

import hashlib
import ipaddress
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sniffer.model import FrameBlock, PacketBatch, mac_key
from sniffer.model.clock import SECOND
from sniffer.testing import acts, wire
from sniffer.testing.acts import Act, Transport, Write
from sniffer.testing.pcap import Frame, frame_block, packet_batch, pcap_bytes, pcapng_bytes
from sniffer.testing.render import SEGMENT, Connection, Planned, opening, render_tcp, render_udp

MDNS = ipaddress.IPv4Address("224.0.0.251")
SSDP = ipaddress.IPv4Address("239.255.255.250")


@dataclass(frozen=True)
class Sent:
    """What an act amounted to on the wire, for the test that told it: the truth to compare with.

    `bytes` are upstream transport payload without retransmissions and without the opening of the connection.
    """

    address: str
    peer: str
    local_port: int
    port: int
    start_ns: int
    end_ns: int
    bytes: int
    bytes_toclient: int
    packets: int


@dataclass
class Host:
    """Somebody in the house. The methods that take no `at` make an `Act`, whose `to` performs it."""

    house: House
    name: str
    mac: str
    address: ipaddress.IPv4Address
    address6: ipaddress.IPv6Address
    luck: random.Random
    vlan: tuple[int, ...] = ()
    next_port: int = 40_000

    @property
    def key(self) -> int:
        """The key that the packets of this host carry."""
        return mac_key(self.mac)

    def says(
        self,
        seconds: float,
        *,
        chunk: int = 437,
        rate: float = 20.0,
        head: int = 14_000,
        spread: float = 0.0,
        answer: int = 24_000,
        answer_after: float = 0.4,
        transport: Transport = "tcp",
    ) -> Act:
        """Speech, paced by a microphone: `chunk` bytes `rate` times a second. `spread` is the relative deviation of
        a variable-bit-rate codec, `head` what leaves at once, `answer` what comes back."""
        shape = {"chunk": chunk, "head": head, "answer": answer}
        writes = acts.speech(self.luck, seconds, rate=rate, spread=spread, answer_after=answer_after, **shape)
        return Act(self, tuple(writes), transport)

    def flushes(self, size: int, seconds: float = 0.5, *, transport: Transport = "tcp") -> Act:
        """`size` bytes as fast as it goes: metrics, logs, state."""
        return Act(self, tuple(acts.burst(self.luck, size, seconds)), transport)

    def plays(self, seconds: float, *, bytes_per_second: int = 24_000, period: float = 4.0) -> Act:
        """Music: it comes down, nothing but acknowledgements goes up."""
        return Act(
            self, tuple(acts.playback(self.luck, seconds, bytes_per_second=bytes_per_second, period=period))
        )  # fmt: skip

    def calls(self, seconds: float, *, up: int = 160, down: int = 160, rate: float = 50.0) -> Act:
        """A call (or, with `down=0`, a camera that is viewed)."""
        return Act(self, tuple(acts.conversation(self.luck, seconds, up=up, down=down, rate=rate)), "udp")

    def writes(self, writes: Iterable[tuple[float, bool, int]], *, transport: Transport = "tcp") -> Act:
        """Anything else: (seconds after the begin, upstream?, bytes)."""
        return Act(self, tuple(Write(*write) for write in writes), transport)

    def opens(self, peer: str | Host, at: float, *, port: int = 443, ipv6: bool = False) -> None:
        """Look the name up and open a connection that later acts to the same peer use."""
        self.house.perform(Act(self, ()), peer, at + 0.3, port=port, opened=False, named=True, ipv6=ipv6)

    def joins(
        self, at: float, *, hostname: str = "", vendor_class: str = "", parameters: Sequence[int] = (1, 3, 6, 15)
    ) -> None:
        """DHCP and ARP, as after switching on."""
        self.house.join(self, at, hostname, vendor_class, parameters)

    def advertises(self, service: str, at: float, *, txt: Sequence[str] = (), instance: str = "") -> None:
        """An mDNS answer: the host offers a service."""
        body = wire.mdns_answer(service, instance or self.name, self.name, self.address, txt)
        self.house.multicast(self, at, MDNS, 5353, body)

    def asks_for(self, service: str, at: float) -> None:
        """An mDNS question: the host looks for others that offer a service."""
        self.house.multicast(self, at, MDNS, 5353, wire.mdns_query(service))

    def announces(self, kind: str, server: str, at: float) -> None:
        """An SSDP notification."""
        body = wire.ssdp_notify(kind, server, f"http://{self.address}:1400/description.xml")
        self.house.multicast(self, at, SSDP, 1900, body)

    def looks_up(self, name: str, at: float, *, aliases: Sequence[str] = (), ipv6: bool = False) -> None:
        """A DNS question and its answer."""
        self.house.look_up(self, name, at, aliases=aliases, ipv6=ipv6)


class House:
    """Everything that happens on one network. Times in the story are seconds after `start_ns`."""

    def __init__(
        self,
        seed: int = 0,
        *,
        start_ns: int = 1_700_000_000 * SECOND,
        network: str = "192.168.1.0/24",
        network6: str = "2001:db8:5:1::/64",
        router_mac: str = "02:00:5e:00:00:01",
    ) -> None:
        self.seed, self.start_ns = seed, start_ns
        self._network, self._network6 = ipaddress.IPv4Network(network), ipaddress.IPv6Network(network6)
        self._router_mac = wire.mac_bytes(router_mac)
        self.router = self._network[1]
        self.hosts: list[Host] = []
        self._connections: dict[tuple[str, str, int, str, bool], Connection] = {}
        self._frames: list[Frame] = []

    def host(
        self, name: str, mac: str, *, address: str | None = None, vlan: Sequence[int] = ()
    ) -> Host:  # fmt: skip
        """Somebody moves in."""
        number = 20 + len(self.hosts)
        host = Host(
            self,
            name,
            mac,
            ipaddress.IPv4Address(address) if address else self._network[number],
            self._network6[number],
            random.Random(f"{self.seed}/{name}"),  # noqa: S311 - reproducible, not secret
            tuple(vlan),
        )
        self.hosts.append(host)
        return host

    def address_of(self, name: str, *, ipv6: bool = False) -> wire.Address:
        """Where a host name of the Internet is: always the same place, made from the name."""
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:3], "big")
        if ipv6:
            return ipaddress.IPv6Address((0x2600_9000_0000_0000 << 64) + number)
        return ipaddress.IPv4Address((52 << 24) + (number & 0x3FFFFF) + 1)

    # --- the story ---------------------------------------------------------------------------------------------------

    def perform(
        self, act: Act, peer: str | Host, at: float, *, port: int, opened: bool, named: bool, ipv6: bool
    ) -> Sent:
        """Let an act happen. Called by `Act.to`."""
        host = act.host
        connection = self._connection(host, peer, port, act.transport, at, opened=opened, named=named, ipv6=ipv6)
        begin = self.start_ns + round(at * SECOND)
        for write in act.writes:
            planned = Planned(
                begin + round(write.at * SECOND),
                write.up,
                (write.size,),
                again=act.retransmit,
                lost=act.lost,
                merge=act.merge,
            )
            connection.planned.append(planned)
        ups = [write for write in act.writes if write.up]
        return Sent(
            address=str(connection.local),
            peer=str(connection.remote),
            local_port=connection.local_port,
            port=port,
            start_ns=begin + round((ups[0].at if ups else 0) * SECOND),
            end_ns=begin + round((ups[-1].at if ups else 0) * SECOND),
            bytes=sum(write.size for write in ups),
            bytes_toclient=sum(write.size for write in act.writes if not write.up),
            packets=sum(-(-write.size // SEGMENT) for write in ups),
        )

    def look_up(self, host: Host, name: str, at: float, *, aliases: Sequence[str] = (), ipv6: bool = False) -> None:
        """A DNS question to the router, and its answer."""
        ident, port = host.luck.randrange(1 << 16), host.luck.randrange(50_000, 60_000)
        answer = wire.dns_answer(ident, name, self.address_of(name, ipv6=ipv6), aliases)
        question = wire.dns_query(ident, name, 28 if ipv6 else 1)
        mac = wire.mac_bytes(host.mac)
        self._udp(at, mac, self._router_mac, host, host.address, port, self.router, 53, question)
        self._udp(at + 0.012, self._router_mac, mac, host, self.router, 53, host.address, port, answer)

    def join(self, host: Host, at: float, hostname: str, vendor_class: str, parameters: Sequence[int]) -> None:
        """DHCP with its four messages, then ARP for the router."""
        mac, transaction = wire.mac_bytes(host.mac), host.luck.randrange(1 << 32)
        nobody, everybody = ipaddress.IPv4Address(0), ipaddress.IPv4Address("255.255.255.255")
        for step, kind in enumerate((1, 2, 3, 5)):
            if kind in (1, 3):
                body = wire.dhcp(
                    kind, mac, transaction, hostname=hostname, vendor_class=vendor_class, parameters=parameters
                )
                self._udp(at + step * 0.02, mac, wire.BROADCAST, host, nobody, 68, everybody, 67, body)
            else:
                body = wire.dhcp(kind, mac, transaction, host.address)
                self._udp(at + step * 0.02, self._router_mac, mac, host, self.router, 67, host.address, 68, body)
        question = wire.arp(mac, host.address, bytes(6), self.router)
        self._frame(at + 0.1, wire.ethernet(mac, wire.BROADCAST, 0x0806, question, host.vlan))
        reply = wire.arp(self._router_mac, self.router, mac, host.address, reply=True)
        self._frame(at + 0.101, wire.ethernet(self._router_mac, mac, 0x0806, reply, host.vlan))

    def multicast(self, host: Host, at: float, group: ipaddress.IPv4Address, port: int, body: bytes) -> None:
        """A datagram to everybody who listens."""
        mac = b"\x01\x00\x5e" + (int(group) & 0x7FFFFF).to_bytes(3, "big")
        self._udp(at, wire.mac_bytes(host.mac), mac, host, host.address, port, group, port, body)

    # --- what came of it ---------------------------------------------------------------------------------------------

    def frames(self) -> list[Frame]:
        """All frames in the order of time. Asked twice, it says the same."""
        frames = list(self._frames)
        for connection in self._connections.values():
            render = render_tcp if connection.transport == "tcp" else render_udp
            frames += render(connection)
        return sorted(frames, key=lambda frame: frame.time_ns)

    def pcap(self, *, snap: int = 262_144, nanoseconds: bool = True, byte_order: str = "<") -> bytes:
        """The story as a pcap file."""
        return pcap_bytes(self.frames(), snap=snap, nanoseconds=nanoseconds, byte_order=byte_order)

    def pcapng(self, *, snap: int = 262_144, resolution: int = 9, byte_order: str = "<") -> bytes:
        """The story as a pcapng file."""
        return pcapng_bytes(self.frames(), snap=snap, resolution=resolution, byte_order=byte_order)

    def block(self) -> FrameBlock:
        """The story as one block of frames."""
        return frame_block(self.frames())

    def batch(self) -> PacketBatch:
        """The story as packets in columns."""
        return packet_batch(self.frames())

    # --- inside ------------------------------------------------------------------------------------------------------

    def _connection(
        self,
        host: Host,
        peer: str | Host,
        port: int,
        transport: Transport,
        at: float,
        *,
        opened: bool,
        named: bool,
        ipv6: bool,
    ) -> Connection:
        local_peer = isinstance(peer, Host)
        name = peer.name if isinstance(peer, Host) else peer
        ident = (host.name, name, port, transport, ipv6)
        if ident in self._connections:
            return self._connections[ident]
        remote: wire.Address
        if isinstance(peer, Host):
            remote = peer.address6 if ipv6 else peer.address
            mac = wire.mac_bytes(peer.mac)
        else:
            remote, mac = self.address_of(name, ipv6=ipv6), self._router_mac
        connection = Connection(
            host,
            mac,
            host.address6 if ipv6 else host.address,
            remote,
            host.next_port,
            port,
            transport,
            f"{self.seed}/{'/'.join(map(str, ident))}",
        )
        host.next_port += 1
        self._connections[ident] = connection
        if not opened:
            if named and not local_peer:
                self.look_up(host, name, at - 0.28, ipv6=ipv6)
            connection.planned += opening(connection, self.start_ns + round((at - 0.25) * SECOND), name)
        return connection

    def _udp(
        self,
        at: float,
        src_mac: bytes,
        dst_mac: bytes,
        owner: Host,
        src: wire.Address,
        sport: int,
        dst: wire.Address,
        dport: int,
        body: bytes,
    ) -> None:
        packet = wire.ip(src, dst, 17, wire.udp(src, sport, dst, dport, body))
        self._frame(at, wire.ethernet(src_mac, dst_mac, 0x0800, packet, owner.vlan))

    def _frame(self, at: float, data: bytes) -> None:
        self._frames.append(Frame(self.start_ns + round(at * SECOND), data, len(data)))
