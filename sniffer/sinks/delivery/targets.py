"""All targets of the outbox, as configured."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from functools import partial
from typing import TYPE_CHECKING

from sniffer.errors import ConfigError, StoreError
from sniffer.model import Record
from sniffer.model.clock import SECOND, Clock
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.notice import NoticeOf
from sniffer.sinks.delivery.queue import Message, Messages
from sniffer.sinks.delivery.target import Target
from sniffer.sinks.homeassistant import zone_of
from sniffer.sinks.settings import (
    AlertmanagerSettings,
    CollectorSettings,
    MqttSettings,
    NotifySettings,
    SinkSettings,
    WebhookSettings,
)
from sniffer.sinks.storage.store import Store

if TYPE_CHECKING:
    from sniffer.sinks.homeassistant import Controls
    from sniffer.sinks.mqtt import Mqtt


def build_targets(
    settings: SinkSettings,
    read_secret: Callable[[Secret], str],
    notice_of: NoticeOf,
    store: Store,
    clock: Clock,
    version: str = "",
    time_zone: str | None = None,
    controls: Controls | None = None,
    page: str | None = None,
) -> list[Target]:
    """Build the targets; no receiver need be reachable. Raises ConfigError where a secret is unreadable, or an extra
    is not installed.

    Libraries of targets that are not configured are not imported: HTTP, MQTT and notifications cost memory.
    """
    found = list(_targets(settings, read_secret, notice_of, store, clock, version))
    if settings.mqtt is not None:
        retained = RetainedTopics(store, settings.mqtt.name)
        link = _mqtt(settings.mqtt, read_secret, clock, version, retained, time_zone, controls, page)
        link.seed(_today(store, clock, zone_of(time_zone)))
        found.append(link)
    return found


def _targets(
    settings: SinkSettings,
    read_secret: Callable[[Secret], str],
    notice_of: NoticeOf,
    store: Store,
    clock: Clock,
    version: str,
) -> Iterable[Target]:
    for webhook in settings.webhooks:
        yield _webhook(webhook, read_secret, notice_of)
    for alertmanager in settings.alertmanager:
        yield _alertmanager(alertmanager, read_secret, notice_of, Messages(store).recent)
    for collector in settings.collectors:
        yield _collector(collector, read_secret, version)
    for notify in settings.notify:
        yield _notify(notify, read_secret, notice_of)


def check_targets(
    settings: SinkSettings,
    read_secret: Callable[[Secret], str],
    notice_of: NoticeOf,
    clock: Clock,
) -> Iterator[tuple[tuple[str | int, ...], ConfigError]]:
    """Build every target without a store; yield the place and the error of those that cannot be built."""
    makers: list[tuple[tuple[str | int, ...], Callable[[], Target]]] = []
    for number, webhook in enumerate(settings.webhooks):
        makers.append((("webhooks", number), partial(_webhook, webhook, read_secret, notice_of)))
    for number, alertmanager in enumerate(settings.alertmanager):
        makers.append((("alertmanager", number), partial(_alertmanager, alertmanager, read_secret, notice_of)))
    for number, collector in enumerate(settings.collectors):
        makers.append((("collectors", number), partial(_collector, collector, read_secret)))
    for number, notify in enumerate(settings.notify):
        makers.append((("notify", number), partial(_notify, notify, read_secret, notice_of)))
    if settings.mqtt is not None:
        makers.append((("mqtt",), partial(_mqtt, settings.mqtt, read_secret, clock)))
    for place, make in makers:
        try:
            make().close()
        except ConfigError as error:
            yield place, error


def _webhook(settings: WebhookSettings, read_secret: Callable[[Secret], str], notice_of: NoticeOf) -> Target:
    from sniffer.sinks.delivery.webhook import Webhook

    return Webhook(settings, read_secret, notice_of)


def _alertmanager(
    settings: AlertmanagerSettings,
    read_secret: Callable[[Secret], str],
    notice_of: NoticeOf,
    recent: Callable[[str, int], Sequence[Message]] = lambda name, since_ns: (),
) -> Target:
    from sniffer.sinks.delivery.alertmanager import Alertmanager

    return Alertmanager(settings, read_secret, notice_of, recent)


def _collector(settings: CollectorSettings, read_secret: Callable[[Secret], str], version: str = "") -> Target:
    from sniffer.sinks.delivery.collector import Collector

    return Collector(settings, read_secret, version)


def _notify(settings: NotifySettings, read_secret: Callable[[Secret], str], notice_of: NoticeOf) -> Target:
    from sniffer.sinks.delivery.notify import Notify

    return Notify(settings, read_secret, notice_of)


def _mqtt(
    settings: MqttSettings,
    read_secret: Callable[[Secret], str],
    clock: Clock,
    version: str = "",
    retained: RetainedTopics | None = None,
    time_zone: str | None = None,
    controls: Controls | None = None,
    page: str | None = None,
) -> Mqtt:
    from sniffer.sinks.mqtt import Mqtt

    return Mqtt(settings, read_secret, clock, version, retained, time_zone, controls, page)


class RetainedTopics:
    """The topics under which a broker keeps messages of ours. They are in the store: a later start can clear them."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._key = store, f"retained.{name}"
        self.installation = store.installation()

    def read(self) -> list[str]:
        """Return the topics that were published, by this process or an earlier one."""
        found = self._store.state_get(self._key)
        return [topic for topic in found if isinstance(topic, str)] if isinstance(found, list) else []

    def write(self, topics: Iterable[str]) -> None:
        """Remember these topics."""
        with contextlib.suppress(StoreError):
            self._store.state_set(self._key, sorted(topics))


def _today(store: Store, clock: Clock, zone: tzinfo | None) -> Iterable[Record]:
    """The devices, and what happened since midnight in a zone (the machine's, where there is none)."""
    now = datetime.fromtimestamp(clock.now_ns() / SECOND, UTC).astimezone(zone)
    midnight = round(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * SECOND
    yield from store.records(("device",), newest_first=True, limit=200)
    yield from store.records(("upload", "alert", "resolved", "question", "answer"), since=midnight, limit=2000)
