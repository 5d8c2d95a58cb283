"""What the way from a speaker to the place of capture does to its writes: queues, stalls, segments, offload, loss."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Writes:
    """Application writes of one host in columns: seconds, upstream?, bytes, flow number, TCP flags (0 for data)."""

    t: Floats
    up: Bools
    size: Ints
    flow: Ints
    flags: Ints

    def __len__(self) -> int:
        return len(self.t)

    def shifted(self, seconds: float) -> Writes:
        """The same, later."""
        return replace(self, t=self.t + seconds)

    def take(self, rows: npt.NDArray[np.generic] | slice) -> Writes:
        """Some of the rows, or all in another order."""
        return Writes(self.t[rows], self.up[rows], self.size[rows], self.flow[rows], self.flags[rows])


def writes(t: object, up: object, size: object, flow: object, flags: object = 0) -> Writes:
    """Columns from arrays or scalars."""
    times = np.atleast_1d(np.asarray(t, dtype=np.float64))
    n = len(times)
    return Writes(
        times,
        np.broadcast_to(np.asarray(up, dtype=bool), n).copy(),
        np.broadcast_to(np.asarray(size, dtype=np.int64), n).copy(),
        np.broadcast_to(np.asarray(flow, dtype=np.int64), n).copy(),
        np.broadcast_to(np.asarray(flags, dtype=np.int64), n).copy(),
    )


def joined(parts: list[Writes]) -> Writes:
    """Several in one."""
    if not parts:
        return writes([], True, 0, 0)
    columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("t", "up", "size", "flow", "flags"))
    return Writes(*columns)


@dataclass(frozen=True)
class Network:
    """One speaker's network. Times in seconds, shares from 0 to 1."""

    jitter: float = 0.0
    bunch: float = 0.0
    stalls_per_second: float = 0.0
    stall: float = 0.5
    segment: int = 1448
    link: float = 2.5e6
    offload: bool = False
    offload_gap: float = 0.0005
    retransmit: float = 0.0
    lost: float = 0.0


@dataclass(frozen=True)
class Segments:
    """Transport segments in the order of time. `record` is the length of the TLS record that begins with the segment,
    or -1 where none begins with it; `seq` counts the bytes of its flow and direction."""

    t: Floats
    up: Bools
    size: Ints
    flow: Ints
    flags: Ints
    record: Ints
    seq: Ints


def stalled(luck: np.random.Generator, w: Writes, network: Network) -> Writes:
    """Wi-Fi gone for a moment, here and there: upstream writes wait and then leave at once."""
    if not network.stalls_per_second or len(w) < 2:
        return w
    span = float(w.t[-1] - w.t[0])
    t = w.t.copy()
    for _ in range(luck.poisson(span * network.stalls_per_second)):
        begin = w.t[0] + luck.uniform(0, span)
        end = begin + min(luck.exponential(network.stall), 3.0)
        waiting = w.up & (t >= begin) & (t < end)
        t[waiting] = end + np.arange(int(waiting.sum())) * 0.0003
    order = np.argsort(t, kind="stable")
    return replace(w, t=t).take(order)


def through(luck: np.random.Generator, w: Writes, network: Network, counters: dict[tuple[int, bool], int]) -> Segments:
    """Writes as the segments that a capture sees. `counters` keep each flow's sequence numbers from call to call."""
    w = w.take(np.argsort(w.t, kind="stable"))
    t = w.t.copy()
    if network.jitter:
        delay = luck.exponential(network.jitter, len(w)) * w.up
        t[w.up] = np.maximum.accumulate((t + delay)[w.up])
    if network.bunch:
        t[w.up] = np.ceil(t[w.up] / network.bunch) * network.bunch
    # Segments: each write becomes as many as it needs, back to back.
    count = np.maximum(-(-w.size // network.segment), 1)
    row = np.repeat(np.arange(len(w)), count)
    within = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    size = np.minimum(network.segment, w.size[row] - within * network.segment)
    t = t[row] + within * (network.segment / network.link)
    up, flow, flags = w.up[row], w.flow[row], w.flags[row]
    record = np.where((within == 0) & (size > 5), w.size[row] - 5, -1)
    order = np.lexsort((t, up, flow))
    t, up, size = t[order], up[order], size[order]
    flow, flags, record = flow[order], flags[order], record[order]
    # Nothing of one flow and direction leaves at the same nanosecond.
    same = np.r_[False, (flow[1:] == flow[:-1]) & (up[1:] == up[:-1])]
    if network.offload:
        t, up, size, flow, flags, record, same = _merged(t, up, size, flow, flags, record, same, network)
    seq = _sequence(up, size, flow, same, counters)
    order = np.argsort(t, kind="stable")
    columns: list[npt.NDArray[Any]] = [c[order] for c in (t, up, size, flow, flags, record, seq)]
    if network.retransmit:
        again = np.flatnonzero((luck.random(len(t)) < network.retransmit) & columns[1] & (columns[2] > 0))
        late = [c[again] for c in columns]
        late[0] = late[0] + luck.uniform(0.03, 0.4, len(again))
        columns = [np.concatenate(pair) for pair in zip(columns, late, strict=True)]
        columns = [c[np.argsort(columns[0], kind="stable")] for c in columns]
    if network.lost:
        kept = luck.random(len(columns[0])) >= network.lost
        columns = [c[kept] for c in columns]
    return Segments(*columns)


def _merged(
    t: Floats, up: Bools, size: Ints, flow: Ints, flags: Ints, record: Ints, same: Bools, network: Network
) -> tuple[Floats, Bools, Ints, Ints, Ints, Ints, Bools]:
    """Receive offload: segments of a flow that follow within a moment arrive as one, of up to 64 kB."""
    near = np.r_[False, np.diff(t) < network.offload_gap] & same & (size > 0) & np.r_[False, size[:-1] > 0]
    group = np.cumsum(~near) - 1
    first = np.flatnonzero(~near)
    before = np.cumsum(size) - size
    full = (before - before[first][group]) // 60_000
    new = ~near | np.r_[False, full[1:] != full[:-1]]
    first = np.flatnonzero(new)
    total = np.add.reduceat(size, first) if len(size) else size
    return t[first], up[first], total, flow[first], flags[first], record[first], same[first]


def _sequence(up: Bools, size: Ints, flow: Ints, same: Bools, counters: dict[tuple[int, bool], int]) -> Ints:
    """Byte counts before each segment, within flow and direction."""
    if not len(size):
        return size
    running = np.cumsum(size) - size
    starts = np.flatnonzero(~same)
    lengths = np.diff(np.r_[starts, len(size)])
    base = np.repeat(running[starts], lengths)
    offsets = np.empty(len(starts), dtype=np.int64)
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        key = (int(flow[start]), bool(up[start]))
        offsets[i] = counters.get(key, 1000)
        counters[key] = int(offsets[i] + size[start : start + length].sum())
    return running - base + np.repeat(offsets, lengths)
