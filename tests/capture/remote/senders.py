"""A sender of packets whose every act is said by the test."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sniffer.capture.remote.feed import Connection, Keys, empty_block
from sniffer.capture.remote.source import RemoteSource
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock
from sniffer.model.clock import SECOND
from sniffer.testing import ManualClock

FRAME = bytes(60)


def block(*stamps_ns: int) -> FrameBlock:
    """One frame of 60 bytes for each time."""
    count = len(stamps_ns)
    size = np.full(count, len(FRAME), dtype=np.int32)
    offset = np.arange(count, dtype=np.int64) * len(FRAME)
    times = np.array(stamps_ns, dtype=np.int64)
    return FrameBlock("sender", 1, memoryview(FRAME * count), offset, size, size.copy(), times)


@dataclass
class FakeConnection:
    """Gives the blocks that are put in, an error that is put in, and ends with None."""

    keys: Keys
    acts: queue.Queue[FrameBlock | CaptureError | None] = field(default_factory=queue.Queue)
    closed: bool = False
    drops: int = 0

    def blocks(self) -> Iterator[FrameBlock]:
        while (act := self.acts.get()) is not None:
            if isinstance(act, CaptureError):
                raise act
            yield act

    def watch(self, keys: Keys) -> bool:
        return False

    def dropped(self) -> int:
        return self.drops

    def close(self) -> None:
        self.closed = True
        self.acts.put(None)


class FakeFeed:
    """Remembers its connections; each of `refuse` is the error of one attempt to connect."""

    label = "sender"
    own_clock = True
    alive_seconds = 15.0

    def __init__(
        self,
        *,
        filters: bool = True,
        overlaps: bool = True,
        silence_seconds: float | None = None,
        renew_seconds: float | None = None,
    ) -> None:
        self.filters, self.overlaps = filters, overlaps
        self.silence_seconds, self.renew_seconds = silence_seconds, renew_seconds
        self.connections: list[FakeConnection] = []
        self.refuse: list[str] = []
        self.attempts = 0

    def connect(self, keys: Keys) -> Connection:
        self.attempts += 1
        if self.refuse:
            raise CaptureError(self.refuse.pop(0))
        self.connections.append(FakeConnection(keys))
        return self.connections[-1]

    def close(self) -> None:
        pass


class Stage:
    """A source, its sender and a clock; nothing happens but what is said. By default no packet waits for others."""

    def __init__(self, feed: FakeFeed | None = None, *, together_seconds: float = 0.0) -> None:
        self.clock = ManualClock()
        self.feed = feed or FakeFeed()
        self.source = RemoteSource(
            self.feed, clock=self.clock, wait=lambda condition, seconds: None, together_seconds=together_seconds
        )

    def poll(self) -> list[int]:
        """The times of the packets that are handed out now, in seconds since the clock's start."""
        return [int(t) for one in self.source.poll(0) for t in one.time_ns]

    def connected(self) -> FakeConnection:
        """The newest connection, which captures now."""
        before = len(self.feed.connections)
        self.source.poll(0)
        self._until(lambda: len(self.feed.connections) > before)
        connection = self.feed.connections[-1]
        self.say(connection, empty_block("sender"))
        return connection

    def say(self, connection: FakeConnection, act: FrameBlock | CaptureError | None) -> None:
        """Let the sender do something, and wait until our thread has taken it."""
        sessions = {id(one): one for one in self.source._sessions()}
        before = {key: (one.heard_count, one.ended) for key, one in sessions.items()}
        connection.acts.put(act)
        self._until(lambda: any((one.heard_count, one.ended) != before[key] for key, one in sessions.items()))

    def failed(self) -> None:
        """Poll until an attempt to connect has failed."""
        attempts = self.feed.attempts
        self.source.poll(0)
        self._until(lambda: self.feed.attempts > attempts and all(one.ended for one in self.source._sessions()))
        self.source.poll(0)

    def now(self, offset_seconds: float = 0.0) -> int:
        return self.clock.now_ns() + round(offset_seconds * SECOND)

    def _until(self, condition: object) -> None:
        import time

        end = time.monotonic() + 10
        while not condition():  # type: ignore[operator]
            assert time.monotonic() < end, "our thread does not get there"
            time.sleep(0.001)
