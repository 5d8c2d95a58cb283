"""The pcap file format: its first bytes, and the headers of a file and of a packet. There is no other writer."""

from __future__ import annotations

import struct
from collections.abc import Mapping

from sniffer.model.clock import SECOND

#: First four bytes as they stand in the file -> byte order, nanoseconds a tick, length of a packet's header.
#: 0xa1b2cd34 is Kuznetzov's variant, with the interface and the protocol behind the usual four fields.
PCAP_MAGICS: Mapping[bytes, tuple[str, int, int]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000, 16),
    b"\xa1\xb2\xc3\xd4": (">", 1000, 16),
    b"\x4d\x3c\xb2\xa1": ("<", 1, 16),
    b"\xa1\xb2\x3c\x4d": (">", 1, 16),
    b"\x34\xcd\xb2\xa1": ("<", 1000, 24),
    b"\xa1\xb2\xcd\x34": (">", 1000, 24),
}
#: The first four bytes of pcapng, in either byte order.
PCAPNG_MAGIC = b"\x0a\x0d\x0d\x0a"
#: Bytes of a file's header.
FILE_HEADER_BYTES = 24
#: Bytes of a packet's header.
PACKET_HEADER_BYTES = 16
#: The most bytes of a packet that a file holds, unless it says otherwise.
SNAP_BYTES = 262_144


def file_header(link_type: int, *, snap: int = SNAP_BYTES, nanoseconds: bool = True, byte_order: str = "<") -> bytes:
    """The first 24 bytes of a file; `byte_order` is `<` or `>`."""
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    return struct.pack(f"{byte_order}IHHiIII", magic, 2, 4, 0, 0, snap, link_type)


def packet_header(time_ns: int, captured: int, wire: int, *, nanoseconds: bool = True, byte_order: str = "<") -> bytes:
    """The header of a packet of which `captured` bytes follow and which had `wire` bytes on the link."""
    seconds, rest = divmod(time_ns, SECOND)
    tick = rest if nanoseconds else rest // 1000
    return struct.pack(f"{byte_order}IIII", seconds & 0xFFFF_FFFF, tick, captured, wire)
