"""One connection to a sender on a thread of its own: what arrives waits, with the time of its arrival, to be taken."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from sniffer.capture.remote.feed import Connection, Feed, Keys
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock
from sniffer.model.clock import Clock

#: Bytes of packets that wait at most. Where the daemon does not keep up, the sender is made to wait.
MAX_WAITING_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Arrived:
    """A block and when it arrived (our clock, nanoseconds)."""

    block: FrameBlock
    time_ns: int


class Session:
    """A connection attempt and what comes of it. `began` says that the sender captures; `ended` that nothing more will
    come, with the `problem` if there was one. `heard_count` counts blocks, `heard_at` is the time of the newest."""

    def __init__(self, feed: Feed, keys: Keys, clock: Clock, arrived: threading.Condition) -> None:
        self.keys, self.began, self.ended = keys, False, False
        self.problem, self.heard_count = "", 0
        self.begun_at = self.heard_at = clock.monotonic()
        self._feed, self._clock, self._arrived = feed, clock, arrived
        self._waiting: deque[Arrived] = deque()
        self._bytes = 0
        self._connection: Connection | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"sniffer {feed.label}", daemon=True)
        self._thread.start()

    def take(self) -> list[Arrived]:
        """All blocks that wait."""
        with self._arrived:
            taken = list(self._waiting)
            self._waiting.clear()
            self._bytes = 0
            self._arrived.notify_all()
        return taken

    @property
    def waiting(self) -> bool:
        """Whether there is anything to take, or to notice."""
        return bool(self._waiting) or self.ended

    def watch(self, keys: Keys) -> bool:
        """Change the filter of this connection; return False where that needs a new one."""
        if self._connection is None or not self._connection.watch(keys):
            return False
        self.keys = keys
        return True

    def dropped(self) -> int:
        """How many packets the sender dropped, as far as it says."""
        return self._connection.dropped() if self._connection is not None else 0

    def close(self) -> None:
        """End the connection; its thread ends by itself."""
        with self._arrived:
            self._closing = True
            connection = self._connection
            self._arrived.notify_all()
        if connection is not None:
            connection.close()

    def join(self, seconds: float) -> None:
        """Wait for the end of the thread."""
        self._thread.join(seconds)

    def _run(self) -> None:
        problem = ""
        try:
            connection = self._feed.connect(self.keys)
            with self._arrived:
                self._connection = connection
            if self._closing:
                connection.close()
            for block in connection.blocks():
                if not self._put(block):
                    break
        except CaptureError as error:
            problem = str(error)
        except (OSError, ValueError) as error:  # closed from another thread, while it was read
            problem = "" if self._closing else f"the connection broke: {error}"
        finally:
            if self._connection is not None:
                with contextlib.suppress(OSError):
                    self._connection.close()
            with self._arrived:
                self.problem, self.ended = problem, True
                self._arrived.notify_all()

    def _put(self, block: FrameBlock) -> bool:
        """Hold a copy of a block until it is taken; return False where the session is over."""
        kept = owned_copy(block) if len(block) else None
        arrival_ns = self._clock.now_ns()
        with self._arrived:
            self.began = True
            self.heard_at = self._clock.monotonic()
            self.heard_count += 1
            if kept is not None:
                while self._bytes > MAX_WAITING_BYTES and not self._closing:
                    self._arrived.wait(1.0)
                self._waiting.append(Arrived(kept, arrival_ns))
                self._bytes += len(kept.data)
            self._arrived.notify_all()
            return not self._closing


def owned_copy(block: FrameBlock) -> FrameBlock:
    """A block with bytes of its own: a reader uses its buffer again."""
    first = int(block.offset.min())
    last = int((block.offset + block.captured).max())
    return replace(
        block,
        data=memoryview(bytes(block.data[first:last])),
        offset=block.offset - first,
        captured=np.array(block.captured),
        wire=np.array(block.wire),
        time_ns=np.array(block.time_ns),
    )
