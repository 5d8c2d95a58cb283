"""All configured sources, each in a thread of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, assert_never

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
        self._running: list[tuple[Session, threading.Thread, object]] = []

    def add(self, session: Session, source: Source, made_of: object = None) -> None:
        """One more. Of two that are made of equal things (settings and secrets), one can take the other's place."""
        thread = threading.Thread(target=session.drive, args=(source,), name=f"wake-{source.name}", daemon=True)
        self._running.append((session, thread, made_of))

    def take_over(self, old: Sources) -> None:
        """Let sources that are up and have not changed go on: satellites reconnect only once they have something to
        say, and would lose it."""
        for place, (session, _, made_of) in enumerate(self._running):
            for running in old._running:
                same = running[0].name == session.name and made_of is not None and running[2] == made_of
                if same and running[1].is_alive() and running[0].status().up:
                    self._running[place] = running
                    old._running.remove(running)
                    break

    def start(self) -> None:
        """Run those that do not run yet."""
        for _, thread, _ in self._running:
            if not thread.is_alive():
                thread.start()

    def ask(self, record: Mapping[str, Any]) -> None:
        """Ask for a sign of life where a record asks the listeners: something is being uploaded."""
        if "event_type" not in record:
            for session, _, _ in self._running:
                session.ask()

    def status(self) -> list[SourceStatus]:
        """How each of them is."""
        return [session.status() for session, _, _ in self._running]

    def stop(self, timeout: float = 5.0) -> None:
        """End all of them; each says that it is down."""
        for session, _, _ in self._running:
            session.stop()
        for _, thread, _ in self._running:
            if thread.is_alive():
                thread.join(timeout)
        self._running.clear()


def build_sources(
    settings: WakeSettings, deliver: Deliver, clock: Clock, read_secret: ReadSecret, installation: str = ""
) -> Sources:
    """What is configured; nothing runs yet. `deliver` is called from the sources' threads. Raises what `read_secret`
    raises: a missing password is a mistake in the configuration, not a source that is down."""
    secrets: list[str] = []

    def read(secret: Secret) -> str:
        secrets.append(read_secret(secret))
        return secrets[-1]

    feeds = []
    for source in settings.sources:
        secrets.clear()
        feed = feed_of(source, read, installation)
        feeds.append((source, feed, (source, *secrets)))
    running = Sources()
    for source, feed, made_of in feeds:
        if feed is not None:
            also = (source.vendor_name,) if isinstance(source, HomeAssistantSource) and source.has_vendor else ()
            running.add(Session(source.name, deliver, clock, also=also, trust=source.trust), feed, made_of)
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
