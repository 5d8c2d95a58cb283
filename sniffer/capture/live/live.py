"""Packets from living interfaces: drained at intervals, filtered in the kernel, through whatever happens to the link.

Nothing wakes us when a packet comes. Every `drain_interval` all that is there is taken at once. The interval shrinks
when the ring fills faster than that, and grows while nobody is in a hurry; time stamps are the kernel's own.

An interface may go down, be renamed, removed and created anew:
it is said (`events`), the gap is a `Loss`, and capturing goes on by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.capture.interleave import interleave
from sniffer.capture.live.bpf import (
    BPF_MAXINSNS,
    FORGED_INSNS,
    Program,
    compile_filter,
    not_forged,
    pass_all,
    tunnel_filter,
)
from sniffer.capture.live.interfaces import is_gateway
from sniffer.capture.live.packet_socket import PacketSocket, hardware_address, hardware_type
from sniffer.capture.live.privileges import raised
from sniffer.capture.live.ring import FULL_LENGTH, LINK_ETHERNET
from sniffer.capture.settings import CaptureSettings
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock, Loss
from sniffer.model.clock import Clock, SystemClock

#: How often the kernel is asked whether something happened to an interface, in seconds; every so many times also for
#: its name, of which it tells nothing by itself.
LOOK_INTERVAL = 0.5
LOOKS_A_NAME = 4
#: The ring may be this full when we come to drain it; above, we come sooner.
COMFORTABLE_FILL = 0.25
SHORTEST_INTERVAL = 0.005
#: Nanoseconds that may pass between the kernel's stamping a packet and our seeing it in the ring, generously.
STAMP_TO_RING_NS = 20_000_000
#: How many times `drain_interval` we wait while nobody is in a hurry.
CALM_STRETCH = 3


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of one interface since the start: frames handed on, and frames that the kernel had to drop."""

    received: int
    dropped: int


class _Link:
    """One interface and its socket. `label` names its packets."""

    def __init__(self, name: str, label: str, settings: CaptureSettings, now_ns: int) -> None:
        self.name, self.label = name, label
        self.called = name
        self.complaint = ""
        self.socket = _open(name, settings)
        self.received = self.dropped = self.looks = 0
        self.drained_ns = self.seen_well_ns = now_ns
        self.gone_ns: int | None = None if self.socket.is_up(name) else now_ns

    def guard(self) -> Program:
        """What stands before its filter: on a router, no frame arrives with its own MAC address."""
        own = hardware_address(self.called)
        return not_forged(own) if own is not None and is_gateway(self.called) else ()


def _open(name: str, settings: CaptureSettings) -> PacketSocket:
    """A socket that lets nothing through yet."""
    return PacketSocket(name, pass_all(0), promiscuous=settings.promiscuous, buffer_bytes=settings.buffer_bytes)


class LiveCapture:
    """The packets of some interfaces, as blocks of frames.

    `keys` are the devices to watch (see `bpf.compile_filter`); the identity protocols of all hosts come anyway. None
    is everything, up to the snap length.
    With `tunnel_from`, an IP address, only what that sender mirrors in tunnels is captured. `labels` name the packets
    of interfaces otherwise than these. Raises PrivilegeError or CaptureError where capturing cannot begin; afterwards
    nothing is raised.
    """

    def __init__(
        self,
        interfaces: Sequence[str],
        settings: CaptureSettings,
        keys: Iterable[int] | None = (),
        *,
        clock: Clock | None = None,
        tunnel_from: str | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self._tunnel_from, self._labels = tunnel_from, labels or {}
        if not interfaces:
            raise CaptureError("no interface to capture from: name one in capture.interface")
        self._settings = settings
        self._clock = clock or SystemClock()
        self._events: list[str] = []
        self._losses: list[Loss] = []
        self._hurried = True
        self._next_drain = self._clock.monotonic()
        self._next_look = self._next_drain + LOOK_INTERVAL
        self._keys = None if keys is None else frozenset(keys)
        self._program = self._wanted = self._compile(self._keys)
        self._links: list[_Link] = []
        for name in interfaces:
            hardware_type(name)
        try:
            with raised():
                for name in interfaces:
                    self._add(name)
        except BaseException:
            self.close()
            raise

    def _add(self, name: str) -> None:
        try:
            link = _Link(name, self._labels.get(name, name), self._settings, self._clock.now_ns())
        except OSError as error:
            raise CaptureError(f"{name}: {error.strerror}") from None
        self._links.append(link)
        self._attach(link)
        if link.gone_ns is not None:
            self._events.append(f"{name}: is down; capturing begins when it comes up")

    # --- what is watched ---

    def watch(self, keys: Iterable[int] | None) -> None:
        """Watch these devices from now on. No packet is lost by it."""
        self._keys = None if keys is None else frozenset(keys)
        program = self._compile(self._keys)
        if program != self._wanted:
            self._program = self._wanted = program
            for link in self._links:
                self._attach(link)

    def _compile(self, keys: Iterable[int] | None) -> Program:
        if self._tunnel_from is not None:
            return tunnel_filter(self._tunnel_from, FULL_LENGTH)
        if keys is None:
            return pass_all(self._settings.snap_length)
        try:
            return compile_filter(keys, self._settings.snap_length, FULL_LENGTH, BPF_MAXINSNS - FORGED_INSNS)
        except ValueError as error:
            self._events.append(f"{error}: all packets are captured and sorted out later")
            return pass_all(FULL_LENGTH)

    def _attach(self, link: _Link) -> None:
        if link.socket.link_type != LINK_ETHERNET:
            link.socket.attach(pass_all(FULL_LENGTH))
            return
        while True:
            try:
                link.socket.attach((*link.guard(), *self._program))
                return
            except CaptureError as error:
                smaller = self._smaller()
                if smaller is None:
                    meanwhile = "until then all packets are captured and sorted out later"
                    self._events.append(f"{link.name}: {error}; {meanwhile}")
                    return
                self._program = smaller

    def _smaller(self) -> Program | None:
        """A program with fewer instructions that lets the same devices through, and a few others of their makers."""
        if self._keys is None:
            return None
        try:
            most = len(self._program) - 1
            return compile_filter(self._keys, self._settings.snap_length, FULL_LENGTH, most)
        except ValueError:
            return None

    # --- packets ---

    def poll(self, timeout: float) -> list[FrameBlock]:
        """Wait for the next drain, at most `timeout` seconds, and hand over what came; drains at once for 0.

        The blocks are valid until the next call.
        """
        if timeout > 0:
            wait = self._next_drain - self._clock.monotonic()
            if wait > timeout:
                time.sleep(timeout)
                return []
            if wait > 0:
                time.sleep(wait)
        now = self._clock.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_INTERVAL
            for link in self._links:
                self._look(link)
        blocks: list[FrameBlock] = []
        fill = 0.0
        for link in self._links:
            block = self._drain(link)
            if block is not None:
                blocks.append(block)
                fill = max(fill, len(block) / link.socket.ring.slots)
        longest = self._settings.drain_interval * (1 if self._hurried else CALM_STRETCH)
        pace = COMFORTABLE_FILL / max(fill, COMFORTABLE_FILL)
        self._next_drain = now + max(longest * pace, SHORTEST_INTERVAL)
        return interleave(blocks)

    def _drain(self, link: _Link) -> FrameBlock | None:
        ring = link.socket.ring
        ring.release()
        now_ns = self._clock.now_ns()
        block = None
        if ring.waiting():
            # Asking for the counters takes a lock that the kernel holds while it fills a slot: what comes after it
            # sees slots that are complete, on machines that reorder reads too.
            self._count_drops(link, now_ns)
            block = ring.take(link.label, link.socket.link_type)
            link.received += len(block)
        link.drained_ns = now_ns
        return block

    def _count_drops(self, link: _Link, now_ns: int) -> None:
        dropped = link.socket.counters().dropped
        if dropped:
            link.dropped += dropped
            self._losses.append(Loss(link.label, link.drained_ns, now_ns, dropped))

    def hurry(self, hurried: bool) -> None:
        """While something is being uploaded, every `drain_interval`; else calmly, in fewer and larger blocks."""
        self._hurried = hurried

    def complete_ns(self) -> int:
        """Everything that was captured before this time has been handed out."""
        return min(link.drained_ns for link in self._links) - STAMP_TO_RING_NS

    # --- the link itself ---

    def _lost(self, link: _Link, why: str) -> None:
        if link.gone_ns is None:
            link.gone_ns = link.seen_well_ns
            self._events.append(f"{link.called}: {why}; capturing goes on when it is back")

    def _look(self, link: _Link) -> None:
        """Is the interface still the one that we are bound to, and up?"""
        trouble = link.socket.trouble()
        if trouble:
            self._lost(link, trouble)
        link.looks += 1
        if link.gone_ns is None and link.looks % LOOKS_A_NAME:
            link.seen_well_ns = self._clock.now_ns()
            return
        index = link.socket.index_of(link.name)
        if index is not None and index != link.socket.index:
            if not self._rebind(link):
                return
        elif index is None:
            called = link.socket.name_of(link.socket.index)
            if called is None:
                self._lost(link, "was removed")
                return
            if called != link.called:
                self._events.append(f"{link.called}: is called {called} now; capturing goes on")
                link.called = called
        else:
            link.called = link.name
        if link.socket.is_up(link.called):
            self._back(link)
            link.seen_well_ns = self._clock.now_ns()
        else:
            self._lost(link, "went down")

    def _rebind(self, link: _Link) -> bool:
        self._lost(link, "was removed")
        try:
            if hardware_type(link.name) != link.socket.hardware:
                with raised():
                    fresh = _open(link.name, self._settings)
                link.socket.close()
                link.socket = fresh
                self._attach(link)
            else:
                link.socket.bind(link.name)
        except (CaptureError, OSError) as error:
            if str(error) != link.complaint:  # it is tried again and again, and said once
                link.complaint = str(error)
                self._events.append(f"{link.name}: cannot be opened again: {error}")
            return False
        link.called, link.complaint = link.name, ""
        return True

    def _back(self, link: _Link) -> None:
        if link.gone_ns is not None:
            now_ns = self._clock.now_ns()
            self._losses.append(Loss(link.label, link.gone_ns, now_ns, 0))
            self._events.append(f"{link.called}: is up, after {(now_ns - link.gone_ns) / 1e9:.1f} s")
            link.gone_ns = None

    # --- what is to be told ---

    def statistics(self) -> Mapping[str, Statistics]:
        """By interface, since the start."""
        return {link.label: Statistics(link.received, link.dropped) for link in self._links}

    def up(self) -> Mapping[str, bool]:
        """By interface, whether it is captured from."""
        return {link.label: link.gone_ns is None for link in self._links}

    def events(self) -> list[str]:
        """What happened to the interfaces since the last call, a line each."""
        events, self._events = self._events, []
        return events

    def losses(self) -> list[Loss]:
        """When packets were lost since the last call; `packets` is 0 where nobody can know how many."""
        losses, self._losses = self._losses, []
        return losses

    def close(self) -> None:
        """Close the sockets; what was not polled is gone (poll with timeout 0 first)."""
        for link in self._links:
            link.socket.close()
        self._links = []

    def __enter__(self) -> LiveCapture:
        return self

    def __exit__(self, *problem: object) -> None:
        self.close()
