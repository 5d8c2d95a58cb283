"""The daemon's HTTP side for tests: real API, real tokens, real server; events are kept instead of judged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sniffer.model import Record, WakeEvent
from sniffer.model.clock import SystemClock, timestamp
from sniffer.records.build import wake_record
from sniffer.wake.events import parse_event
from sniffer.web.api import build_app
from sniffer.web.auth import read_tokens
from sniffer.web.server import HttpServer
from sniffer.web.settings import HttpSettings, TokenSettings

TOKEN = "a-long-enough-secret"


class Router:
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.events: list[WakeEvent] = []
        self.testimonies: list[dict[str, Any]] = []
        self._followers: list[Callable[[Record], None]] = []

    def wake(self, event: Mapping[str, Any], source: str) -> Record:
        if event.get("kind") == "testimony":
            self.testimonies.append(dict(event))
            return {"event_type": "wake", "device": None, "source": source}
        parsed = parse_event({**event, "source": source}, SystemClock().now_ns())
        self.events.append(parsed)
        return wake_record(parsed).to_json()

    def unknown(self, device: str) -> str | None:
        return f"no device is called '{device}'" if device == "kitchn" else None

    def subscribe(self, listener: Callable[[Record], None], source: str | None = None) -> Callable[[], None]:
        self._followers.append(listener)
        return lambda: self._followers.remove(listener)

    @property
    def followed(self) -> bool:
        """Whether a listener follows the stream."""
        return bool(self._followers)

    def ask(self, from_ns: int, to_ns: int) -> None:
        """Send an `ask` to all followers."""
        for follower in self._followers:
            follower({"from": timestamp(from_ns), "to": timestamp(to_ns)})


@contextmanager
def serving() -> Iterator[tuple[Router, str]]:
    """A router, and the address of its API; the token TOKEN speaks for the source `shelf`."""
    it = Router()
    tokens = read_tokens([TokenSettings.model_validate({"source": "shelf", "secret": {"env": "X"}})], lambda _: TOKEN)
    server = HttpServer(build_app(it, HttpSettings(), tokens, SystemClock()), "127.0.0.1", 0)  # type: ignore[arg-type]
    server.start()
    yield it, f"http://127.0.0.1:{server.port}"
    server.stop()
