"""The client of the daemon's HTTP API: for the command line, and for the listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from typing import Any, TypeVar

import httpx

from sniffer.errors import DaemonError, DaemonRefusalError

T = TypeVar("T")
#: Seconds that the daemon has for an answer.
TIMEOUT = 10.0
#: Seconds of silence after which a stream is dead: the daemon sends a comment every 15.
STREAM_TIMEOUT = 40.0
#: The longest line and the longest event of a stream that is read on; more is not the daemon's.
MAX_EVENT = 1 << 20
#: Answers that say that the request itself is at fault: the same one would be refused again.
REFUSED = frozenset({400, 413, 422})


class Client:
    """Asks one daemon. Every method raises DaemonRefusalError where the request is at fault, and DaemonError where
    another try may help; both are one line, and never show the token."""

    def __init__(self, url: str, token: str | None = None, client: httpx.Client | None = None) -> None:
        self.url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = client or httpx.Client(timeout=TIMEOUT)

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Return the JSON that the daemon answers."""
        return self.ask("GET", path, params=dict(query or {}))[0]

    def post(self, path: str, body: object) -> Any:
        """Send JSON, and return the JSON that the daemon answers."""
        return self.ask("POST", path, json=body)[0]

    def ask(self, method: str, path: str, **what: Any) -> tuple[Any, str | None]:
        """Return the JSON and the `Date` of the daemon's answer."""
        return self._try(lambda: self._ask(method, path, what))

    def events(self, path: str) -> Iterator[tuple[str, str]]:
        """Yield the name and the data of each server-sent event, until the daemon ends the stream."""
        stream = self._try(lambda: self._open(path))
        with closing(stream):
            name, data, size = "message", list[str](), 0
            lines = iter(stream.iter_lines())
            while (line := self._try(lambda: next(lines, None))) is not None:
                size += len(line)
                if size > MAX_EVENT:
                    raise DaemonError(f"{self.url} sends an event over {MAX_EVENT} bytes: that is not sniffer")
                if not line:
                    if data:
                        yield name, "\n".join(data)
                    name, data, size = "message", [], 0
                elif line.startswith("event:"):
                    name = line[6:].strip()
                elif line.startswith("data:"):
                    data.append(line[5:].removeprefix(" "))

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, method: str, path: str, what: Mapping[str, Any]) -> tuple[Any, str | None]:
        answer = self._client.request(method, self.url + path, headers=self._headers, **what)
        if answer.status_code >= 300:
            raise self._refusal(answer)
        try:
            return answer.json() if answer.content else {}, answer.headers.get("date")
        except ValueError:
            raise DaemonError(f"{self.url} answered something that is not sniffer's") from None

    def _open(self, path: str) -> httpx.Response:
        timeout = httpx.Timeout(TIMEOUT, read=STREAM_TIMEOUT)
        request = self._client.build_request("GET", self.url + path, headers=self._headers, timeout=timeout)
        answer = self._client.send(request, stream=True)
        if answer.status_code >= 300:
            answer.read()
            answer.close()
            raise self._refusal(answer)
        return answer

    def _refusal(self, answer: httpx.Response) -> DaemonError:
        try:
            text = answer.json()["error"]
        except (ValueError, KeyError, TypeError):
            text = answer.text
        reason = " ".join(str(text).split())[:200] or answer.reason_phrase
        if 300 <= answer.status_code < 400:
            reason = f"it redirects to {answer.headers.get('location', '')[:200]}"
        kind = DaemonRefusalError if answer.status_code in REFUSED else DaemonError
        return kind(
            f"{self.url} answered {answer.status_code}: {reason}", answer.status_code, answer.headers.get("date")
        )

    def _try(self, what: Callable[[], T]) -> T:
        try:
            return what()
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
            raise DaemonError(f"{self.url}: not a URL of the form https://HOST:PORT") from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise DaemonError(f"{self.url} cannot be reached: {_trouble(self.url, error)}") from None


def _trouble(url: str, error: Exception) -> str:
    """Why the daemon did not answer, with what helps where that is known."""
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted (SSL_CERT_FILE=FILE trusts the one in FILE)"
    if isinstance(error, httpx.RemoteProtocolError) and url.startswith("http:"):
        return f"{text} (https instead of http?)"
    if isinstance(error, httpx.ConnectError):
        return f"{text}; is `sniffer run` running there?"
    return text
