"""Frames as a capture file, or as the values that stages hand to each other."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sniffer.model import PACKET_COLUMNS, FrameBlock, PacketBatch
from sniffer.model.pcap import file_header, packet_header

ETHERNET = 1


class Frame(NamedTuple):
    """One frame: when, the bytes that were captured, and how long it was on the link."""

    time_ns: int
    data: bytes
    wire: int

    def snapped(self, length: int) -> Frame:
        """The frame as a capture with this snap length keeps it."""
        return Frame(self.time_ns, self.data[:length], self.wire)


def pcap_bytes(
    frames: Iterable[Frame],
    *,
    link_type: int = ETHERNET,
    snap: int = 262_144,
    nanoseconds: bool = True,
    byte_order: str = "<",
) -> bytes:
    """A capture file; `byte_order` is `<` or `>`."""
    form: dict[str, Any] = {"nanoseconds": nanoseconds, "byte_order": byte_order}
    parts = [file_header(link_type, snap=snap, **form)]
    for frame in frames:
        data = frame.data[:snap]
        parts += (packet_header(frame.time_ns, len(data), frame.wire, **form), data)
    return b"".join(parts)


def pcapng_bytes(
    frames: Iterable[Frame],
    *,
    link_type: int = ETHERNET,
    snap: int = 262_144,
    resolution: int = 9,
    byte_order: str = "<",
) -> bytes:
    """A pcapng file with one section and one interface, whose times count in 10 to the minus `resolution` seconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = 12 + len(body)
        return struct.pack(f"{byte_order}II", kind, length) + body + struct.pack(f"{byte_order}I", length)

    options = struct.pack(f"{byte_order}HHBxxxHH", 9, 1, resolution, 0, 0)
    parts = [
        block(0x0A0D0D0A, struct.pack(f"{byte_order}IHHq", 0x1A2B3C4D, 1, 0, -1)),
        block(1, struct.pack(f"{byte_order}HHI", link_type, 0, snap) + options),
    ]
    for frame in frames:
        ticks = frame.time_ns * 10**resolution // 1_000_000_000
        data = frame.data[:snap]
        head = struct.pack(f"{byte_order}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), frame.wire)
        parts.append(block(6, head + data))
    return b"".join(parts)


def frame_block(frames: Sequence[Frame], *, interface: str = "test", link_type: int = ETHERNET) -> FrameBlock:
    """What a capture source hands to `decode`."""
    captured = np.array([len(f.data) for f in frames], dtype=np.int32)
    offset = np.zeros(len(frames), dtype=np.int64)
    np.cumsum(captured[:-1], out=offset[1:])
    return FrameBlock(
        interface=interface,
        link_type=link_type,
        data=memoryview(b"".join(f.data for f in frames)),
        offset=offset,
        captured=captured,
        wire=np.array([f.wire for f in frames], dtype=np.int32),
        time_ns=np.array([f.time_ns for f in frames], dtype=np.int64),
    )


def packet_batch(frames: Sequence[Frame], *, interface: str = "test") -> PacketBatch:
    """What `decode` hands on, for frames that `sniffer.testing` built (Ethernet with IP and no options in it, ARP).

    Read here one by one and plainly, so that it can stand beside the decoder as a second opinion.
    """
    block = frame_block(frames, interface=interface)
    rows = [_row(f, int(start)) for f, start in zip(frames, block.offset, strict=True)]
    columns: dict[str, Any] = {
        name: np.array([row[name] for row in rows], dtype=dtype) for name, dtype in _DTYPES.items()
    }
    return PacketBatch(interface=interface, link_type=ETHERNET, data=block.data, **columns)


_DTYPES: dict[str, type] = {
    name: {
        "time_ns": np.int64, "frame_offset": np.int64, "payload_offset": np.int64,
        "eth_src": np.uint64, "eth_dst": np.uint64,
        "src_high": np.uint64, "src_low": np.uint64, "dst_high": np.uint64, "dst_low": np.uint64,
        "ether_type": np.uint16, "src_port": np.uint16, "dst_port": np.uint16,
        "ip_version": np.uint8, "proto": np.uint8, "tcp_flags": np.uint8,
        "tcp_seq": np.uint32, "tcp_ack": np.uint32,
    }.get(name, np.int32)
    for name in PACKET_COLUMNS
}  # fmt: skip


def _row(frame: Frame, start: int) -> dict[str, int]:
    data = frame.data
    row = dict.fromkeys(PACKET_COLUMNS, 0)
    row |= {"time_ns": frame.time_ns, "wire_len": frame.wire, "frame_offset": start, "frame_captured": len(data)}
    row["eth_dst"], row["eth_src"] = int.from_bytes(data[0:6], "big"), int.from_bytes(data[6:12], "big")
    at = 12
    while data[at : at + 2] in (b"\x81\x00", b"\x88\xa8"):
        at += 4
    row["ether_type"] = int.from_bytes(data[at : at + 2], "big")
    at += 2
    rest = frame.wire - at
    if row["ether_type"] == 0x0800:
        row["ip_version"], row["proto"] = 4, data[at + 9]
        row["src_low"] = 0xFFFF_0000_0000 | int.from_bytes(data[at + 12 : at + 16], "big")
        row["dst_low"] = 0xFFFF_0000_0000 | int.from_bytes(data[at + 16 : at + 20], "big")
        rest = int.from_bytes(data[at + 2 : at + 4], "big") - 20
        at += 20
    elif row["ether_type"] == 0x86DD:
        row["ip_version"], row["proto"] = 6, data[at + 6]
        row["src_high"], row["src_low"], row["dst_high"], row["dst_low"] = struct.unpack_from("!4Q", data, at + 8)
        rest = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 40
    if row["proto"] in (6, 17):
        row["src_port"], row["dst_port"] = struct.unpack_from("!HH", data, at)
        size = 8
        if row["proto"] == 6:
            row["tcp_seq"], row["tcp_ack"], words, row["tcp_flags"] = struct.unpack_from("!IIBB", data, at + 4)
            size = (words >> 4) * 4
        at, rest = at + size, rest - size
    row |= {"payload_offset": start + at, "payload_len": rest, "payload_captured": max(len(data) - at, 0)}
    return row
