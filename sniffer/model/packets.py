"""Frames and packets in columns: what capture hands to decode, and decode to the later stages."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from sniffer.model.addresses import I32, I64, U8, U16, U32, U64


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Frames of one interface and one link type, in the order in which they were captured.

    `data` and the columns are valid until the next block is asked for (readers use theirs again): copy what is kept.
    Row i is `data[offset[i]:offset[i] + captured[i]]`; `wire` is the frame's length on the link.
    """

    interface: str
    link_type: int
    data: memoryview
    offset: I64
    captured: I32
    wire: I32
    time_ns: I64

    def __len__(self) -> int:
        return len(self.offset)


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets in columns, one row a packet, in capture order. All arrays have the same length.

    `eth_src`, `eth_dst`
        48-bit MAC addresses; where the link has none, keys made from the IP address (`KEY_FROM_ADDRESS`).
        Linux cooked captures know the sender only: `eth_dst` is then made from the destination address.
    `src_high`, `src_low`, `dst_high`, `dst_low`
        128-bit addresses in halves, IPv4 as mapped addresses; 0 where the packet is not IP.
    `ether_type`
        0x0800, 0x86DD, 0x0806 ...; `ip_version` is 4, 6 or 0.
    `payload_len`
        Transport payload **on the wire**, from the IP length, never from what was captured.
    `payload_offset`, `payload_captured`
        Where the transport payload starts in `data`, and how many of its bytes were captured.
        For ARP and ICMPv6 it is the body behind the Ethernet or IPv6 header.
    `frame_offset`, `frame_captured`, `wire_len`
        The frame itself in `data`; its length on the link.
    """

    interface: str
    link_type: int
    data: memoryview
    time_ns: I64
    eth_src: U64
    eth_dst: U64
    ether_type: U16
    ip_version: U8
    src_high: U64
    src_low: U64
    dst_high: U64
    dst_low: U64
    proto: U8
    src_port: U16
    dst_port: U16
    payload_len: I32
    tcp_flags: U8
    tcp_seq: U32
    tcp_ack: U32
    wire_len: I32
    frame_offset: I64
    frame_captured: I32
    payload_offset: I64
    payload_captured: I32

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, rows: npt.NDArray[Any] | slice) -> PacketBatch:
        """The rows selected by an index array, a mask or a slice; `data` is shared."""
        columns = {name: getattr(self, name)[rows] for name in PACKET_COLUMNS}
        return PacketBatch(interface=self.interface, link_type=self.link_type, data=self.data, **columns)

    def payload(self, row: int) -> memoryview:
        """The captured part of the transport payload of one packet."""
        start = int(self.payload_offset[row])
        return self.data[start : start + int(self.payload_captured[row])]

    def frame(self, row: int) -> memoryview:
        """The captured part of one frame."""
        start = int(self.frame_offset[row])
        return self.data[start : start + int(self.frame_captured[row])]


#: The array fields of `PacketBatch`, in order.
PACKET_COLUMNS: tuple[str, ...] = tuple(
    f.name for f in dataclasses.fields(PacketBatch) if f.name not in ("interface", "link_type", "data")
)


@dataclass(frozen=True, slots=True)
class DecodeErrors:
    """What could not be decoded, counted by the protocol that was wrong: `{"ipv4": 3, "tcp": 1}`.

    `fragments` are parts of IP packets that were cut up, `overlong` packets claim to be longer than their frames (which
    is not believed), `packets` are frames that carry IP. `ether_types` has the unknown EtherTypes, each with the number
    of its frames; 0 stands for the rest of too many. `sampled` are identity packets that a sample left out.
    """

    by_protocol: Mapping[str, int] = field(default_factory=dict)
    fragments: int = 0
    overlong: int = 0
    packets: int = 0
    ether_types: Mapping[int, int] = field(default_factory=dict)
    sampled: int = 0


@dataclass(frozen=True, slots=True)
class Sample:
    """Hosts (sorted, uint64) that are known well enough, and are looked at in one second of `every`, each in another:
    where the number of the second is, modulo `every` (a power of two), that of the key."""

    keys: U64
    every: int


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows `decode` keeps: those whose source or destination key is in `keys` (sorted, uint64), and, where
    `identity` is set, the identity protocols of all hosts. `keys` None keeps everything.

    Of hosts in `sample`, what they look up, announce and open is kept in the seconds of the sample only.
    """

    keys: U64 | None = None
    identity: bool = True
    sample: Sample | None = None
