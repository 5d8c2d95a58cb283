"""Locality-sensitive hashing over flows, after Charyyev and Gunes.

Charyyev & Gunes, "Misactivation detection and user identification in smart home speakers using traffic flow features",
WiSec 2021, and, for the hash, "IoT Traffic Flow Identification using Locality Sensitive Hashes", ICC 2020: the Nilsimsa
hash of a flow (Damiani et al., "An Open Digest-based Technique for Spam Detection", 2004) stands for it, and a flow is
what the flows with the most similar hashes are. It has to be trained with labelled flows of the home.

What the published text leaves open was chosen here: hashed are the directions and sizes of the payloads, a byte for
each in steps of 12 bytes; a flow is cut where it is silent for two seconds; the verdict is the mean similarity with the
five nearest commands less that with the five nearest others, and over 0 it is a command.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sniffer.detect.flows.rows import LocalNetworks, packets_of
from sniffer.evaluation.baselines.traffic import Alarm
from sniffer.model import I64, MIX, U8, PacketBatch

#: A silence that ends a stretch of a flow, in nanoseconds.
GAP_NS = 2_000_000_000
#: Fewer packets than this have no fingerprint; of more, the first are hashed.
LEAST_PACKETS, MOST_PACKETS = 10, 1_000
#: Bytes of payload that are one step of the hashed byte; its highest bit is the direction.
STEP = 12
NEIGHBOURS = 5
#: With more flows than this in hand those that are over are let go.
_MOST_OPEN = 10_000
_BITS = 256
_MIX = np.uint64(MIX[0])

Digest = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one flow without a silence: when, how many bytes the device sent in it, and its fingerprint, whose 256
    values are 1 and -1."""

    key: int
    start_ns: int
    end_ns: int
    sent: int
    digest: Digest


@dataclass(slots=True)
class _Open:
    start_ns: int
    end_ns: int
    sent: int
    tokens: list[U8]
    held: int


class Stretches:
    """Cuts what devices exchange with the Internet into stretches, batch by batch."""

    def __init__(self, local: LocalNetworks) -> None:
        self._local = local
        self._open: dict[tuple[int, int], _Open] = {}

    def feed(self, batch: PacketBatch, keys: set[int]) -> Iterator[Stretch]:
        """The stretches that are over, as far as this batch tells."""
        for piece in packets_of(batch, dict.fromkeys(keys, 0), batch.time_ns).flows():
            carrying = batch.payload_len[piece.rows] > 0
            rows, up = piece.rows[carrying], piece.upstream[carrying]
            if not len(rows) or self._local.excludes(piece.flow_key(0)):
                continue
            time, size = batch.time_ns[rows], batch.payload_len[rows].astype(np.int64)
            cuts = np.flatnonzero(np.diff(time) > GAP_NS) + 1
            for group in np.split(np.arange(len(rows)), cuts):
                connection = (int(piece.device[0]), int(piece.connection[0]))
                yield from self._add(connection, time[group], size[group], up[group])
        if len(self._open) > _MOST_OPEN and len(batch):
            yield from self._close_before(int(batch.time_ns[-1]) - GAP_NS)

    def finish(self) -> Iterator[Stretch]:
        """Those that were still open."""
        yield from self._close_before(None)

    def _close_before(self, end_ns: int | None) -> Iterator[Stretch]:
        over = [flow for flow, held in self._open.items() if end_ns is None or held.end_ns < end_ns]
        for flow in over:
            yield from _closed(flow[0], self._open.pop(flow))

    def _add(self, flow: tuple[int, int], time: I64, size: I64, up: npt.NDArray[np.bool_]) -> Iterator[Stretch]:
        held = self._open.get(flow)
        if held is not None and int(time[0]) - held.end_ns > GAP_NS:
            yield from _closed(flow[0], held)
            held = None
        if held is None:
            held = self._open[flow] = _Open(int(time[0]), int(time[0]), 0, [], 0)
        held.end_ns = max(held.end_ns, int(time[-1]))
        held.sent += int(size[up].sum())
        if held.held < MOST_PACKETS:
            tokens = (np.minimum(127, size // STEP) | np.where(up, 128, 0)).astype(np.uint8)
            held.tokens.append(tokens[: MOST_PACKETS - held.held])
            held.held += len(held.tokens[-1])


def _closed(key: int, held: _Open) -> Iterator[Stretch]:
    if held.held >= LEAST_PACKETS:
        digest = fingerprint(np.concatenate(held.tokens))
        yield Stretch(key, held.start_ns, held.end_ns, held.sent, digest)


def fingerprint(tokens: U8) -> Digest:
    """Nilsimsa: each trigram that the window of the last five tokens holds, its newest token among them, counts in one
    of 256 places; a bit is set where a place was hit more often than the mean."""
    hits = np.zeros(_BITS, dtype=np.int64)
    for near in range(1, 5):
        for far in range(near + 1, 5):
            newest, middle, oldest = tokens[far:], tokens[far - near : -near], tokens[: len(tokens) - far]
            mixed = (newest.astype(np.uint64) << np.uint64(16)) | (middle.astype(np.uint64) << np.uint64(8)) | oldest
            mixed = (mixed | np.uint64((near * 8 + far) << 24)) * _MIX
            hits += np.bincount((mixed >> np.uint64(56)).astype(np.int64), minlength=_BITS)
    return np.where(hits > hits.mean(), 1, -1).astype(np.int8)


class Trained:
    """What the labelled stretches of a home teach."""

    def __init__(self, commands: list[Digest], others: list[Digest]) -> None:
        self._commands, self._others = (np.array(part, dtype=np.float32) for part in (commands, others))

    @property
    def usable(self) -> bool:
        """There is at least one example of each."""
        return bool(len(self._commands) and len(self._others))

    def scores(self, stretches: list[Stretch]) -> list[float]:
        """How much more alike each stretch is to commands than to others, from -2 to 2."""
        if not stretches:
            return []
        digests = np.array([stretch.digest for stretch in stretches], dtype=np.float32)
        near = [_nearest(digests @ part.T) / _BITS for part in (self._commands, self._others)]
        return [float(value) for value in near[0] - near[1]]


def _nearest(similar: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    count = min(NEIGHBOURS, similar.shape[1])
    best: npt.NDArray[np.float32] = np.partition(similar, -count, axis=1)[:, -count:].mean(axis=1)
    return best


def alarms(stretches: list[Stretch], scores: list[float]) -> list[Alarm]:
    """Where stretches are commands; what overlaps on several flows of a device is one alarm."""
    found = sorted(
        (stretch.key, stretch.start_ns, stretch.end_ns)
        for stretch, score in zip(stretches, scores, strict=True)
        if score > 0
    )
    merged: list[tuple[int, int, int]] = []
    for key, start, end in found:
        if merged and merged[-1][0] == key and start - merged[-1][2] <= GAP_NS:
            merged[-1] = (key, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((key, start, end))
    return [Alarm(start, end) for _, start, end in merged]
