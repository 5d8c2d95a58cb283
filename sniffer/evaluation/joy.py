"""Packets from Cisco Joy's flow records: sizes, directions and times of the first packets of each flow are real,
everything else is filled in. https://github.com/cisco/joy"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sniffer.errors import CaptureError
from sniffer.model import PACKET_COLUMNS, PacketBatch, address_key, address_pair

_MAX_FLOWS, _MAX_PACKETS = 100_000, 1_000


def read_joy(path: Path) -> PacketBatch:
    """All flows of a file as one batch in the order of time. Raises CaptureError."""
    rows: list[tuple[int, ...]] = []
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream):
                if number >= _MAX_FLOWS:
                    break
                rows += _flow(line)
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(f"{path}: cannot be read: {error}") from None
    rows.sort(key=lambda row: row[0])
    columns: dict[str, Any] = {name: np.zeros(len(rows), dtype=_kind(name)) for name in PACKET_COLUMNS}
    for place, name in enumerate(_FILLED):
        columns[name][:] = np.array([row[place] for row in rows], dtype=object).astype(_kind(name)) if rows else 0
    return PacketBatch(interface=str(path), link_type=1, data=memoryview(bytes(64)), **columns)


_FILLED = (
    "time_ns", "eth_src", "eth_dst", "src_high", "src_low", "dst_high", "dst_low", "proto", "src_port", "dst_port",
    "payload_len", "tcp_seq", "wire_len", "ip_version", "ether_type",
)  # fmt: skip


def _kind(name: str) -> np.dtype[Any]:
    if name in ("time_ns", "frame_offset", "payload_offset"):
        return np.dtype(np.int64)
    if name in ("payload_len", "wire_len", "frame_captured", "payload_captured"):
        return np.dtype(np.int32)
    kinds = {
        "ether_type": np.uint16,
        "src_port": np.uint16,
        "dst_port": np.uint16,
        "ip_version": np.uint8,
        "proto": np.uint8,
        "tcp_flags": np.uint8,
        "tcp_seq": np.uint32,
        "tcp_ack": np.uint32,
    }
    return np.dtype(kinds.get(name, np.uint64))  # fmt: skip


def _flow(line: str) -> Iterator[tuple[int, ...]]:
    try:
        record = json.loads(line)
        source, target = address_pair(record["sa"]), address_pair(record["da"])
        begin, proto = round(float(record["time_start"]) * 1e9), int(record["pr"])
        ports = int(record.get("sp") or 0), int(record.get("dp") or 0)
        version = ipaddress.ip_address(record["sa"]).version
    except (ValueError, KeyError, TypeError):
        return
    elapsed = 0.0
    sequence = {">": 1_000, "<": 1_000}
    for packet in (record.get("ppi") or record.get("packets") or [])[:_MAX_PACKETS]:
        try:
            elapsed = float(packet["t"]) if "t" in packet else elapsed + float(packet.get("ipt") or 0)
            size, direction = int(packet["b"]), str(packet["dir"])
        except (ValueError, KeyError, TypeError):
            return
        if size <= 0 or direction not in sequence:
            continue
        one, other, sent, received = (source, target, *ports) if direction == ">" else (target, source, *ports[::-1])
        yield (
            begin + round(elapsed * 1e6), address_key(*one), address_key(*other), *one, *other, proto, sent, received,
            size, sequence[direction] & 0xFFFF_FFFF, size + 54, version, 0x800 if version == 4 else 0x86DD,
        )  # fmt: skip
        sequence[direction] += size
