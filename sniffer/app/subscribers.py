"""Who is called with each record: open streams of the API and the page, and the listeners that are asked on them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from sniffer.app.asks import Asks
from sniffer.model import Record, WakeEvent

logger = logging.getLogger("sniffer")

Subscriber = Callable[[Record], None]


class Subscribers:
    """Functions that take records and asks; safe to use from several threads.

    An ask is the only thing that they are given that is no record: it has no `event_type`. A function that raises is
    logged and removed: no reader of a stream may end the daemon.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._called: set[Subscriber] = set()
        self._asks = Asks()

    def subscribe(self, subscriber: Subscriber, source: str | None, now_ns: int) -> Callable[[], None]:
        """Call `subscriber` with each record from now on, and first with each ask of the last ten minutes that `source`
        has not answered. Returns the function that ends it."""
        with self._lock:
            self._called.add(subscriber)
            asked = self._asks.open(source, now_ns)
        for ask in asked:
            self._call(subscriber, ask)
        return lambda: self._remove(subscriber)

    def publish(self, record: Record) -> None:
        """Hand out a record."""
        with self._lock:
            called = tuple(self._called)
        for subscriber in called:
            self._call(subscriber, record)

    def ask(self, record: Record, now_ns: int) -> None:
        """Ask what was heard beside something that could be a voice, if the record is about that."""
        with self._lock:
            ask, called = self._asks.about(record, now_ns), tuple(self._called)
        if ask is not None:
            for subscriber in called:
                self._call(subscriber, ask)

    def ask_now(self, now_ns: int) -> None:
        """Ask what was heard in the last seconds."""
        with self._lock:
            ask, called = self._asks.about_now(now_ns), tuple(self._called)
        for subscriber in called:
            self._call(subscriber, ask)

    def answered(self, event: WakeEvent) -> None:
        """Note what a source has answered."""
        with self._lock:
            self._asks.answered(event)

    def _call(self, subscriber: Subscriber, record: Record) -> None:
        try:
            subscriber(record)
        except Exception:
            logger.exception("a reader of the stream failed and is disconnected")
            self._remove(subscriber)

    def _remove(self, subscriber: Subscriber) -> None:
        with self._lock:
            self._called.discard(subscriber)
