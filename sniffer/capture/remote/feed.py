"""What a sender of packets offers: a connection that gives blocks of frames until it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from sniffer.capture.files.pipe import read_stream
from sniffer.model import FrameBlock

#: The devices to watch, by key; None is everything.
Keys = frozenset[int] | None


class Connection(Protocol):
    """One connection. `blocks` waits for packets, on a thread of its own; `close` may be called from another."""

    def blocks(self) -> Iterator[FrameBlock]:
        """Blocks as they arrive, until the sender ends; an empty one as soon as the sender captures. Raises
        CaptureError."""
        ...

    def watch(self, keys: Keys) -> bool:
        """Change what is captured without a new connection; return False where that is not possible."""
        ...

    def dropped(self) -> int:
        """How many packets the sender says that it dropped, in all."""
        ...

    def close(self) -> None:
        """End it; `blocks` ends soon."""
        ...


class Feed(Protocol):
    """A sender of packets.

    `label` names it. `filters` says that the sender captures only what is wanted, so that a change of the watched
    devices needs a new connection, and `overlaps` that two connections may exist at a time. `own_clock` says that the
    sender stamps the packets. After `silence_seconds` without data a connection is taken for dead, and after
    `renew_seconds` it is made anew; None is never. `alive_seconds` is how long a connection may have been dead when it
    is noticed.
    """

    @property
    def label(self) -> str: ...

    @property
    def filters(self) -> bool: ...

    @property
    def overlaps(self) -> bool: ...

    @property
    def own_clock(self) -> bool: ...

    @property
    def silence_seconds(self) -> float | None: ...

    @property
    def alive_seconds(self) -> float: ...

    @property
    def renew_seconds(self) -> float | None: ...

    def connect(self, keys: Keys) -> Connection:
        """Connect. Raises CaptureError with what is wrong and what to do."""
        ...

    def close(self) -> None:
        """Give up what is held between connections."""
        ...


def stream_blocks(stream: BinaryIO, label: str) -> Iterator[FrameBlock]:
    """The blocks of a capture (pcap or pcapng) that arrives on a stream; an empty one once its header was read."""
    reader = read_stream(stream, label)
    reader.detect()
    yield empty_block(label)
    yield from reader


def empty_block(label: str) -> FrameBlock:
    """A block without frames: the sender captures."""
    import numpy as np

    none64, none32 = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    return FrameBlock(label, 1, memoryview(b""), none64, none32, none32, none64)
