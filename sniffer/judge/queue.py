"""The work that waits for its time, in an order that depends on its content and never on when it arrived."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Annotated, Literal, assert_never

from pydantic import Field

from sniffer.judge.case import Key, Speaker, upload_key
from sniffer.model import Loss, Upload, WakeEvent


@dataclass(frozen=True, slots=True)
class EventArrives:
    """A wake source reported something."""

    event: WakeEvent
    kind: Literal["event"] = "event"


@dataclass(frozen=True, slots=True)
class LossArrives:
    """Packets were lost."""

    loss: Loss
    kind: Literal["loss"] = "loss"


@dataclass(frozen=True, slots=True)
class UploadArrives:
    """An upload became final. `speaker` is its device as it was known then."""

    upload: Upload
    speaker: Speaker
    kind: Literal["upload"] = "upload"


@dataclass(frozen=True, slots=True)
class VerdictDue:
    """A case has waited long enough. `case` is its number, `order` its place among all cases."""

    case: int
    order: Key
    kind: Literal["verdict"] = "verdict"


@dataclass(frozen=True, slots=True)
class ReviewDue:
    """The cases near a wake event are judged again."""

    event: WakeEvent
    kind: Literal["review"] = "review"


@dataclass(frozen=True, slots=True)
class CaseSettles:
    """A case has had its verdict for a while: now the judge learns from it."""

    case: int
    order: Key
    kind: Literal["settle_case"] = "settle_case"


@dataclass(frozen=True, slots=True)
class EventSettles:
    """A wake event has had time to explain something: now the judge learns from its delay and its use."""

    event: WakeEvent
    kind: Literal["settle_event"] = "settle_event"


Work = Annotated[
    EventArrives | LossArrives | UploadArrives | VerdictDue | ReviewDue | CaseSettles | EventSettles,
    Field(discriminator="kind"),
]

#: The order in which work of one time is done: what arrives, what is due, what is learned.
ORDER = ("event", "loss", "upload", "verdict", "review", "settle_case", "settle_event")


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One piece of work and its time. `rank` is its place in `ORDER`, `key` its content. `serial` tells equal pieces
    apart: the one that was added first comes first."""

    time_ns: int
    rank: int
    key: Key
    serial: int
    work: Work = field(compare=False)


class Queue:
    """A heap of items."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = list(items)
        heapq.heapify(self._items)
        self._serial = max((item.serial for item in self._items), default=0)

    def __len__(self) -> int:
        return len(self._items)

    def add(self, time_ns: int, work: Work) -> None:
        """Do `work` at a time."""
        self._serial += 1
        heapq.heappush(self._items, Item(time_ns, ORDER.index(work.kind), _key(work), self._serial, work))

    @property
    def next_ns(self) -> int | None:
        """The time of the first item; None if the queue is empty."""
        return self._items[0].time_ns if self._items else None

    def pop(self) -> Item:
        """Take the first item. Raises IndexError if the queue is empty."""
        return heapq.heappop(self._items)

    def shift(self, step_ns: int, moves: Callable[[Item], bool]) -> None:
        """Move the items that `moves` selects by `step_ns`."""
        self._items = [replace(item, time_ns=item.time_ns + step_ns) if moves(item) else item for item in self._items]
        heapq.heapify(self._items)

    def items(self) -> list[Item]:
        """All items, in order."""
        return sorted(self._items)


def _key(work: Work) -> Key:
    match work:
        case EventArrives(event) | ReviewDue(event) | EventSettles(event):
            return (
                event.time_ns, event.source, str(event.kind), event.device or "", event.vendor or "", str(event.trust),
                event.upload or "", str(event.answer or ""), repr(event.testimony) if event.testimony else "",
            )  # fmt: skip
        case LossArrives(loss):
            return (loss.start_ns, loss.interface, loss.packets)
        case UploadArrives(upload):
            return upload_key(upload)
        case VerdictDue(_, order) | CaseSettles(_, order):
            return order
    assert_never(work)
