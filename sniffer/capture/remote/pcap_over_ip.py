"""A capture over one TCP connection, as client or as server (Arkime, NetworkMiner, Wireshark's TCP@host:port)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import BinaryIO, cast

from sniffer.capture.remote.feed import Connection, Keys, stream_blocks
from sniffer.capture.source_settings import PcapOverIpSource
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock

TIMEOUT_SECONDS = 10.0
#: Seconds until a connection whose other end has vanished is noticed.
ALIVE_SECONDS = 15


class PcapOverIpFeed:
    """A sender that offers its capture at a port, or that connects to ours."""

    filters, overlaps, own_clock = False, False, True
    silence_seconds = None
    alive_seconds = float(ALIVE_SECONDS)
    renew_seconds = None

    def __init__(self, settings: PcapOverIpSource) -> None:
        self.label = settings.label
        self._settings = settings
        self._server: socket.socket | None = None

    def connect(self, keys: Keys) -> Connection:
        """Connect, or wait for the sender to do so. Raises CaptureError."""
        s = self._settings
        try:
            line = self._accept() if s.listen is not None else self._reach()
        except OSError as error:
            why = "timed out" if isinstance(error, TimeoutError) else error.strerror or str(error)
            raise CaptureError(f"{s.host}:{s.port}: {why}") from None
        line.settimeout(None)
        _keep_alive(line)
        return PcapOverIpConnection(line, self.label)

    def _reach(self) -> socket.socket:
        return socket.create_connection((self._settings.host, self._settings.port), timeout=TIMEOUT_SECONDS)

    def _accept(self) -> socket.socket:
        """Wait a while for the one sender; connections of others are closed."""
        s = self._settings
        if self._server is None:
            family = socket.AF_INET6 if ":" in str(s.listen) else socket.AF_INET
            self._server = socket.create_server((str(s.listen), s.port), family=family)
        self._server.settimeout(TIMEOUT_SECONDS)
        allowed = {str(found[4][0]) for found in socket.getaddrinfo(s.host, None)}
        while True:
            try:
                line, (address, *_) = self._server.accept()
            except TimeoutError:
                raise CaptureError(f"{s.host} has not connected to {s.listen}:{s.port} yet") from None
            if address in allowed:
                return line
            line.close()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()


class PcapOverIpConnection:
    """One connection."""

    def __init__(self, line: socket.socket, label: str) -> None:
        self._line, self._label = line, label

    def blocks(self) -> Iterator[FrameBlock]:
        with self._line.makefile("rb") as stream:
            yield from stream_blocks(cast("BinaryIO", stream), self._label)

    def watch(self, keys: Keys) -> bool:
        return True

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._line.close()


def _keep_alive(line: socket.socket) -> None:
    """Notice within `ALIVE_SECONDS` that the other end has vanished, where the system knows how."""
    with contextlib.suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 5), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", ALIVE_SECONDS // 5)):
        if hasattr(socket, option):
            with contextlib.suppress(OSError):
                line.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
