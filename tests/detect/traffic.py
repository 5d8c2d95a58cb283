"""Packets in columns, written as what an application sends: for tests of detection only."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sniffer.model import PACKET_COLUMNS, PacketBatch, Service, address_pair, mac_key

DEVICE = mac_key("68:db:f5:00:00:01")
ROUTER = mac_key("02:00:00:00:00:01")
SECOND = 1_000_000_000
BASE = 1_700_000_000 * SECOND


class Nobody:
    """Knows no host names."""

    def __init__(self, service: Service | None = None) -> None:
        self.answer = service or Service()

    def service(self, key: int, flow: object, at_ns: int) -> Service:
        return self.answer


@dataclass
class Wire:
    """Collects packets of one device; `batch` gives them in the order of time."""

    rows: list[dict[str, int]] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    sequence: dict[tuple[int, bool], int] = field(default_factory=dict)

    def send(
        self,
        at: float,
        size: int,
        *,
        port: int = 40_000,
        down: bool = False,
        udp: bool = False,
        flags: int = 0x18,
        payload: bytes = b"",
        sequence: int | None = None,
        peer: str = "52.94.233.109",
        server_port: int = 443,
        proto: int | None = None,
        neighbour: int = ROUTER,
    ) -> None:
        """One packet at `at` seconds; TCP sequence numbers count on by themselves."""
        place = self.sequence.get((port, down), 1_000)
        if sequence is None:
            sequence = place
            self.sequence[port, down] = place + size + (flags & 2 > 0)
        device, cloud = address_pair("192.168.1.23"), address_pair(peer)
        source, target = (cloud, device) if down else (device, cloud)
        self.payloads.append(payload)
        self.rows.append({
            "time_ns": BASE + round(at * SECOND), "eth_src": neighbour if down else DEVICE,
            "eth_dst": DEVICE if down else neighbour,
            "ether_type": 0x800, "ip_version": 4, "src_high": source[0], "src_low": source[1], "dst_high": target[0],
            "dst_low": target[1], "proto": proto or (17 if udp else 6), "src_port": server_port if down else port,
            "dst_port": port if down else server_port, "payload_len": size, "tcp_flags": 0 if udp else flags,
            "tcp_seq": 0 if udp else sequence & 0xFFFF_FFFF, "tcp_ack": 0, "wire_len": size + 54, "frame_offset": 0,
            "frame_captured": 54 + len(payload), "payload_offset": 0, "payload_captured": len(payload),
        })  # fmt: skip

    def burst(self, at: float, size: int, *, mss: int = 1460, spacing: float = 0.0005, **how: object) -> None:
        """`size` bytes as fast as the link takes them."""
        while size > 0:
            self.send(at, min(mss, size), **how)  # type: ignore[arg-type]
            at, size = at + spacing, size - mss

    def speech(
        self, at: float, seconds: float, *, chunk: int = 437, every: float = 0.05, head: int = 18_000, **how: object
    ) -> None:
        """One utterance: a head, then chunks paced by the microphone."""
        self.burst(at, head, **how)
        for index in range(round(seconds / every)):
            self.send(at + 0.1 + index * every, chunk, **how)  # type: ignore[arg-type]

    def batch(self) -> PacketBatch:
        order = sorted(range(len(self.rows)), key=lambda i: self.rows[i]["time_ns"])
        data = bytearray(64)
        columns: dict[str, list[int]] = {name: [] for name in PACKET_COLUMNS}
        for index in order:
            row = dict(self.rows[index], payload_offset=len(data))
            data += self.payloads[index]
            for name in PACKET_COLUMNS:
                columns[name].append(row[name])
        kinds = {"time_ns": np.int64, "frame_offset": np.int64, "payload_offset": np.int64}
        small = {"ether_type": np.uint16, "src_port": np.uint16, "dst_port": np.uint16, "ip_version": np.uint8,
                 "proto": np.uint8, "tcp_flags": np.uint8, "tcp_seq": np.uint32, "tcp_ack": np.uint32,
                 "payload_len": np.int32, "wire_len": np.int32, "frame_captured": np.int32,
                 "payload_captured": np.int32}  # fmt: skip
        arrays = {n: np.array(v, dtype=kinds.get(n, small.get(n, np.uint64))) for n, v in columns.items()}
        return PacketBatch(interface="test", link_type=1, data=memoryview(bytes(data)), **arrays)
