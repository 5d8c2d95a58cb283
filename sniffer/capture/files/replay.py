"""A capture file as if it arrived now: at its own pace, or as fast as it can be judged."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sniffer.model import FrameBlock, Loss
from sniffer.model.clock import SECOND, Clock


class ReplayClock:
    """The time of the capture: that of the last frame handed out. Never steps back.

    With `speed` None it jumps from frame to frame; else it runs `speed` times as fast as `clock`.
    """

    def __init__(self, clock: Clock, speed: float | None) -> None:
        self._clock, self._speed = clock, speed
        self._start_ns = 0
        self._began = clock.monotonic()
        self._latest_ns = 0

    def now_ns(self) -> int:
        """Packet time; 0 before the first frame."""
        if self._speed is None or not self._start_ns:
            return self._latest_ns
        passed = (self._clock.monotonic() - self._began) * self._speed
        self._latest_ns = max(self._latest_ns, self._start_ns + round(passed * SECOND))
        return self._latest_ns

    def monotonic(self) -> float:
        """The real machine's: tokens and retries are not replayed."""
        return self._clock.monotonic()

    def start(self, time_ns: int) -> None:
        """The first frame was captured at `time_ns`."""
        if not self._start_ns:
            self._start_ns = self._latest_ns = time_ns
            self._began = self._clock.monotonic()

    def reach(self, time_ns: int) -> None:
        """Frames up to `time_ns` were handed out."""
        self._latest_ns = max(self._latest_ns, time_ns)


class ReplayCapture:
    """The blocks of a capture file, handed out as a live source does: `poll` gives None at the end."""

    def __init__(
        self,
        blocks: Iterable[FrameBlock],
        clock: ReplayClock,
        speed: float | None,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._reader = blocks
        self._blocks: Iterator[FrameBlock] = iter(blocks)
        self._clock, self._speed, self._wait = clock, speed, wait
        self._rest: FrameBlock | None = None
        self._told = 0
        self._interfaces: set[str] = set()

    def _problems(self) -> list[str]:
        return list(getattr(self._reader, "problems", ()))

    def poll(self, timeout: float) -> list[FrameBlock] | None:
        """What is due by now; where nothing is, an empty list after `timeout` seconds; None where the capture ended."""
        block = self._rest if self._rest is not None else next(self._blocks, None)
        self._rest = None
        if block is None:
            return None
        if not len(block):
            return []
        self._interfaces.add(block.interface)
        if self._speed is None:
            self._clock.reach(int(block.time_ns.max()))
            return [block]
        self._clock.start(int(block.time_ns[0]))
        # A reader reuses the buffer of a block only once the next one is asked for: what waits here stays valid.
        later = block.time_ns > self._clock.now_ns()
        if not later.any():
            return [block]
        due = int(np.argmax(later))
        self._rest = rows(block, slice(due, None))
        if not due:
            self._wait(timeout)
            return []
        return [rows(block, slice(0, due))]

    def complete_ns(self) -> int:
        """Everything that was captured before this time has been handed out."""
        return self._clock.now_ns()

    def hurry(self, hurried: bool) -> None:
        """A capture comes at its own pace."""

    def watch(self, keys: Iterable[int]) -> None:
        """A file holds what it holds."""

    def statistics(self) -> Mapping[str, Any]:
        """Nothing is dropped here."""
        return {}

    def up(self) -> Mapping[str, bool]:
        """The interfaces that the capture named so far."""
        return dict.fromkeys(self._interfaces, True)

    def losses(self) -> list[Loss]:
        """Nothing is lost here."""
        return []

    def events(self) -> list[str]:
        """What was wrong with the file, once."""
        told, self._told = self._told, len(self._problems())
        return self._problems()[told:]

    def close(self) -> None:
        """The file belongs to whoever opened it."""


def rows(block: FrameBlock, part: slice | npt.NDArray[np.int64]) -> FrameBlock:
    """Some rows of a block; the data is shared."""
    return replace(
        block,
        offset=block.offset[part],
        captured=block.captured[part],
        wire=block.wire[part],
        time_ns=block.time_ns[part],
    )
