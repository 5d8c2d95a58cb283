"""TZSP: a MikroTik router's sniffer streams packets to us, one in each datagram, without asking whether they arrive.

https://en.wikipedia.org/wiki/TZSP: version 1, type, protocol of what is inside; then tagged fields up to an end tag.
Datagrams of any other sender are thrown away.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import numpy as np

from sniffer.capture.remote.feed import Connection, Keys, empty_block
from sniffer.capture.source_settings import TzspSource
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock

#: Encapsulated protocols and what they are in captures (https://www.tcpdump.org/linktypes.html).
LINK_TYPES = {1: 1, 18: 105, 119: 119, 127: 163}
_PADDING, _END, _ORIGINAL_LENGTH = 0, 1, 0x29
MAX_DATAGRAM = 65536
#: Datagrams that make one block, at most.
MOST = 512
#: A sender of whom nothing arrives for so long has stopped: broadcasts pass every few seconds in a house.
SILENCE_SECONDS = 60.0
RECEIVE_BYTES = 4 << 20


class TzspFeed:
    """A listener for one sender."""

    filters, overlaps, own_clock = False, False, False
    silence_seconds = SILENCE_SECONDS
    alive_seconds = SILENCE_SECONDS
    renew_seconds = None

    def __init__(self, settings: TzspSource) -> None:
        self.label = settings.label
        self._settings = settings

    def connect(self, keys: Keys) -> Connection:
        """Open the port and wait for the first packet. Raises CaptureError."""
        return TzspConnection(self._settings)

    def close(self) -> None:
        """Nothing is held between connections."""


class TzspConnection:
    """The open port."""

    def __init__(self, settings: TzspSource) -> None:
        self._label = settings.label
        place = f"{settings.listen}:{settings.port}"
        try:
            sender = socket.getaddrinfo(settings.sender, None, type=socket.SOCK_DGRAM)
            family = socket.AF_INET6 if ":" in settings.listen else socket.AF_INET
            self._senders = {str(address[4][0]) for address in sender if address[0] == family}
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            raise CaptureError(f"{settings.sender}: {error.strerror}") from None
        try:
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BYTES)
            self._socket.bind((settings.listen, settings.port))
        except OSError as error:
            self._socket.close()
            raise CaptureError(f"{place} cannot be opened: {error.strerror}") from None
        self._socket.settimeout(0.5)
        self._closed = False

    def blocks(self) -> Iterator[FrameBlock]:
        """One block for what has arrived at a time."""
        while not self._closed:
            try:
                first = self._socket.recvfrom(MAX_DATAGRAM)
            except TimeoutError:
                continue
            except OSError:
                return
            yield from self._gather(first)

    def _gather(self, first: tuple[bytes, tuple[str, int]]) -> Iterator[FrameBlock]:
        arrived = [(first, time.time_ns())]
        self._socket.setblocking(False)
        with contextlib.suppress(OSError):
            while len(arrived) < MOST:
                arrived.append((self._socket.recvfrom(MAX_DATAGRAM), time.time_ns()))
        with contextlib.suppress(OSError):
            self._socket.settimeout(0.5)
        packets: dict[int, list[tuple[bytes, int, int]]] = {}
        for (datagram, address), time_ns in arrived:
            if address[0] in self._senders and (inner := peel(datagram)) is not None:
                link_type, frame, wire = inner
                packets.setdefault(link_type, []).append((frame, wire, time_ns))
        for link_type, found in packets.items():
            yield make_block(self._label, link_type, found)
        if not packets and any(address[0] in self._senders for (_, address), _ in arrived):
            yield empty_block(self._label)  # a keep-alive

    def watch(self, keys: Keys) -> bool:
        return True

    def dropped(self) -> int:
        return 0

    def close(self) -> None:
        self._closed = True
        self._socket.close()


def peel(datagram: bytes) -> tuple[int, bytes, int] | None:
    """Return link type, frame and length on the wire of what is in a datagram; None where that is no packet."""
    if len(datagram) < 5 or datagram[0] != 1 or datagram[1] > 1:
        return None
    link_type = LINK_TYPES.get(int.from_bytes(datagram[2:4], "big"))
    if link_type is None:
        return None
    at, wire = 4, 0
    while at < len(datagram):
        tag = datagram[at]
        if tag == _END:
            frame = datagram[at + 1 :]
            return (link_type, frame, max(wire, len(frame))) if frame else None
        if tag == _PADDING:
            at += 1
            continue
        if at + 1 >= len(datagram):
            return None
        size = datagram[at + 1]
        if tag == _ORIGINAL_LENGTH and size == 2:
            wire = int.from_bytes(datagram[at + 2 : at + 4], "big")
        at += 2 + size
    return None


def make_block(label: str, link_type: int, packets: list[tuple[bytes, int, int]]) -> FrameBlock:
    """A block of frames, each with its length on the wire and its time (nanoseconds)."""
    captured = np.array([len(frame) for frame, _, _ in packets], dtype=np.int32)
    offset = np.concatenate(([0], np.cumsum(captured[:-1], dtype=np.int64))).astype(np.int64)
    return FrameBlock(
        label,
        link_type,
        memoryview(b"".join(frame for frame, _, _ in packets)),
        offset,
        captured,
        np.array([wire for _, wire, _ in packets], dtype=np.int32),
        np.array([time_ns for _, _, time_ns in packets], dtype=np.int64),
    )
