"""What the sources' tests share: a session that records, and waiting for a thing without sleeping for long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

from sniffer.model import Trust, WakeEvent, WakeKind
from sniffer.model.clock import Clock, SystemClock
from sniffer.wake.session import Session, Source


class Heard:
    """Runs a source in a thread and keeps what it delivers. Waits between attempts are cut to a few milliseconds."""

    def __init__(
        self,
        source: Source,
        *,
        trust: Trust = Trust.INDEPENDENT,
        clock: Clock | None = None,
        also: tuple[str, ...] = (),
    ) -> None:
        self.events: list[WakeEvent] = []
        self.waits: list[float] = []
        self.session = Session(
            source.name, self.events.append, clock or SystemClock(), trust=trust, wait=self._wait, also=also
        )
        self._thread = threading.Thread(target=self.session.drive, args=(source,), daemon=True)

    def _wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return self.session._stop.wait(min(seconds, 0.02))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.session.stop()
        self._thread.join(10)
        assert not self._thread.is_alive()

    def kinds(self) -> list[WakeKind]:
        return [event.kind for event in list(self.events)]

    def wakes(self) -> list[WakeEvent]:
        return [event for event in list(self.events) if event.kind is WakeKind.WAKE]

    @property
    def up(self) -> bool:
        return self.session.status().up


def until(ready: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for a thread or process of ours to get there."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
