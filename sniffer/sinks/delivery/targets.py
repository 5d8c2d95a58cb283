"""All targets of the outbox, as configured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from sniffer.model import Record
from sniffer.model.clock import SECOND, Clock
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.outbox import Target
from sniffer.sinks.delivery.queue import Messages
from sniffer.sinks.settings import SinkSettings
from sniffer.sinks.storage.store import Store


def build_targets(
    settings: SinkSettings,
    read_secret: Callable[[Secret], str],
    headline: Callable[[Record], str],
    store: Store,
    clock: Clock,
    version: str = "",
) -> list[Target]:
    """Nothing is sent yet, and nobody needs to be reachable. Raises ConfigError where a secret cannot be read, or an
    extra is not installed.

    What nobody configured is not imported: HTTP, MQTT and notification libraries cost memory.
    """
    return list(_targets(settings, read_secret, headline, store, clock, version))


def _targets(
    settings: SinkSettings,
    read_secret: Callable[[Secret], str],
    headline: Callable[[Record], str],
    store: Store,
    clock: Clock,
    version: str,
) -> Iterable[Target]:
    for webhook in settings.webhooks:
        from sniffer.sinks.delivery.webhook import Webhook

        yield Webhook(webhook, read_secret, headline)
    for alertmanager in settings.alertmanager:
        from sniffer.sinks.delivery.alertmanager import Alertmanager

        yield Alertmanager(alertmanager, read_secret, headline, Messages(store).recent)
    for notify in settings.notify:
        from sniffer.sinks.delivery.notify import Notify

        yield Notify(notify, read_secret, headline)
    if settings.mqtt is not None:
        from sniffer.sinks.mqtt import Mqtt

        link = Mqtt(settings.mqtt, read_secret, clock, version)
        link.seed(_today(store, clock))
        yield link


def _today(store: Store, clock: Clock) -> Iterable[Record]:
    """The devices, and what happened since midnight."""
    now = datetime.fromtimestamp(clock.now_ns() / SECOND, UTC).astimezone()
    midnight = round(now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()) * SECOND
    yield from store.records(("device",), newest_first=True, limit=200)
    yield from store.records(("upload", "alert", "resolved"), since=midnight, limit=2000)
