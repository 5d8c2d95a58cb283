"""Any of apprise's services (https://github.com/caronc/apprise) as a target. The extra `notify` installs it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable

from sniffer import extras
from sniffer.errors import ConfigError
from sniffer.model import Record
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.formats import details_of, plain, title_of
from sniffer.sinks.delivery.outbox import ConfiguredTarget, UnansweredError
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.settings import NotifySettings


class Notify(ConfiguredTarget):
    """A target of the outbox. These services know no message ids: what a kill cuts off is told once more."""

    def __init__(
        self, settings: NotifySettings, read_secret: Callable[[Secret], str], headline: Callable[[Record], str]
    ) -> None:
        try:
            import apprise
        except ImportError:
            raise ConfigError(extras.missing("apprise", f"notify '{settings.name}'")) from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its messages can hold tokens
        super().__init__(settings)
        url = read_secret(settings.url)
        self.address = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._headline = headline
        self._apprise = apprise.Apprise(asset=apprise.AppriseAsset(app_id="sniffer", app_desc="sniffer"))
        self._text = apprise.NotifyFormat.TEXT
        self._types = {
            "alert": apprise.NotifyType.WARNING,
            "resolved": apprise.NotifyType.SUCCESS,
        }
        self._other = apprise.NotifyType.INFO
        if not self._apprise.add(url):
            raise ConfigError(f"notify '{settings.name}': apprise does not understand the URL that was read")

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver one message. Raises DeliveryError."""
        record = message.record
        body = "\n".join([plain(self._headline(record)), *details_of(record)])
        taken = self._apprise.notify(
            body=body,
            title=title_of(record),
            notify_type=self._types.get(record["event_type"], self._other),
            body_format=self._text,
            interpret_escapes=False,
        )
        if not taken:
            raise UnansweredError("the service did not take it")
