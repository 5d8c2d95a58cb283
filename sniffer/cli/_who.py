"""Who is who: in captures, on an interface for a while, or as a daemon remembers; for `devices` and `setup`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from sniffer.app.build import Rulebook
from sniffer.app.config import Config
from sniffer.capture.combined import Source
from sniffer.capture.files.open import open_capture
from sniffer.capture.files.pipe import read_stream
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.decode.frames.unread import Unread
from sniffer.errors import CaptureError
from sniffer.identify import Identifier
from sniffer.identify.traffic_volume import Traffic
from sniffer.model import Device, FrameBlock, Selection, key_text, sorted_keys
from sniffer.model.clock import Clock
from sniffer.model.protocols import TCP_SYN

_EVERYTHING = Selection(keys=None)


class Observer:
    """Learns from frames who is who, and how much each host sends."""

    def __init__(self, config: Config, rulebook: Rulebook) -> None:
        self._config, self._rulebook = config, rulebook
        self._begin()

    def _begin(self) -> None:
        rulebook, config = self._rulebook, self._config
        self.identifier = Identifier(config.identify, config.devices, rulebook.devices, rulebook.services, rulebook.oui)
        self.traffic = Traffic()
        self._dissector = Dissector()
        self.packets = 0

    def take(self, blocks: Iterable[FrameBlock]) -> Unread:
        """Look at all frames of these blocks; return what could not be decoded."""
        unread = Unread()
        for block in blocks:
            batch, errors = decode(block, _EVERYTHING)
            self.packets += len(batch)
            unread.add(block.link_type, len(block), errors)
            batch = self.identifier.resolve(batch)
            fresh = self.traffic.add(batch) | (batch.tcp_flags & TCP_SYN > 0)
            doubtful = [key for key in np.unique(batch.eth_src).tolist() if self.identifier.doubtful(key)]
            if doubtful:
                fresh |= np.isin(batch.eth_src, sorted_keys(doubtful))
            telling = np.flatnonzero(fresh)
            if len(telling):  # the others show nothing new of the sender and its addresses
                self.identifier.seen(batch.take(telling))
            self.identifier.observe(self._dissector.dissect(batch))
        return unread

    def captures(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        """Read files, or standard input (`-`). A file that cannot be read is reported and the others are read; raises
        CaptureError where none can be."""
        if not paths:
            raise CaptureError("no capture in there (pcap, pcapng, also gzipped)")
        self._read(paths, say)
        before = self.identifier
        if before.carriers and "-" not in map(str, paths):  # what they showed before that was known is of no one host
            self._begin()
            self.identifier.adopt(before)
            self._read(paths, lambda text: None)
        for line in self.identifier.news():
            say(line)

    def _read(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        bad = 0
        for path in paths:
            try:
                if str(path) == "-":
                    _tell_unread(self.take(read_stream(sys.stdin.buffer, "-")), path, say)
                    continue
                with open_capture(path) as reader:
                    _tell_unread(self.take(reader), path, say)
                    for problem in reader.problems:
                        say(f"{path}: {problem}")
            except CaptureError as error:
                bad += 1
                if bad == len(paths):
                    raise
                say(str(error))

    def live(self, source: Source, seconds: float, clock: Clock, tick: Callable[[float], None]) -> None:
        """Listen for a while."""
        start = clock.monotonic()
        while (passed := clock.monotonic() - start) < seconds:
            tick(passed)
            self.take(source.poll(min(0.5, seconds - passed)))


def ordered(devices: Iterable[Device]) -> list[Device]:
    """Those with a microphone first, then by how sure we are."""
    return sorted(devices, key=lambda device: (not device.microphone, -device.confidence, key_text(device.key)))


def what(device: Device) -> str:
    """`Amazon Echo, speaker`, or what is known."""
    names = [part for part in (device.vendor, device.model) if part]
    if len(names) == 2 and names[1].lower().startswith(names[0].lower()):
        names = names[1:]
    thing = " ".join(names)
    if device.kind == "unknown":
        return thing or "unknown"
    return f"{thing}, {device.kind}" if thing else device.kind


def _tell_unread(unread: Unread, path: Path, say: Callable[[str], None]) -> None:
    """Report what could not be decoded. Raises CaptureError where that was everything."""
    if unread.nothing_else:
        raise CaptureError(f"{path}: nothing in it can be decoded: {'; '.join(unread.sentences(0))}")
    for sentence in unread.sentences():
        say(f"{path}: {sentence}")
