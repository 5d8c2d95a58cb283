"""One HTTP request to a receiver, and what its answer means for the message."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sniffer.errors import ConfigError, DeliveryError
from sniffer.model.clock import SECOND
from sniffer.sinks.delivery.outbox import GoneError, UnansweredError

if TYPE_CHECKING:
    import httpx

#: Answers that say "not now" to any message: timeout, too early, too many requests, bad gateway, unavailable. Of the
#: others, 5xx may be this message's fault, and 3xx and 4xx are.
_LATER = frozenset({408, 425, 429, 502, 503, 504})


class Sender:
    """A client of one receiver. No address, header or answer of it is ever logged or shown: they hold secrets."""

    def __init__(self, url: str, timeout: float, ca: Path | None = None) -> None:
        import httpx

        # httpx writes every address it asks into its log, and addresses of webhooks are secrets.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Without TLS there are no certificates to load, which takes longer than all the rest.
        verify: ssl.SSLContext | bool = url.startswith("https")
        if ca is not None:
            try:
                verify = ssl.create_default_context(cafile=str(ca))
            except OSError as error:
                raise ConfigError(f"the certificates cannot be read: {error.strerror or 'not PEM'}", file=ca) from None
        self._client: httpx.Client = httpx.Client(timeout=timeout, verify=verify, follow_redirects=False)

    def post(self, url: str, body: bytes, headers: Mapping[str, str], now_ns: int) -> None:
        """Send, or raise DeliveryError."""
        import httpx

        try:
            with self._client.stream("POST", url, content=body, headers=dict(headers)) as answer:
                status, again = answer.status_code, answer.headers.get("retry-after")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
            raise DeliveryError("its URL cannot be used", permanent=True) from None
        except httpx.TimeoutException:
            raise UnansweredError("it did not answer in time") from None
        except (httpx.HTTPError, OSError) as error:
            raise UnansweredError(f"it cannot be reached ({type(error).__name__})") from None
        if 200 <= status < 300:
            return
        retry_after = parse_retry_after(again, now_ns)
        if status == 410:
            raise GoneError("HTTP 410")
        if status in _LATER or retry_after is not None:
            raise UnansweredError(f"HTTP {status}", retry_after=retry_after)
        raise DeliveryError(f"HTTP {status}", permanent=300 <= status < 500)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def parse_retry_after(text: str | None, now_ns: int) -> float | None:
    """Seconds to wait, from a number or a date; None where there is none that makes sense."""
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = parsedate_to_datetime(text)
        except (ValueError, TypeError, OverflowError):
            return None
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        seconds = (date - datetime.fromtimestamp(now_ns / SECOND, UTC)).total_seconds()
    return max(0.0, seconds) if seconds == seconds and abs(seconds) != float("inf") else None
