"""Which recognised hosts are watched: a bounded number, however many are invented."""

from __future__ import annotations

from dataclasses import dataclass

from sniffer.model.clock import SECOND

#: How long one mark of being active lasts, in nanoseconds: a host that sends now and then gathers one after the other.
ACTIVE_NS = 600 * SECOND


@dataclass(slots=True)
class _Place:
    """`active` counts spans of `ACTIVE_NS` in which the host sent, the last of them is `span`; `hits` counts patterns
    of rules that its facts fit; `first_ns` is when it was seen first."""

    active: int
    span: int
    hits: int
    first_ns: int

    @property
    def rank(self) -> tuple[int, int, int]:
        return self.active, self.hits, -self.first_ns


class Watchlist:
    """Recognised hosts that no person named. Of too many, the newest and weakest wait.

    A host ranks by how long it has been active, then by what is known of it, then by its age: hosts that are invented
    in numbers send a frame or two each, and stay behind the ones that live here.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._watched: dict[int, _Place] = {}
        self._waiting: dict[int, _Place] = {}
        self._weakest: int | None = None  # of the watched hosts, while nothing has changed there

    def __contains__(self, key: int) -> bool:
        return key in self._watched

    def __len__(self) -> int:
        return len(self._watched)

    @property
    def keys(self) -> frozenset[int]:
        """The hosts that are watched."""
        return frozenset(self._watched)

    @property
    def waiting(self) -> int:
        """How many recognised hosts wait for a place."""
        return len(self._waiting)

    def offer(self, key: int, hits: int, first_ns: int, time_ns: int) -> None:
        """A host is recognised, or more is known of it."""
        place = self._watched.get(key) or self._waiting.get(key)
        if place is None:
            place = self._waiting[key] = _Place(1, time_ns // ACTIVE_NS, hits, first_ns)
        place.hits = hits
        self._changed(key)
        self._settle(key)

    def active(self, key: int, time_ns: int) -> None:
        """A recognised host sent something."""
        place = self._watched.get(key) or self._waiting.get(key)
        if place is not None and time_ns // ACTIVE_NS > place.span:
            place.active, place.span = place.active + 1, time_ns // ACTIVE_NS
            self._changed(key)
            self._settle(key)

    def drop(self, key: int) -> bool:
        """A host is not recognised any more, or forgotten. Return whether it was watched."""
        self._waiting.pop(key, None)
        self._changed(key)
        if self._watched.pop(key, None) is None:
            return False
        if self._waiting:
            self._settle(max(self._waiting, key=lambda other: self._waiting[other].rank))
        return True

    def known(self) -> frozenset[int]:
        """The hosts that are watched or wait."""
        return frozenset((*self._watched, *self._waiting))

    def _settle(self, key: int) -> None:
        """Give a waiting host a place, if there is one or a weaker host holds one."""
        place = self._waiting.get(key)
        if place is None:
            return
        if len(self._watched) >= self._limit:
            if self._weakest is None:
                self._weakest = min(self._watched, key=lambda other: self._watched[other].rank)
            if self._watched[self._weakest].rank >= place.rank:
                return
            self._waiting[self._weakest] = self._watched.pop(self._weakest)
        self._watched[key] = self._waiting.pop(key)
        self._weakest = None

    def _changed(self, key: int) -> None:
        """The rank of a host changed: which watched host is the weakest is found out anew."""
        if key in self._watched:
            self._weakest = None
