"""Wake events over the Wyoming protocol.

As a server we are what a satellite reports its events to (`--event-uri tcp://ROUTER:PORT`); as a client we connect to
a service that reports what it hears by itself. Only `detection` is a wake event; audio is skipped unread.

A satellite that is connected is not yet one that hears: it says when it pauses (its server is gone, or it was muted).
The end of a machine without a goodbye shows in the acknowledgements of its kernel.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sniffer.errors import WakeError
from sniffer.wake.adapters.wyoming_messages import Messages, message
from sniffer.wake.session import Session
from sniffer.wake.settings import WyomingSource

#: Satellites that may report to us at once.
MAX_CLIENTS = 16
#: Seconds of silence after which a service is asked to describe itself.
PING = 15.0
#: Seconds that it has to answer.
ANSWER = 10.0
#: A silent satellite's kernel is asked every 2 s; without an answer the connection ends 10 s later.
_KEEPALIVE = {socket.TCP_KEEPIDLE: 2, socket.TCP_KEEPINTVL: 2, socket.TCP_KEEPCNT: 5}
#: The kernel of a satellite that lives has acknowledged something in this many seconds.
ACKNOWLEDGED = 2.5
#: Where struct tcp_info (linux/tcp.h) has tcpi_last_ack_recv, in milliseconds.
_LAST_ACK = 8 + 12 * 4
PAUSED = "a satellite says that it pauses: its server is gone, or it is muted"
#: Events of a satellite that change whether it hears, and whether it does afterwards.
_HEARS = {
    "run-satellite": True,
    "detection": True,
    "pause-satellite": False,
    "satellite-disconnected": False,
}


@dataclass(slots=True)
class Satellite:
    """One that reports to us. `hears` is None until it said anything that shows it."""

    messages: Messages = field(default_factory=Messages)
    hears: bool | None = None

    def note(self, kind: str) -> None:
        """Take over what a message says about whether it hears."""
        self.hears = _HEARS.get(kind, self.hears)


class WyomingFeed:
    """One service that we connect to, or our own address for satellites."""

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
                line.sendall(message("describe"))
                self._listen(line, where, session)
        except OSError as error:
            raise WakeError(f"{where}: {error.strerror or error}") from None

    def _listen(self, line: socket.socket, where: str, session: Session) -> None:
        """It is up once it has described itself; later it is asked again, to see that it still lives."""
        messages = Messages()
        line.settimeout(0.5)
        since, asked, known = session.clock.monotonic(), True, False
        while not session.stopped:
            now = session.clock.monotonic()
            if asked and now - since >= ANSWER:
                raise WakeError(f"{where} does not answer")
            if not asked and (now - since >= PING or session.asked()):
                line.sendall(message("describe"))
                since, asked = now, True
            try:
                data = line.recv(65536)
            except TimeoutError:
                continue
            if not data:
                raise WakeError(f"{where} closed the connection")
            for kind, values in messages.feed(data):
                if kind == "info":
                    since, asked = session.clock.monotonic(), False
                if kind == "info" and not known:
                    _check_service(values, where)
                    known = True
                    if self._settings.names:
                        line.sendall(message("detect", {"names": list(self._settings.names)}))
                if kind in ("pause-satellite", "satellite-disconnected"):
                    session.down(f"{where} says that it pauses")
                elif kind in ("info", "detection", "run-satellite", "pong"):
                    session.alive()
                self._heard(kind, values, session)

    # --- server ---

    def _serve(self, address: str, session: Session) -> None:
        """It is up while a satellite is connected and none of them has said that it pauses."""
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
            clients: dict[socket.socket, Satellite] = {}
            stack.callback(_close, clients)
            while not session.stopped:
                for key, _ in ready.select(0.5):
                    if key.fileobj is listener:
                        self._accept(listener, ready, clients)
                    elif isinstance(key.fileobj, socket.socket) and not self._read(
                        key.fileobj, clients[key.fileobj], session
                    ):
                        ready.unregister(key.fileobj)
                        gone = clients.pop(key.fileobj)
                        key.fileobj.close()
                        if gone.hears is not None:  # what it had shown is no longer true
                            session.down("a satellite closed the connection")
                _tell(session, clients)

    def _accept(
        self, listener: socket.socket, ready: selectors.BaseSelector, clients: dict[socket.socket, Satellite]
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
        clients[client] = Satellite()

    def _read(self, client: socket.socket, satellite: Satellite, session: Session) -> bool:
        """Return whether the satellite is still there, and speaks the protocol."""
        try:
            data = client.recv(65536)
            for kind, values in satellite.messages.feed(data):
                if kind == "describe":
                    client.send(message("info", {}))
                elif kind == "ping":
                    client.send(message("pong", {"text": values.get("text")}))
                satellite.note(kind)
                if satellite.hears is False:  # at once: it may say in the same breath that it runs again
                    session.down(PAUSED)
                if kind == "detection":
                    session.alive()
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


def _tell(session: Session, clients: Mapping[socket.socket, Satellite]) -> None:
    """Report how the satellites are."""
    if not clients:
        session.down("no satellite is connected")
    elif any(satellite.hears is False for satellite in clients.values()):
        session.down(PAUSED)
    elif all(satellite.hears is None for satellite in clients.values()):
        session.down("a satellite is connected and has not said that it runs")
    elif all(_acknowledged(client) for client in clients):
        session.alive()


def _acknowledged(client: socket.socket) -> bool:
    """Return whether the kernel of the other end showed lately that it is there."""
    try:
        information = client.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK + 4)
    except OSError:
        return False
    if len(information) < _LAST_ACK + 4:
        return False
    return bool(struct.unpack_from("I", information, _LAST_ACK)[0] <= ACKNOWLEDGED * 1000)


def _check_service(info: Mapping[str, Any], where: str) -> None:
    """Refuse services that never report anything to us. Raises WakeError with what to do instead."""
    if info.get("satellite"):
        raise WakeError(
            f"{where} is a satellite, which reports to its own server only: start it with --event-uri tcp://THIS:PORT "
            "and use `listen` here"
        )
    if any(info.get(kind) for kind in ("wake", "asr", "tts", "handle", "intent")) and not info.get("mic"):
        raise WakeError(
            f"{where} has no microphone: it hears only what its client sends. Let the satellite report here "
            "(--event-uri, `listen`), or use Home Assistant"
        )


def _close(clients: Mapping[socket.socket, Satellite]) -> None:
    for client in clients:
        client.close()
