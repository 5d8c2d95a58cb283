"""Who may hold a connection to the HTTP server, how many, and for how long.

A connection that sends nothing costs a file descriptor, of which the capture needs some too. So connections are counted
in all and by address, the oldest idle one makes room for a new one, and each part of a request has a time limit.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

logger = logging.getLogger("sniffer")

#: Errors of `accept` that say that this process or machine has no room now.
_NO_ROOM = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
#: Connections that are taken in one turn of the event loop.
_AT_ONCE = 16
#: Seconds without accepting after `accept` failed, and between two log lines about it.
PAUSE_SECONDS, LOG_SECONDS = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How many connections, and how many seconds for each part of a request.

    `local` is the limit for loopback addresses: behind a reverse proxy or a tunnel, everyone comes from there.
    """

    total: int = 96
    per_address: int = 24
    local: int = 72
    header_seconds: float = 10
    body_seconds: float = 20
    stalled_seconds: float = 30
    handshake_seconds: float = 10

    def of(self, address: str) -> int:
        """Return how many connections one address may hold."""
        return self.local if _is_loopback(address) else self.per_address


class Connection(H11Protocol):
    """One connection, with a time limit for the header, for the body, and for a client that reads nothing."""

    limits = Limits()
    left: Callable[[], None] = staticmethod(lambda: None)
    _phase: tuple[str, int] = ("", 0)
    _timer: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._review()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._timer, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)
        self.left()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._review()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._review()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.stalled_seconds, self.end)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def end(self) -> None:
        """Close at once, whatever is still to be sent."""
        self.transport.abort()

    def _review(self) -> None:
        """Start the time limit of the part of the request that has just begun."""
        if self.idle or self.conn.their_state is h11.IDLE:
            phase, seconds = "header", self.limits.header_seconds
        elif self.cycle.more_body:
            phase, seconds = "body", self.limits.body_seconds
        else:
            phase, seconds = "answer", 0.0
        if (phase, id(self.cycle)) == self._phase:
            return
        self._phase = phase, id(self.cycle)
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(seconds, self.end) if seconds else None


class _Visitor:
    """A connection from `accept` to its end, TLS handshake included."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.protocol: Connection | None = None
        self.task: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self.protocol is None or self.protocol.idle

    def end(self) -> None:
        if self.protocol is not None and self.protocol.transport is not None:
            self.protocol.end()
        elif self.task is not None:
            self.task.cancel()


class Door:
    """Accepts connections of one listening socket, within the limits. Lives in the event loop's thread."""

    def __init__(
        self,
        listener: socket.socket,
        make: Callable[[], Connection],
        tls: ssl.SSLContext | None,
        limits: Limits,
    ) -> None:
        self._listener, self._make, self._tls, self._limits = listener, make, tls, limits
        self._loop = asyncio.get_running_loop()
        self._visitors: dict[_Visitor, None] = {}  # the oldest first
        self._spare: int | None = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._paused: asyncio.TimerHandle | None = None
        self._logged = -LOG_SECONDS
        listener.setblocking(False)
        self._loop.add_reader(listener, self._accept)

    def close(self) -> None:
        """Accept no more."""
        if self._paused is not None:
            self._paused.cancel()
        self._loop.remove_reader(self._listener)
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None

    def _accept(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                accepted, address = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._no_room(error)
                return
            self._admit(accepted, str(address[0]))

    def _admit(self, accepted: socket.socket, address: str) -> None:
        if not self._make_room(address):
            accepted.close()
            return
        accepted.setblocking(False)
        visitor = _Visitor(address)
        self._visitors[visitor] = None
        visitor.task = self._loop.create_task(self._serve(accepted, visitor))
        visitor.task.add_done_callback(lambda task: self._began(task, accepted, visitor))

    def _began(self, task: asyncio.Task[None], accepted: socket.socket, visitor: _Visitor) -> None:
        """Close what did not become a connection: no TLS was spoken, or it made room before it began."""
        if task.cancelled() or task.exception() is not None:
            self._visitors.pop(visitor, None)
            with contextlib.suppress(OSError):
                accepted.close()

    async def _serve(self, accepted: socket.socket, visitor: _Visitor) -> None:
        def make() -> Connection:
            visitor.protocol = self._make()
            visitor.protocol.limits = self._limits
            visitor.protocol.left = lambda: self._visitors.pop(visitor, None)
            return visitor.protocol

        options: dict[str, Any] = {}
        if self._tls is not None:
            options = {"ssl": self._tls, "ssl_handshake_timeout": self._limits.handshake_seconds}
        await self._loop.connect_accepted_socket(make, accepted, **options)

    def _make_room(self, address: str) -> bool:
        """Return whether one more may come, after ending the oldest idle connection where there are too many."""
        mine = [visitor for visitor in self._visitors if visitor.address == address]
        if len(mine) >= self._limits.of(address):
            return self._end_idle(iter(mine))
        return len(self._visitors) < self._limits.total or self._end_idle(iter(self._visitors))

    def _end_idle(self, among: Iterator[_Visitor]) -> bool:
        oldest = next((visitor for visitor in among if visitor.idle), None)
        if oldest is None:
            return False
        self._visitors.pop(oldest)
        oldest.end()
        return True

    def _no_room(self, error: OSError) -> None:
        """Refuse one connection with the descriptor in reserve, then pause: a failing `accept` fails again at once."""
        if error.errno not in _NO_ROOM:
            logger.error("HTTP: a connection cannot be accepted: %s", error.strerror or error)
        elif self._loop.time() - self._logged >= LOG_SECONDS:
            self._logged = self._loop.time()
            logger.error("HTTP: connections are refused: %s", error.strerror or error)
        if error.errno == errno.EMFILE and self._spare is not None:
            os.close(self._spare)
            self._spare = None
            with contextlib.suppress(OSError):
                self._listener.accept()[0].close()
        with contextlib.suppress(OSError):
            if self._spare is None:
                self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        self._loop.remove_reader(self._listener)
        self._paused = self._loop.call_later(PAUSE_SECONDS, self._resume)

    def _resume(self) -> None:
        self._paused = None
        self._loop.add_reader(self._listener, self._accept)


def _is_loopback(address: str) -> bool:
    try:
        found = ip_address(address.split("%")[0])
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
