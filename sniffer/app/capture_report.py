"""Reports what stands between the packets and the detector: frames that cannot be decoded, packets that are merged,
captured twice or pass elsewhere, devices that are not seen. Each is counted, and logged once."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from sniffer.app.pipeline import Stages
from sniffer.decode.frames.unread import Unread
from sniffer.diagnostics.missing_bytes import HIDDEN_REMEDY, HiddenBytes
from sniffer.diagnostics.silence import SilenceWatch
from sniffer.diagnostics.visibility import LONGEST_FRAME
from sniffer.model import DecodeErrors, FrameBlock, PacketBatch, sorted_keys
from sniffer.model.clock import Clock
from sniffer.sinks.metrics import Metrics

logger = logging.getLogger("sniffer")

#: Seconds after which a configured device that has sent nothing is reported, where other hosts were seen.
UNSEEN_AFTER = 60.0
#: Seconds over which the share of the frames that cannot be decoded is computed.
UNREAD_SECONDS = 60.0


class CaptureReport:
    """One for each daemon. `replayed`: no device is reported as unseen, since the capture may end before it sends.
    `silence` watches whether packets of other hosts arrive."""

    def __init__(self, metrics: Metrics, clock: Clock, silence: SilenceWatch | None, *, replayed: bool) -> None:
        self._metrics, self._clock, self._silence, self._replayed = metrics, clock, silence, replayed
        self._began = clock.monotonic()
        self._next_unread = self._began + UNREAD_SECONDS
        self._unread, self._reported_unread = Unread(), set[str]()
        self._hidden: dict[str, HiddenBytes] = {}
        self._reported_hidden: set[str] = set()
        self._suspicious = self._forged = 0
        self._reported_repeats = self._reported_unseen = False
        #: Packets that could not be decoded, since the start.
        self.decode_errors = 0

    def frames(self, block: FrameBlock, errors: DecodeErrors, stages: Stages) -> None:
        """Count what could not be decoded and what is suspicious; each minute, warn once about each kind of frame that
        cannot be decoded."""
        self.undecoded(errors.by_protocol)
        detector = stages.detector
        if errors.overlong:
            self._metrics.suspicious("length", errors.overlong)
        if detector.suspicious_segments > self._suspicious:
            self._metrics.suspicious("sequence", detector.suspicious_segments - self._suspicious)
        self._suspicious = detector.suspicious_segments
        if detector.forged_packets > self._forged:
            self._metrics.suspicious("source", detector.forged_packets - self._forged)
            if not self._forged:
                logger.warning(
                    "%s: packets to speakers claim to come from the Internet, and another host than the router sent "
                    "them: they are not counted",
                    block.interface,
                )
        self._forged = detector.forged_packets
        if detector.repeated_datagrams and not self._reported_repeats:
            self._reported_repeats = True
            logger.warning("%s: datagrams are captured twice, and counted once (as at a mirror port)", block.interface)
        self._unread.add(block.link_type, len(block), errors)
        if self._clock.monotonic() >= self._next_unread:
            self._next_unread = self._clock.monotonic() + UNREAD_SECONDS
            for sentence in self._unread.news(self._reported_unread):
                logger.warning("%s: %s", block.interface, sentence)
            self._unread = Unread()

    def packets(self, batch: PacketBatch, watched: Iterable[int], *, lost: bool) -> None:
        """Count packets that were merged, and bytes of watched devices that pass elsewhere; the latter is logged once.
        `lost`: the kernel dropped packets just now, and these must not be taken for bytes that pass elsewhere."""
        name = batch.interface
        merged = int((batch.wire_len > LONGEST_FRAME).sum())
        if merged:
            self._metrics.merged(name, merged)
        if lost:
            self.forget(name)
        hidden = self._hidden.setdefault(name, HiddenBytes()).add(batch, sorted_keys(watched))
        if hidden:
            self._metrics.hidden(name, hidden)
            if name not in self._reported_hidden:
                self._reported_hidden.add(name)
                logger.warning("%s: watched devices send bytes that do not pass here: %s", name, HIDDEN_REMEDY)
        if self._silence is not None:
            self._silence.add(batch, self._clock.monotonic())

    def forget(self, interface: str) -> None:
        """Start anew on an interface that has lost packets."""
        self._hidden.pop(interface, None)

    def identified(self, stages: Stages) -> None:
        """Count what the identity packets left out, and log what they changed."""
        for reason, number in stages.dissector.left_out().items():
            self._metrics.identity_skipped(reason, number)
        self.undecoded(stages.dissector.errors)
        stages.dissector.errors.clear()
        for change, number in stages.identifier.counts.items():
            self._metrics.identity_change(change, number)
        stages.identifier.counts.clear()
        for line in stages.identifier.news():
            logger.warning("%s", line)

    def unseen(self, stages: Stages) -> None:
        """Report once the configured devices that have sent nothing since the start; call it when others have."""
        running = self._clock.monotonic() - self._began
        if self._reported_unseen or self._replayed or running < UNSEEN_AFTER:
            return
        self._reported_unseen = True
        for unseen in stages.identifier.unseen():
            logger.warning("%s in the %.0f seconds since the start", unseen, running)

    def silent(self, up: Mapping[str, bool]) -> None:
        """Warn about interfaces that are up, and on which no packets of other hosts arrive."""
        if self._silence is None:
            return
        for line in self._silence.check([name for name, capturing in up.items() if capturing], self._clock.monotonic()):
            logger.warning("%s", line)
        for interface, seen in self._silence.seen().items():
            self._metrics.sees_others(interface, seen)

    def undecoded(self, errors: Mapping[str, int]) -> None:
        """Count what could not be decoded, by protocol."""
        for protocol, number in errors.items():
            if number:
                self._metrics.decode_error(protocol, number)
                self.decode_errors += number
