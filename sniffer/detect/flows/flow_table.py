"""The devices' side of TCP connections: which payload bytes are new."""

from __future__ import annotations

import numpy as np

from sniffer.detect.flows.rows import Flags
from sniffer.model import I64, U32

#: A segment this far from where the stream stood belongs to another stream: the port was used again.
_FAR = 1 << 22


class Streams:
    """Counts each byte of a sequence space once. Retransmissions give 0, segments that fill a hole give their bytes.

    Sequence numbers are believed once two segments were seen that join exactly. Captures that were rebuilt from
    records carry filler there, which never joins (or joins always): then every payload byte counts.
    """

    def __init__(self, limit: int) -> None:
        self._end = np.zeros(limit, dtype=np.uint32)
        self._seen = np.zeros(limit, dtype=np.bool_)  # any segment at all
        self._joined = np.zeros(limit, dtype=np.bool_)  # two segments that joined exactly
        self._gaps: dict[int, list[tuple[int, int]]] = {}  # holes below the end, as sequence numbers modulo 2**32

    def reset(self, places: int | I64) -> None:
        """Other streams begin at these places."""
        self._seen[places] = self._joined[places] = False
        for place in np.atleast_1d(places).tolist() if self._gaps else ():
            self._gaps.pop(place, None)

    def fresh(self, places: I64, begins: I64, anew: Flags, sequence: U32, length: I64) -> I64:
        """New bytes of each segment. A stretch of segments in capture order begins at each of `begins`, of the stream
        at the place in `places`; `anew` are those that begin another stream. Those of one place stand together."""
        ends = np.concatenate((begins[1:], [len(sequence)]))
        last = ends - 1
        end = sequence + length.astype(np.uint32)
        seen = self._seen[places] & ~anew
        in_order = np.concatenate(([True], sequence[1:] == end[:-1]))
        in_order[begins] = ~seen | (sequence[begins] == self._end[places])
        usual = np.logical_and.reduceat(in_order, begins)
        joined = (self._joined[places] & ~anew) | (ends - begins > 1) | seen
        fresh = length
        unusual = np.flatnonzero(~usual).tolist()
        if unusual:
            fresh = length.copy()
            stands = {}  # how the last stretch of each place ends
            for number in unusual:
                place, part = int(places[number]), slice(int(begins[number]), int(ends[number]))
                stream = _Stream(bool(seen[number]), bool(self._joined[place]) and bool(seen[number]))
                if seen[number]:
                    stream.end, stream.gaps = int(self._end[place]), self._gaps.get(place, [])
                else:
                    stream.end = int(sequence[part.start])
                fresh[part] = stream.take(sequence[part].tolist(), length[part].tolist())
                stands[number] = stream
        for place in places[anew].tolist() if self._gaps else ():
            self._gaps.pop(place, None)
        self._end[places], self._joined[places], self._seen[places] = end[last], joined, True
        for number in unusual:
            place, stream = int(places[number]), stands[number]
            if number + 1 < len(places) and places[number + 1] == place:
                continue  # another stream followed
            self._end[place], self._joined[place] = stream.end, stream.joined
            self._gaps.pop(place, None)
            if stream.gaps:
                self._gaps[place] = stream.gaps
        return fresh


class _Stream:
    """One stream in which segments were lost, repeated or overtook each other, segment by segment."""

    def __init__(self, seen: bool, joined: bool) -> None:
        self._seen, self.joined = seen, joined
        self.end = 0
        self.gaps: list[tuple[int, int]] = []

    def take(self, sequence: list[int], length: list[int]) -> list[int]:
        """New bytes of each segment, in capture order."""
        fresh = length.copy()
        for index, (first, size) in enumerate(zip(sequence, length, strict=True)):
            ahead = _signed(first - self.end)
            if abs(ahead) > _FAR:
                self.gaps.clear()
                self._seen = self.joined = False
                ahead, self.end = 0, first
            if ahead == 0:
                self.joined = self.joined or self._seen
                self.end = (first + size) & 0xFFFF_FFFF
            elif ahead > 0:
                if len(self.gaps) >= 16:
                    del self.gaps[0]
                self.gaps.append((self.end, first))
                self.end = (first + size) & 0xFFFF_FFFF
            else:
                fresh[index] = self._old(first, size) if self.joined else size
            self._seen = True
        return fresh

    def _old(self, first: int, size: int) -> int:
        """New bytes of a segment that begins below the end: what fills holes, and what stands over the end."""
        last = first + size
        new = max(0, _signed(last - self.end))
        if new:
            self.end = last & 0xFFFF_FFFF
        remaining = []
        for begin, end in self.gaps:
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
        self.gaps = remaining
        return min(new, size)


def _signed(distance: int) -> int:
    """A distance in sequence space as a number around 0."""
    return (distance + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
