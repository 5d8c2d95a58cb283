"""Where the delivery to one target stands, with the messages that are held in memory."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict, deque

from sniffer.model import Record
from sniffer.sinks.delivery.queue import Message, message_id

#: Messages of one target that are held in memory while the store cannot be written.
MAX_HELD = 200
#: Ids of messages that left from memory, of one target.
MAX_SENT = 1000


class Line:
    """Where one target stands."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.failures = 0
        self.not_before_ns = 0
        self.gone = False
        self.taken: Message | None = None
        #: Messages that were refused since the last one that was accepted.
        self.refused: frozenset[str] = frozenset()
        #: Messages that the store could not take, and the ids of those of them that were sent.
        self.held: deque[Message] = deque(maxlen=MAX_HELD)
        self.sent: OrderedDict[str, None] = OrderedDict()

    def hold(self, record: Record, target: str, now_ns: int) -> bool:
        """Keep a message in memory; False where it is held or was sent already."""
        name = message_id(record)
        if name in self.sent or any(message.id == name for message in tuple(self.held)):
            return False
        self.held.append(Message(0, target, name, dict(record), now_ns, now_ns, 0, 0))
        return True

    def sent_from_memory(self, name: str) -> None:
        """Remember that a held message has left."""
        self.sent[name] = None
        if len(self.sent) > MAX_SENT:
            self.sent.popitem(last=False)
        self.forget(name)

    def forget(self, name: str) -> None:
        """Let go of a held message: it was sent, or the store has it."""
        for message in [message for message in tuple(self.held) if message.id == name]:
            with contextlib.suppress(ValueError):  # the other thread was first
                self.held.remove(message)
