"""Against services and satellites that speak the protocol, over real sockets."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.errors import WakeError
from sniffer.model import WakeKind
from sniffer.wake.adapters.wyoming import WyomingFeed
from sniffer.wake.adapters.wyoming_messages import Messages, message
from sniffer.wake.settings import WyomingSource
from tests.wake.ears import Heard, until

DETECTION = message("detection", {"name": "alexa", "timestamp": 1234})


def settings(**more: object) -> WyomingSource:
    return WyomingSource.model_validate({"type": "wyoming", "name": "sat", **more})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def audio(samples: int) -> bytes:
    data = json.dumps({"rate": 16000, "width": 2, "channels": 1}).encode()
    header = {"type": "audio-chunk", "data_length": len(data), "payload_length": 2 * samples}
    return json.dumps(header).encode() + b"\n" + data + b"\n" * (2 * samples)


def test_messages_with_and_without_data() -> None:
    inline = b'{"type": "detection", "data": {"name": "a"}}\n'
    found = Messages().feed(inline + DETECTION + audio(100) + message("ping", {"text": "x"}))
    assert [(kind, data.get("name", data.get("text"))) for kind, data in found] == [
        ("detection", "a"),
        ("detection", "alexa"),
        ("audio-chunk", None),
        ("ping", "x"),
    ]


@given(st.lists(st.sampled_from([DETECTION, audio(7), message("x"), b"\n"]), max_size=6), st.lists(st.integers(1, 40)))
def test_it_makes_no_difference_how_bytes_arrive(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    messages, found, place = Messages(), [], 0
    for cut in cuts:
        found += messages.feed(data[place : place + cut])
        place += cut
    assert found + messages.feed(data[place:]) == Messages().feed(data)


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    try:
        Messages().feed(data)
    except WakeError as error:
        assert "not the Wyoming protocol" in str(error)


@pytest.mark.parametrize(
    "data",
    [
        b"x" * 100_000,
        b'{"type": "a", "data_length": 1e9}\n',
        b'{"type": "a", "payload_length": -1}\n',
        b'{"type": "a", "data_length": 99999999}\n',
        b"[]\n",
    ],
)
def test_lengths_that_lie(data: bytes) -> None:
    with pytest.raises(WakeError):
        Messages().feed(data)


class Service:
    """A wake-word service with ears of its own: describes itself, and tells of detections."""

    def __init__(self, port: int) -> None:
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", port), reuse_port=False)
        self._client: socket.socket | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._client, _ = self._listener.accept()
            messages = Messages()
            while data := self._client.recv(4096):
                for kind, _ in messages.feed(data):
                    self.asked.append(kind)
                    if kind == "describe":
                        self._client.sendall(message("info", {"mic": [{"name": "shelf"}]}))
        except OSError:
            pass

    def says(self, data: bytes) -> None:
        assert self._client
        self._client.sendall(data)

    def stop(self) -> None:
        if self._client:
            self._client.shutdown(socket.SHUT_RDWR)
            self._client.close()
        self._listener.close()
        self._thread.join(5)


def test_as_a_client() -> None:
    service = Service(port := free_port())
    with Heard(WyomingFeed(settings(host="127.0.0.1", port=port, names=["alexa"], devices=["kitchen"]))) as heard:
        until(lambda: heard.up)
        service.says(message("detection", {"name": "hey_jarvis"}) + audio(500) + DETECTION)
        until(heard.wakes)
        until(lambda: service.asked[:2] == ["describe", "detect"])
        service.stop()
        until(lambda: not heard.up)
        again = Service(port)
        until(lambda: heard.up)
        again.says(DETECTION)
        until(lambda: len(heard.wakes()) == 2)
        again.stop()
    assert [event.device for event in heard.wakes()] == ["kitchen", "kitchen"]


def test_as_a_server() -> None:
    port = free_port()
    with Heard(WyomingFeed(settings(listen="127.0.0.1", port=port))) as heard:
        until(lambda: heard.session.status().problem)
        assert not heard.up, "no satellite is connected, so nobody would report"
        with socket.create_connection(("127.0.0.1", port)) as satellite:
            satellite.sendall(message("describe"))
            until(lambda: "not said that it runs" in (heard.session.status().problem or ""))
            satellite.sendall(DETECTION)
            until(heard.wakes)
            assert b'"info"' in satellite.recv(4096)
            with socket.create_connection(("127.0.0.1", port)) as stranger:
                stranger.sendall(b"GET / HTTP/1.1\r\n\r\n")
                assert stranger.recv(10) == b""
            satellite.sendall(DETECTION)
            until(lambda: len(heard.wakes()) == 2)
        until(lambda: not heard.up)
    kinds = heard.kinds()
    assert kinds.count(WakeKind.SOURCE_UP) == 1
    assert kinds[-1] is WakeKind.SOURCE_DOWN


def test_one_way_must_be_chosen() -> None:
    with pytest.raises(ValueError, match="either `host`"):
        settings()
