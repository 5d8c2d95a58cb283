"""From settings to the targets of the outbox: one line a kind."""

from __future__ import annotations

from collections.abc import Callable

from sniffer.model import Record
from sniffer.sinks.outbox import Target
from sniffer.sinks.settings import SinkSettings
from sniffer.sinks.webhook import ReadSecret, Webhook


def build_targets(settings: SinkSettings, read_secret: ReadSecret, headline: Callable[[Record], str]) -> list[Target]:
    """All configured receivers. Raises ConfigError where a secret cannot be read or an extra is not installed."""
    targets: list[Target] = [Webhook(webhook, read_secret, headline) for webhook in settings.webhooks]
    return targets
