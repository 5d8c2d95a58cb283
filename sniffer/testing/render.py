"""From writes on a connection to frames: sequence numbers, segments, TLS records, acknowledgements, offload."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sniffer.model.clock import SECOND
from sniffer.model.protocols import TCP_ACK, TCP_PSH, TCP_SYN
from sniffer.testing import wire
from sniffer.testing.acts import Transport
from sniffer.testing.pcap import Frame

if TYPE_CHECKING:
    from sniffer.testing.house import Host

SEGMENT = 1448
MERGED = 44 * SEGMENT
ROUND_TRIP = 0.03


@dataclass
class Planned:
    """A write that will be rendered: absolute time, length (of several where they were joined), the bytes where they
    matter."""

    time_ns: int
    up: bool
    sizes: tuple[int, ...]
    content: bytes | None = None
    flags: int = 0
    again: float = 0.0
    lost: float = 0.0
    merge: bool = False

    @property
    def size(self) -> int:
        return sum(self.sizes)


@dataclass
class Connection:
    """One flow of one host, and all that will be written on it."""

    host: Host
    mac: bytes
    local: wire.Address
    remote: wire.Address
    local_port: int
    port: int
    transport: Transport
    seed: str
    planned: list[Planned] = field(default_factory=list)


def opening(connection: Connection, begin: int, name: str) -> list[Planned]:
    """The handshakes of TCP and TLS, or of QUIC; nothing for plain UDP."""
    luck = random.Random(f"{connection.seed}/opening")  # noqa: S311 - reproducible, not secret
    trip = round(ROUND_TRIP * SECOND)
    if connection.transport == "tcp":
        hello = wire.tls_record(22, wire.client_hello(name, random=luck.randbytes(32)))
        finished = wire.tls_record(20, b"\x01") + wire.tls_record(23, luck.randbytes(53))
        return [
            Planned(begin, True, (0,), b"", TCP_SYN),
            Planned(begin + trip, False, (0,), b"", TCP_SYN | TCP_ACK),
            Planned(begin + trip + 100_000, True, (0,), b"", TCP_ACK),
            Planned(begin + trip + 900_000, True, (len(hello),), hello),
            Planned(begin + 2 * trip + 2_000_000, False, (3900,), wire.tls_record(22, luck.randbytes(3895))),
            Planned(begin + 2 * trip + 9_000_000, True, (len(finished),), finished),
        ]
    if connection.transport == "quic":
        ident = luck.randbytes(8)
        hello = wire.client_hello(name, ("h3",), luck.randbytes(32), quic=b"\x01\x04\x80\x00\x75\x30")
        initial = wire.quic_initial(hello, ident)
        answer = wire.quic_long(0, b"", ident, b"\0", luck.randbytes(1178))
        handshake = wire.quic_long(2, ident, b"", b"", luck.randbytes(90))
        return [
            Planned(begin, True, (len(initial),), initial),
            Planned(begin + trip, False, (len(answer),), answer),
            Planned(begin + trip + 3_000_000, True, (len(handshake),), handshake),
        ]
    return []


def render_tcp(connection: Connection) -> list[Frame]:
    luck = random.Random(f"{connection.seed}/bytes")  # noqa: S311 - reproducible, not secret
    frames: list[Frame] = []
    device = wire.mac_bytes(connection.host.mac)
    sequence = {True: luck.randrange(1 << 32), False: luck.randrange(1 << 32)}
    latest = {True: 0, False: 0}
    unacknowledged = 0

    def emit(time_ns: int, up: bool, payload: bytes, flags: int, seq: int) -> Frame:
        here, there = (connection.local, connection.local_port), (connection.remote, connection.port)
        (src, sport), (dst, dport) = (here, there) if up else (there, here)
        segment = wire.tcp(src, sport, dst, dport, seq, sequence[not up], flags, payload)
        macs = (device, connection.mac) if up else (connection.mac, device)
        packet = wire.ip(src, dst, 6, segment, identification=seq >> 4, ttl=64 if up else 55)
        ether_type = 0x0800 if src.version == 4 else 0x86DD
        data = wire.ethernet(*macs, ether_type, packet, connection.host.vlan)
        frame = Frame(time_ns, data, len(data))
        frames.append(frame)
        return frame

    for planned in _merged(sorted(connection.planned, key=lambda p: p.time_ns)):
        if planned.flags:
            emit(planned.time_ns, planned.up, b"", planned.flags, sequence[planned.up])
            sequence[planned.up] += 1 if planned.flags & TCP_SYN else 0
            continue
        content = (
            planned.content if planned.content is not None else b"".join(_records(size, luck) for size in planned.sizes)
        )
        limit = MERGED if planned.merge else SEGMENT
        for i, start in enumerate(range(0, len(content), limit)):
            part = content[start : start + limit]
            when = latest[planned.up] = max(planned.time_ns + i * 120_000, latest[planned.up] + 20_000)
            flags = TCP_ACK | (TCP_PSH if start + limit >= len(content) else 0)
            frame = emit(when, planned.up, part, flags, sequence[planned.up])
            if planned.lost and luck.random() < planned.lost:
                frames.remove(frame)
            if planned.up and luck.random() < planned.again:
                emit(when + luck.randrange(30_000_000, 200_000_000), True, part, flags, sequence[True])
            sequence[planned.up] += len(part)
            unacknowledged += 1
            if unacknowledged % 2 == 0:
                wait = round((ROUND_TRIP if planned.up else 0.0002) * SECOND)
                emit(when + wait, not planned.up, b"", TCP_ACK, sequence[not planned.up])
    return frames


def render_udp(connection: Connection) -> list[Frame]:
    luck = random.Random(f"{connection.seed}/bytes")  # noqa: S311 - reproducible, not secret
    frames = []
    device, ident = wire.mac_bytes(connection.host.mac), luck.randbytes(8)
    for planned in sorted(connection.planned, key=lambda p: p.time_ns):
        here, there = (connection.local, connection.local_port), (connection.remote, connection.port)
        (src, sport), (dst, dport) = (here, there) if planned.up else (there, here)
        macs = (device, connection.mac) if planned.up else (connection.mac, device)
        left = planned.size
        limit = 1350 if planned.content is None else 65_000
        while left > 0:
            size = min(left, limit)
            if planned.content is not None:
                body = planned.content
            elif connection.transport == "quic" and size > 9:
                body = wire.quic_short(ident, luck.randbytes(size - 9))
            else:
                body = wire.rtp(luck.randbytes(size - 2))
            packet = wire.ip(src, dst, 17, wire.udp(src, sport, dst, dport, body), ttl=64 if planned.up else 55)
            ether_type = 0x0800 if src.version == 4 else 0x86DD
            data = wire.ethernet(*macs, ether_type, packet, connection.host.vlan)
            if not planned.lost or luck.random() >= planned.lost:
                when = planned.time_ns + ((planned.size - left) // limit) * 120_000
                frames.append(Frame(when, data, len(data)))
            left -= size
    return frames


def _merged(planned: list[Planned]) -> Iterable[Planned]:
    """What receive offload joins: upstream writes within a millisecond become one."""
    waiting: Planned | None = None
    for item in planned:
        able = item.merge and item.up and item.content is None
        if waiting is not None:
            if able and item.time_ns - waiting.time_ns < 1_000_000 and waiting.size + item.size <= MERGED:
                waiting = replace(waiting, sizes=waiting.sizes + item.sizes)
                continue
            yield waiting
            waiting = None
        if able:
            waiting = item
        else:
            yield item
    if waiting is not None:
        yield waiting


def _records(size: int, luck: random.Random) -> bytes:
    """`size` bytes as TLS application records: one, or several where a record would be too long."""
    parts = []
    while size > 0:
        part = min(size, 16_384)
        if size - part < 5 and size != part:
            part -= 5
        parts.append(wire.tls_record(23, luck.randbytes(part - 5)) if part > 5 else luck.randbytes(part))
        size -= part
    return b"".join(parts)
