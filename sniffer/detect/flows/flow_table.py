"""The devices' side of TCP connections: which payload bytes are new.

A byte is a repetition only where its sequence number was on the wire before, in a segment that carried it, and not
long ago. Nothing else is concluded from sequence numbers: a segment far ahead of the others takes no byte away from
those that follow, and a segment repeats at most the bytes that it has itself. Where much of what leaves is repeated
for long, at a steady rate, repetitions count as new (`Repetitions`): the other side cannot have received what was sent
first.
"""

from __future__ import annotations

import numpy as np

from sniffer.detect.flows.repetitions import Repetitions
from sniffer.detect.flows.rows import Flags
from sniffer.model import I64, U32

#: A segment this far (bytes) from where the stream stood belongs to another stream: the port was used again.
_FAR = 1 << 22
#: Bytes that were seen are remembered through this epoch and the next, so for 2 to 4 seconds. A retransmission comes
#: sooner, as a rule; one that comes later counts as new. So a stream that is sent ahead of time hides nothing later.
_EPOCH_NS = 2_000_000_000
#: Separate ranges that are remembered of one stream. Beyond it the oldest is forgotten: its repetitions count as new.
_MOST_RANGES = 32
#: A segment that leaves out this many bytes is suspicious: bytes were lost, or hidden, or the number is invented.
_JUMP_BYTES = 64 << 10
_MASK = 0xFFFF_FFFF


class TcpStreams:
    """Counts each byte of a sequence space once. Retransmissions give 0, segments that fill a hole give their bytes.

    Sequence numbers count once two segments were seen that join exactly. Captures that were rebuilt from records carry
    filler there, which never joins (or joins always): then every payload byte counts.

    Most streams are in order. Of these the columns hold all there is to know: bytes `before` to `begin` were seen in
    the epoch before `epoch`, and bytes `begin` to `end` in that epoch. Other ranges of other streams are in a table.
    """

    def __init__(self, limit: int) -> None:
        self._before = np.zeros(limit, dtype=np.uint32)
        self._begin = np.zeros(limit, dtype=np.uint32)
        self._end = np.zeros(limit, dtype=np.uint32)
        self._epoch = np.zeros(limit, dtype=np.int64)
        self._seen = np.zeros(limit, dtype=np.bool_)  # any segment at all
        self._joined = np.zeros(limit, dtype=np.bool_)  # two segments that joined exactly
        self._scattered = np.zeros(limit, dtype=np.bool_)  # there are other ranges
        self._ranges: dict[int, list[Range]] = {}
        self._repetitions: dict[int, Repetitions] = {}  # by place, where segments were repeated lately
        #: Segments whose sequence numbers leave out many bytes, and streams with more ranges than are remembered.
        self.suspicious = 0

    def reset(self, places: int | I64) -> None:
        """Other streams begin at these places."""
        self._seen[places] = self._joined[places] = self._scattered[places] = False
        for place in np.atleast_1d(places).tolist() if self._ranges else ():
            self._ranges.pop(place, None)
        for place in np.atleast_1d(places).tolist() if self._repetitions else ():
            self._repetitions.pop(place, None)

    def fresh(
        self, places: I64, begins: I64, anew: Flags, sequence: U32, length: I64, time_ns: I64, interface: str = ""
    ) -> I64:
        """Return the number of new bytes of each segment that was captured on an interface.

        A stretch of segments in capture order begins at each of `begins`, of the stream at the place in `places`;
        `anew` are those that begin another stream. Those of one place stand together. Times do not step back within
        a stretch.
        """
        ends = np.concatenate((begins[1:], [len(sequence)]))
        last = ends - 1
        end = sequence + length.astype(np.uint32)
        epoch = time_ns // _EPOCH_NS
        seen = self._seen[places] & ~anew
        in_order = np.concatenate(([True], sequence[1:] == end[:-1]))
        in_order[begins] = ~seen | (sequence[begins] == self._end[places])
        usual = np.logical_and.reduceat(in_order, begins) & ~(self._scattered[places] & ~anew)
        joined = (self._joined[places] & ~anew) | (ends - begins > 1) | seen
        fresh = length
        unusual = np.flatnonzero(~usual).tolist()
        if unusual:
            fresh = length.copy()
            stands = {}  # how each of these stretches ends
            for number in unusual:
                place, part = int(places[number]), slice(int(begins[number]), int(ends[number]))
                stream = self._stream(place) if seen[number] else _Stream(int(sequence[part.start]))
                fresh[part] = stream.take(sequence[part].tolist(), length[part].tolist(), epoch[part].tolist())
                self.suspicious += stream.suspicious
                stands[number] = stream
        for place in places[anew].tolist() if self._ranges else ():
            self._ranges.pop(place, None)
        if unusual or self._repetitions:
            fresh = self._believed(places, begins, anew, sequence, length, time_ns, fresh, interface)
        # Where the bytes of the last epoch of each stretch begin, and those of the epoch before it.
        number_of = np.repeat(np.arange(len(begins)), ends - begins) << 40
        order, final = number_of + epoch, epoch[last]
        base = number_of[begins] + final
        begin = sequence[order.searchsorted(base)]
        before = sequence[order.searchsorted(base - 1)]
        known = self._epoch[places]
        same, following = seen & (known == final), seen & (known == final - 1)
        before = np.where(same, self._before[places], np.where(following, self._begin[places], before))
        begin = np.where(same, self._begin[places], begin)
        self._before[places], self._begin[places], self._end[places] = before, begin, end[last]
        self._epoch[places], self._joined[places], self._seen[places] = final, joined, True
        self._scattered[places] = False
        for number in unusual:
            place, stream = int(places[number]), stands[number]
            if number + 1 < len(places) and places[number + 1] == place:
                continue  # another stream followed
            self._keep(place, stream)
        return fresh

    def _believed(
        self, places: I64, begins: I64, anew: Flags, sequence: U32, length: I64, time_ns: I64, fresh: I64,
        interface: str,
    ) -> I64:  # fmt: skip
        """Return the new bytes of each segment, where repetitions that no line explains count too."""
        repeated = np.add.reduceat(length - fresh, begins) > 0
        known = np.isin(places, list(self._repetitions))
        for number in np.flatnonzero(repeated | known).tolist():
            place, end = int(places[number]), int(begins[number + 1]) if number + 1 < len(begins) else len(length)
            part = slice(int(begins[number]), end)
            before = None if anew[number] else self._repetitions.pop(place, None)
            if before is None and not repeated[number]:
                continue
            mine = before or Repetitions()
            columns = (time_ns, sequence, length, fresh)
            if fresh is length:
                fresh = length.copy()
            fresh[part] = mine.take(interface, *(column[part].tolist() for column in columns))
            self._repetitions.pop(place, None)
            if mine.lasting:
                self._repetitions[place] = mine
        return fresh

    def _stream(self, place: int) -> _Stream:
        before, begin, end = (int(column[place]) for column in (self._before, self._begin, self._end))
        epoch = int(self._epoch[place])
        stream = _Stream(end, seen=True, joined=bool(self._joined[place]))
        stream.ranges = [*self._ranges.get(place, ()), (before, begin, epoch - 1), (begin, end, epoch)]
        stream.ranges = [entry for entry in stream.ranges if entry[0] != entry[1]]
        return stream

    def _keep(self, place: int, stream: _Stream) -> None:
        self._ranges.pop(place, None)
        rest = stream.ranges
        current = next((entry for entry in reversed(rest) if entry[1] == stream.end), None)
        begin, epoch = (current[0], current[2]) if current else (stream.end, 0)
        previous = next((entry for entry in rest if entry[1] == begin and entry[2] == epoch - 1), None)
        rest = [entry for entry in rest if entry is not current and entry is not previous]
        self._before[place], self._begin[place] = previous[0] if previous else begin, begin
        self._end[place], self._epoch[place], self._joined[place] = stream.end, epoch, stream.joined
        self._scattered[place] = bool(rest)
        if rest:
            self._ranges[place] = rest


#: Sequence numbers from one to before another (modulo 2**32), and the epoch in which they were seen.
Range = tuple[int, int, int]


class _Stream:
    """One stream in which segments were lost, repeated or overtook each other, segment by segment."""

    def __init__(self, end: int, *, seen: bool = False, joined: bool = False) -> None:
        self._seen, self.joined = seen, joined
        self.end = end  # behind the bytes that were new last
        self.ranges: list[Range] = []  # which do not overlap
        self.suspicious = 0

    def take(self, sequence: list[int], length: list[int], epochs: list[int]) -> list[int]:
        """New bytes of each segment, in capture order."""
        fresh = length.copy()
        now = None
        for index, (first, size, epoch) in enumerate(zip(sequence, length, epochs, strict=True)):
            if epoch != now:
                now = epoch
                self.ranges = [entry for entry in self.ranges if entry[2] >= epoch - 1]
            ahead = _signed(first - self.end)
            if abs(ahead) > _FAR:
                self.suspicious += self.joined
                self.ranges.clear()
                self._seen = self.joined = False
                ahead, self.end = 0, first
            elif ahead > _JUMP_BYTES:
                self.suspicious += 1
            if self.joined and size == 1 and ahead == -1:  # asks whether the connection lives
                fresh[index] = 0
                continue
            self.joined = self.joined or (self._seen and ahead == 0)
            new = self._new(first, size)
            for begin, end in new:
                self._add(begin, end, epoch)
            if self.joined:
                fresh[index] = sum((end - begin) & _MASK for begin, end in new)
            self._seen = True
        return fresh

    def _new(self, first: int, size: int) -> list[tuple[int, int]]:
        """The parts of a segment that are in no range."""
        parts = [(0, size)]  # as distances from the first byte
        for begin, end, _ in self.ranges:
            low = _signed(begin - first)
            high = low + ((end - begin) & _MASK)
            if low >= size or high <= 0:
                continue
            cut = []
            for left, right in parts:
                if left < low:
                    cut.append((left, min(right, low)))
                if high < right:
                    cut.append((max(left, high), right))
            parts = cut
        return [((first + left) & _MASK, (first + right) & _MASK) for left, right in parts if left < right]

    def _add(self, begin: int, end: int, epoch: int) -> None:
        rest = []
        for known in self.ranges:  # what is next to it and of the same epoch becomes one with it
            if known[1] == begin and known[2] == epoch:
                begin = known[0]
            elif known[0] == end and known[2] == epoch:
                end = known[1]
            else:
                rest.append(known)
        if len(rest) >= _MOST_RANGES:
            oldest = min(rest, key=lambda known: (known[2], -abs(_signed(known[0] - end)), known[0]))
            rest.remove(oldest)
            self.suspicious += 1
        self.ranges = [*rest, (begin, end, epoch)]
        self.end = end


def _signed(distance: int) -> int:
    """Return a distance in sequence space as a number around 0."""
    return (distance + 0x8000_0000) % 0x1_0000_0000 - 0x8000_0000
