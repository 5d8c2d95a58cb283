"""Several sources as one: their packets in the order of time, as late as the slowest of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from sniffer.capture.files.replay import rows
from sniffer.capture.interleave import interleave
from sniffer.capture.remote.session import owned_copy
from sniffer.model import FrameBlock, Loss


class Source(Protocol):
    """What a source of packets offers (see `sniffer.app.daemon.PacketSource`)."""

    def poll(self, timeout: float) -> list[FrameBlock]: ...

    def complete_ns(self) -> int: ...

    def hurry(self, hurried: bool) -> None: ...

    def watch(self, keys: Iterable[int] | None) -> None: ...

    def statistics(self) -> Mapping[str, Any]: ...

    def up(self) -> Mapping[str, bool]: ...

    def losses(self) -> list[Loss]: ...

    def events(self) -> list[str]: ...

    def close(self) -> None: ...


class CombinedSource:
    """Packets of all `sources`. One packet that two of them saw comes twice; the detector counts it once, datagrams
    only where the clocks of both sources agree within its tolerance."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = tuple(sources)
        self._held: list[FrameBlock] = []
        self._complete_ns = 0

    def poll(self, timeout: float) -> list[FrameBlock]:
        """What all sources have handed out, up to the time for which all are complete."""
        for number, source in enumerate(self._sources):
            self._held += [owned_copy(block) for block in source.poll(0.0 if number else timeout) if len(block)]
        complete_ns = self.complete_ns()
        due: list[FrameBlock] = []
        later: list[FrameBlock] = []
        for block in self._held:
            ready = block.time_ns <= complete_ns
            if ready.all():
                due.append(block)
            elif not ready.any():
                later.append(block)
            else:
                due.append(_part(block, ready))
                later.append(_part(block, ~ready))
        self._held = later
        return interleave(due)

    def complete_ns(self) -> int:
        """Everything that was captured before this time has been handed out."""
        self._complete_ns = max(self._complete_ns, min(source.complete_ns() for source in self._sources))
        return self._complete_ns

    def hurry(self, hurried: bool) -> None:
        for source in self._sources:
            source.hurry(hurried)

    def watch(self, keys: Iterable[int] | None) -> None:
        wanted = None if keys is None else frozenset(keys)
        for source in self._sources:
            source.watch(wanted)

    def statistics(self) -> Mapping[str, Any]:
        return {name: one for source in self._sources for name, one in source.statistics().items()}

    def up(self) -> Mapping[str, bool]:
        return {name: up for source in self._sources for name, up in source.up().items()}

    def health(self) -> Mapping[str, Any]:
        """How the sources on other machines are, by label."""
        found: dict[str, Any] = {}
        for source in self._sources:
            found |= getattr(source, "health", dict)()
        return found

    def losses(self) -> list[Loss]:
        return [loss for source in self._sources for loss in source.losses()]

    def events(self) -> list[str]:
        return [line for source in self._sources for line in source.events()]

    def close(self) -> None:
        for source in self._sources:
            source.close()


def _part(block: FrameBlock, wanted: Any) -> FrameBlock:
    """Some rows of a block."""
    return rows(block, np.flatnonzero(wanted))
