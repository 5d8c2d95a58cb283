"""One connection of a watched device, from packets to runs."""

from __future__ import annotations

import itertools
from typing import Protocol

import numpy as np

from sniffer.detect.columns import Flags, FlowSlice, record_headers
from sniffer.detect.run import WARM_NS, Columns, Run, warm_rows, warm_start
from sniffer.detect.stream import SendStream
from sniffer.model import I64, PROTO_TCP, FlowKey

_SYN = 0x02
#: Datagrams smaller than this are acknowledgements of the transport (QUIC), not answers.
_ANSWER_DATAGRAM = 64
#: A run that lasts longer is closed and continued by another, so that something is said of a stream that never ends.
LONGEST_RUN_NS = 600 * 1_000_000_000


class RunListener(Protocol):
    """Is told of the runs of all flows."""

    def begun(self, flow: Flow, run: Run) -> None: ...

    def over(self, flow: Flow, run: Run) -> None: ...


class Flow:
    """State of one connection, bounded: sequence numbers, the last second of rows, and the run if there is one."""

    __slots__ = (
        "_answered",
        "_largest",
        "_name",
        "_recent",
        "_records",
        "_stream",
        "_taken",
        "flow",
        "key",
        "local",
        "opened_ns",
        "run",
        "seen_ns",
    )

    def __init__(self, key: int, flow: FlowKey, *, local: bool, opened_ns: int | None = None) -> None:
        self.key, self.flow, self.local = key, flow, local
        self._name = ""
        self.seen_ns = 0
        self.opened_ns = opened_ns
        self.run: Run | None = None
        self._stream = SendStream()
        self._recent = Columns.empty()
        self._taken = 0  # so many rows of `_recent` belong to a run already
        self._answered = False
        self._records = False
        self._largest = 0

    @property
    def name(self) -> str:
        """The connection in words, which are found once and only where they are needed."""
        self._name = self._name or str(self.flow)
        return self._name

    def push(self, piece: FlowSlice, clock: I64, silence_ns: int, runs: RunListener) -> None:
        """Take the rows of one batch; `clock` holds the time of each row of the batch."""
        time = clock[piece.rows]
        self.seen_ns = int(time[-1])
        if self.local:
            return
        edges = [0, len(time)]
        if self.flow.proto == PROTO_TCP:
            openings = np.flatnonzero(piece.upstream & (piece.batch.tcp_flags[piece.rows] & _SYN > 0)).tolist()
            edges = sorted({0, *openings, len(time)})
        else:
            openings = []
        for first, last in itertools.pairwise(edges):
            if first in openings:
                self._stream, self._records, self.opened_ns = SendStream(), False, int(time[first])
            self._rows(piece, slice(first, last), time, silence_ns, runs)

    def close(self, now_ns: int, silence_ns: int, runs: RunListener) -> None:
        """End the run if `now_ns` is past its closing silence."""
        if self.run is not None and now_ns - self.run.last_ns > silence_ns:
            self._finish(self.run, self.run.last_ns + silence_ns, runs)

    def _finish(self, run: Run, final_ns: int, runs: RunListener) -> None:
        run.final_ns = final_ns
        self.run = None
        runs.over(self, run)

    def _rows(self, piece: FlowSlice, part: slice, time: I64, silence_ns: int, runs: RunListener) -> None:
        rows, upstream, time = piece.rows[part], piece.upstream[part], time[part]
        length = piece.batch.payload_len[rows].astype(np.int64)
        carrying = upstream & (length > 0)
        down = ~upstream & (length > 0)
        if not carrying.any():  # a download, mostly
            self._answered |= bool((down & (length >= self._least_answer())).any())
            if self.run is not None:
                self.run.receive(time[down], length[down], self.run.last_ns + silence_ns)
            return
        answers = self._answers(carrying, down & (length >= self._least_answer()))
        fresh = self._columns(piece, rows[carrying], time[carrying], length[carrying], answers)
        received = (time[down], length[down])
        if len(fresh):
            recent = self._recent.joined(fresh)
            self._extend(recent, warm_rows(recent, len(self._recent)), silence_ns, runs, received)
            keep = int(np.searchsorted(recent.time_ns, recent.time_ns[-1] - max(silence_ns, WARM_NS), side="right"))
            self._recent = recent.take(slice(keep, None)).copied()
            self._taken = max(0, self._taken - keep)
        if self.run is not None:
            self.run.receive(*received, self.run.last_ns + silence_ns)

    def _least_answer(self) -> int:
        return 1 if self.flow.proto == PROTO_TCP else _ANSWER_DATAGRAM

    def _answers(self, carrying: Flags, down: Flags) -> Flags:
        """For each upstream payload row: had the other side said something since the one before?"""
        said = np.cumsum(down)
        counts = said[carrying]
        answers = counts > np.concatenate(([0], counts[:-1]))
        if len(counts):
            answers[0] |= self._answered
            self._answered = bool(said[-1] > counts[-1])
        elif len(said):
            self._answered |= bool(said[-1] > 0)
        return answers

    def _columns(self, piece: FlowSlice, rows: I64, time: I64, size: I64, answers: Flags) -> Columns:
        """The upstream payload rows of a slice, retransmissions removed."""
        if self.flow.proto != PROTO_TCP or not len(rows):
            return Columns(time, size, answers, size, np.ones(len(size), dtype=np.int64))
        fresh = self._stream.fresh(piece.batch.tcp_seq[rows], size)
        unit, units = record_headers(piece.batch, rows)
        known = np.maximum.accumulate(np.concatenate(([self._records], units > 0)))[1:]
        self._records = bool(known[-1])
        columns = Columns(time, fresh, answers, np.where(known, unit, size), np.where(known, units, 1))
        return columns if bool((fresh > 0).all()) else columns.take(fresh > 0)

    def _extend(
        self, recent: Columns, warm: I64, silence_ns: int, runs: RunListener, received: tuple[I64, I64]
    ) -> None:
        """Warm rows carry the run on, or begin another where the silence before them was too long."""
        if not len(warm):
            return
        times = recent.time_ns[warm]
        breaks = np.flatnonzero(times[1:] - times[:-1] > silence_ns) + 1
        for group in np.split(warm, breaks) if breaks.size else (warm,):
            begins = int(recent.time_ns[group[0]])
            if self.run is not None and begins - self.run.last_ns > silence_ns:
                final_ns = self.run.last_ns + silence_ns
                self.run.receive(*received, final_ns)
                self._finish(self.run, final_ns, runs)
            self._add(recent, int(group[0]), int(group[-1]), runs, received)

    def _add(self, recent: Columns, first: int, last: int, runs: RunListener, received: tuple[I64, I64]) -> None:
        """Rows up to `last` join the run; one begins with what made row `first` warm."""
        start = self._taken
        if self.run is None:
            start = warm_start(recent, first, self._taken)
            self.run = Run(int(recent.time_ns[start]), warm_ns=int(recent.time_ns[first]), opened_ns=self.opened_ns)
            self.run.largest = self._largest
            runs.begun(self, self.run)
        while True:
            limit = self.run.start_ns + LONGEST_RUN_NS
            cut = int(np.searchsorted(recent.time_ns[: last + 1], limit))
            if cut > start:
                self.run.add(recent.take(slice(start, cut)))
            if cut > last:
                break
            self.run.receive(*received, limit)
            at_ns = int(recent.time_ns[cut])
            self._finish(self.run, limit, runs)
            self.run = Run(at_ns, warm_ns=at_ns, opened_ns=self.opened_ns, largest=self._largest)
            runs.begun(self, self.run)
            start = cut
        if last >= self._taken:
            self._largest = max(self._largest, int(recent.bytes[self._taken : last + 1].max()))
        self._taken = last + 1
