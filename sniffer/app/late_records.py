"""Records that the store cannot take, as on a full disk: they are held in memory, and their alerts leave from there."""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Iterable, Sequence

from sniffer.errors import StoreError
from sniffer.model import Record, Sink
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.storage.store import Store

logger = logging.getLogger("sniffer")

#: Records that are held at most; the oldest are lost first.
MAX_LATE = 1000


class LateRecords:
    """What waits to be written."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: deque[Record] = deque(maxlen=MAX_LATE)

    def __len__(self) -> int:
        return len(self._waiting)

    def hold(self, turn: Iterable[Record], sinks: Sequence[Sink], error: StoreError) -> None:
        """Hold the records of a turn that was not written; logs the first error."""
        if not self._waiting:
            logger.error("%s; what is found is held in memory until it can be written", error)
        turn = tuple(turn)
        self._waiting.extend(turn)
        for outbox in _outboxes(sinks):
            for record in turn:
                outbox.hold(record)

    def write(self, sinks: Sequence[Sink]) -> None:
        """Write what waits, inside a transaction. Store and outbox know by its id what they have already."""
        for record in self._waiting:
            for sink in self._durable(sinks):
                with contextlib.suppress(StoreError):  # then the turn is not kept, but its packets are read
                    sink.emit(record)

    def written(self) -> None:
        """Forget what waited, after the transaction."""
        if self._waiting:
            logger.warning("the store is written again; %d records had waited", len(self._waiting))
        self._waiting.clear()

    def write_turn(self, turn: Iterable[Record], sinks: Sequence[Sink]) -> None:
        """Write the records of the last turn, inside a transaction. Raises StoreError."""
        for record in turn:
            for sink in self._durable(sinks):
                sink.emit(record)

    def lost(self, turn: Sequence[Record], error: StoreError) -> StoreError:
        """The error that says how many records are lost."""
        number = len(self._waiting) + len(turn)
        return StoreError(f"{error}; {number} records could not be written and are lost")

    def _durable(self, sinks: Sequence[Sink]) -> list[Store | Outbox]:
        return [self._store, *_outboxes(sinks)]


def _outboxes(sinks: Sequence[Sink]) -> list[Outbox]:
    return [sink for sink in sinks if isinstance(sink, Outbox)]
