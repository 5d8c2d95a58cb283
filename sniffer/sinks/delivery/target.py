"""What the outbox asks of a target: a receiver of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sniffer.errors import DeliveryError
from sniffer.model import LEVELS, Record
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.settings import MqttSettings, TargetSettings


class Target:
    """A receiver. `address` identifies it (never shown); `level` and `events` select the records that it gets.
    What most of them do not need is here already: derive from this."""

    name: str
    address: str
    #: As many messages may be sent at a time, by `send_all`.
    batch: int = 1

    @property
    def events(self) -> Sequence[str]:
        """The types of records that are delivered."""
        return ()

    @property
    def level(self) -> str:
        """The lowest level that is delivered."""
        return "informational"

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver, or raise DeliveryError."""
        raise NotImplementedError

    def send_all(self, messages: Sequence[Message], now_ns: int) -> None:
        """Deliver all of these, or raise DeliveryError."""
        for message in messages:
            self.send(message, now_ns)

    def start(self) -> None:
        """From now on messages may come; what holds a connection opens it."""

    def show(self, record: Record) -> None:
        """Every record, told or not, for a receiver that shows states rather than messages."""

    def watch(self, records: Sequence[Record]) -> None:
        """The `device` records of those that are watched, for a receiver that shows states."""

    def idle(self, now_ns: int) -> float | None:
        """Called when nothing waits; seconds until it wants to be called again."""
        return None

    def close(self) -> None:
        """Let go of what is held."""


class ConfiguredTarget(Target):
    """A target that is called, and told, what its settings say."""

    def __init__(self, settings: TargetSettings | MqttSettings) -> None:
        self.name, self._events, self._level = settings.name, settings.events, settings.level

    @property
    def events(self) -> Sequence[str]:
        """As configured."""
        return self._events

    @property
    def level(self) -> str:
        """As configured."""
        return self._level

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class DeliveryMetrics(Protocol):
    """What the outbox counts; `sniffer.sinks.metrics.Metrics` is one."""

    def delivery(self, sink: str, outcome: str, count: int = 1) -> None: ...

    def outbox(self, sink: str, waiting: int) -> None: ...


class UnansweredError(DeliveryError):
    """The receiver could not be reached, or accepts nothing now: the message is not at fault."""


class GoneError(DeliveryError):
    """The receiver accepts no message ever again (HTTP 410)."""


def wanted(target: Target, record: Record) -> bool:
    """Whether this record is delivered to a target."""
    if record["event_type"] not in target.events:
        return False
    if record["event_type"] == "question":  # there are few, and who wants none switches them off
        return True
    levels = list[str](LEVELS)
    return record.get("level") not in levels or levels.index(record["level"]) >= levels.index(target.level)
