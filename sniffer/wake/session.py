"""What a source talks to while it runs: it tells its health and its events, and is told when to stop.

A source is a small class with a `name` and `run(session)`, which connects, calls `session.up()`, hands on what it
hears, and raises WakeError (or OSError) when the connection is gone. Reconnecting, waiting longer each time, and
telling the judge what was down when is done here, once for all of them.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sniffer.errors import CredentialsError, MisdatedError, WakeError
from sniffer.model import Trust, WakeEvent, WakeKind
from sniffer.model.clock import Clock
from sniffer.model.ratelimit import RateLimit
from sniffer.wake.events import check_text, check_time, parse_answer, parse_event

log = logging.getLogger(__name__)

#: Waits between attempts, in seconds, double up to the longest; after so long up they start again.
FIRST_WAIT, LONGEST_WAIT, STABLE = 1.0, 60.0, 30.0
#: Seconds until a refused token or password is tried again: more attempts look like an attack and are banned. A reload
#: of the configuration tries at once.
REFUSED_WAIT = 3600.0
#: A source that can see that it hears says so this often, in seconds, and when it is asked.
ALIVE_EVERY = 20.0
#: No house asks faster than this: a sender that does is broken or hostile.
EVENTS_PER_SECOND, BURST = 2.0, 30

Deliver = Callable[[WakeEvent], None]


class Source(Protocol):
    """One place where wake events come from."""

    @property
    def name(self) -> str: ...

    def run(self, session: Session) -> None:
        """Hand on events until `session.stopped`; raise WakeError or OSError when the connection is gone."""
        ...


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """How a source is, for people. `problem` is the last thing that went wrong, in one line."""

    name: str
    up: bool
    problem: str | None
    attempts: int
    events: int
    refused: int


class Session:
    """One source's line to the program. `wait` is how it sleeps: until stopped, or so many seconds."""

    def __init__(
        self,
        name: str,
        deliver: Deliver,
        clock: Clock,
        *,
        also: tuple[str, ...] = (),
        trust: Trust = Trust.INDEPENDENT,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        self.name, self.clock, self._deliver, self._trust = name, clock, deliver, trust
        self._names = (name, *also)
        self._stop = threading.Event()
        self._wait = wait or self._stop.wait
        self._limit = RateLimit(EVENTS_PER_SECOND, BURST)
        self._up = False
        self._problem: str | None = None
        self._attempts = self._events = self._refused = 0
        self._asked = threading.Event()
        self._said_alive = -math.inf

    # --- for the source ---

    @property
    def stopped(self) -> bool:
        """Is it time to end?"""
        return self._stop.is_set()

    def wait(self, seconds: float) -> bool:
        """Sleep; True where it is time to end."""
        return self._wait(seconds) or self.stopped

    def up(self) -> None:
        """It is connected, and would hear."""
        if not self._up:
            self._up, self._problem = True, None
            self._tell(WakeKind.SOURCE_UP)
            log.info("wake source %s: up", self.name)

    def alive(self) -> None:
        """It was just seen to hear: up, and a sign of life where one is due or was asked for."""
        if not self._up:
            self.up()
        elif self._asked.is_set() or self.clock.monotonic() - self._said_alive >= ALIVE_EVERY:
            self._tell(WakeKind.SOURCE_UP)
        else:
            return
        self._asked.clear()
        self._said_alive = self.clock.monotonic()

    def asked(self) -> bool:
        """Return whether a sign of life is wanted now: something is being uploaded."""
        return self._asked.is_set()

    def doubt(self, problem: str | None) -> None:
        """Say why its silence may not count although it is connected; None where nothing is wrong."""
        if problem is not None:
            self._warn(problem)
            self._asked.clear()  # it gives no sign of life that could be waited for
        self._problem = problem

    def down(self, problem: str | None = None, *, own: bool = False) -> None:
        """It would not hear. With `own`, the vendor's history that comes by the same connection still does."""
        if problem is not None:
            self._warn(problem)
        self._problem = problem or self._problem
        self._asked.clear()
        if self._up:
            self._up = False
            self._tell(WakeKind.SOURCE_DOWN, self._names[:1] if own else self._names)

    def event(
        self,
        time_ns: int | None = None,
        *,
        kind: WakeKind = WakeKind.WAKE,
        device: str | None = None,
        trust: Trust = Trust.INDEPENDENT,
        source: str | None = None,
    ) -> None:
        """Something was heard, now or at a time."""
        now = self.clock.now_ns()
        try:
            if time_ns is not None:
                check_time(time_ns, now)
            if device:
                check_text("device", device)
        except WakeError as error:
            self._refuse(error)
            return
        said = Trust.SELF_REPORT if Trust.SELF_REPORT in (trust, self._trust) else trust
        self._hand_on(
            WakeEvent(now if time_ns is None else time_ns, source or self.name, kind, device or None, said, now)
        )

    def answer(self, upload: str, answer: str) -> None:
        """A person answered the question about an upload."""
        now = self.clock.now_ns()
        try:
            self._hand_on(parse_answer({"upload_id": upload, "answer": answer}, now, self.name))
        except WakeError as error:
            self.refuse(str(error))

    def mapping(self, value: object) -> None:
        """An event in our own format, whose sender can only be this source."""
        try:
            self._hand_on(parse_event(value, self.clock.now_ns(), source=self.name, trust=self._trust))
        except WakeError as error:
            self._refuse(error)

    def _warn(self, problem: str) -> None:
        """Log a problem once."""
        if problem != self._problem:
            log.warning("wake source %s: %s", self.name, problem)

    def _refuse(self, error: WakeError) -> None:
        """Refuse an event. If its time is wrong, something was heard all the same: the judge must not take the source
        for a witness that heard nothing."""
        self.refuse(str(error))
        if isinstance(error, MisdatedError) and self._limit.allows(self.clock.monotonic()):
            self._tell(WakeKind.MISDATED)

    def refuse(self, why: str) -> None:
        """Something came that is no event; the source goes on."""
        self._refused += 1
        if self._refused in (1, 10, 100, 1000) or self._refused % 10_000 == 0:
            log.warning("wake source %s: refused (%d so far): %s", self.name, self._refused, why)

    def _hand_on(self, event: WakeEvent) -> None:
        if not self._limit.allows(self.clock.monotonic()):
            self.refuse(f"more than {EVENTS_PER_SECOND:g} events a second")
            return
        self._events += 1
        self._give(event)

    def _tell(self, kind: WakeKind, names: tuple[str, ...] = ()) -> None:
        now = self.clock.now_ns()
        for name in names or self._names:
            self._give(WakeEvent(now, name, kind, received_ns=now))

    def _give(self, event: WakeEvent) -> None:
        try:
            self._deliver(event)
        except WakeError as error:  # too many wait: the program is busy, which is not the connection's fault
            self.refuse(str(error))

    # --- for the program ---

    def drive(self, source: Source) -> None:
        """Run a source for ever: again and again, waiting longer each time it fails."""
        self._tell(WakeKind.SOURCE_DOWN)
        pause = FIRST_WAIT
        while not self._stop.is_set():
            self._attempts += 1
            refused = False
            began = self.clock.monotonic()
            try:
                source.run(self)
                problem = "the connection was closed"
            except CredentialsError as error:
                problem, refused = str(error), True
            except WakeError as error:
                problem = str(error)
            except OSError as error:
                problem = error.strerror or str(error) or type(error).__name__
            except Exception as error:  # a library's own: the thread must live, and people must see it
                log.exception("wake source %s", self.name)
                problem = f"{type(error).__name__}: {error}"
            if self._stop.is_set():
                break
            if self._up and self.clock.monotonic() - began >= STABLE:
                pause = FIRST_WAIT
            self.down(" ".join(problem.split()))
            if self.wait(REFUSED_WAIT if refused else pause):
                break
            pause = min(LONGEST_WAIT, 2 * pause)
        self.down()

    def ask(self) -> None:
        """Ask for a sign of life (from another thread)."""
        self._asked.set()

    def stop(self) -> None:
        """End `drive` soon."""
        self._stop.set()

    def status(self) -> SourceStatus:
        """How it is."""
        return SourceStatus(self.name, self._up, self._problem, self._attempts, self._events, self._refused)
