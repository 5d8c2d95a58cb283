"""A fault that lasts is logged a few times, then seldom and with a count: the log stays readable, and the disk free."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TextIO

from sniffer.model.ratelimit import RateLimit

#: Equal warnings that are logged at once, and seconds between two of them after that.
BURST, SECONDS_BETWEEN = 5, 600.0
#: Different warnings that are remembered; the one that came longest ago is forgotten first.
MAX_REMEMBERED = 256


class RepeatedLines:
    """Decides which warnings are logged. Two are equal if they differ in numbers only. `monotonic` gives seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._known: OrderedDict[tuple[object, ...], tuple[RateLimit, int]] = OrderedDict()
        self._lock = threading.Lock()

    def text(self, record: logging.LogRecord, text: str) -> str | None:
        """Return what to log for a record whose text is `text`: None if it is left out, and after that with the number
        of those that were."""
        if record.levelno < logging.WARNING:
            return text
        arguments = record.args if isinstance(record.args, tuple) else ()
        kind = (record.msg, *(str(part) for part in arguments if not isinstance(part, int | float)))
        with self._lock:
            limit, left_out = self._known.pop(kind, (RateLimit(1 / SECONDS_BETWEEN, BURST), 0))
            allowed = limit.allows(self._monotonic())
            self._known[kind] = limit, 0 if allowed else left_out + 1
            if len(self._known) > MAX_REMEMBERED:
                self._known.popitem(last=False)
        if not allowed:
            return None
        return f"{text} ({left_out} more lines like this one were left out)" if left_out else text


class Limited(logging.StreamHandler[TextIO]):
    """Writes lines to a stream, but for those that only repeat."""

    def __init__(self, stream: TextIO, lines: RepeatedLines | None = None) -> None:
        super().__init__(stream)
        self._lines = lines or RepeatedLines()

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line, or leave it out."""
        try:
            text = self._lines.text(record, self.format(record))
            if text is not None:
                self.stream.write(text + self.terminator)
                self.flush()
        except Exception:  # as the standard library does: what cannot be logged ends nothing
            self.handleError(record)
