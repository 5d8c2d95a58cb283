"""The durable outbox: a message is first written to the store, then sent until the receiver has accepted it.

Queueing joins the store's transaction, so an alert and its messages are kept together or not at all. A message is sent
at least once, always under the same id, and never again after its delivery was recorded. Each target has a thread and
a line of its own: one that is down delays no other, and a message that it refuses delays only itself. While the store
cannot be written, messages leave from memory.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Sequence

from sniffer.errors import DeliveryError, StoreError
from sniffer.model import Record
from sniffer.model.clock import SECOND, Clock, timestamp
from sniffer.records.alerts import dropped_record
from sniffer.sinks.delivery.line import Line
from sniffer.sinks.delivery.queue import Message, Messages, message_id
from sniffer.sinks.delivery.target import DeliveryMetrics, GoneError, Target, UnansweredError, wanted
from sniffer.sinks.settings import OutboxSettings
from sniffer.sinks.storage.store import Store

log = logging.getLogger(__name__)

#: A message that the receiver refuses so often is overtaken by the next one.
OVERTAKEN_AFTER = 3
#: After this many different messages are refused in a row, the fault is the receiver's, and all its messages wait.
REFUSED_IN_A_ROW = 3
#: The mark of an error with which the receiver asked to wait: a restart does not shorten that.
ASKED_TO_WAIT = "asks to wait"
#: No wait we ever ask for is longer: what waits longer was written before the clock was set back.
LONGEST_WAIT = 86_400.0
#: For so long "now" is now.
NOW_SECONDS = 60.0
#: For so long a message that comes again is known to have been delivered (and the last 1000 in any case).
REMEMBERED_NS = 7 * 86_400 * SECOND


class Outbox:
    """A sink. `start` runs a thread a target; without it, `step` delivers one message of a target."""

    name = "outbox"

    def __init__(
        self,
        store: Store,
        clock: Clock,
        targets: Sequence[Target],
        *,
        settings: OutboxSettings | None = None,
        metrics: DeliveryMetrics | None = None,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._store, self._clock, self._targets = store, clock, tuple(targets)
        self._settings = settings or OutboxSettings()
        self._metrics = metrics
        self._chance = chance
        self._messages = Messages(store)
        self._queued = 255
        self._lines = {target.name: Line() for target in self._targets}
        self._threads: list[threading.Thread] = []
        self._stopping = threading.Event()
        for target in self._targets:
            self._messages.hurry(target.name)
            self._lines[target.name].gone = store.state_get(_gone(target)) is not None
            self._gauge(target.name)

    # --- in ---

    def emit(self, record: Record) -> None:
        """Queue a record for each target that takes such records. Returns as soon as it is in the store."""
        for target in self._targets:
            target.show(record)
            if wanted(target, record):
                self._put(target, record)

    def _put(self, target: Target, record: Record) -> None:
        line = self._lines[target.name]
        if line.gone:
            self._count(target.name, "gone")
            return
        with self._store.transaction():
            self._tidy()
            if not self._messages.put(target.name, record, self._clock.now_ns()):
                return
            dropped = self._bound(target.name)
        if dropped:
            self._count(target.name, "dropped", dropped)
        self._gauge(target.name)
        line.forget(message_id(record))
        line.wake.set()

    def watch(self, records: Sequence[Record]) -> None:
        """Tell every target which devices are watched now."""
        for target in self._targets:
            target.watch(records)

    def hold(self, record: Record) -> None:
        """Take a record whose transaction failed: its messages leave from memory. When it is queued after all, those
        that have left are not sent again."""
        for target in self._targets:
            line = self._lines[target.name]
            if wanted(target, record) and not line.gone and line.hold(record, target.name, self._clock.now_ns()):
                line.wake.set()

    def waiting(self) -> dict[str, int]:
        """Return how many messages wait, by target."""
        return {
            name: self._messages.count(name)[0] + len(line.held) for name, line in self._lines.items() if not line.gone
        }

    def drain(self, seconds: float) -> dict[str, int]:
        """Wait until every message was delivered, for some seconds at most. Return what still waits, by target."""
        end = self._clock.monotonic() + seconds
        while any(self.waiting().values()) and self._clock.monotonic() < end and not self._stopping.wait(0.05):
            pass
        return {name: count for name, count in self.waiting().items() if count}

    def _tidy(self) -> None:
        """Now and then, forget what was delivered long ago."""
        self._queued += 1
        if self._queued % 256 == 0:
            now, longest = self._clock.now_ns(), round(self._settings.max_age_hours * 3600 * SECOND)
            self._messages.forget(now - REMEMBERED_NS)
            self._messages.abandon([target.name for target in self._targets], now - longest)

    def _bound(self, target: str) -> int:
        """Keep the line of a target within its size; how many were dropped."""
        dropped = 0
        waiting, size = self._messages.count(target)
        while waiting > self._settings.max_messages or (size > self._settings.max_bytes and waiting > 1):
            dropped += self._messages.drop_oldest(target, max(1, waiting // 100))
            waiting, size = self._messages.count(target)
        if dropped:
            name = f"outbox.dropped.{target}"
            self._store.state_set(name, (self._store.state_get(name) or 0) + dropped)
        return dropped

    # --- out ---

    def start(self) -> None:
        """Deliver from now on, in threads of its own."""
        for target in self._targets:
            target.start()
            thread = threading.Thread(target=self._run, args=(target,), name=f"outbox-{target.name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def close(self, timeout: float = 8.0) -> None:
        """Stop delivering, after what is on its way (or `timeout` seconds); what waits stays in the store."""
        self._stopping.set()
        for line in self._lines.values():
            line.wake.set()
        deadline = self._clock.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        self._threads.clear()
        for target in self._targets:
            target.close()

    def _run(self, target: Target) -> None:
        line = self._lines[target.name]
        while not self._stopping.is_set():
            line.wake.clear()
            try:
                pause = self.step(target)
            except StoreError as error:
                log.error("%s: %s", target.name, error)
                pause = 30.0
            except Exception as error:  # whatever it is, deliveries must not end with it
                log.error("%s: %s", target.name, type(error).__name__)
                pause = 30.0
            if pause is None or pause > 0:
                line.wake.wait(60.0 if pause is None else min(60.0, pause))

    def step(self, target: Target) -> float | None:
        """Try the message that is due; seconds until the next try (0: at once, None: nothing waits)."""
        line, now = self._lines[target.name], self._clock.now_ns()
        if line.gone:
            return None
        if self._seconds_until(line.not_before_ns, now) > 0:
            return self._seconds_until(line.not_before_ns, now)
        if line.held:
            return self._step_held(target, line, now)
        if line.taken is not None:  # the store could not be written when it was delivered
            self._delivered(target, line.taken)
        first = self._messages.first(target.name)
        if first is None:
            return self._idle(target, now)
        message: Message | None = first
        if first.refusals >= OVERTAKEN_AFTER:
            message = self._messages.due(target.name, now, OVERTAKEN_AFTER)
        elif self._seconds_until(first.next_ns, now) > 0:
            message = None
        if message is None:
            next_ns = first.next_ns if first.refusals < OVERTAKEN_AFTER else self._messages.next_ns(target.name)
            return max(0.05, self._seconds_until(next_ns, now))
        if message.id in line.sent:  # it left from memory before it could be written
            self._delivered(target, message)
            return 0
        if now - message.created_ns > self._longest(message):
            self._give_up(target, message, "too old")
            return 0
        together = self._together(target, line, message, now)
        error = self._send(target, *together, now=now)
        if error is None:
            with self._store.transaction():
                for one in together:
                    self._delivered(target, one)
        elif len(together) == 1 or isinstance(error, UnansweredError | GoneError):
            self._failed(target, message, error)
        else:  # one of them may be at fault: each is tried by itself
            log.warning("%s: %d messages are refused together: %s", target.name, len(together), error)
            with self._store.transaction():
                for one in together:
                    self._messages.again(one, 0, str(error), refused=True)
        return 0

    def _together(self, target: Target, line: Line, first: Message, now: int) -> list[Message]:
        """Return a message and those behind it that go with it: as many as the target takes, none of them refused or
        too old or sent from memory already."""
        if target.batch == 1 or first.refusals:
            return [first]
        found = [first]
        for message in self._messages.waiting(target.name, target.batch, now):
            old = now - message.created_ns > self._longest(message)
            if message.seq > first.seq and not (message.refusals or old or message.id in line.sent):
                found.append(message)
        return found[: target.batch]

    def _send(self, target: Target, *messages: Message, now: int) -> DeliveryError | None:
        try:
            if len(messages) == 1:
                target.send(messages[0], now)
            else:
                target.send_all(messages, now)
        except DeliveryError as error:
            return error
        except Exception as error:  # one message that cannot be made must not end the line, nor delay it
            return DeliveryError(f"it cannot be made ({type(error).__name__})", permanent=True)
        return None

    def _step_held(self, target: Target, line: Line, now: int) -> float:
        """Send a message that the store could not take. What fails waits for its next turn, or for the store."""
        message = line.held[0]
        error = self._send(target, message, now=now)
        if error is None or error.permanent:
            line.sent_from_memory(message.id)
            self._count(target.name, "delivered" if error is None else "dead")
            if error is None:
                line.failures, line.refused = 0, frozenset()
            else:
                log.error("%s: message %s is given up: %s", target.name, message.id, error)
            return 0
        line.held.rotate(-1)
        self._pause(line, message, error, now)
        self._count(target.name, "retried" if isinstance(error, UnansweredError) else "refused")
        if line.failures in (1, 10, 100):
            log.warning("%s: not delivered: %s; it is tried again", target.name, error)
        return 0

    def _longest(self, message: Message) -> float:
        """Seconds for which a message is worth delivering: that a device sends now is soon out of date."""
        seconds = NOW_SECONDS if message.record["event_type"] == "listening" else self._settings.max_age_hours * 3600
        return seconds * SECOND

    def _idle(self, target: Target, now: int) -> float | None:
        try:
            return target.idle(now)
        except DeliveryError as error:
            log.debug("%s: %s", target.name, error)
            return self._settings.backoff_seconds

    def _delivered(self, target: Target, message: Message) -> None:
        line, now = self._lines[target.name], self._clock.now_ns()
        if line.failures:
            log.info("%s: reachable again", target.name)
        line.failures, line.not_before_ns, line.taken, line.refused = 0, 0, message, frozenset()
        dropped_name = f"outbox.dropped.{target.name}"
        with self._store.transaction():
            self._messages.done(message)
            dropped = self._store.state_get(dropped_name)
            if dropped and "alert" in target.events:
                self._store.state_set(dropped_name, None)
                self._messages.put(target.name, dropped_record(target.name, dropped, now).to_json(), now)
        line.taken = None
        self._count(target.name, "delivered")
        self._gauge(target.name)

    def _failed(self, target: Target, message: Message, error: DeliveryError) -> None:
        line, now = self._lines[target.name], self._clock.now_ns()
        if isinstance(error, GoneError):
            log.warning(
                "%s: the receiver is gone for good (%s); nothing is sent to it until its address changes",
                target.name,
                error,
            )
            line.gone = True
            with self._store.transaction():
                self._store.state_set(_gone(target), timestamp(now))
                self._count(target.name, "gone", self._messages.dead_all(target.name, "the receiver is gone"))
            self._gauge(target.name)
            return
        if error.permanent:
            self._give_up(target, message, str(error))
            return
        refused = not isinstance(error, UnansweredError)
        asked = self._pause(line, message, error, now)
        wait = max(asked, self._backoff(message.attempts))
        reason = f"{error} ({ASKED_TO_WAIT})" if asked else str(error)
        self._messages.again(message, now + round(wait * SECOND), reason, refused=refused)
        self._count(target.name, "refused" if refused else "retried")
        if line.failures in (1, 10, 100):
            log.warning("%s: not delivered: %s; next try in %.0f s", target.name, error, wait)

    def _pause(self, line: Line, message: Message, error: DeliveryError, now: int) -> float:
        """Let the line wait; return the seconds for which the receiver asked."""
        line.failures += 1
        asked = min(error.retry_after or 0.0, LONGEST_WAIT)
        steps = line.failures - 1
        if not isinstance(error, UnansweredError):
            # An error may be this message's fault: then the others need not wait as long as it does.
            line.refused |= {message.id}
            if len(line.refused) < REFUSED_IN_A_ROW:
                steps = min(steps, 2)
        line.not_before_ns = now + round(max(asked, self._backoff(steps)) * SECOND)
        return asked

    def _give_up(self, target: Target, message: Message, why: str) -> None:
        log.error("%s: message %s is given up: %s", target.name, message.id, why)
        self._messages.dead(message, why)
        self._count(target.name, "dead")
        self._gauge(target.name)

    def _backoff(self, attempt: int) -> float:
        """Doubling, with half of it left to chance, so that a returning receiver is not hit by all at once."""
        longest = min(self._settings.max_backoff_seconds, self._settings.backoff_seconds * 2 ** min(attempt, 30))
        return float(longest * (0.5 + 0.5 * self._chance()))

    def _seconds_until(self, time_ns: int, now: int) -> float:
        """A clock that was set back must not hold a message for longer than any wait we ever ask for."""
        seconds = (time_ns - now) / SECOND
        return 0.0 if seconds > LONGEST_WAIT else max(0.0, seconds)

    def _count(self, target: str, outcome: str, count: int = 1) -> None:
        if self._metrics is not None:
            self._metrics.delivery(target, outcome, count)

    def _gauge(self, target: str) -> None:
        if self._metrics is not None:
            self._metrics.outbox(target, self._messages.count(target)[0])


def _gone(target: Target) -> str:
    return f"outbox.gone.{target.name}.{target.address}"
