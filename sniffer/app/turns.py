"""Packets first: work of other threads that can wait steps aside while the daemon handles packets.

Python runs one thread at a time, and shares its time evenly. A page that is being made would double the time of a turn.
"""

from __future__ import annotations

import threading
from types import TracebackType

#: Seconds between two points at which a thread that computes gives others a chance; Python's own value is 0.005.
SWITCH_SECONDS = 0.0005
#: Seconds that one piece of other work waits at most, so that it ends also where turns follow each other closely.
LONGEST_WAIT_SECONDS = 0.025


class Turns:
    """A context manager for each turn of the daemon; `step_aside` is for the other threads."""

    def __init__(self) -> None:
        self._quiet = threading.Event()
        self._quiet.set()

    def __enter__(self) -> Turns:
        self._quiet.clear()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._quiet.set()

    def step_aside(self) -> None:
        """Wait until no turn runs, but not for long."""
        if not self._quiet.is_set():
            self._quiet.wait(LONGEST_WAIT_SECONDS)
