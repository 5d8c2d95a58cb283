"""Reports wake events to a router's HTTP API, and keeps them while it cannot be reached."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Mapping
from typing import Any

import httpx

from sniffer.errors import WakeError
from sniffer.model.clock import SECOND, Clock
from sniffer.wake.events import PAST_NS

log = logging.getLogger(__name__)

#: Events that wait for the router: a day of a talkative house. More in one message than this is refused there.
MAX_WAITING, MAX_AT_ONCE = 1000, 50
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0
TIMEOUT = 5.0


class RefusedError(WakeError):
    """The router was reached and does not want this: sending it again changes nothing."""


def trouble(url: str, error: Exception) -> str:
    """Why nobody answered, with what helps where that is known."""
    text = str(error) or type(error).__name__
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return "its certificate is not trusted (SSL_CERT_FILE=FILE trusts the one in FILE)"
    if isinstance(error, httpx.RemoteProtocolError) and url.startswith("http:"):
        return f"{text} (https instead of http?)"
    return text


def post(client: httpx.Client, url: str, token: str, events: object) -> Mapping[str, Any]:
    """Send events; what the router answers: those `accepted`, and `warnings`. Raises RefusedError where the events
    are at fault, WakeError where trying again may help."""
    address = url.rstrip("/") + "/api/v1/wake"
    try:
        answer = client.post(address, json=events, headers={"Authorization": f"Bearer {token}"}, timeout=TIMEOUT)
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise WakeError(f"{url} cannot be reached: {trouble(url, error)}") from None
    if answer.status_code in (200, 202):
        try:
            said = answer.json()
            return {key: list(said.get(key, [])) for key in ("accepted", "warnings")}
        except (ValueError, AttributeError, TypeError):
            raise WakeError(f"{url} answered something that is not sniffer's") from None
    problem = f"{url} answered {answer.status_code}: {_reason(answer)}"
    if answer.status_code in (400, 413, 422):
        raise RefusedError(problem)
    raise WakeError(problem)


def _reason(answer: httpx.Response) -> str:
    try:
        text = answer.json()["error"]
    except (ValueError, KeyError, TypeError):
        text = answer.text
    return " ".join(str(text).split())[:200]


class Reporter:
    """Sends events from a thread of its own, in order; `heartbeat` seconds apart it says that it lives.

    A heartbeat that cannot be sent is forgotten: that nobody listened is what the router should think then. Events
    keep the time of the word and are sent once the router is back.
    """

    def __init__(
        self,
        url: str,
        token: str,
        clock: Clock,
        *,
        heartbeat: float | None = 20.0,
        client: httpx.Client | None = None,
    ) -> None:
        self._url, self._token, self._clock, self._heartbeat = url, token, clock, heartbeat
        self._client = client or httpx.Client()
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._lock = threading.Lock()
        self._more = threading.Event()
        self._stop = threading.Event()
        self._pause = FIRST_WAIT
        self._next_beat = float("-inf")
        self._problem: str | None = None
        self._warning: str | None = None
        self._hearing = True
        self.sent = self.lost = 0
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def add(self, event: dict[str, Any]) -> None:
        """One more event; where too many wait, the oldest is lost."""
        with self._lock:
            self.lost += len(self._waiting) == MAX_WAITING
            self._waiting.append(event)
        self._more.set()

    def hearing(self, hearing: bool) -> None:
        """Whether the ear hears anything at all. While it does not, the router is told so, and no sign of life is
        sent."""
        if hearing == self._hearing:
            return
        self._hearing = hearing
        if not hearing:
            log.warning("the microphone gives nothing but silence: is it muted, or unplugged?")
            self.add({"kind": "source_down", "timestamp": self._seconds()})
        self._next_beat = float("-inf")
        self._more.set()

    def close(self, timeout: float = 10.0) -> int:
        """Try to send what waits, say goodbye, and stop. How many events are lost with it."""
        self._stop.set()
        self._more.set()
        self._thread.join(timeout)
        self._client.close()
        with self._lock:
            return len(self._waiting)

    def _run(self) -> None:
        while True:
            ending = self._stop.is_set()
            self._more.clear()
            pause = self.step(ending)
            if ending:
                return
            # After a failure, more events are no reason to try again sooner.
            (self._more if self._problem is None else self._stop).wait(pause)

    def step(self, ending: bool = False) -> float:
        """Send what is due; the seconds until there is more to do."""
        try:
            now = self._clock.monotonic()
            if self._heartbeat is not None and now >= self._next_beat and self._hearing and not ending:
                self._send([{"kind": "source_up", "timestamp": self._seconds()}])
                self._next_beat = now + self._heartbeat
            self._flush()
            if ending and self._heartbeat is not None:
                self._send([{"kind": "source_down", "timestamp": self._seconds()}])
        except WakeError as error:
            self._tell(str(error))
            pause, self._pause = self._pause, min(LONGEST_WAIT, 2 * self._pause)
            return pause
        self._pause = FIRST_WAIT
        return LONGEST_WAIT if self._heartbeat is None or not self._hearing else max(0.0, self._next_beat - now)

    def _flush(self) -> None:
        at_once = MAX_AT_ONCE
        while True:
            with self._lock:
                oldest = (self._clock.now_ns() - PAST_NS) / SECOND
                while self._waiting and self._waiting[0]["timestamp"] < oldest:
                    self._waiting.popleft()
                    self.lost += 1
                batch = list(self._waiting)[:at_once]
            if not batch:
                return
            try:
                self._send(batch)
            except RefusedError as error:
                if len(batch) > 1:
                    at_once = 1  # one of them is bad: find it, and let the others through
                    continue
                self._tell(str(error))
                self._drop(batch)
                self.lost += 1
                continue
            self._drop(batch)
            self.sent += len(batch)

    def _drop(self, batch: list[dict[str, Any]]) -> None:
        with self._lock:
            for event in batch:
                if self._waiting and self._waiting[0] is event:
                    self._waiting.popleft()

    def _send(self, events: list[dict[str, Any]]) -> None:
        for warning in post(self._client, self._url, self._token, events)["warnings"]:
            if warning != self._warning:
                log.warning("%s: %s", self._url, warning)
                self._warning = warning
        if self._problem is not None:
            log.warning("%s: reached again", self._url)
            self._problem = None

    def _seconds(self) -> float:
        return self._clock.now_ns() / SECOND

    def _tell(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem)
            self._problem = problem
