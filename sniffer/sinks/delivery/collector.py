"""A collector of many houses: records in batches, each with the pseudonym of its house, as lines of JSON or for
OpenSearch's bulk API."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from sniffer.errors import ConfigError
from sniffer.records.redact import message_pseudonym, pseudonym, redacted
from sniffer.sinks.delivery.http import Sender
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import ConfiguredTarget
from sniffer.sinks.delivery.webhook import ReadSecret
from sniffer.sinks.settings import CollectorSettings
from sniffer.sinks.storage.jsonl import encode

#: Shorter keys could be guessed by trying (bytes).
LEAST_KEY_BYTES = 16


class Collector(ConfiguredTarget):
    """A target of the outbox that takes several messages at a time."""

    def __init__(self, settings: CollectorSettings, read_secret: ReadSecret, version: str) -> None:
        super().__init__(settings)
        self._key = read_secret(settings.house_key).encode()
        if len(self._key) < LEAST_KEY_BYTES:
            raise ConfigError(
                f"collector '{settings.name}': house_key must have at least {LEAST_KEY_BYTES} characters; make one "
                "with: head -c 24 /dev/urandom | base64"
            )
        self.address = hashlib.sha256(settings.url.encode()).hexdigest()[:16]
        self.batch = settings.batch
        self._version = version
        self._settings, self._house = settings, pseudonym(self._key, f"house {settings.house}")
        secrets = [read_secret(secret) for secret in (settings.token, settings.password) if secret is not None]
        self._headers = {"user-agent": "sniffer", "content-type": "application/x-ndjson"}
        if settings.token is not None:
            self._headers["authorization"] = f"Bearer {secrets[0]}"
        elif settings.user is not None:
            login = f"{settings.user}:{secrets[-1] if secrets else ''}"
            self._headers["authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        self._sender = Sender(settings.url, settings.timeout, settings.ca, secrets)

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver one message. Raises DeliveryError."""
        self.send_all([message], now_ns)

    def send_all(self, messages: Sequence[Message], now_ns: int) -> None:
        """Deliver several messages in one request. Raises DeliveryError: then none of them counts as delivered."""
        body = b"".join(self._lines(message) for message in messages)
        self._sender.post(self._settings.url, body, self._headers, now_ns)

    def row(self, message: Message) -> dict[str, Any]:
        """Return what the collector is told of one message."""
        record = redacted(message.record, self._settings.redact, self._key)
        own = {"message_id": message_pseudonym(self._key, message.id), "house": self._house, "version": self._version}
        return own | record

    def _lines(self, message: Message) -> bytes:
        row = self.row(message)
        line = encode(row).encode() + b"\n"
        if self._settings.format == "ndjson":
            return line
        # An id of its own: a message that is sent again replaces itself.
        return encode({"index": {"_id": row["message_id"]}}).encode() + b"\n" + line

    def close(self) -> None:
        """Close its connections."""
        self._sender.close()
