"""The device's side of one TCP connection: which payload bytes are new."""

from __future__ import annotations

import numpy as np

from sniffer.detect.columns import relative
from sniffer.model import I64, U32

#: A segment this far from where the stream stood belongs to another stream: the port was used again.
_FAR = 1 << 22


class SendStream:
    """Counts each byte of the sequence space once. Retransmissions give 0, segments that fill a hole give their bytes.

    Sequence numbers are believed once two segments were seen that join exactly. Captures that were rebuilt from
    records carry filler there, which never joins (or joins always): then every payload byte counts.
    """

    __slots__ = ("_end", "_gaps", "_joined", "_seen")

    def __init__(self) -> None:
        self._seen = False  # any segment at all
        self._joined = False  # two segments that joined exactly
        self._end = 0
        self._gaps: list[tuple[int, int]] = []  # holes below `_end`, as sequence numbers modulo 2**32

    def fresh(self, sequence: U32, length: I64) -> I64:
        """New bytes of each segment, in capture order."""
        if not len(sequence):
            return length
        if not self._seen:
            self._end = int(sequence[0])
        begin = relative(sequence, self._end)
        end = begin + length
        before = np.concatenate(([0], end[:-1]))
        if self._joined and bool((begin == before).all()):  # the usual case: in order
            self._end = (self._end + int(end[-1])) & 0xFFFF_FFFF
            return length
        return self._one_by_one(sequence, length)

    def _one_by_one(self, sequence: U32, length: I64) -> I64:
        fresh = length.copy()
        for index, (first, size) in enumerate(zip(sequence.tolist(), length.tolist(), strict=True)):
            ahead = _signed(first - self._end)
            if abs(ahead) > _FAR:
                self._gaps.clear()
                self._seen = self._joined = False
                ahead, self._end = 0, first
            if ahead == 0:
                self._joined = self._joined or self._seen
                self._advance(first, size)
            elif ahead > 0:
                if len(self._gaps) >= 16:
                    del self._gaps[0]
                self._gaps.append((self._end, first))
                self._advance(first, size)
            else:
                fresh[index] = self._old(first, size) if self._joined else size
            self._seen = True
        return fresh

    def _advance(self, first: int, size: int) -> None:
        self._end = (first + size) & 0xFFFF_FFFF

    def _old(self, first: int, size: int) -> int:
        """New bytes of a segment that begins below the end: what fills holes, and what stands over the end."""
        last = first + size
        new = max(0, _signed(last - self._end))
        if new:
            self._end = last & 0xFFFF_FFFF
        remaining = []
        for begin, end in self._gaps:
            low = max(0, _signed(first - begin))
            high = min(_signed(end - begin), _signed(last - begin))
            if high <= low:
                remaining.append((begin, end))
                continue
            new += high - low
            if low > 0:
                remaining.append((begin, (begin + low) & 0xFFFF_FFFF))
            if high < _signed(end - begin):
                remaining.append(((begin + high) & 0xFFFF_FFFF, end))
        self._gaps = remaining
        return min(new, size)


def _signed(distance: int) -> int:
    """A distance in sequence space as a number around 0."""
    return (distance + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
