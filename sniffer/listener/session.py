"""The connection of a listener to the daemon: words and signs of life go out, questions come in and are answered."""

from __future__ import annotations

from collections.abc import Sequence

from sniffer.listener.asks import Asks, testimony_event
from sniffer.listener.history import History
from sniffer.listener.reporter import Reporter
from sniffer.model import Testimony
from sniffer.model.clock import Clock
from sniffer.web.client import Client


class Session:
    """What is kept, reported and asked. Without `heartbeat` (a file) there are no signs of life, and nothing is
    answered: what a file holds is long past."""

    def __init__(
        self, url: str, token: str, clock: Clock, names: Sequence[str], device: str | None, heartbeat: float | None
    ) -> None:
        self.live = heartbeat is not None
        self.history = History(names)
        self.reporter = Reporter(Client(url, token), clock, heartbeat=heartbeat)
        self._device = device
        # A connection of its own: the stream stays open for as long as the listener runs.
        self._asks = Asks(Client(url, token), self.history, self._answer, lambda: self.reporter.offset_ns)

    def start(self) -> None:
        """Begin to report and to answer."""
        self.reporter.start()
        if self.live:
            self._asks.start()

    def close(self) -> int:
        """Send what waits; return how many events are lost."""
        self._asks.close()
        return self.reporter.close()

    def _answer(self, testimony: Testimony) -> None:
        self.reporter.add(testimony_event(testimony, self._device))
