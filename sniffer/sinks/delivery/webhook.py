"""Webhooks: an HTTP receiver in one of several formats, signed by the Standard Webhooks scheme
(https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence

from sniffer.errors import ConfigError
from sniffer.model.clock import SECOND
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.formats import FORMATS
from sniffer.sinks.delivery.http import Sender
from sniffer.sinks.delivery.notice import NoticeOf
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import ConfiguredTarget
from sniffer.sinks.settings import WebhookSettings

ReadSecret = Callable[[Secret], str]


class Webhook(ConfiguredTarget):
    """A target of the outbox. `notice_of` makes the notice of a record."""

    def __init__(self, settings: WebhookSettings, read_secret: ReadSecret, notice_of: NoticeOf) -> None:
        super().__init__(settings)
        self._url = read_secret(settings.url) if isinstance(settings.url, Secret) else settings.url
        if not self._url.startswith(("http://", "https://")):
            raise ConfigError(f"webhook '{settings.name}': the URL that was read does not start with http(s)://")
        self.address = hashlib.sha256(self._url.encode()).hexdigest()[:16]
        self._keys = [
            signing_key(read_secret(secret), settings.name)
            for secret in (settings.secret, settings.previous_secret)
            if secret is not None
        ]
        self._token = read_secret(settings.token) if settings.token else None
        self._format, self._notice_of = FORMATS[settings.format], notice_of
        self._sender = Sender(self._url, settings.timeout, settings.ca, [self._token] if self._token else [])

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver one message. Raises DeliveryError."""
        request = self._format(message, self._notice_of(message.record), self._url)
        seconds = now_ns // SECOND
        headers = {
            "content-type": request.content_type,
            "user-agent": "sniffer",
            "webhook-id": message.id,
            "webhook-timestamp": str(seconds),
        }
        if self._keys:
            headers["webhook-signature"] = signature(self._keys, message.id, seconds, request.body)
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        self._sender.post(request.url, request.body, headers, now_ns)

    def close(self) -> None:
        """Close its connections."""
        self._sender.close()


def signing_key(secret: str, name: str) -> bytes:
    """The key in a `whsec_...` secret. Raises ConfigError."""
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) < 16:
        raise ConfigError(
            f"webhook '{name}': the secret must be `whsec_` and 24 or more random bytes in base64; "
            'make one with: echo "whsec_$(head -c 32 /dev/urandom | base64)"'
        )
    return key


def signature(keys: Sequence[bytes], message_id: str, seconds: int, body: bytes) -> str:
    """One signature a key, so that a receiver that knows either accepts the message."""
    signed = f"{message_id}.{seconds}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode() for key in keys)
