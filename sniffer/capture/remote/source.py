"""Packets that another machine captures, through whatever happens to the connection.

A broken connection is made anew, after longer and longer waits. The time between is a `Loss`, so that nothing is judged
by what was not seen. Where the sender filters and the watched devices change, a second connection is begun before the
first is ended, and takes over at a packet that both have seen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sniffer.capture.files.replay import rows
from sniffer.capture.remote.clock import SenderClock
from sniffer.capture.remote.feed import Feed, Keys
from sniffer.capture.remote.session import Arrived, Session
from sniffer.model import FrameBlock, Loss
from sniffer.model.clock import SECOND, Clock, SystemClock

#: Seconds that are waited before the first, and at most before a later attempt to connect.
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 15.0
#: A connection that lasted so long (seconds) was a good one: the next break is the first again.
GOOD_SECONDS = 60.0
#: How long a packet may be on its way (nanoseconds): the sender's buffer, the network and ours.
TRANSIT_NS = 2 * SECOND
#: While the sender's clock settles, packets that arrive within this time (seconds) count as arrived together.
TOGETHER_SECONDS = 0.1
#: How long an old connection is kept while a new one takes over (seconds).
HANDOVER_SECONDS = 3.0
#: Changes of the watched devices are collected for so long (seconds) before a new connection is begun for them.
SETTLE_SECONDS = 2.0
#: Packets of the time before a connection are buffered at the sender: that much of its time counts as not seen.
MARGIN_NS = 2 * SECOND


@dataclass(frozen=True, slots=True)
class SourceStatistics:
    """Of one source since the start: frames handed on, frames that the sender says it dropped."""

    received: int
    dropped: int


@dataclass(frozen=True, slots=True)
class Health:
    """How a source is: seconds that are added to the sender's stamps (None: none came yet, or the stamps are ours, not
    `own_clock`), how often a connection was made anew, and why there is none now (empty where there is one)."""

    clock_offset_seconds: float | None
    reconnects: int
    own_clock: bool = False
    problem: str = ""


class RemoteSource:
    """The packets of one sender, as a source (`sniffer.app.daemon.PacketSource`). Nothing is raised."""

    def __init__(
        self,
        feed: Feed,
        *,
        clock: Clock | None = None,
        wait: Callable[[threading.Condition, float], object] | None = None,
        together_seconds: float = TOGETHER_SECONDS,
    ) -> None:
        self._together_seconds = together_seconds
        self._feed, self._clock = feed, clock or SystemClock()
        self._wait = wait or (lambda condition, seconds: condition.wait(seconds))
        self._arrived = threading.Condition()
        self._keys: Keys = frozenset()
        self._changed_at: float | None = None
        self._active: Session | None = None
        self._next: Session | None = None
        self._held: list[Arrived] = []
        self._settling: list[Arrived] = []
        self._handover_at = 0.0
        self._repeated_ns: tuple[int, int] | None = None  # stamps that both connections of a handover have brought
        self._sender = SenderClock()
        self._events: list[str] = []
        self._losses: list[Loss] = []
        self._complaint = ""
        self._failures = 0
        self._retry_at = float("-inf")
        self._hurried = False
        self._gone_ns: int | None = None
        self._seen_well_ns = self._complete_ns = 0
        self._stamp_ns = self._stamp_of_new = 0
        self._received = self._dropped = self._dropped_before = 0
        self._reconnects = 0
        self._closed = False

    # --- the protocol ---

    def watch(self, keys: Iterable[int] | None) -> None:
        """Watch these devices from now on."""
        keys = None if keys is None else frozenset(keys)
        if keys != self._keys:
            self._keys = keys
            if self._changed_at is None:
                self._changed_at = self._clock.monotonic()

    def hurry(self, hurried: bool) -> None:
        """While something is uploaded, the connection is not renewed."""
        self._hurried = hurried

    def poll(self, timeout: float) -> list[FrameBlock]:
        """What has arrived, at the latest after `timeout` seconds."""
        self._supervise()
        if timeout > 0:
            with self._arrived:
                if not any(session.waiting for session in self._sessions()):
                    self._wait(self._arrived, min(timeout, self._together_seconds) if self._settling else timeout)
        blocks = self._take()
        self._count_drops()
        return blocks

    def complete_ns(self) -> int:
        """Everything that was captured before this time has been handed out, or is lost."""
        self._complete_ns = max(self._complete_ns, self._clock.now_ns() - TRANSIT_NS)
        return self._complete_ns

    def statistics(self) -> Mapping[str, SourceStatistics]:
        return {self._feed.label: SourceStatistics(self._received, self._dropped)}

    def up(self) -> Mapping[str, bool]:
        """Whether the sender captures for us now."""
        return {self._feed.label: self._active is not None and self._active.began and self._gone_ns is None}

    def health(self) -> Mapping[str, Health]:
        """How the source is, under its label."""
        offset = self._sender.offset_ns if self._feed.own_clock else None
        seconds = None if offset is None else offset / SECOND
        problem = self._complaint if self._gone_ns is not None else ""
        return {self._feed.label: Health(seconds, self._reconnects, self._feed.own_clock, problem)}

    def losses(self) -> list[Loss]:
        losses, self._losses = self._losses, []
        return losses

    def events(self) -> list[str]:
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        """End the connections."""
        self._closed = True
        for session in self._sessions():
            session.close()
        for session in self._sessions():
            session.join(2.0)
        self._active = self._next = None
        self._feed.close()

    # --- connections ---

    def _sessions(self) -> list[Session]:
        return [session for session in (self._active, self._next) if session is not None]

    def _session(self) -> Session:
        self._changed_at = None
        return Session(self._feed, self._keys, self._clock, self._arrived)

    def _supervise(self) -> None:
        """Connect where there is no connection, and renew one whose filter or age asks for it."""
        if self._closed:
            return
        now = self._clock.monotonic()
        if self._active is None:
            if now >= self._retry_at:
                self._active = self._session()
                if self._gone_ns is None:
                    self._gone_ns = self._clock.now_ns()
            return
        active = self._active
        silent = self._feed.silence_seconds
        if silent is not None and active.began and now - active.heard_at > silent:
            self._lost(f"nothing arrived for {silent:.0f} seconds")
            return
        if self._next is not None or not active.began or self._gone_ns is not None:
            return
        if self._changed_at is not None and now - self._changed_at >= SETTLE_SECONDS:
            if not self._feed.filters or active.watch(self._keys):
                self._changed_at = None
            else:
                self._renew(now)
        elif self._old(active, now) and not self._hurried:
            self._renew(now)

    def _old(self, active: Session, now: float) -> bool:
        """Return whether a connection is to be made anew for its age."""
        return self._feed.renew_seconds is not None and now - active.begun_at > self._feed.renew_seconds

    def _renew(self, now: float) -> None:
        """Begin a new connection; the old one stays until then, where the sender allows two."""
        if self._feed.overlaps:
            self._next, self._held = self._session(), []
            self._handover_at, self._stamp_of_new = now, 0
        elif not self._hurried:
            self._drop_active()
            self._retry_at = now
            self._gone_ns = self._unseen_from(self._clock.now_ns())

    def _unseen_from(self, now_ns: int) -> int:
        """From when on packets may be missing, where a connection ends now: what the sender had buffered is lost, and
        the connection may have been dead for a while."""
        if not self._seen_well_ns:
            return now_ns
        alive_ns = now_ns - round(self._feed.alive_seconds * SECOND)
        return max(max(self._seen_well_ns, alive_ns) - MARGIN_NS, 0)

    def _drop_active(self) -> None:
        if self._active is not None:
            self._dropped_before += self._active.dropped()
            self._active.close()
        self._active = self._repeated_ns = None
        self._settling = []
        self._sender = self._sender.anew() if self._gone_ns is not None else self._sender

    def _lost(self, why: str) -> None:
        """The connection is over: wait, and longer each time."""
        now_ns, now = self._clock.now_ns(), self._clock.monotonic()
        lasted = now - self._active.begun_at if self._active is not None and self._active.began else 0.0
        if self._gone_ns is None:
            self._gone_ns = self._unseen_from(now_ns)
            self._losses.append(Loss(self._feed.label, self._gone_ns, now_ns, 0))
            self._gone_ns = now_ns
        self._failures = 1 if lasted > GOOD_SECONDS else self._failures + 1
        wait = min(FIRST_WAIT_SECONDS * 2 ** (self._failures - 1), LONGEST_WAIT_SECONDS)
        if why != self._complaint:
            self._complaint = why
            self._events.append(f"{self._feed.label}: {why}; connecting again")
        self._drop_active()
        self._retry_at = now + wait
        if self._next is not None:  # it was to take over anyway
            self._take_over(self._next)
            self._retry_at = now

    def _back(self, session: Session) -> None:
        """The sender captures: what lies before is a gap."""
        now_ns = self._clock.now_ns()
        if self._gone_ns is not None:
            first = self._seen_well_ns == 0
            self._reconnects += not first
            self._losses.append(Loss(self._feed.label, self._gone_ns, now_ns, 0))
            if not first or self._complaint:
                self._events.append(
                    f"{self._feed.label}: packets arrive, after {(now_ns - self._gone_ns) / SECOND:.1f} s"
                )
            self._gone_ns, self._complaint = None, ""
        self._seen_well_ns = max(self._seen_well_ns, now_ns)

    # --- packets ---

    def _take(self) -> list[FrameBlock]:
        blocks: list[FrameBlock] = []
        active = self._active
        if active is not None:
            ended, arrived = active.ended, active.take()
            if active.began and self._gone_ns is not None:
                self._back(active)
            blocks += self._translate(self._settled(arrived, ended))
            if ended and active is self._active:
                self._lost(active.problem or "the sender ended the capture")
        if self._next is not None:
            blocks += self._hand_over(self._next)
        return blocks

    def _hand_over(self, new: Session) -> list[FrameBlock]:
        """Go on with the new connection once the old one has brought a packet that the new one has seen too."""
        ended = new.ended
        self._held += new.take()
        if self._held and not self._stamp_of_new:
            self._stamp_of_new = int(self._held[0].block.time_ns[0])
        now = self._clock.monotonic()
        if ended:
            self._events.append(f"{self._feed.label}: the filter could not be changed: {new.problem}")
            self._next, self._held = None, []
            self._changed_at = now + LONGEST_WAIT_SECONDS
            return []
        if not new.began:
            self._handover_at = now
            return []
        overlapped = self._stamp_of_new and self._stamp_ns >= self._stamp_of_new
        if not overlapped and now - self._handover_at < HANDOVER_SECONDS:
            return []
        last = self._translate(self._settled([], ended=True))
        self._drop_active()
        held = self._held
        self._take_over(new)
        return last + self._translate(held)

    def _take_over(self, new: Session) -> None:
        """Go on with a new connection. It may be behind the old one, and bring for a while what that has brought."""
        oldest_ns = self._stamp_of_new or self._stamp_ns - round(HANDOVER_SECONDS * SECOND)
        self._repeated_ns = oldest_ns, self._stamp_ns
        self._active, self._next, self._held = new, None, []

    def _fresh(self, block: FrameBlock) -> FrameBlock:
        """A block from its first packet on that the old connection has not brought. Stamps from before the new one
        are no repetition: the sender's clock was set back."""
        if self._repeated_ns is None:
            return block
        first_ns, last_ns = self._repeated_ns
        fresh = (block.time_ns < first_ns) | (block.time_ns > last_ns)
        if not fresh.any():
            return rows(block, slice(0, 0))
        self._repeated_ns = None
        return rows(block, slice(int(fresh.argmax()), None))

    def _settled(self, arrived: list[Arrived], ended: bool) -> list[Arrived]:
        """What can be translated now. While the sender's clock settles, packets wait a moment for those that arrive
        together with them."""
        waiting = self._settling + arrived
        together = bool(waiting) and self._feed.own_clock and self._sender.settling and not ended
        if together and self._clock.now_ns() - waiting[0].time_ns < self._together_seconds * SECOND:
            self._settling = waiting
            return []
        self._settling = []
        return waiting

    def _translate(self, arrived: Sequence[Arrived]) -> list[FrameBlock]:
        """Blocks in our time."""
        if self._feed.own_clock:
            self._sender.settle((one.block.time_ns, one.time_ns) for one in arrived)
        return [block for one in arrived for block in self._translate_one(one)]

    def _translate_one(self, one: Arrived) -> list[FrameBlock]:
        """A block in our time. Where the sender's clock was set, or packets come too late, that time is in doubt."""
        block = replace(self._fresh(one.block), interface=self._feed.label)
        if not len(block):
            return []
        self._received += len(block)
        self._stamp_ns = int(block.time_ns.max())
        if self._feed.own_clock:
            before_ns = self._seen_well_ns
            reading = self._sender.read(block.time_ns, one.time_ns)
            block = replace(block, time_ns=reading.time_ns)
            if reading.changed:
                self._losses.append(Loss(self._feed.label, max(before_ns - MARGIN_NS, 0), one.time_ns, 0))
            if (news := self._sender.news()) is not None:
                self._events.append(f"{self._feed.label}: {news}")
        earliest = int(block.time_ns.min())
        if earliest < self._complete_ns:  # what lies before that time was judged without these packets
            self._losses.append(Loss(self._feed.label, earliest, self._complete_ns, 0))
        self._seen_well_ns = max(self._seen_well_ns, one.time_ns)
        return [block]

    def _count_drops(self) -> None:
        dropped = self._dropped_before + (self._active.dropped() if self._active is not None else 0)
        if dropped > self._dropped:
            now_ns = self._clock.now_ns()
            self._losses.append(Loss(self._feed.label, now_ns - 10 * TRANSIT_NS, now_ns, dropped - self._dropped))
            self._dropped = dropped
