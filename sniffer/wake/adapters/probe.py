"""Whether a satellite answers: it is asked directly, because Home Assistant does not notice its end in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from sniffer.errors import WakeError
from sniffer.wake.adapters.wyoming_messages import Messages, message

#: Seconds that a satellite has to accept a connection, and to describe itself.
TIMEOUT = 2.0
#: The port on which Wyoming satellites wait, if none is given.
WYOMING_PORT = 10700


def answers(address: str, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic) -> bool:
    """Return whether there is a satellite at `host`, `host:port` or `tcp://host:port`.

    A port that was not given is that of Wyoming satellites, which must describe themselves. On another port it is
    enough to accept the connection, unless `tcp://` says that it is Wyoming.
    """
    host, port, wyoming = parse(address)
    try:
        with socket.create_connection((host, port), timeout=timeout) as line:
            if not wyoming:
                return True
            line.sendall(message("describe"))
            messages, end = Messages(), clock() + timeout
            while (left := end - clock()) > 0:
                line.settimeout(left)
                data = line.recv(65536)
                if not data:
                    return False
                if any(kind == "info" for kind, _ in messages.feed(data)):
                    return True
    except (OSError, WakeError):
        return False
    return False


def parse(address: str) -> tuple[str, int, bool]:
    """Return host, port, and whether Wyoming is spoken there. Raises ValueError."""
    wyoming = address.startswith("tcp://")
    rest = address.removeprefix("tcp://")
    host, colon, port = rest.rpartition(":")
    if not colon or "]" in port or (":" in host.strip("[]") and not host.startswith("[")):
        return rest.strip("[]"), WYOMING_PORT, True
    number = int(port)
    if not 0 < number < 65536 or not host:
        raise ValueError(f"{address!r} is no address such as 192.168.1.50 or tcp://192.168.1.50:10700")
    return host.strip("[]"), number, wyoming or number == WYOMING_PORT
