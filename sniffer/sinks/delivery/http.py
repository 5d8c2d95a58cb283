"""One HTTP request to a receiver, and what its answer means for the message."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sniffer.errors import ConfigError, DeliveryError
from sniffer.model.clock import SECOND
from sniffer.sinks.delivery.formats import plain
from sniffer.sinks.delivery.target import GoneError, UnansweredError

if TYPE_CHECKING:
    import httpx

#: Answers that say "not now" to any message: timeout, too early, too many requests, bad gateway, unavailable. All
#: others may be this message's fault, so the next ones do not wait for it.
_LATER = frozenset({408, 425, 429, 502, 503, 504})
#: Bytes of a refusing answer that are read, and characters of it that are shown.
_READ_BYTES, _SHOWN_CHARACTERS = 2048, 100
#: A delivery has three parts (to connect, to send, to read) and may take the time limit of each.
PARTS = 3
#: A part of an address that is shorter than this is a word and not a secret.
_SECRET_CHARACTERS = 6


class _Deadline:
    """Ends the connection on which an answer takes too long as a whole, however often a byte of it comes."""

    def __init__(self) -> None:
        self._stream: Any = None
        self.passed = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember the connection that httpcore has just made (its `trace` extension)."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._stream = info.get("return_value", self._stream)

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """End the connection if what is inside has not ended by then."""
        self.passed = False
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _end(self) -> None:
        self.passed = True
        line = None if self._stream is None else self._stream.get_extra_info("socket")
        if isinstance(line, socket.socket):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(line, socket.SHUT_RDWR)


class Sender:
    """A client of one receiver. Its log lines name the host and the cause; paths, headers and tokens are never shown,
    because they are or hold secrets."""

    def __init__(self, url: str, timeout: float, ca: Path | None = None, secrets: Iterable[str] = ()) -> None:
        import httpx

        # httpx writes every address it asks into its log, and addresses of webhooks are secrets.
        for name in ("httpx", "httpcore"):
            logging.getLogger(name).setLevel(logging.WARNING)
        # Without TLS there are no certificates to load, which takes longer than all the rest.
        verify: ssl.SSLContext | bool = url.startswith("https")
        if ca is not None:
            verify = authorities(ca)
        self._timeout = timeout
        self._secrets = tuple(secrets_in(url, *secrets))
        # Of a compressed answer a few bytes may become gigabytes.
        self._client: httpx.Client = httpx.Client(
            timeout=timeout, verify=verify, follow_redirects=False, headers={"Accept-Encoding": "identity"}
        )
        self._deadline = _Deadline()

    def post(self, url: str, body: bytes, headers: Mapping[str, str], now_ns: int) -> None:
        """Send, or raise DeliveryError, GoneError, or UnansweredError, with the cause in words."""
        import httpx

        place = place_of(url)
        words = ""
        tracing = {"trace": self._deadline.trace}
        try:
            request = self._client.build_request("POST", url, content=body, headers=dict(headers), extensions=tracing)
            with self._deadline.within(PARTS * self._timeout), self._answer(request) as answer:
                status, again = answer.status_code, answer.headers.get("retry-after")
                location = answer.headers.get("location", "")
                if not 200 <= status < 300:
                    words = hidden(first_words(answer), self._secrets)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
            raise DeliveryError("its URL cannot be used", permanent=True) from None
        except (httpx.HTTPError, OSError) as error:
            if self._deadline.passed:
                raise UnansweredError(f"{place} did not end its answer within {PARTS * self._timeout:g} s") from None
            raise UnansweredError(cause(error, place, self._timeout)) from None
        if 200 <= status < 300:
            return
        retry_after = parse_retry_after(again, now_ns)
        said = f"{place} answers {status}" + (f": {words}" if words else "")
        if status == 410:
            raise GoneError(said)
        if 300 <= status < 400:
            said = f"{place} answers {status}{_elsewhere(location)}: redirects are not followed, change the URL"
        if status in _LATER or retry_after is not None:
            raise UnansweredError(said, retry_after=retry_after)
        raise DeliveryError(said)

    @contextlib.contextmanager
    def _answer(self, request: httpx.Request) -> Iterator[httpx.Response]:
        answer = self._client.send(request, stream=True)
        try:
            yield answer
        finally:
            answer.close()

    def close(self) -> None:
        """Close its connections."""
        self._client.close()


def authorities(ca: Path) -> ssl.SSLContext:
    """Return a context that trusts the certificates in a PEM file. Raises ConfigError."""
    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = error.strerror if isinstance(error, OSError) and not isinstance(error, ssl.SSLError) else "not PEM"
        raise ConfigError(f"the certificates cannot be read: {reason or 'not PEM'}", file=ca) from None


def place_of(url: str) -> str:
    """Return host and port of a URL: what may be shown of it."""
    try:
        parts = urlsplit(url)
        return f"{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    except ValueError:
        return "the receiver"


def cause(error: BaseException, place: str, timeout: float | None = None) -> str:
    """Say in words why no answer came from a `host:port`: the innermost known cause."""
    chain = tuple(_chain(error))
    for found in chain:
        if isinstance(found, ssl.SSLCertVerificationError):
            return f"the certificate of {place} is not trusted: {found.verify_message}"
        if isinstance(found, ssl.SSLError):
            reason = (found.reason or "").replace("_", " ").lower()
            return f"no TLS with {place}: {reason or 'the connection failed'}"
        if isinstance(found, socket.gaierror):
            temporary = found.errno == socket.EAI_AGAIN
            host = place.rpartition(":")[0] or place
            return f"the name server does not answer for {host}" if temporary else f"{host}: unknown host"
        if isinstance(found, ConnectionRefusedError):
            return f"nothing listens at {place} (connection refused)"
        if isinstance(found, OSError) and found.errno in (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ECONNRESET):
            return f"{place}: {os.strerror(found.errno).lower()}"
    for found in chain:
        name = type(found).__name__
        if "Timeout" in name:
            within = f" within {timeout:g} s" if timeout is not None else " in time"
            return f"no connection to {place}{within}" if "Connect" in name else f"{place} did not answer{within}"
        if name == "RemoteProtocolError":
            return f"{place} closed the connection, or does not speak HTTP"
    last = chain[-1]
    return f"{place} cannot be reached ({getattr(last, 'strerror', None) or type(last).__name__})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__


def _elsewhere(location: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    return f" (moved to {plain(parts.scheme)}://{plain(parts.netloc.rpartition('@')[2])})" if parts.netloc else ""


def first_words(answer: httpx.Response) -> str:
    """Return the beginning of an answer as one line of text; nothing of what is no text."""
    import httpx

    received = bytearray()
    if answer.headers.get("content-encoding", "identity") != "identity":
        return ""
    try:
        for chunk in answer.iter_raw(_READ_BYTES):
            received += chunk
            if len(received) >= _READ_BYTES:
                break
    except (httpx.HTTPError, OSError):
        pass
    text = bytes(received[:_READ_BYTES]).decode(errors="ignore")
    text = " ".join(plain(re.sub(r"<(style|script).*?</\1>|<[^>]*>", " ", text, flags=re.DOTALL)).split())
    return text[:_SHOWN_CHARACTERS]


def secrets_in(url: str, *more: str) -> Iterator[str]:
    """Yield every part of a URL that may be a secret, the longest first, and `more`."""
    _, _, rest = url.partition("://")
    _, _, path = rest.partition("/")
    parts = [part for part in (*re.split(r"[/?&=#@:]", path), *more) if len(part) >= _SECRET_CHARACTERS]
    yield from sorted({*parts, *([path] if len(path) >= _SECRET_CHARACTERS else [])}, key=len, reverse=True)


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text


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
