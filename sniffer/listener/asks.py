"""Follows the daemon's event stream, and answers its questions about what was heard between two times."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from typing import Any

from sniffer.errors import DaemonError, WakeError
from sniffer.listener.history import History
from sniffer.listener.reporter import FIRST_WAIT, LONGEST_WAIT
from sniffer.model import Testimony
from sniffer.model.clock import SECOND, timestamp
from sniffer.wake.events import parse_time
from sniffer.web.client import Client

log = logging.getLogger(__name__)

#: The daemon's stream of events.
STREAM = "/api/v1/stream"
#: The longest span that is answered for: more than an upload's neighbourhood is nobody's business.
LONGEST_SPAN_NS = 60 * SECOND
#: Seconds to wait for sound that was heard but not yet looked at, where the span ends about now.
PATIENCE = 2.0


def parse_ask(data: str) -> tuple[int, int]:
    """Return the two times (ns) of an `ask` event. Raises WakeError."""
    try:
        ask = json.loads(data)
    except (ValueError, RecursionError):
        raise WakeError("an ask that is not JSON") from None
    if not isinstance(ask, dict) or "from" not in ask or "to" not in ask:
        raise WakeError("an ask without 'from' and 'to'")
    from_ns, to_ns = parse_time(ask["from"], "from"), parse_time(ask["to"], "to")
    if not 0 < to_ns - from_ns <= LONGEST_SPAN_NS:
        raise WakeError("an ask about no time, or about more than a minute")
    return from_ns, to_ns


def testimony_event(testimony: Testimony, device: str | None) -> dict[str, Any]:
    """Return a testimony as a wake event on the wire."""
    event: dict[str, Any] = {
        "kind": "testimony",
        "timestamp": testimony.to_ns / SECOND,
        "testimony": {
            "from": timestamp(testimony.from_ns),
            "to": timestamp(testimony.to_ns),
            "scores": dict(testimony.scores),
            "voice": testimony.voice,
            "level_db": testimony.level_db,
            "noise_db": testimony.noise_db,
            "seconds": testimony.seconds,
        },
    }
    return event if device is None else {**event, "device": device}


class Asks:
    """Answers each `ask` of the stream from a thread of its own; connects again for ever.

    `offset_ns` gives the daemon's clock minus ours. A span of which nothing was heard is answered too, with 0 seconds,
    so that the daemon need not wait for it.
    """

    def __init__(
        self, client: Client, history: History, answer: Callable[[Testimony], None], offset_ns: Callable[[], int]
    ) -> None:
        self._client, self._history, self._answer, self._offset_ns = client, history, answer, offset_ns
        self._stop = threading.Event()
        self._problem: str | None = None
        self.answered = 0
        self._thread = threading.Thread(target=self._run, name="asks", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop; the thread ends with the next event, or with the program."""
        self._stop.set()

    def follow(self) -> None:
        """Follow the stream until it ends. Raises DaemonError."""
        for name, data in self._client.events(STREAM):
            if self._stop.is_set():
                return
            self._problem = None
            if name == "ask":
                self.reply(data)

    def reply(self, data: str) -> None:
        """Answer one ask; a malformed one is logged."""
        try:
            from_ns, to_ns = parse_ask(data)
        except WakeError as error:
            self._report_problem(f"the daemon sent {error}")
            return
        offset = self._offset_ns()
        self._history.wait_for(to_ns - offset, PATIENCE)
        heard = self._history.testimony(from_ns - offset, to_ns - offset)
        self.answered += 1
        self._answer(
            Testimony(from_ns, to_ns, heard.scores, heard.voice, heard.level_db, heard.noise_db, heard.seconds)
        )

    def _run(self) -> None:
        pause = FIRST_WAIT
        while not self._stop.is_set():
            answered = self.answered
            try:
                self.follow()
            except DaemonError as error:
                self._report_problem(f"no questions can be received: {error}")
            pause = FIRST_WAIT if self.answered > answered else min(LONGEST_WAIT, 2 * pause)
            self._stop.wait(pause)

    def _report_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem)
            self._problem = problem
