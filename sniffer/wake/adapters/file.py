"""Wake events from a file: one JSON object a line, read at once or followed while it grows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sniffer.errors import WakeError
from sniffer.model import WakeEvent
from sniffer.wake.events import MAX_LINE, parse_event, parse_json

#: More events than a house makes in years.
MAX_EVENTS = 200_000


def read_events(path: Path) -> list[WakeEvent]:
    """All events of a file, sorted by time. Raises WakeError with file and line.

    Blank lines and lines that begin with `#` are skipped, and so are other records, so that the daemon's own event
    log can be read back.
    """
    return sorted(_lines(path), key=lambda event: (event.time_ns, event.source, event.kind, event.device or ""))


def _lines(path: Path) -> Iterator[WakeEvent]:
    number = count = 0
    try:
        with path.open("rb") as stream:
            while line := stream.readline(MAX_LINE + 1):
                number += 1
                text = line.strip()
                if number == 1:
                    text = text.removeprefix(b"\xef\xbb\xbf")
                if not text or text.startswith(b"#"):
                    continue
                value = parse_json(text)
                if isinstance(value, dict) and value.get("event_type", "wake") != "wake":
                    continue
                count += 1
                if count > MAX_EVENTS:
                    raise WakeError(f"over {MAX_EVENTS} events: give a part of the file")
                yield parse_event(value)
    except OSError as error:
        raise WakeError(f"{path}: cannot be read: {error.strerror}") from None
    except WakeError as error:
        raise WakeError(f"{path}:{number}: {error}") from None
