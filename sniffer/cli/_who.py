"""Who is who: in captures, on an interface for a while, or as a daemon remembers; for `devices` and `setup`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from sniffer.app.build import Rulebook
from sniffer.app.config import Config
from sniffer.capture.files.open import open_capture
from sniffer.capture.files.pipe import read_stream
from sniffer.capture.live.live import LiveCapture
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.errors import CaptureError
from sniffer.identify import Identifier
from sniffer.identify.traffic_volume import Traffic
from sniffer.model import Device, FrameBlock, Selection, key_text
from sniffer.model.clock import Clock
from sniffer.model.protocols import TCP_SYN

_EVERYTHING = Selection(keys=None)


class Observer:
    """Learns from frames who is who, and how much everybody sends."""

    def __init__(self, config: Config, rulebook: Rulebook) -> None:
        self.identifier = Identifier(config.identify, config.devices, rulebook.devices, rulebook.services, rulebook.oui)
        self.traffic = Traffic()
        self._dissector = Dissector()
        self.packets = 0

    def take(self, blocks: Iterable[FrameBlock]) -> None:
        """Look at all frames of these blocks."""
        for block in blocks:
            batch, _ = decode(block, _EVERYTHING)
            self.packets += len(batch)
            batch = self.identifier.resolve(batch)
            telling = np.flatnonzero(self.traffic.add(batch) | (batch.tcp_flags & TCP_SYN > 0))
            if len(telling):  # the others say nothing new of who sends from where
                self.identifier.seen(batch.take(telling))
            self.identifier.observe(self._dissector.dissect(batch))

    def captures(self, paths: Sequence[Path], say: Callable[[str], None]) -> None:
        """Look at files, or at standard input (`-`). A bad one is told and the rest is read; CaptureError where none
        can be."""
        if not paths:
            raise CaptureError("no capture in there (pcap, pcapng, also gzipped)")
        bad = 0
        for path in paths:
            try:
                if str(path) == "-":
                    self.take(read_stream(sys.stdin.buffer, "-"))
                    continue
                with open_capture(path) as reader:
                    self.take(reader)
                    for problem in reader.problems:
                        say(f"{path}: {problem}")
            except CaptureError as error:
                bad += 1
                if bad == len(paths):
                    raise
                say(str(error))

    def live(self, source: LiveCapture, seconds: float, clock: Clock, tick: Callable[[float], None]) -> None:
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
