"""Steps of the clock inside a capture: where its times go back, or leap ahead while something was on its way.

A capture has no second clock to compare its times with. Times that go back and stay back are a step. A gap is only a
step where an upload goes on behind it at the same pace, or where it is longer than a day: a quiet house has gaps of
minutes and hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sniffer.model import I64, Loss, PacketBatch
from sniffer.model.clock import EARLIEST_NS, NEVER, SECOND, timestamp

#: Interfaces and capture threads deliver a little out of order: less than this (ns) is no step back.
_JITTER_NS = 5 * SECOND
#: A shorter gap is no step (ns); a longer one than the second is always one.
_GAP_NS, _ALWAYS_NS = 30 * SECOND, 86_400 * SECOND
#: The pace of an upload is compared over this long (ns) on either side of a gap, if there are that many packets.
_PACE_NS, _PACED_PACKETS = SECOND, 8
#: On either side of a step, what time it was is in doubt for at least this long and at most that long (ns).
_LEAST_DOUBT_NS, _MOST_DOUBT_NS = 600 * SECOND, 3600 * SECOND
#: Times that go back by more than this and come back (ns) are those of a clock that was set back and forth.
_UNSTEADY_NS = 300 * SECOND
#: As many packets with one time, or with whole seconds only, have lost the times of their capture.
_MANY = 100
#: Steps that are remembered of one capture.
_MOST_STEPS = 100
_REMEMBERED_ROWS = 512
_NO_BYTES = memoryview(b"")


@dataclass(frozen=True, slots=True)
class Step:
    """The clock was set from one time to another."""

    before_ns: int
    after_ns: int

    def doubt(self, capture: str) -> Loss:
        """Return the time around the step in which nothing may be concluded from silence."""
        low, high = sorted((self.before_ns, self.after_ns))
        margin = min(max(high - low, _LEAST_DOUBT_NS), _MOST_DOUBT_NS)
        begins = 0 if high - low > _ALWAYS_NS else low - margin  # such a clock had not been set at all
        return Loss(capture, max(begins, 0), high + margin, 0)


class ClockSteps:
    """Looks at the times of a capture, batch by batch, in the order of the file. Packets that are dated later than
    `latest_ns`, or before 2010, were captured by a clock that was wrong."""

    def __init__(self, latest_ns: int = NEVER) -> None:
        self.steps: list[Step] = []
        #: Packets that stand behind later ones, but for jitter, where the times did not stay back.
        self.disordered = 0
        #: Packets whose time cannot be right.
        self.misdated = 0
        #: How often times went far back and came back, and between which (ns).
        self.unsteady = 0
        self.to_and_fro_ns = NEVER, 0
        self._frames, self._fractions = 0, False
        self._misdated: dict[bool, tuple[int, int]] = {}  # too late, or too early: first and last time
        self._limit_ns = latest_ns
        self._latest_ns = 0
        self._back: tuple[int, int, int] | None = None  # times went back: from, to, and rows since
        self._recent: PacketBatch | None = None

    def add(self, time_ns: I64) -> None:
        """Look at the times of the next frames."""
        self._frames += len(time_ns)
        self._fractions = self._fractions or bool((time_ns % SECOND).any())
        if not len(time_ns) or self._is_plain(time_ns):
            return
        self._date(time_ns)
        highest = np.maximum.accumulate(np.maximum(time_ns, self._latest_ns))
        if not (time_ns < highest - _JITTER_NS).any() and self._back is None:
            before = np.concatenate(([self._latest_ns or time_ns[0]], highest[:-1]))
            for row in np.flatnonzero(highest - before > _ALWAYS_NS).tolist():
                self._step(int(before[row]), int(highest[row]))
            self._latest_ns = int(highest[-1])
            return
        for moment in time_ns.tolist():
            self._one(moment)

    def _is_plain(self, time_ns: I64) -> bool:
        """Take times that only ever go on, as nearly all do; return whether these were."""
        first, last = int(time_ns[0]), int(time_ns[-1])
        before = self._latest_ns or first
        if self._back is not None or not max(before, EARLIEST_NS) <= first <= last <= self._limit_ns:
            return False
        longest, shortest = first - before, 0
        if len(time_ns) > 1:
            gaps = np.diff(time_ns)
            longest, shortest = max(longest, int(gaps.max())), int(gaps.min())
        if shortest < 0 or longest > _ALWAYS_NS:
            return False
        self._latest_ns = last
        return True

    def _date(self, time_ns: I64) -> None:
        for late, wrong in ((True, time_ns > self._limit_ns), (False, time_ns < EARLIEST_NS)):
            if wrong.any():
                times = time_ns[wrong]
                first, last = self._misdated.get(late, (NEVER, 0))
                self._misdated[late] = min(first, int(times.min())), max(last, int(times.max()))
                self.misdated += len(times)

    def doubts(self, capture: str) -> Iterator[Loss]:
        """Yield the times in which nothing may be concluded from silence: around steps, and where no time is right."""
        for step in self.steps:
            yield step.doubt(capture)
        low, high = self.to_and_fro_ns
        if self.unsteady:
            yield Loss(capture, max(low - _MOST_DOUBT_NS, 0), high + _MOST_DOUBT_NS, 0)
        for first, last in self._misdated.values():
            yield Loss(capture, max(first - _MOST_DOUBT_NS, 0), min(last, NEVER - _MOST_DOUBT_NS) + _MOST_DOUBT_NS, 0)

    @property
    def coarse(self) -> bool:
        """Whether all times are whole seconds: then nothing shows how what was sent is paced."""
        return self._frames >= _MANY and not self._fractions

    def _one(self, moment: int) -> None:
        if self._back is not None:
            start, to, rows = self._back
            if moment >= start - _JITTER_NS:  # it came back: blocks in the wrong order
                self.disordered += rows
                self._back = None
                if start - to > _UNSTEADY_NS:
                    self.unsteady += 1
                    self.to_and_fro_ns = min(self.to_and_fro_ns[0], to), max(self.to_and_fro_ns[1], start)
            elif (rows >= 256 and moment - to > _JITTER_NS) or rows >= 4096:
                self._step(start, to)
                self._back, self._latest_ns = None, moment
                return
            else:
                self._back = start, to, rows + 1
                return
        if moment < self._latest_ns - _JITTER_NS:
            self._back = self._latest_ns, moment, 1
            return
        if self._latest_ns and moment - self._latest_ns > _ALWAYS_NS:
            self._step(self._latest_ns, moment)
        self._latest_ns = max(self._latest_ns, moment)

    def finish(self) -> None:
        """The capture has ended: times that stayed back until the end were a step."""
        if self._back is not None:
            self._step(self._back[0], self._back[1])
            self._back = None

    def look(self, batch: PacketBatch) -> None:
        """Look for gaps in the packets of devices over which something was on its way."""
        if not len(batch):
            return
        if self._recent is not None and batch.time_ns[0] - self._recent.time_ns[-1] > _GAP_NS:
            self._gap(self._recent, batch)
        for row in (np.flatnonzero(np.diff(batch.time_ns) > _GAP_NS) + 1).tolist():
            before = batch.take(slice(max(row - _REMEMBERED_ROWS, 0), row))
            self._gap(before, batch.take(slice(row, row + _REMEMBERED_ROWS)))
        recent = batch.take(np.arange(max(len(batch) - _REMEMBERED_ROWS, 0), len(batch)))
        self._recent = replace(recent, data=_NO_BYTES)  # their bytes are not needed, and are those of the whole batch

    def _gap(self, before: PacketBatch, after: PacketBatch) -> None:
        """Take a gap for a step if an upload goes on behind it unchanged: same connection, pace and pieces."""
        low, high = int(before.time_ns[-1]), int(after.time_ns[0])
        sent = np.flatnonzero((before.payload_len > 0) & (before.time_ns > low - _PACE_NS))
        if not len(sent):
            return
        row = int(sent[-1])
        one = np.flatnonzero(
            _is_flow(before, before, row) & (before.payload_len > 0) & (before.time_ns > low - _PACE_NS)
        )
        other = np.flatnonzero(
            _is_flow(after, before, row) & (after.payload_len > 0) & (after.time_ns < high + _PACE_NS)
        )
        if row != int(np.flatnonzero(before.payload_len > 0)[-1]) or min(len(one), len(other)) < _PACED_PACKETS:
            return
        if before.time_ns[row] < low - _PACE_NS // 4 or after.time_ns[other[0]] > high + _PACE_NS // 4:
            return
        amounts = [int(batch.payload_len[rows].sum()) for batch, rows in ((before, one), (after, other))]
        nearest = (before, one[-_PACED_PACKETS:]), (after, other[:_PACED_PACKETS])
        pieces = [float(np.median(batch.payload_len[rows])) for batch, rows in nearest]
        # What is said anew begins with more than its pace: with what was recorded until the connection was ready.
        if amounts[1] <= 1.5 * amounts[0] and max(pieces) <= 1.2 * min(pieces):
            self._step(low, high)

    def _step(self, before_ns: int, after_ns: int) -> None:
        step = Step(before_ns, after_ns)
        if len(self.steps) < _MOST_STEPS and step not in self.steps:
            self.steps.append(step)


def _is_flow(batch: PacketBatch, other: PacketBatch, row: int) -> npt.NDArray[np.bool_]:
    """Return which rows are of the connection of a row of another batch, and go the same way."""
    found = np.ones(len(batch), dtype=np.bool_)
    for name in ("src_high", "src_low", "src_port", "dst_high", "dst_low", "dst_port", "proto"):
        found &= getattr(batch, name) == getattr(other, name)[row]
    return found


def sentences(steps: ClockSteps) -> Iterator[str]:
    """Say what was found."""
    for step in () if steps.unsteady else steps.steps:
        seconds = (step.after_ns - step.before_ns) / SECOND
        way = "forward" if seconds > 0 else "back"
        yield (
            f"the capturing clock was set {way} by {abs(seconds):.0f} s at {timestamp(step.before_ns)}: "
            "around that nothing is concluded from silence"
        )
    if steps.misdated:
        what = "1 packet is" if steps.misdated == 1 else f"{steps.misdated} packets are"
        yield (
            f"{what} dated before 2010 or in the future: the capturing clock was wrong, and at those times nothing is "
            "concluded from silence"
        )
    if steps.unsteady:
        low, high = (timestamp(time_ns) for time_ns in steps.to_and_fro_ns)
        yield (
            f"the times jump back and forth between {low} and {high}, {steps.unsteady} times: uploads at these times "
            "are hardly found, and nothing is concluded from silence"
        )
    if steps.coarse:
        yield "the times of all packets are whole seconds: uploads cannot be found without the fractions"
    if steps.disordered and not steps.unsteady:
        yield f"{steps.disordered} packets stand behind later ones: the file is not in the order of time"
