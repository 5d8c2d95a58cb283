"""Wake events over the Wyoming protocol: JSON lines over TCP, each with optional data and payload behind it.

As a client we connect to a service that has ears of its own and ask it to `detect`; as a server we are what a
satellite reports its events to (`--event-uri tcp://ROUTER:PORT`). Either way only `detection` counts; audio, should
any come, is skipped unread.

https://github.com/rhasspy/wyoming
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from collections.abc import Mapping
from typing import Any

from sniffer.errors import WakeError
from sniffer.wake.session import Session
from sniffer.wake.settings import WyomingSource

#: A header or its data is small; payloads (audio) may be larger and are thrown away.
MAX_HEADER, MAX_PAYLOAD = 64 * 1024, 16 << 20
#: Satellites that may report to us at once, and seconds between signs of life.
MAX_CLIENTS, PING, ANSWER = 16, 20.0, 10.0
#: A satellite that is silent for 20 s is asked by its kernel whether it lives, and is gone 20 s later.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 20, socket.TCP_KEEPINTVL: 5, socket.TCP_KEEPCNT: 4}


class Messages:
    """Takes bytes as they come and gives whole messages; holds no more than one header and its data."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._header: dict[str, Any] | None = None
        self._skip = 0

    def feed(self, data: bytes) -> list[tuple[str, Mapping[str, Any]]]:
        """Raises WakeError where it is not the protocol."""
        found: list[tuple[str, Mapping[str, Any]]] = []
        self._buffer += data
        while True:
            if self._skip:
                cut = min(self._skip, len(self._buffer))
                del self._buffer[:cut]
                self._skip -= cut
                if self._skip:
                    return found
            if self._header is None:
                end = self._buffer.find(b"\n")
                if end < 0:
                    if len(self._buffer) > MAX_HEADER:
                        raise WakeError("not the Wyoming protocol: a line without an end")
                    return found
                line = bytes(self._buffer[:end])
                del self._buffer[: end + 1]
                if not line.strip():
                    continue
                self._header = _object(line)
            length = _length(self._header, "data_length", MAX_HEADER)
            if len(self._buffer) < length:
                return found
            values = self._header.get("data")
            merged = dict(values) if isinstance(values, Mapping) else {}
            if length:
                merged |= _object(bytes(self._buffer[:length]))
                del self._buffer[:length]
            self._skip = _length(self._header, "payload_length", MAX_PAYLOAD)
            found.append((str(self._header.get("type")), merged))
            self._header = None


def message(kind: str, data: Mapping[str, Any] | None = None) -> bytes:
    """One message without payload."""
    body = json.dumps(data).encode() if data else b""
    header: dict[str, Any] = {"type": kind, "version": "1.5.4"}
    if body:
        header["data_length"] = len(body)
    return json.dumps(header).encode() + b"\n" + body


class WyomingFeed:
    """One service that we connect to, or our own ear for satellites."""

    def __init__(self, settings: WyomingSource) -> None:
        self.name = settings.name
        self._settings = settings

    def run(self, session: Session) -> None:
        """Hand on detections until the connection is gone."""
        if self._settings.host is not None:
            self._connect(self._settings.host, session)
        else:
            self._serve(self._settings.listen or "", session)

    # --- client ---

    def _connect(self, host: str, session: Session) -> None:
        where = f"{host}:{self._settings.port}"
        try:
            with socket.create_connection((host, self._settings.port), timeout=ANSWER) as line:
                line.sendall(message("detect", {"names": list(self._settings.names)} if self._settings.names else None))
                line.sendall(message("describe"))
                self._listen(line, where, session)
        except OSError as error:
            raise WakeError(f"{where}: {error.strerror or error}") from None

    def _listen(self, line: socket.socket, where: str, session: Session) -> None:
        """It is up once it has described itself; later it is asked again, to see that it still lives."""
        messages = Messages()
        line.settimeout(0.5)
        quiet, asked, known = 0.0, True, False
        while not session.stopped:
            try:
                data = line.recv(65536)
            except TimeoutError:
                quiet += 0.5
                if asked and quiet >= ANSWER:
                    raise WakeError(f"{where} does not answer") from None
                if not asked and quiet >= PING:
                    line.sendall(message("describe"))
                    quiet, asked = 0.0, True
                continue
            if not data:
                raise WakeError(f"{where} closed the connection")
            quiet, asked = 0.0, False
            for kind, values in messages.feed(data):
                if not known and kind in ("info", "detection"):
                    known = True
                    session.up()
                self._heard(kind, values, session)

    # --- server ---

    def _serve(self, address: str, session: Session) -> None:
        """It is up while at least one satellite is connected: who is not connected reports nothing."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with contextlib.ExitStack() as stack:
            listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((address, self._settings.port))
            except OSError as error:
                raise WakeError(f"cannot listen on {address}:{self._settings.port}: {error.strerror}") from None
            listener.listen(MAX_CLIENTS)
            ready = stack.enter_context(selectors.DefaultSelector())
            ready.register(listener, selectors.EVENT_READ)
            clients: dict[socket.socket, Messages] = {}
            stack.callback(_close, clients)
            while not session.stopped:
                for key, _ in ready.select(0.5):
                    if key.fileobj is listener:
                        self._accept(listener, ready, clients)
                    elif isinstance(key.fileobj, socket.socket) and not self._read(
                        key.fileobj, clients[key.fileobj], session
                    ):
                        ready.unregister(key.fileobj)
                        del clients[key.fileobj]
                        key.fileobj.close()
                if clients:
                    session.up()
                else:
                    session.down("no satellite is connected")

    def _accept(
        self, listener: socket.socket, ready: selectors.BaseSelector, clients: dict[socket.socket, Messages]
    ) -> None:
        client, _ = listener.accept()
        if len(clients) >= MAX_CLIENTS:
            client.close()
            return
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE.items():  # one that lost its power says no good-bye, and hears nothing
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        client.setblocking(False)
        ready.register(client, selectors.EVENT_READ)
        clients[client] = Messages()

    def _read(self, client: socket.socket, messages: Messages, session: Session) -> bool:
        """False where the satellite has gone, or speaks something else."""
        try:
            data = client.recv(65536)
            for kind, values in messages.feed(data):
                if kind == "describe":
                    client.send(message("info", {}))
                elif kind == "ping":
                    client.send(message("pong", {"text": values.get("text")}))
                self._heard(kind, values, session)
        except BlockingIOError:
            return True
        except WakeError as error:
            session.refuse(str(error))
            return False
        except OSError:
            return False
        return bool(data)

    # --- both ---

    def _heard(self, kind: str, values: Mapping[str, Any], session: Session) -> None:
        """A detection is reported at once; its own timestamp counts from the start of the audio: no time of day."""
        if kind != "detection":
            return
        name = values.get("name")
        if self._settings.names and name not in self._settings.names:
            return
        devices = self._settings.devices
        session.event(device=devices[0] if len(devices) == 1 else None)


def _close(clients: Mapping[socket.socket, Messages]) -> None:
    for client in clients:
        client.close()


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise WakeError("not the Wyoming protocol: not a JSON object")
    return value


def _length(header: Mapping[str, Any], key: str, most: int) -> int:
    value = header.get(key) or 0
    if not isinstance(value, int) or not 0 <= value <= most:
        raise WakeError(f"not the Wyoming protocol: {key} {str(value)[:20]}")
    return value
