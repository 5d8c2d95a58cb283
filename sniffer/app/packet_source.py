"""What the daemon asks of a source of packets: live interfaces, or a replayed capture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from sniffer.model import FrameBlock, Loss


class Counts(Protocol):
    """What an interface gave since the start: frames received, frames the kernel dropped."""

    @property
    def received(self) -> int: ...

    @property
    def dropped(self) -> int: ...


class PacketSource(Protocol):
    """Where the packets come from: live interfaces, or a replayed capture."""

    def poll(self, timeout: float) -> list[FrameBlock] | None:
        """Blocks that are there, at the latest after `timeout` seconds; None where no more will come."""
        ...

    def complete_ns(self) -> int:
        """Everything that was captured before this time has been handed out; 0 before the first packet."""
        ...

    def hurry(self, hurried: bool) -> None:
        """Whether packets are wanted soon (something is being uploaded), or in larger and cheaper portions."""
        ...

    def watch(self, keys: Iterable[int]) -> None:
        """From now on, the packets of these devices are wanted."""
        ...

    def statistics(self) -> Mapping[str, Counts]: ...

    def up(self) -> Mapping[str, bool]:
        """By interface, whether it is captured from."""
        ...

    def losses(self) -> list[Loss]: ...

    def events(self) -> list[str]: ...

    def close(self) -> None: ...
