"""Whether a satellite answers: it is asked directly, because Home Assistant does not notice its end in time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from sniffer.errors import WakeError
from sniffer.wake.adapters.wyoming_messages import Messages, message
from sniffer.wake.satellite_address import parse_address

#: Seconds that a satellite has to accept a connection, and to describe itself.
TIMEOUT = 2.0


def answers(address: str, timeout: float = TIMEOUT, clock: Callable[[], float] = time.monotonic) -> bool:
    """Return whether there is a satellite at `host`, `host:port` or `tcp://host:port`.

    A port that was not given is that of Wyoming satellites, which must describe themselves. On another port it is
    enough to accept the connection, unless `tcp://` says that it is Wyoming.
    """
    host, port, wyoming = parse_address(address)
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
    except (OSError, UnicodeError, WakeError):  # UnicodeError: a name that DNS cannot have
        return False
    return False
