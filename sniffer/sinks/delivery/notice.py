"""What a notification shows beside the record: one sentence, and ways on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from sniffer.model import Record


@dataclass(frozen=True, slots=True)
class Action:
    """A button or link. A `GET` opens a page and changes nothing; a `POST` acts at once.

    A `POST` address opened with `GET` shows a page with the same button, for services that know links only.
    """

    label: str
    url: str
    method: Literal["GET", "POST"] = "GET"

    def to_json(self) -> dict[str, Any]:
        """Return the action as generic receivers get it."""
        return {"label": self.label, "url": self.url, "method": self.method}


#: Buttons that receivers show at most. A notice with as many actions of its own has no button for its link.
MOST_ACTIONS = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """A record's `headline`, the page it is about (`link`, where `http.public_url` is set), and its `actions`."""

    headline: str
    link: str | None = None
    actions: tuple[Action, ...] = ()

    @property
    def ways_on(self) -> tuple[Action, ...]:
        """Return the link and the actions, in the order in which they are shown."""
        show = (Action("Show", self.link),) if self.link and len(self.actions) < MOST_ACTIONS else ()
        return show + self.actions


#: Makes the notice of a record.
NoticeOf: TypeAlias = Callable[[Record], Notice]
