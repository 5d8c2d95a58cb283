"""Holds the newest log lines, for the page."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence

from sniffer.app.repeated_lines import RepeatedLines
from sniffer.model import Record

#: Log lines that the page can show.
MAX_LOG_LINES = 300


class LogKeeper(logging.Handler):
    """Holds the newest log lines."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._lines: deque[Record] = deque(maxlen=MAX_LOG_LINES)
        self._repeated = RepeatedLines()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line, unless it only repeats others."""
        text = self._repeated.text(record, record.getMessage()[:1000])
        if text is None:
            return
        self._lines.append({"time_ns": int(record.created * 1e9), "level": record.levelname, "text": text})

    def lines(self) -> Sequence[Record]:
        """Newest first."""
        return tuple(reversed(self._lines.copy()))
