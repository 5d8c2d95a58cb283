"""Server-sent events for the page: what kind of thing happened, so that the script fetches what it shows anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator

from sniffer.model import Record
from sniffer.web.backend import PageBackend

#: Seconds between comments on an idle stream, so that a dead connection is noticed at both ends.
HEARTBEAT_SECONDS = 10.0
#: Events that wait for one slow reader; then it is cut off, and its script connects again.
BACKLOG = 64
#: Pages that are open at once: phones, tablets and desktops of one house.
MAX_READERS = 32
#: Records that change what a page shows.
STREAMED = frozenset(
    {"upload", "listening", "device", "wake", "alert", "resolved", "loss", "drift", "question", "answer"}
)


class Live:
    """The streams that are open."""

    def __init__(self, backend: PageBackend) -> None:
        self._backend, self._open = backend, 0

    @property
    def full(self) -> bool:
        """Whether no more readers are taken."""
        return self._open >= MAX_READERS

    async def events(self) -> AsyncGenerator[str]:
        """Events until the reader leaves: `hello` with the version first, then one a record."""
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | None] = asyncio.Queue(BACKLOG)

        def put(text: str) -> None:
            if queue.full():
                queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(text)

        def heard(record: Record) -> None:
            if record.get("event_type") in STREAMED and not loop.is_closed():
                loop.call_soon_threadsafe(put, brief(record))

        unsubscribe = self._backend.subscribe(heard)
        self._open += 1
        try:
            yield f"retry: 2000\nevent: hello\ndata: {json.dumps(self._backend.about())}\n\n"
            while True:
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT_SECONDS)
                except TimeoutError:
                    yield "event: beat\ndata: {}\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._open -= 1
            unsubscribe()


def brief(record: Record) -> str:
    """One record as an event: its type and id, and nothing that has to be escaped in a page."""
    data = {"type": record["event_type"], "id": record.get("id"), "listening": record.get("listening")}
    return f"event: change\ndata: {json.dumps(data)}\n\n"
