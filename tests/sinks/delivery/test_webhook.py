"""Webhooks against a receiver that really listens, checked with the Standard Webhooks library of others."""

import base64
import gzip
import json
import logging
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Verifier

from sniffer.errors import ConfigError, DeliveryError
from sniffer.model.clock import SECOND, SystemClock
from sniffer.records.alerts import dropped_record
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.http import parse_retry_after
from sniffer.sinks.delivery.notice import Notice
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Message, message_id
from sniffer.sinks.delivery.target import GoneError, UnansweredError
from sniffer.sinks.delivery.webhook import Webhook
from sniffer.sinks.metrics import Metrics
from sniffer.sinks.settings import StoreSettings, WebhookSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload
from tests.sinks.receiver import Receiver, receiver

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OLD_KEY = "whsec_" + base64.b64encode(b"another key of 24 bytes!").decode()
SECRETS = {"KEY": KEY, "OLD": OLD_KEY, "TOKEN": "t0ps3cret", "SHORT": "whsec_abc"}


@pytest.fixture
def web():
    with receiver() as told:
        yield told


def read_secret(secret: Secret) -> str:
    return SECRETS[str(secret.env)]


def hook(url: str | Secret, **options) -> Webhook:
    settings = WebhookSettings(name="home", url=url, timeout=5, **options)
    return Webhook(settings, read_secret, lambda record: Notice(f"What {record['event_type']} says"))


def message(record: dict) -> Message:
    return Message(1, "home", message_id(record), record, 0, 0, 0, 0)


def send(target: Webhook, record: dict | None = None) -> None:
    record = record or dropped_record("home", 3, SystemClock().now_ns()).to_json()
    try:
        target.send(message(record), SystemClock().now_ns())
    finally:
        target.close()


def test_the_signature_convinces_the_librarys_verifier(web: Receiver) -> None:
    target = hook(web.url, secret=Secret(env="KEY"), previous_secret=Secret(env="OLD"))
    send(target)
    request = web.requests[0]
    for key in (KEY, OLD_KEY):
        body = Verifier(key).verify(request.body, request.headers)
        assert body["type"] == "sniffer.alert"
        assert body["data"]["rule"] == "outbox-dropped"
    assert request.headers["content-type"] == "application/json"


def test_a_bearer_token_is_sent_where_one_is_configured(web: Receiver) -> None:
    send(hook(web.url, token=Secret(env="TOKEN")))
    assert web.requests[0].headers["authorization"] == "Bearer t0ps3cret"
    assert "webhook-signature" not in web.requests[0].headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_taken(web: Receiver, status: int) -> None:
    web.answer = lambda request: status
    send(hook(web.url))


@pytest.mark.parametrize(
    ("status", "headers", "refused", "retry_after"),
    [
        (500, {}, True, None),
        (503, {"retry-after": "120"}, False, 120),
        (429, {"retry-after": "0.5"}, False, 0.5),
        (429, {}, False, None),
        (408, {}, False, None),
        (400, {}, True, None),
        (404, {}, True, None),
        (301, {"location": "http://127.0.0.1:1/"}, True, None),
    ],
)
def test_not_taken(web: Receiver, status: int, headers: dict, refused: bool, retry_after: float | None) -> None:
    web.answer = lambda request: (status, headers)
    with pytest.raises(DeliveryError, match=f"^127.0.0.1:\\d+ answers {status}") as caught:
        send(hook(web.url))
    assert isinstance(caught.value, UnansweredError) is not refused
    assert (caught.value.permanent, caught.value.retry_after) == (False, retry_after)
    assert len(web.requests) == 1


def test_a_refusal_shows_the_first_words_and_no_secret(web: Receiver) -> None:
    web.answer = lambda request: (
        404,
        {},
        b"<html><style>p {}</style><p>no hook T0KEN-IN-PATH\n here, t0ps3cret\x1b[31m",
    )
    with pytest.raises(DeliveryError) as caught:
        send(hook(web.url + "/T0KEN-IN-PATH", token=Secret(env="TOKEN")))
    assert str(caught.value).endswith("answers 404: no hook *** here, *** [31m")
    web.answer = lambda request: (301, {"location": "https://user:pass@new.example/T0KEN-IN-PATH"})
    with pytest.raises(DeliveryError, match=r"301 \(moved to https://new.example\): redirects are not followed"):
        send(hook(web.url))


def test_an_endless_answer_is_cut(web: Receiver) -> None:
    web.answer = lambda request: (500, {}, b"x" * (8 << 20))
    with pytest.raises(DeliveryError, match=r"answers 500: x{100}$"):
        send(hook(web.url))


def test_gone(web: Receiver) -> None:
    web.answer = lambda request: 410
    with pytest.raises(GoneError):
        send(hook(web.url))


def test_nobody_there() -> None:
    with pytest.raises(UnansweredError, match=r"^nothing listens at 127.0.0.1:9 \(connection refused\)$"):
        send(hook("http://127.0.0.1:9/hook"))


def test_an_unknown_host_is_named() -> None:
    with pytest.raises(UnansweredError, match=r"unknown host|the name server does not answer for"):
        send(hook("http://no-such-host.invalid/hook"))


def test_a_certificate_that_is_not_trusted_is_named(tmp_path: Path) -> None:
    import ssl
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    from tests.web.test_tls import certificate

    made = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        address = f"127.0.0.1:{server.server_port}"
        with pytest.raises(UnansweredError, match=f"the certificate of {address} is not trusted: self-signed"):
            send(hook(f"https://{address}/hook"))
        with pytest.raises(UnansweredError, match=f"{address} closed the connection|{address}: connection reset"):
            send(hook(f"http://{address}/hook"))
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_receiver_that_does_not_answer_in_time_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = WebhookSettings(name="home", url=f"http://127.0.0.1:{port}/hook", timeout=0.2)
        target = Webhook(settings, read_secret, lambda record: Notice(""))
        with pytest.raises(UnansweredError, match=f"^127.0.0.1:{port} did not answer within 0.2 s$"):
            send(target)


def test_retry_after_as_a_date() -> None:
    now = 1_700_000_000 * SECOND
    assert parse_retry_after("Tue, 14 Nov 2023 22:14:20 GMT", now) == 60
    assert parse_retry_after("Tue, 14 Nov 2000 22:14:20 GMT", now) == 0
    for text in ("soon", "nan", "inf", "", None):
        assert parse_retry_after(text, now) is None


def test_a_secret_that_signs_nothing_well_is_refused() -> None:
    with pytest.raises(ConfigError, match="24 or more random bytes") as caught:
        hook("http://127.0.0.1/", secret=Secret(env="SHORT"))
    assert "whsec_abc" not in str(caught.value)


def test_secrets_are_in_no_log_repr_metric_error_or_store(
    web: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    SECRETS["URL"] = web.url + "/T0KEN-IN-PATH"
    statuses = iter([500, 400, 400, 400, 410])
    web.answer = lambda request: next(statuses)
    target = hook(Secret(env="URL"), secret=Secret(env="KEY"), token=Secret(env="TOKEN"), format="slack")
    metrics = Metrics()
    store = Store(StoreSettings(path=tmp_path / "sniffer.db"))
    from sniffer.testing import ManualClock

    clock = ManualClock()
    box = Outbox(store, clock, [target], metrics=metrics)
    for number in (1, 2):
        box.emit(dropped_record("home", number, clock.now_ns() + number).to_json())
    for _ in range(20):
        clock.advance(box.step(target) or 0)
    assert len(web.requests) == 5
    assert any("gone" in record.message for record in caplog.records)
    store.close()
    written = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    shown = (
        caplog.text + repr(target) + str(vars(box)) + metrics.render()[0].decode() + written.decode(errors="replace")
    )
    for secret in ("T0KEN-IN-PATH", "t0ps3cret", KEY, KEY.removeprefix("whsec_"), "0123456789abcdef"):
        assert secret not in shown
    target.close()


def test_an_upload_can_be_sent_too(web: Receiver) -> None:
    send(hook(web.url), upload(host="evil\r\nx-header: 1"))
    assert json.loads(web.requests[0].body)["data"]["service"]["host"] == "evil\r\nx-header: 1"
    assert "x-header" not in web.requests[0].headers


def _provisional(line: socket.socket) -> None:
    while True:
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.005)


def _drop_by_drop(line: socket.socket) -> None:
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000:
        line.sendall(bytes([byte]))
        time.sleep(0.02)


@contextmanager
def _answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError), listener.accept()[0] as line:
                line.recv(65_536)
                answer(line)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"


@pytest.mark.parametrize("answer", [_provisional, _drop_by_drop])
def test_an_answer_that_does_not_end_is_given_up(answer: Callable[[socket.socket], None]) -> None:
    with _answering(answer) as url:
        settings = WebhookSettings(name="slow", url=url, timeout=0.5)
        target = Webhook(settings, read_secret, lambda record: Notice(""))
        with pytest.raises(UnansweredError, match=r"did not end its answer within 1\.5 s"):
            send(target)


def test_a_compressed_refusal_is_not_unpacked() -> None:
    body = gzip.compress(bytes(64 << 20))
    head = f"HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    with _answering(lambda line: line.sendall(head + body)) as url:
        tracemalloc.start()
        try:
            with pytest.raises(DeliveryError, match=r"answers 400$"):
                send(hook(url))
            assert tracemalloc.get_traced_memory()[1] < 16 << 20
        finally:
            tracemalloc.stop()
