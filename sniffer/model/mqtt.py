"""The identity of a connection to an MQTT broker, which ends an older connection of the same identity."""

from __future__ import annotations

import hashlib

#: A connection that was ended by the broker within so many seconds was short, and so many short ones in a row are
#: another client with our identity.
SHORT_SECONDS, SHORT_IN_A_ROW = 10.0, 3


def client_id(installation: str, purpose: str) -> str:
    """Return an identity that no other connection has: the same after a restart, other for each installation and
    purpose. At most 23 characters, which every broker must accept (MQTT 3.1.1, 3.1.3.1)."""
    return "sniffer-" + hashlib.sha256(f"{installation}\0{purpose}".encode()).hexdigest()[:14]


class TakeOvers:
    """Recognises that another client keeps taking over a connection. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._short = 0

    def connected(self, now: float) -> None:
        """The broker accepted the connection."""
        self._began = now

    def lost(self, now: float, reason: str) -> bool:
        """The broker ended it; return whether that was a take-over, by its reason (MQTT 5) or by how often it was."""
        short = self._began is not None and now - self._began < SHORT_SECONDS
        self._short = self._short + 1 if short else 0
        self._began = None
        return "taken over" in reason.lower() or self._short >= SHORT_IN_A_ROW
