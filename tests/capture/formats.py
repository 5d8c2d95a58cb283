"""Captures as bytes, built by hand: what the readers are tested with."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

Record = tuple[int, bytes]  # nanoseconds since 1970, frame


def pcap(
    records: Iterable[Record],
    *,
    order: str = "<",
    nano: bool = False,
    modified: bool = False,
    link_type: int = 1,
    snap_length: int = 262_144,
    cut: int | None = None,
) -> bytes:
    """A pcap file; `cut` is how many bytes of each frame were kept."""
    magic = 0xA1B2CD34 if modified else 0xA1B23C4D if nano else 0xA1B2C3D4
    out = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, snap_length, link_type)]
    for time_ns, frame in records:
        seconds, rest = divmod(time_ns, 1_000_000_000)
        kept = frame[:cut]
        out.append(struct.pack(f"{order}IIII", seconds, rest if nano else rest // 1000, len(kept), len(frame)))
        if modified:
            out.append(struct.pack(f"{order}IHBB", 3, 0x0800, 0, 0))
        out.append(kept)
    return b"".join(out)


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """One pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def options(items: Sequence[tuple[int, bytes]], order: str = "<") -> bytes:
    """pcapng options, with the end mark where there are any."""
    out = b"".join(
        struct.pack(f"{order}HH", code, len(value)) + value + bytes(-len(value) % 4) for code, value in items
    )
    return out + bytes(4) if items else b""


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    name: str | None = "eth0",
    *,
    link_type: int = 1,
    snap_length: int = 0,
    resolution: int | None = None,
    offset: int | None = None,
    order: str = "<",
) -> bytes:
    items: list[tuple[int, bytes]] = []
    if name is not None:
        items.append((2, name.encode()))
    if resolution is not None:
        items.append((9, bytes([resolution])))
    if offset is not None:
        items.append((14, struct.pack(f"{order}q", offset)))
    return block(1, struct.pack(f"{order}HHI", link_type, 0, snap_length) + options(items, order), order)


def packet(ticks: int, frame: bytes, *, interface: int = 0, wire: int | None = None, order: str = "<") -> bytes:
    """An enhanced packet block."""
    head = struct.pack(
        f"{order}IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame) if wire is None else wire
    )
    return block(6, head + frame, order)


def old_packet(ticks: int, frame: bytes, *, interface: int = 0, drops: int = 0xFFFF, order: str = "<") -> bytes:
    head = struct.pack(f"{order}HHIIII", interface, drops, ticks >> 32, ticks & 0xFFFFFFFF, len(frame), len(frame))
    return block(2, head + frame, order)


def simple_packet(frame: bytes, *, wire: int | None = None, order: str = "<") -> bytes:
    return block(3, struct.pack(f"{order}I", len(frame) if wire is None else wire) + frame, order)


def statistics(interface: int, *, dropped: int, order: str = "<") -> bytes:
    body = struct.pack(f"{order}III", interface, 0, 0)
    return block(5, body + options([(5, struct.pack(f"{order}Q", dropped))], order), order)
