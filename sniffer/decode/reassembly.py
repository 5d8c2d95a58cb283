"""What dissection keeps between batches: hellos that are not whole yet, and how much each sender said. Bounded."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from sniffer.decode.protocols import quic, tls
from sniffer.model import PacketBatch
from sniffer.model.clock import SECOND


@dataclass(frozen=True, slots=True)
class DissectSettings:
    """Bounds. A sender may say `burst` things at once and `rate` a second after that; the rest is counted as
    `limited` and not read. `pending` hellos are waited for at once."""

    rate: int = 200
    burst: int = 4000
    senders: int = 4096
    pending: int = 256


@dataclass(frozen=True, slots=True)
class FlowId:
    """One direction of one connection."""

    key: int
    source: tuple[int, int]
    destination: tuple[int, int]
    client_port: int
    port: int

    @staticmethod
    def of(batch: PacketBatch, row: int) -> FlowId:
        """The flow of one packet."""
        return FlowId(
            int(batch.eth_src[row]),
            (int(batch.src_high[row]), int(batch.src_low[row])),
            (int(batch.dst_high[row]), int(batch.dst_low[row])),
            int(batch.src_port[row]),
            int(batch.dst_port[row]),
        )


@dataclass(slots=True)
class Segments:
    """TCP payload from `start` on, put in order; a hello needs few segments."""

    start: int
    told: set[str] = field(default_factory=set)
    _parts: dict[int, bytes] = field(default_factory=dict)
    _seen: int = 0

    LIMIT = 24

    @property
    def exhausted(self) -> bool:
        """No hello needs as many."""
        return self._seen >= self.LIMIT

    def add(self, sequence: int, data: bytes) -> None:
        """One segment, in any order."""
        self._seen += 1
        offset = (sequence - self.start) & 0xFFFF_FFFF
        if offset < tls.MAX_HELLO and len(data) > len(self._parts.get(offset, b"")):
            self._parts[offset] = data

    def stream(self) -> bytes:
        """What is there without a gap."""
        out = bytearray()
        for offset in sorted(self._parts):
            if offset > len(out):
                break
            out += self._parts[offset][len(out) - offset :]
        return bytes(out[: tls.MAX_HELLO])


@dataclass(slots=True)
class Connection:
    """A QUIC connection whose first flight is still read."""

    version: int
    destination: bytes
    told: set[str] = field(default_factory=set)
    crypto: quic.CryptoStream = field(default_factory=quic.CryptoStream)
    done: bool = False
    _keys: quic.Keys | None = None

    @property
    def keys(self) -> quic.Keys:
        """Derived when they are needed."""
        if self._keys is None:
            self._keys = quic.client_keys(self.version, self.destination)
        return self._keys


class Limiter:
    """A bucket of tokens for each sender, filled by packet time; the sender longest silent is forgotten first."""

    def __init__(self, settings: DissectSettings) -> None:
        self._settings = settings
        self._buckets: OrderedDict[int, tuple[float, int]] = OrderedDict()

    def allows(self, key: int, time_ns: int) -> bool:
        """Whether this sender may be read once more."""
        tokens, last = self._buckets.pop(key, (float(self._settings.burst), time_ns))
        gained = max(0, time_ns - last) * self._settings.rate / SECOND
        tokens = min(float(self._settings.burst), tokens + gained)
        allowed = tokens >= 1
        self._buckets[key] = (tokens - 1 if allowed else tokens, max(last, time_ns))
        if len(self._buckets) > self._settings.senders:
            self._buckets.popitem(last=False)
        return allowed


def keep(table: OrderedDict[FlowId, Any], flow: FlowId, value: Any, limit: int) -> None:
    """Put a value into a bounded table; the oldest goes."""
    table.pop(flow, None)
    table[flow] = value
    if len(table) > limit:
        table.popitem(last=False)
