"""Which rows hold a hello of TLS or QUIC: found in columns, before any is read by itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.decode.frames.layout import Mask
from sniffer.decode.identity import protocol_mask
from sniffer.decode.protocols.text import Buffer
from sniffer.decode.reassembly import FlowId, Segments
from sniffer.model import I64, PacketBatch
from sniffer.model.protocols import PORT_HTTPS, TLS_CLIENT_HELLO, TLS_HANDSHAKE, TLS_HEADER_BYTES


def quic_masks(batch: PacketBatch) -> tuple[Mask, Mask]:
    """Return which rows hold a client's Initial packet of QUIC, and which a hello of gQUIC."""
    from_client = batch.src_port != PORT_HTTPS
    modern = (protocol_mask(batch, "quic") | protocol_mask(batch, "quic.2")) & from_client
    old = (protocol_mask(batch, "gquic") | protocol_mask(batch, "gquic.id")) & from_client & ~modern
    return modern, old


def hello_mask(batch: PacketBatch, tcp: Mask, pending: Iterable[FlowId]) -> Mask:
    """Segments that start a ClientHello, and the following ones of those that need more than one."""
    mask = protocol_mask(batch, "hello")
    rows = np.flatnonzero(mask)
    waiting = {(flow.client_port, flow.source[1]) for flow in pending}
    if len(rows):
        data = np.frombuffer(batch.data, np.uint8)
        start = batch.payload_offset[rows]
        record = TLS_HEADER_BYTES + (data[start + 3].astype(np.int32) << 8 | data[start + 4])
        more = (record > batch.payload_len[rows]) | _spans_records(data, start, record, batch.payload_captured[rows])
        waiting |= {(int(batch.src_port[r]), int(batch.src_low[r])) for r in rows[more]}
    if waiting:
        ports = np.fromiter({port for port, _ in waiting}, np.uint16)
        hosts = np.fromiter({low for _, low in waiting}, np.uint64)
        further = tcp & np.isin(batch.src_port, ports) & np.isin(batch.src_low, hosts)
        mask |= _first_of_each(batch, further)
    return mask


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
