"""Reports events to the daemon's HTTP API, and keeps them while it cannot be reached."""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Any

from sniffer.errors import DaemonError, DaemonRefusalError
from sniffer.listener.clock_offset import ClockOffset
from sniffer.model.clock import SECOND, Clock
from sniffer.wake.events import PAST_NS
from sniffer.web.client import Client

log = logging.getLogger(__name__)

#: Events that wait for the daemon: a day of a talkative house.
MAX_WAITING = 1000
#: Events of one message: the daemon refuses more.
MAX_AT_ONCE = 50
#: Seconds before the first new try, and the longest between two.
FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
#: A clock that differs from the daemon's by more than this is worth a warning.
WARN_OFFSET_NS = 2 * SECOND


class Reporter:
    """Sends events from a thread of its own, in order, and a sign of life every `heartbeat` seconds (None: never).

    A sign of life that cannot be sent is dropped: the daemon should think that nothing listened then. Events keep the
    time at which they happened and are sent once the daemon answers again.
    """

    def __init__(self, client: Client, clock: Clock, *, heartbeat: float | None = 20.0) -> None:
        self._client, self._clock, self._heartbeat = client, clock, heartbeat
        self._waiting: deque[dict[str, Any]] = deque(maxlen=MAX_WAITING)
        self._lock = threading.Lock()
        self._more = threading.Event()
        self._stop = threading.Event()
        self._pause = FIRST_WAIT
        self._next_beat = float("-inf")
        self._problem: str | None = None
        self._warning: str | None = None
        self._hearing = True
        self._offset = ClockOffset()
        self._warned_offset = False
        self.sent = self.lost = 0
        self._thread = threading.Thread(target=self._run, name="report", daemon=True)

    @property
    def offset_ns(self) -> int:
        """The daemon's clock minus ours, as far as it is known."""
        return self._offset.offset_ns

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def add(self, event: dict[str, Any]) -> None:
        """Queue one event, with its `timestamp` in seconds of the daemon's clock; where too many wait, the oldest is
        lost."""
        with self._lock:
            self.lost += len(self._waiting) == MAX_WAITING
            self._waiting.append(event)
        self._more.set()

    def hearing(self, hearing: bool) -> None:
        """Note whether the microphone gives anything at all. While it does not, the daemon knows the source as down,
        and no sign of life is sent."""
        if hearing == self._hearing:
            return
        self._hearing = hearing
        if not hearing:
            log.warning("the microphone gives nothing but silence: is it muted, or unplugged?")
            self.add({"kind": "source_down", "timestamp": self._seconds()})
        self._next_beat = float("-inf")
        self._more.set()

    def close(self, timeout: float = 10.0) -> int:
        """Try to send what waits, report the end, and stop. Return how many events are lost with it."""
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
        """Send what is due; return the seconds until there is more to do."""
        try:
            now = self._clock.monotonic()
            if self._heartbeat is not None and now >= self._next_beat and self._hearing and not ending:
                self._send([{"kind": "source_up", "timestamp": self._seconds()}])
                self._next_beat = now + self._heartbeat
            self._flush()
            if ending and self._heartbeat is not None:
                self._send([{"kind": "source_down", "timestamp": self._seconds()}])
        except DaemonError as error:
            self._report_problem(str(error))
            pause, self._pause = self._pause, min(LONGEST_WAIT, 2 * self._pause)
            return pause
        self._pause = FIRST_WAIT
        return LONGEST_WAIT if self._heartbeat is None or not self._hearing else max(0.0, self._next_beat - now)

    def _flush(self) -> None:
        at_once = MAX_AT_ONCE
        while True:
            with self._lock:
                oldest = self._seconds() - PAST_NS / SECOND
                while self._waiting and self._waiting[0]["timestamp"] < oldest:
                    self._waiting.popleft()
                    self.lost += 1
                batch = list(self._waiting)[:at_once]
            if not batch:
                return
            try:
                self._send(batch)
            except DaemonRefusalError as error:
                if len(batch) > 1:
                    at_once = 1  # one of them is bad: find it, and let the others through
                    continue
                self._report_problem(str(error))
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
        sent_ns = self._clock.now_ns()
        try:
            answer, date = self._client.ask("POST", "/api/v1/wake", json=events)
        except DaemonError as error:  # a refusal tells the daemon's time too, and may be due to ours
            self._compare_clocks(sent_ns, error.date)
            raise
        self._compare_clocks(sent_ns, date)
        warnings = answer.get("warnings", []) if isinstance(answer, dict) else []
        for warning in warnings if isinstance(warnings, list) else []:
            if warning != self._warning:
                log.warning("%s: %s", self._client.url, str(warning)[:200])
                self._warning = warning
        if self._problem is not None:
            log.warning("%s: connected again", self._client.url)
            self._problem = None

    def _compare_clocks(self, sent_ns: int, date: str | None) -> None:
        self._offset.observe(sent_ns, self._clock.now_ns(), date)
        offset = self._offset.offset_ns
        if abs(offset) > WARN_OFFSET_NS and not self._warned_offset:
            self._warned_offset = True
            behind = "behind" if offset > 0 else "ahead of"
            seconds = abs(offset) / SECOND
            log.warning("this machine's clock is %.0f s %s the daemon's: reported times are corrected", seconds, behind)

    def _seconds(self) -> float:
        return (self._clock.now_ns() + self._offset.offset_ns) / SECOND

    def _report_problem(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("%s", problem)
            self._problem = problem
