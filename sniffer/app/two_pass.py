"""How a capture file is looked at: once where that is enough.

Who is who is known at the end of a file only: a packet late in it can reveal that a host is a speaker. So while the
identities are collected, what hosts do that may turn out to be speakers is already measured. Where each device that is
watched in the end was among them from its first packet on, that was all; else the file is looked at again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

import numpy as np

from sniffer.app.pipeline import EVERYTHING, Pipeline
from sniffer.capture.files.reader import FUTURE_NS
from sniffer.decode import decode
from sniffer.decode.frames.batcher import Gatherer
from sniffer.decode.frames.unread import Unread
from sniffer.decode.novelty import News
from sniffer.detect import Detector
from sniffer.diagnostics.clock_steps import ClockSteps
from sniffer.identify import Identifier
from sniffer.model import KEY_FROM_ADDRESS, Drift, FrameBlock, Listening, PacketBatch, Selection, Upload, sorted_keys

Event = Listening | Upload | Drift

ETHERNET = 1
#: What is measured before it is known whether it matters is held up to here; a busy house has some hundred a day.
MAX_EVENTS = 50_000
#: Verdicts that wait for time to pass are given at least this often.
TICK_NS = 10_000_000_000


def gathered(blocks: Iterable[FrameBlock], selection: Selection) -> Iterator[PacketBatch]:
    """The selected rows of all blocks, few of many blocks put together."""
    gatherer = Gatherer()
    for block in blocks:
        yield from gatherer.add(block, lambda: selection, slim=block.link_type == ETHERNET)
    yield from gatherer.flush()


class FirstLook:
    """Collects who is who into the pipeline's identifier, and measures what suspects do, with a detector of its own."""

    def __init__(self, pipeline: Pipeline, detector: Detector | None) -> None:
        self._pipeline, self._detector = pipeline, detector
        self._identifier: Identifier = pipeline.stages.identifier
        self._gatherer = Gatherer()
        self._news = News(self._arrives)
        self._suspects = self._identifier.suspects()
        self._innocent: set[int] = set()
        self._selection = self._select()
        self._events: list[tuple[int, list[Event]]] = []
        self._held = 0
        self.packets = 0
        self.first_ns = self.last_ns = 0
        self.steps = ClockSteps(time.time_ns() + FUTURE_NS)
        self.start_ns = self.time_ns = 0

    def block(self, block: FrameBlock) -> None:
        """Look at the next block."""
        self.packets += len(block)
        if len(block):
            first_ns = int(block.time_ns.min())
            self.first_ns = min(self.first_ns or first_ns, first_ns)
            self.last_ns = max(self.last_ns, int(block.time_ns.max()))
        self.steps.add(block.time_ns)
        if block.link_type != ETHERNET:  # hosts are known by what is learned of their addresses, perhaps later
            self._detector = None
            self._flush()
            batch, errors = decode(block, EVERYTHING)
            self.unread.add(block.link_type, len(block), errors)
            self._look(batch)
            return
        for batch in self._gatherer.add(block, lambda: self._selection, self._news, slim=True):
            self._take(batch)
            del batch  # before the next one grows

    @property
    def repeated_datagrams(self) -> int:
        """Datagrams that were captured twice."""
        return self._detector.repeated_datagrams if self._detector is not None else 0

    @property
    def forged_packets(self) -> int:
        """Packets that claimed to come from the Internet, and did not come from the gateway."""
        return self._detector.forged_packets if self._detector is not None else 0

    @property
    def unread(self) -> Unread:
        """What could not be decoded."""
        return self._gatherer.unread

    def finish(self) -> list[tuple[int, list[Event]]] | None:
        """What was measured, each with the time it became known; None where the file must be looked at again."""
        self._flush()
        self.steps.finish()
        if self._identifier.carriers:  # their packets were measured as those of one host
            return None
        if self._detector is None or not self._suspects >= self._identifier.watched().keys():
            return None
        watched = self._identifier.watched()
        self._hold(self._detector.finish())
        return [(at_ns, [event for event in events if event.key in watched]) for at_ns, events in self._events]

    def _flush(self) -> None:
        for batch in self._gatherer.flush():
            self._take(batch)

    def _arrives(self, key: int) -> bool:
        """Look for new devices. Of one that may be a speaker, all packets are wanted from now on."""
        if key in self._suspects or key in self._innocent:
            return False
        if not (self._identifier.suspicious(key) or self._identifier.doubtful(key)):
            return False
        self._suspects.add(key)
        return True

    def _take(self, batch: PacketBatch) -> None:
        if bool(((batch.eth_src | batch.eth_dst) & np.uint64(KEY_FROM_ADDRESS)).any()):
            self._detector = None  # in a tunnel without MAC addresses: whose packets these are is known at the end
        self._look(batch)
        self._acquit()
        self._measure(batch)
        self._selection = self._select()

    def _acquit(self) -> None:
        """Stop measuring hosts that have turned out to be something else. Should one be watched in the end, the file
        is looked at again."""
        cleared = self._suspects & self._identifier.innocent()
        cleared -= {key for key in cleared if self._identifier.doubtful(key)}
        self._innocent |= cleared
        self._suspects -= cleared
        for key in cleared:
            self._news.forget(key)

    def _select(self) -> Selection:
        """Which rows are wanted as far as is known: those of suspects, and what shows who the others are."""
        return Selection(sorted_keys(self._suspects), identity=True, sample=self._pipeline.sample())

    def _look(self, batch: PacketBatch) -> None:
        self.steps.look(batch)
        batch = self._identifier.resolve(batch)
        for _ in self._pipeline.look(batch):
            pass

    def _measure(self, batch: PacketBatch) -> None:
        if not len(batch):
            return
        self.start_ns = self.start_ns or int(batch.time_ns.min())
        self.time_ns = max(self.time_ns, int(batch.time_ns.max()))
        if self._detector is not None:
            self._hold(self._detector.feed(batch, dict.fromkeys(self._suspects, 0)))

    def _hold(self, events: list[Event]) -> None:
        if events or not self._events or self.time_ns - self._events[-1][0] >= TICK_NS:
            self._held += len(events)
            self._events.append((self.time_ns, events))
        if self._held > MAX_EVENTS or len(self._events) > 2 * MAX_EVENTS:
            self._events, self._detector = [], None
