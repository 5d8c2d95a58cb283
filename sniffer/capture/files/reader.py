"""From bytes to blocks of frames, through one buffer that is used again and again.

Nothing is allocated because a length field in the file says so: a record that cannot fit the buffer is no
packet, and other things that are too large are skipped without being held.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Protocol

import numpy as np

from sniffer.capture.files.byte_stream import GZIP_MAGIC, Counted, Gunzip, Source
from sniffer.capture.files.pcap import PcapWalker
from sniffer.capture.files.pcapng import PcapngWalker
from sniffer.capture.files.unpack import Unpacker, unpacker
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock

#: Large enough that the work per block is small beside that per packet, small enough to stay in the cache.
BUFFER_BYTES = 2 << 20

#: Packets that leap back by more than this (ns), and forth again, are put in order within a block.
LEAP_NS = 1_000_000_000
#: Blocks of packets that a program wrote in another order lie closer together than this; further back (ns), the
#: clock was set.
FAR_NS = 300_000_000_000

#: Packets that claim to be this much younger than now are told of (and kept).
FUTURE_NS = 2 * 86_400 * 1_000_000_000


class Walker(Protocol):
    """Knows one format. `walk` takes what is whole from the first `end` bytes of the buffer and says how many it
    took: more than there are where the next are to be skipped. `problem` is set where it cannot go on."""

    packets: int
    problem: str | None
    started: bool
    latest_ns: int
    dropped: dict[str, int]
    notes: dict[str, int]

    def walk(self, data: memoryview, end: int) -> tuple[list[FrameBlock], int]: ...


class CaptureReader:
    """A capture, read once from the start to the end: iterate over it for its blocks.

    A block is valid until the next is asked for. After (and during) the reading, `problems` tells what was wrong
    with the capture in sentences, `dropped` how many packets the capturing program said it lost by interface,
    `packets` and `bytes_read` how far it came (compressed bytes, where it is compressed); `size` is where
    `bytes_read` will end, None for a stream.
    """

    def __init__(self, source: Source, name: str, *, size: int | None = None) -> None:
        self.name = name
        self.size = size
        self._counted = Counted(source)
        self._problems: list[str] = []
        self._unpacked: Unpacker | None = None
        self._walker: Walker | None = None
        self._ended = False
        self._reordered = 0

    def __enter__(self) -> CaptureReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what is held open."""

    @property
    def bytes_read(self) -> int:
        return self._counted.bytes_read

    @property
    def packets(self) -> int:
        return self._walker.packets if self._walker is not None else 0

    @property
    def dropped(self) -> dict[str, int]:
        return dict(self._walker.dropped) if self._walker is not None else {}

    @property
    def problems(self) -> list[str]:
        found = list(self._problems)
        if self._unpacked is not None and self._unpacked.problem is not None:
            found.append(self._unpacked.problem)
        if self._reordered:
            found.append(f"{self._reordered} packets were not in the order of time and were sorted")
        if self._walker is not None:
            found += [text.format(count) for text, count in self._walker.notes.items()]
            if self._walker.latest_ns > time.time_ns() + FUTURE_NS:
                year = 1970 + self._walker.latest_ns // 31_556_952_000_000_000
                found.append(f"packets are dated in the future (the year {year})")
        return found

    def detect(self) -> None:
        """Look at the first bytes. Raises CaptureError where they begin no capture."""
        if self._walker is not None:
            return
        source: Source = self._counted
        magic = self._peek(self._counted, 4)
        self._unpacked = Gunzip(self._counted) if magic[:2] == GZIP_MAGIC else unpacker(self._counted, magic, self.name)
        if self._unpacked is not None:
            unpacked = Counted(self._unpacked)
            magic = self._peek(unpacked, 4)
            source = unpacked
        if not magic:
            why = self._unpacked.problem if self._unpacked is not None else None
            raise CaptureError(f"{self.name}: {why or 'is empty'}")
        walker: Walker | None = PcapWalker.recognise(magic, self.name) or PcapngWalker.recognise(magic, self.name)
        if walker is None:
            raise CaptureError(f"{self.name}: is not a capture (neither pcap nor pcapng)")
        self._source, self._walker = source, walker

    def _peek(self, source: Counted, count: int) -> bytes:
        try:
            return source.peek(count)
        except OSError as error:
            raise CaptureError(f"{self.name}: cannot be read: {error.strerror or error}") from None

    def __iter__(self) -> Iterator[FrameBlock]:
        self.detect()
        walker = self._walker
        assert walker is not None
        data = np.empty(BUFFER_BYTES, dtype=np.uint8).data  # what a small capture does not fill is never touched
        fill = skip = 0
        while not self._ended:
            try:
                count = self._source.readinto(data[fill:]) or 0
            except OSError as error:
                if not walker.started:
                    raise CaptureError(f"{self.name}: cannot be read: {error.strerror or error}") from None
                self._problems.append(f"could not be read further: {error.strerror or error}")
                break
            if not count:
                self._finish(walker, fill, skip)
                break
            if skip:
                gone = min(skip, count)
                skip -= gone
                if gone == count:
                    continue
                data[: count - gone] = bytes(data[gone:count])
                count -= gone
            fill += count
            blocks, taken = walker.walk(data, fill)
            for block in blocks:
                yield self._ordered(block)
            if walker.problem is not None:
                self._fail(walker, walker.problem)
                break
            if taken >= fill:
                skip, fill = taken - fill, 0
            elif taken:
                data[: fill - taken] = bytes(data[taken:fill])
                fill -= taken
        self._ended = True

    def _ordered(self, block: FrameBlock) -> FrameBlock:
        """Put a block in the order of time whose stretches were written in another order.

        Where time leaps back and stays, or where stretches would overlap, the clock was set: the order stays.
        """
        leaps = np.diff(block.time_ns)
        if not len(leaps) or int(leaps.min()) >= -LEAP_NS:
            return block
        cuts = np.flatnonzero(np.abs(leaps) > LEAP_NS) + 1
        far = leaps[cuts - 1]
        if not (far < 0).any() or int(far.sum()) < 0 or int(far.min()) < -FAR_NS:
            return block
        starts = np.concatenate(([0], cuts))
        first, last = np.minimum.reduceat(block.time_ns, starts), np.maximum.reduceat(block.time_ns, starts)
        stretch = np.argsort(first, kind="stable")
        if (last[stretch][:-1] > first[stretch][1:]).any():
            return block
        order = np.argsort(block.time_ns, kind="stable")
        self._reordered += int(np.count_nonzero(order != np.arange(len(order))))
        columns = {name: getattr(block, name)[order] for name in ("offset", "captured", "wire", "time_ns")}
        return replace(block, **columns)

    def _finish(self, walker: Walker, left: int, skip: int) -> None:
        if not walker.started:
            why = self._unpacked.problem if self._unpacked is not None else None
            raise CaptureError(f"{self.name}: {why or 'ends inside its header'}")
        if left or skip:
            self._problems.append(f"is truncated after {walker.packets} packets")

    def _fail(self, walker: Walker, problem: str) -> None:
        if not walker.started:
            raise CaptureError(f"{self.name}: {problem}")
        self._problems.append(f"is damaged after {walker.packets} packets: {problem}")
