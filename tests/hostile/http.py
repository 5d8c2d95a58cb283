"""Callers of the HTTP server that do not behave."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from urllib.parse import urlsplit


@contextmanager
def hold_idle(url: str, count: int) -> Iterator[None]:
    """Hold so many connections on which nothing, or half a header, is sent; those that are closed are opened again."""
    parts = urlsplit(url)
    with ExitStack() as stack:
        for number in range(count):
            with suppress(OSError):
                line = socket.create_connection((parts.hostname, parts.port), timeout=5)
                stack.enter_context(line)
                if number % 2:
                    line.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0")
        yield
