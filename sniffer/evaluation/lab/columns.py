"""Segments as `PacketBatch` columns. The bytes behind them are only what a short snap length leaves: record headers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sniffer.evaluation.lab.network import Segments
from sniffer.model import PACKET_COLUMNS, PROTO_TCP, V4_MAPPED, FlowKey, PacketBatch, Service
from sniffer.model.clock import SECOND
from sniffer.model.protocols import TCP_ACK, TCP_PSH

ROUTER = 0x0200_5E00_0001


@dataclass(frozen=True)
class Flow:
    """One connection of a simulated host."""

    local: tuple[int, int]
    local_port: int
    remote: tuple[int, int]
    port: int
    proto: int
    service: Service
    peer_mac: int = ROUTER

    @property
    def key(self) -> FlowKey:
        return FlowKey(self.local, self.local_port, self.remote, self.port, self.proto)


def v4(number: int) -> tuple[int, int]:
    """An IPv4 address as the pair of halves."""
    return 0, V4_MAPPED | number


def _bytes() -> memoryview:
    """For each record length its five header bytes, then bytes that begin no record."""
    lengths = np.arange(1 << 16)
    table = np.empty((1 << 16, 5), dtype=np.uint8)
    table[:, 0], table[:, 1], table[:, 2] = 0x17, 3, 3
    table[:, 3], table[:, 4] = lengths >> 8, lengths & 255
    noise = np.random.default_rng(5).integers(128, 256, 4096, dtype=np.uint8)
    return memoryview(np.concatenate([table.ravel(), noise]).tobytes())


DATA = _bytes()
NOISE = 5 << 16


def batch(
    segments: Segments, mac: int, flows: list[Flow], start_ns: int, *, captured: int, luck: np.random.Generator
) -> PacketBatch:
    """Segments of one host. `captured` is how many payload bytes the snap length left (0 or 5 count)."""
    n = len(segments.t)
    f = segments.flow
    up = segments.up

    def of(values: list[int], dtype: type) -> np.ndarray:
        return np.array(values, dtype=dtype)[f] if len(values) else np.zeros(n, dtype=dtype)

    proto = of([x.proto for x in flows], np.uint8)
    peer = of([x.peer_mac for x in flows], np.uint64)
    me = np.full(n, mac, dtype=np.uint64)
    sides = {}
    for half, name in enumerate(("high", "low")):
        local = of([x.local[half] for x in flows], np.uint64)
        remote = of([x.remote[half] for x in flows], np.uint64)
        sides[f"src_{name}"], sides[f"dst_{name}"] = np.where(up, local, remote), np.where(up, remote, local)
    local_port, port = of([x.local_port for x in flows], np.uint16), of([x.port for x in flows], np.uint16)
    version = of([6 if x.remote[0] else 4 for x in flows], np.uint8)
    tcp = proto == PROTO_TCP
    overhead = 14 + np.where(version == 6, 40, 20) + np.where(tcp, 32, 8)
    visible = tcp & (segments.record >= 0)
    noise = NOISE + luck.integers(0, 4000, n)
    kept = np.minimum(segments.size, captured)
    flags = np.where(segments.flags > 0, segments.flags, np.where(segments.size > 0, TCP_PSH | TCP_ACK, TCP_ACK)) * tcp
    return PacketBatch(
        interface="lab",
        link_type=1,
        data=DATA,
        time_ns=start_ns + np.round(segments.t * SECOND).astype(np.int64),
        eth_src=np.where(up, me, peer),
        eth_dst=np.where(up, peer, me),
        ether_type=np.where(version == 6, 0x86DD, 0x0800).astype(np.uint16),
        ip_version=version,
        **sides,
        proto=proto,
        src_port=np.where(up, local_port, port),
        dst_port=np.where(up, port, local_port),
        payload_len=segments.size.astype(np.int32),
        tcp_flags=flags.astype(np.uint8),
        tcp_seq=((segments.seq & 0xFFFFFFFF) * tcp).astype(np.uint32),
        tcp_ack=np.zeros(n, dtype=np.uint32),
        wire_len=(segments.size + overhead).astype(np.int32),
        frame_offset=np.full(n, NOISE, dtype=np.int64),
        frame_captured=np.zeros(n, dtype=np.int32),
        payload_offset=np.where(visible, np.minimum(np.maximum(segments.record, 0), 0xFFFF) * 5, noise).astype(
            np.int64
        ),
        payload_captured=kept.astype(np.int32),
    )


def merged(batches: list[PacketBatch]) -> PacketBatch:
    """Several hosts on one wire, in the order of time."""
    columns = {name: np.concatenate([getattr(b, name) for b in batches]) for name in PACKET_COLUMNS}
    order = np.argsort(columns["time_ns"], kind="stable")
    first = batches[0]
    together = {name: column[order] for name, column in columns.items()}
    return PacketBatch(interface=first.interface, link_type=first.link_type, data=DATA, **together)


class Names:
    """`ServiceLookup` of the simulation: what identification would know of each flow."""

    def __init__(self) -> None:
        self._known: dict[FlowKey, Service] = {}

    def learn(self, flow: Flow) -> None:
        """A flow was opened."""
        self._known[flow.key] = flow.service

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service:
        """The service of a flow, or nothing."""
        return self._known.get(flow, Service())
