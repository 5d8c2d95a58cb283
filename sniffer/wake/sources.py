"""All configured sources, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import assert_never

from sniffer.model.clock import Clock
from sniffer.settings.base import Secret
from sniffer.wake.adapters.home_assistant import HomeAssistantFeed
from sniffer.wake.adapters.mqtt import MqttFeed
from sniffer.wake.adapters.tail import FileFeed
from sniffer.wake.adapters.wyoming import WyomingFeed
from sniffer.wake.session import Deliver, Session, Source, SourceStatus
from sniffer.wake.settings import (
    AnySource,
    FileSource,
    HomeAssistantSource,
    HttpSource,
    MqttSource,
    PresenceSource,
    WakeSettings,
    WyomingSource,
)

ReadSecret = Callable[[Secret], str]


class Sources:
    """The configured sources: made, started, stopped."""

    def __init__(self) -> None:
        self._running: list[tuple[Session, threading.Thread]] = []

    def add(self, session: Session, source: Source) -> None:
        """One more."""
        thread = threading.Thread(target=session.drive, args=(source,), name=f"wake-{source.name}", daemon=True)
        self._running.append((session, thread))

    def start(self) -> None:
        """Run all of them."""
        for _, thread in self._running:
            thread.start()

    def status(self) -> list[SourceStatus]:
        """How each of them is."""
        return [session.status() for session, _ in self._running]

    def stop(self, timeout: float = 5.0) -> None:
        """End all of them; each says that it is down."""
        for session, _ in self._running:
            session.stop()
        for _, thread in self._running:
            if thread.is_alive():
                thread.join(timeout)
        self._running.clear()


def build_sources(
    settings: WakeSettings, deliver: Deliver, clock: Clock, read_secret: ReadSecret, installation: str = ""
) -> Sources:
    """What is configured; nothing runs yet. `deliver` is called from the sources' threads. Raises what `read_secret`
    raises: a missing password is a mistake in the configuration, not a source that is down."""
    feeds = [(source, feed_of(source, read_secret, installation)) for source in settings.sources]
    running = Sources()
    for source, feed in feeds:
        if feed is not None:
            also = (source.vendor_name,) if isinstance(source, HomeAssistantSource) and source.last_called else ()
            running.add(Session(source.name, deliver, clock, also=also, trust=source.trust), feed)
    return running


def feed_of(source: AnySource, read_secret: ReadSecret, installation: str = "") -> Source | None:
    """The code of a source; None where it has none of its own: HTTP comes in by the API, presence by packets."""
    if isinstance(source, HttpSource | PresenceSource):
        return None
    if isinstance(source, FileSource):
        return FileFeed(source)
    if isinstance(source, MqttSource):
        return MqttFeed(source, read_secret(source.password) if source.password else None, installation)
    if isinstance(source, HomeAssistantSource):
        return HomeAssistantFeed(source, read_secret(source.token))
    if isinstance(source, WyomingSource):
        return WyomingFeed(source)
    assert_never(source)
