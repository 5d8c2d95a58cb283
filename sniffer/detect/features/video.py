"""Key frames: large bursts in a stream that flows on before and behind them.

A camera sends a whole picture now and then and differences between two of them. So its stream has bursts of about one
size at one distance (1 to 5.5 s on the cameras in the CIC IoT 2022 set, within 3 %), and between them 8 to 30 pictures
a second leave without a pause. An utterance has one burst, at its beginning; what a radio held back leaves in a burst
too, but then nothing left before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from sniffer.detect.features.pacing import BIN
from sniffer.detect.features.rows import F64, TINY, WRITE_GAP, Rows, burst_starts, some
from sniffer.model import I64

#: Seconds within which a key frame begins to leave; its bytes are counted over twice that.
_BURST_S = 0.15
#: Bytes of the smallest key frame: a picture of 160 x 120 points.
_LEAST_BYTES = 3_000
#: A key frame carries more than the stream does in this many times `_BURST_S`, and mostly more than that.
_TIMES_STREAM, _LEAST_SHARE = 2.0, 0.5
#: Seconds between two key frames, at least and at most (encoders are set to one in 1 to 5 s).
_LEAST_DISTANCE_S, _MOST_DISTANCE_S = 0.6, 5.6
#: How far two distances may differ, as a share: encoders keep time within 3 %.
_OFF_SHARE = 0.04
#: ... and in seconds: a radio's delay.
_OFF_S = 0.1
#: Key frames at one distance that are enough though their sizes differ by `_LOOSELY_ALIKE`.
_MANY = 4
#: The largest ratio of the sizes of key frames: of many, of three, and of two.
_LOOSELY_ALIKE, _ALIKE, _TWINS = 4.0, 1.35, 1.4
#: Seconds before a burst in which a radio may have held back what leaves in it.
_HELD_S = 1.0
#: Seconds of silence before a burst that a stall of the radio or the end of an utterance may have made, at most, and as
#: many times the usual distance of two writes.
_STALL_S, _STALL_GAPS = 0.25, 2.5
#: Seconds before a burst in which there may have been such a silence: a head lasts up to half a second.
_STALL_BACK_S = 0.5
#: Seconds of stream on both sides of each burst of many.
_AROUND_S = 0.4
#: ... of a burst that has one equal or none, and the largest ratio of the rates on both sides.
_BESIDE_S, _BESIDE_RATIO = 1.0, 1.6
#: Bytes of a single burst, and how many seconds of the stream it carries.
_SINGLE_BYTES, _SINGLE_SECONDS = 8_000, 2.5
#: How many times its rate a stream without a head carries in its first `2 * _BURST_S`, at most.
_NO_HEAD = 1.6
#: The share of the stream's rate that goes on around a burst.
_GOES_ON = 0.4
#: The largest coefficient of variation of the quarter seconds between key frames, of many and of few.
_MANY_VARY, _FEW_VARY = 0.9, 0.6


@dataclass(frozen=True, slots=True)
class KeyFrames:
    """Seconds of each key frame since the first row, and bytes of the median one."""

    seconds: tuple[float, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class _Burst:
    second: float
    bytes: float
    silence: float


@dataclass(frozen=True, slots=True)
class _Stream:
    """Seconds of each row, the bytes before it, the rate between bursts and its variation, the distance of writes."""

    seconds: F64
    total: I64
    rate: float
    variation: float
    gap: float

    def carried(self, first: float, last: float) -> float:
        """Bytes a second between two moments."""
        low, high = np.searchsorted(self.seconds, (first, last))
        return float(self.total[high] - self.total[low]) / max(last - first, 1e-3)

    def flows(self, at: float, length: float) -> bool:
        """Whether the stream goes on before and behind a burst, for as long as the run does."""
        before = self.carried(at - length, at) if at >= length else self.rate
        behind_at = at + 2 * _BURST_S
        ends = self.seconds[-1] - behind_at < length
        return min(before, self.rate if ends else self.carried(behind_at, behind_at + length)) >= _GOES_ON * self.rate

    def even(self, at: float) -> bool:
        """Whether the stream is as fast behind a burst as before it."""
        behind_at = at + 2 * _BURST_S
        if at < _BESIDE_S or self.seconds[-1] - behind_at < _BESIDE_S:
            return False
        rates = self.carried(at - _BESIDE_S, at), self.carried(behind_at, behind_at + _BESIDE_S)
        return min(rates) > 0 and max(rates) <= _BESIDE_RATIO * min(rates)

    def unbroken(self, burst: _Burst) -> bool:
        """Whether no silence before a burst can have made it."""
        return burst.silence <= min(_STALL_S, max(_STALL_GAPS * self.gap, 0.05))


@dataclass(frozen=True, slots=True)
class Bursts:
    """The bursts of a run, the stream in which they stand, and the second in which that begins."""

    found: list[_Burst]
    stream: _Stream
    begin: float


def bursts_in(rows: Rows) -> Bursts | None:
    """Return what `key_frames` looks at; None where there are no bursts, or no stream."""
    rows = some(rows, rows.bytes >= TINY)
    if len(rows.bytes) < 8 or rows.seconds[-1] - rows.seconds[0] < 2 * _LEAST_DISTANCE_S:
        return None
    seconds = rows.seconds - rows.seconds[0]
    total: I64 = np.concatenate(([0], np.cumsum(rows.bytes)))
    bins: F64 = np.bincount((seconds / BIN).astype(np.int64), weights=rows.bytes).astype(np.float64)
    rate = float(np.median(bins)) / BIN
    found = _bursts(seconds, total, rate) if rate > 0 else []
    if not found:
        return None
    starts = burst_starts(seconds, WRITE_GAP)
    stream = _Stream(seconds, total, rate, _variation(bins, found), float(np.median(np.diff(seconds[starts]))))
    return Bursts(found, stream, float(rows.seconds[0]))


def key_frames(bursts: Bursts | None) -> KeyFrames | None:
    """The key frames of a stream; None where there are none that an utterance could not have."""
    if bursts is None:
        return None
    found, stream = bursts.found, bursts.stream
    if not (_regular(found, stream) or _pair(found, stream) or _single(found, stream)):
        return None
    return KeyFrames(tuple(bursts.begin + one.second for one in found), int(np.median([one.bytes for one in found])))


def _variation(bins: F64, found: list[_Burst]) -> float:
    """How much the quarter seconds without a burst vary."""
    apart = np.ones(len(bins), dtype=np.bool_)
    for burst in found:
        first = int(burst.second / BIN)
        apart[first : first + 3] = False
    apart[-1] = False
    kept = bins[apart]
    return float(kept.std() / max(kept.mean(), 1.0)) if len(kept) >= 3 else 1.0


def _bursts(seconds: F64, total: I64, stream: float) -> list[_Burst]:
    """The moments in which much more leaves than the stream carries, and than a radio can have held back."""
    behind = total[np.searchsorted(seconds, seconds + _BURST_S)]
    amount = behind - total[:-1]
    held = behind - total[np.searchsorted(seconds, seconds - _HELD_S)]
    excess = np.minimum(amount - stream * _BURST_S, held - stream * (np.minimum(seconds, _HELD_S) + _BURST_S))
    gaps = np.diff(seconds, prepend=0.0)
    hot = np.flatnonzero(
        (amount >= _LEAST_BYTES) & (excess >= _TIMES_STREAM * stream * _BURST_S) & (excess >= _LEAST_SHARE * amount)
    )
    found: list[_Burst] = []
    for place in hot.tolist():
        begin = float(seconds[place])
        if found and begin - found[-1].second < _LEAST_DISTANCE_S:
            continue
        near = hot[(hot >= place) & (seconds[hot] < begin + _BURST_S)]
        first = int(near[np.argmax(amount[near])])
        end = int(np.searchsorted(seconds, seconds[first] + 2 * _BURST_S))
        carried = float(total[end] - total[first]) - 2 * _BURST_S * stream
        before = int(np.searchsorted(seconds, seconds[first] - _STALL_BACK_S))
        found.append(_Burst(float(seconds[first]), carried, float(gaps[before : first + 1].max())))
    return found


def _regular(found: list[_Burst], stream: _Stream) -> bool:
    """Whether three or more in a row have one size and one distance, in a stream that goes on."""
    for many, alike, vary in ((_MANY, _LOOSELY_ALIKE, _MANY_VARY), (3, _ALIKE, _FEW_VARY)):
        if stream.variation > vary:
            continue
        for first in range(len(found) - many + 1):
            row = found[first : first + many]
            distances = np.diff([burst.second for burst in row])
            even = float(distances.max() - distances.min()) <= max(_OFF_S, _OFF_SHARE * float(distances.max()))
            like = even and distances.max() <= _MOST_DISTANCE_S and _ratio(row) <= alike
            if like and all(stream.flows(burst.second, _AROUND_S) for burst in row[1:]):
                return True
    return False


def _pair(found: list[_Burst], stream: _Stream) -> bool:
    """Whether two of one size follow each other in a stream that goes on before and behind the second."""
    if stream.variation > _FEW_VARY:
        return False
    for first, second in pairwise(found):
        near = second.second - first.second <= _MOST_DISTANCE_S and _ratio([first, second]) <= _TWINS
        if near and stream.unbroken(second) and stream.even(second.second):
            return True
    return False


def _single(found: list[_Burst], stream: _Stream) -> bool:
    """Whether the only burst stands in the middle of a stream that had none at its beginning."""
    if len(found) != 1 or stream.variation > _FEW_VARY:
        return False
    burst = found[0]
    large = burst.bytes >= max(_SINGLE_BYTES, _SINGLE_SECONDS * stream.rate)
    headless = stream.carried(0.0, 2 * _BURST_S) <= _NO_HEAD * stream.rate
    return large and headless and stream.unbroken(burst) and stream.even(burst.second)


def _ratio(bursts: list[_Burst]) -> float:
    sizes = [max(burst.bytes, 1.0) for burst in bursts]
    return max(sizes) / min(sizes)
