"""The HTTP server under a caller that does not behave: connections that are held, halves, slowness, guesses."""

from __future__ import annotations

import contextlib
import gc
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.testclient import TestClient

from sniffer.errors import ConfigError
from sniffer.settings.base import Secret
from sniffer.testing import ManualClock
from sniffer.web.api import build_app
from sniffer.web.auth import FREE_GUESSES, LONGEST_PAUSE_SECONDS, read_tokens
from sniffer.web.connections import Limits
from sniffer.web.server import HttpServer
from sniffer.web.settings import HttpSettings, TokenSettings
from tests.web.test_api import Backend

QUICK = Limits(total=12, per_address=4, local=8, header_seconds=0.3, body_seconds=0.3, stalled_seconds=0.3)
PATIENT = Limits(total=12, per_address=4, local=8, header_seconds=60, body_seconds=60, stalled_seconds=60)
TOKEN = "a-token-of-some-length"
SETTINGS = HttpSettings(tokens=(TokenSettings(source="ear", secret=Secret(env="X")),))


class Large(Backend):
    """Metrics that do not fit into the buffers of a connection."""

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return b"#" * (32 << 20), "text/plain"


@contextmanager
def serving(limits: Limits, backend: Backend | None = None) -> Iterator[int]:
    app = build_app(backend or Backend(), SETTINGS, read_tokens(SETTINGS.tokens, lambda _: TOKEN), ManualClock())
    server = HttpServer(app, "127.0.0.1", 0, limits=limits)
    server.start()
    try:
        yield server.port
    finally:
        server.stop()


def connect(port: int, data: bytes = b"") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", port), timeout=10)
    if data:
        opened.sendall(data)
    return opened


def is_closed(connection: socket.socket) -> bool:
    """Wait until the other side closes, whatever it still sends."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionResetError:
        pass
    return True


HALF_HEADER = b"GET /-/healthy HTTP/1.1\r\nHost: 127.0"
HALF_BODY = (
    b"POST /api/v1/wake HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\nAuthorization: Bearer "
    + TOKEN.encode()
    + b"\r\n\r\n{"
)


@pytest.mark.parametrize("sent", [b"", HALF_HEADER, HALF_BODY, b"POST / HTTP/1.1\r\nHost: localhost\r\n"])
def test_who_sends_nothing_or_a_half_is_disconnected(sent: bytes) -> None:
    with serving(QUICK) as port, connect(port, sent) as slow:
        assert is_closed(slow)
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200


def test_a_drip_of_bytes_does_not_lengthen_the_time() -> None:
    with serving(QUICK) as port, connect(port) as slow, pytest.raises(OSError):
        for letter in HALF_HEADER * 100:
            slow.sendall(bytes([letter]))
            if not _waits(slow, 0.02):
                raise ConnectionResetError


def _waits(connection: socket.socket, seconds: float) -> bool:
    """Whether the connection is still open after some time without data."""
    connection.settimeout(seconds)
    try:
        return connection.recv(1 << 16) != b""
    except TimeoutError:
        return True


def test_who_reads_nothing_is_disconnected() -> None:
    request = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(QUICK, Large()) as port, socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect(("127.0.0.1", port))
        slow.sendall(request)
        while _descriptors(port) < 2:  # the listening socket, and the accepted one
            time.sleep(0.005)
        while _descriptors(port) > 1:  # its descriptor is given back, though the client never reads
            time.sleep(0.02)
        received = 0
        with contextlib.suppress(ConnectionResetError):
            while data := slow.recv(1 << 20):
                received += len(data)
        assert received < 32 << 20


def _descriptors(port: int) -> int:
    """How many sockets of this process have this local port."""
    number = 0
    for path in list(Path("/proc/self/fd").iterdir()):  # before it changes
        with contextlib.suppress(OSError):
            if not str(path.readlink()).startswith("socket:"):
                continue
            with socket.socket(fileno=os.dup(int(path.name))) as copy:
                number += copy.family == socket.AF_INET and copy.getsockname()[1] == port
    return number


def test_idle_connections_never_keep_a_request_out() -> None:
    with serving(PATIENT) as port, ExitStack() as stack:
        held = [stack.enter_context(connect(port, sent)) for sent in (b"", HALF_HEADER) * 20]
        for path in ("/-/healthy", "/metrics"):
            assert httpx.get(f"http://127.0.0.1:{port}{path}").status_code == 200
        assert is_closed(held[0])


def test_requests_in_progress_are_not_ended_for_newcomers() -> None:
    """More streams than one address may hold: the first ones go on, the others are refused."""
    stream = b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with serving(PATIENT) as port, ExitStack() as stack:
        held = []
        for _ in range(PATIENT.local):
            held.append(stack.enter_context(connect(port, stream)))
            assert held[-1].recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert is_closed(stack.enter_context(connect(port)))
        assert all(_waits(one, 0.01) for one in held)
    # And when they have gone there is room again.
    with serving(PATIENT) as port:
        for _ in range(3 * PATIENT.local):
            connect(port, stream).close()
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200


def test_streams_are_counted_and_given_back() -> None:
    with serving(Limits()) as port, ExitStack() as stack:
        stream = b"GET /api/v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        answers = []
        for _ in range(18):
            one = stack.enter_context(connect(port, stream))
            answers.append(one.recv(1 << 16).split(b" ")[1])
        assert answers == [b"200"] * 16 + [b"503"] * 2


def test_without_file_descriptors_it_refuses_waits_and_recovers(caplog: pytest.LogCaptureFixture) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with serving(PATIENT) as port, ExitStack() as stack:
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
        held: list[int] = []
        with few_descriptors(soft, hard):
            callers = [socket.socket() for _ in range(5)]
            try:
                while True:
                    held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError:
                pass
            for caller in callers:
                stack.enter_context(caller)
                caller.settimeout(10)
                caller.connect(("127.0.0.1", port))
            assert is_closed(callers[0])
            for descriptor in held:
                os.close(descriptor)
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy", timeout=20).status_code == 200
    assert sum("connections are refused" in record.message for record in caplog.records) == 1
    assert len(caplog.records) < 5


@contextmanager
def few_descriptors(soft: int, hard: int) -> Iterator[None]:
    gc.collect()  # descriptors that are given back meanwhile would make room again
    gc.disable()
    highest = max(int(path.name) for path in Path("/proc/self/fd").iterdir())  # whatever the tests before hold
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, highest + 64), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        gc.enable()


def test_a_client_that_leaves_amid_a_body_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with serving(Limits()) as port:
        for _ in range(3):
            connect(port, HALF_BODY).close()
        assert httpx.get(f"http://127.0.0.1:{port}/-/healthy").status_code == 200
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


# --- tokens ---


def guessing(slept: list[float], **settings: Any) -> TestClient:
    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    http = HttpSettings(tokens=SETTINGS.tokens, **settings)
    app = build_app(Backend(), http, read_tokens(http.tokens, lambda _: TOKEN), ManualClock(), sleep=sleep)
    return TestClient(app, base_url="http://127.0.0.1:9877")


def test_wrong_tokens_slow_down_and_the_right_one_does_not() -> None:
    slept: list[float] = []
    api = guessing(slept)
    for number in range(30):
        answer = api.post("/api/v1/wake", json={}, headers={"Authorization": f"Bearer wrong-{number}"})
        assert answer.status_code == 401
    assert len(slept) == 30 - FREE_GUESSES
    assert slept == sorted(slept)
    assert slept[-1] == LONGEST_PAUSE_SECONDS
    assert api.post("/api/v1/wake", json={}, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 202
    assert len(slept) == 30 - FREE_GUESSES


def test_a_request_without_a_token_is_no_guess() -> None:
    slept: list[float] = []
    api = guessing(slept)
    assert {api.post("/api/v1/wake", json={}).status_code for _ in range(30)} == {401}
    assert slept == []


def test_short_and_repeated_tokens_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 16"):
        read_tokens(SETTINGS.tokens, lambda _: "short")
    two = (*SETTINGS.tokens, TokenSettings(source="other", secret=Secret(env="Y")))
    with pytest.raises(ConfigError, match="are the same"):
        read_tokens(two, lambda _: TOKEN)


@pytest.mark.parametrize(
    ("host", "read_token", "status"),
    [
        ("127.0.0.1", None, 200),
        ("::1", None, 200),
        ("localhost", None, 200),
        ("127.0.0.1", True, 401),
        ("192.168.1.1", None, 401),
        ("0.0.0.0", None, 401),
        ("::", None, 401),
        ("router.lan", None, 401),
        ("192.168.1.1", False, 200),
    ],
)
def test_beyond_loopback_reading_needs_a_token(host: str, read_token: bool | None, status: int) -> None:
    api = guessing([], host=host, read_token=read_token)
    for path in ("/api/v1/uploads", "/api/v1/devices", "/api/v1/stats"):
        assert api.get(path).status_code == status, path
    assert api.get("/metrics").status_code == 200
