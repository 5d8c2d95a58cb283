"""What the comparison detectors see: who sent how much, when, to whom."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.detect.flows.rows import LocalNetworks, packets_of
from sniffer.model import I64, PacketBatch, ServiceLookup
from sniffer.model.clock import SECOND


@dataclass(frozen=True, slots=True)
class Alarm:
    """When a detector said that somebody was heard."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """Upstream packets of one device to the Internet, in the order of time; one row a packet with payload.

    `frames` are lengths on the link, `secure` tells TCP to port 443, `voice` hosts known for voice, `connection`
    numbers that differ between connections."""

    time_ns: I64
    payload: I64
    frames: I64
    secure: npt.NDArray[np.bool_]
    voice: npt.NDArray[np.bool_]
    connection: I64

    def of(self, connection: int) -> Traffic:
        """What was sent on one connection."""
        return self._part(self.connection == connection)

    def between(self, start_ns: int, end_ns: int) -> Traffic:
        """What was sent from `start_ns` on and before `end_ns`."""
        low, high = np.searchsorted(self.time_ns, (start_ns, end_ns))
        return self._part(slice(low, high))

    def _part(self, rows: slice | npt.NDArray[np.bool_]) -> Traffic:
        sizes = self.payload[rows], self.frames[rows]
        return Traffic(self.time_ns[rows], *sizes, self.secure[rows], self.voice[rows], self.connection[rows])


def traffic_of(batches: Iterable[PacketBatch], key: int, local: LocalNetworks, services: ServiceLookup) -> Traffic:
    """What one device sent."""
    parts: list[Traffic] = []
    for batch in batches:
        for piece in packets_of(batch, {key: 0}, batch.time_ns).flows():
            flow = piece.flow_key(0)
            rows = piece.rows[piece.upstream & (batch.payload_len[piece.rows] > 0)]
            if local.excludes(flow) or not len(rows):
                continue
            time = batch.time_ns[rows]
            voice = services.service(key, flow, int(time[-1])).role == "voice"
            secure = flow.proto == 6 and flow.dst_port == 443
            payload, frames = (column[rows].astype(np.int64) for column in (batch.payload_len, batch.wire_len))
            number = np.full(len(rows), hash(flow))
            parts.append(Traffic(time, payload, frames, np.full(len(rows), secure), np.full(len(rows), voice), number))
    return together(parts)


def together(parts: Sequence[Traffic]) -> Traffic:
    """Several pieces as one, in the order of time."""
    if not parts:
        none = np.empty(0, dtype=np.int64)
        return Traffic(none, none, none, none.astype(np.bool_), none.astype(np.bool_), none)
    time = np.concatenate([part.time_ns for part in parts])
    order = np.argsort(time, kind="stable")
    return Traffic(
        time[order],
        np.concatenate([part.payload for part in parts])[order],
        np.concatenate([part.frames for part in parts])[order],
        np.concatenate([part.secure for part in parts])[order],
        np.concatenate([part.voice for part in parts])[order],
        np.concatenate([part.connection for part in parts])[order],
    )


def per_second(time_ns: I64, amount: I64) -> tuple[I64, I64]:
    """The seconds in which something was sent, and how much in each."""
    seconds, inverse = np.unique(time_ns // SECOND, return_inverse=True)
    return seconds, np.bincount(inverse, weights=amount, minlength=len(seconds)).astype(np.int64)


def episodes(seconds: I64, gap: int = 1) -> list[Alarm]:
    """Neighbouring seconds as one alarm."""
    if not len(seconds):
        return []
    groups = np.split(seconds, np.flatnonzero(np.diff(seconds) > gap) + 1)
    return [Alarm(int(g[0]) * SECOND, (int(g[-1]) + 1) * SECOND) for g in groups]
