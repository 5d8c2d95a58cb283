"""Which rows hold a hello of TLS or QUIC: found in columns, before any is read by itself."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.decode.frames.layout import Mask
from sniffer.decode.identity import Protocols
from sniffer.decode.protocols.text import Buffer
from sniffer.decode.reassembly import Segments
from sniffer.model import I64, PROTO_TCP, PacketBatch
from sniffer.model.protocols import PORT_HTTPS, TLS_CLIENT_HELLO, TLS_HANDSHAKE, TLS_HEADER_BYTES

#: A client's port, and the lower half of its address.
Waiting = tuple[int, int]


def quic_rows(batch: PacketBatch, protocols: Protocols) -> tuple[I64, I64]:
    """Return the rows of a client's Initial packets of QUIC, and of its hellos of gQUIC."""
    modern, old = protocols.rows("quic", "quic.2"), protocols.rows("gquic", "gquic.id")
    modern, old = (rows[batch.src_port[rows] != PORT_HTTPS] for rows in (modern, old))
    return modern, old[~np.isin(old, modern)] if len(modern) and len(old) else old


def hello_rows(batch: PacketBatch, protocols: Protocols, waiting: Set[Waiting]) -> I64:
    """Return the segments that start a ClientHello, and the following ones of those that need more than one: of the
    clients that it is known of (`waiting`), or that this batch shows."""
    rows = protocols.rows("hello")
    if len(rows):
        data = np.frombuffer(batch.data, np.uint8)
        start = batch.payload_offset[rows]
        record = TLS_HEADER_BYTES + (data[start + 3].astype(np.int32) << 8 | data[start + 4])
        more = (record > batch.payload_len[rows]) | _spans_records(data, start, record, batch.payload_captured[rows])
        waiting = waiting | {(int(batch.src_port[r]), int(batch.src_low[r])) for r in rows[more]}
    if not waiting:
        return rows
    tcp = np.flatnonzero((batch.proto == PROTO_TCP) & (batch.payload_captured > 0))
    if not len(tcp):
        return rows
    ports = np.fromiter({port for port, _ in waiting}, np.uint16)
    hosts = np.fromiter({low for _, low in waiting}, np.uint64)
    further = np.zeros(len(batch), dtype=np.bool_)
    further[tcp[np.isin(batch.src_port[tcp], ports) & np.isin(batch.src_low[tcp], hosts)]] = True
    further = _first_of_each(batch, further)
    further[rows] = True
    return np.flatnonzero(further)


def begins_hello(data: Buffer) -> bool:
    """The first bytes of a ClientHello in its first record."""
    return len(data) >= 6 and data[0] == TLS_HANDSHAKE and data[1] == 3 and data[5] == TLS_CLIENT_HELLO


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
