"""Which rows hold a hello: found in columns, before anything is read one by one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.decode.protocols import dns, quic, tls
from sniffer.decode.reassembly import FlowId, Segments
from sniffer.model import I64, U32, PacketBatch

Mask = npt.NDArray[np.bool_]
_Q0 = 0x5130


def quic_masks(batch: PacketBatch, udp: Mask) -> tuple[Mask, Mask]:
    """A client's Initial comes in a datagram of at least 1,200 bytes (RFC 9000, 14.1), on any port; and so did
    the hello of gQUIC, whose version is written `Q0..` behind the flags or behind a connection id."""
    modern = udp & (batch.payload_len >= 1200) & (batch.payload_captured >= 48) & (batch.src_port != 443)
    old = np.zeros(len(batch), bool)
    rows = np.flatnonzero(modern)
    if len(rows):
        data = np.frombuffer(batch.data, np.uint8)
        start = batch.payload_offset[rows]
        version = _word(data, start + 1)
        modern[rows] = (data[start] & 0xC0 == 0xC0) & np.isin(version, quic.VERSIONS)
        named = (version >> 16 == _Q0) | (_word(data, start + 9) >> 16 == _Q0)
        old[rows] = named & ~modern[rows]
    return modern, old


def hello_mask(batch: PacketBatch, tcp: Mask, pending: Iterable[FlowId]) -> Mask:
    """Segments that start a ClientHello, and the following ones of those that need more than one."""
    mask = tcp & (batch.payload_captured >= 6)
    rows = np.flatnonzero(mask)
    waiting = {(flow.client_port, flow.source[1]) for flow in pending}
    if len(rows):
        data = np.frombuffer(batch.data, np.uint8)
        start = batch.payload_offset[rows]
        begins = (data[start] == tls.HANDSHAKE) & (data[start + 1] == 3) & (data[start + 5] == tls.CLIENT_HELLO)
        mask[rows] = begins
        rows = rows[begins]
        start = start[begins]
        record = 5 + (data[start + 3].astype(np.int32) << 8 | data[start + 4])
        more = (record > batch.payload_len[rows]) | _spans_records(data, start, record, batch.payload_captured[rows])
        waiting |= {(int(batch.src_port[r]), int(batch.src_low[r])) for r in rows[more]}
    if waiting:
        ports = np.fromiter({port for port, _ in waiting}, np.uint16)
        hosts = np.fromiter({low for _, low in waiting}, np.uint64)
        further = tcp & np.isin(batch.src_port, ports) & np.isin(batch.src_low, hosts)
        mask |= _first_of_each(batch, further)
    return mask


def begins_hello(data: dns.Buffer) -> bool:
    """The first bytes of a ClientHello in its first record."""
    return len(data) >= 6 and data[0] == tls.HANDSHAKE and data[1] == 3 and data[5] == tls.CLIENT_HELLO


def _word(data: npt.NDArray[np.uint8], at: I64) -> U32:
    """Four bytes at each place, as numbers."""
    value = np.zeros(len(at), np.uint32)
    for index in range(4):
        value = value << np.uint32(8) | data[at + index].astype(np.uint32)
    return value


def _spans_records(data: npt.NDArray[np.uint8], start: I64, record: Any, captured: Any) -> Mask:
    """The handshake message is longer than its first record."""
    spans = np.zeros(len(start), bool)
    for index, at in enumerate(start):
        if captured[index] >= 9:
            spans[index] = 9 + int.from_bytes(data[at + 6 : at + 9].tobytes(), "big") > record[index]
    return spans


def _first_of_each(batch: PacketBatch, mask: Mask) -> Mask:
    """Of the rows in `mask` the first few of each client port: enough for a hello, whatever follows it."""
    rows = np.flatnonzero(mask)
    if len(rows) > Segments.LIMIT:
        order = np.argsort(batch.src_port[rows], kind="stable")
        ports = batch.src_port[rows][order]
        first = np.searchsorted(ports, ports)
        keep = np.arange(len(rows)) - first < 4 * Segments.LIMIT
        kept = np.zeros(len(batch), bool)
        kept[rows[order[keep]]] = True
        return kept
    return mask
