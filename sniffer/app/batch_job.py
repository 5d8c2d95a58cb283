"""Captures to verdicts: the pipeline over a file or a stream.

A file is looked at once or twice (`sniffer.app.two_pass`). A stream is looked at once, and a device is judged from the
moment that it is recognised.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from sniffer.app.build import Rulebook, build_detector, build_pipeline
from sniffer.app.config import Config
from sniffer.app.pipeline import EVERYTHING, Pipeline
from sniffer.app.two_pass import Event, FirstLook, gathered
from sniffer.capture.files.open import open_capture
from sniffer.capture.files.pipe import read_stream
from sniffer.capture.files.reader import FUTURE_NS, CaptureReader
from sniffer.decode import decode
from sniffer.decode.frames.unread import Unread
from sniffer.diagnostics import clock_steps
from sniffer.diagnostics.clock_steps import ClockSteps
from sniffer.errors import CaptureError
from sniffer.identify import Identifier
from sniffer.identify.configured import Unseen
from sniffer.model import Device, Fact, Loss, Record, Selection, Upload, UploadClass, WakeEvent, sorted_keys
from sniffer.wake.file_sources import file_sources

#: Called with bytes read so far, of both looks together, and how many there are in all.
Progress = Callable[[int, int], None]

#: Dropped packets to captured ones, above which a capture's verdicts are in doubt: an upload has some hundred packets,
#: so of a thousandth one upload in ten would miss a single one.
MAX_DROPPED_SHARE = 0.001

#: A capture of at most this size (bytes) is read once more for hosts that no rule knows, whatever else is in it.
UNKNOWN_BYTES = 64 << 20
#: How probable speech must be to count for such a host.
LIKE_SPEECH = 0.9
#: Facts that captures share: a house has some hundred.
MAX_FACTS = 20_000


@dataclass
class Outcome:
    """What is known of one capture once it was judged."""

    capture: str
    packets: int = 0
    first_ns: int = 0  # of its packets; 0 where there are none, and for a stream
    last_ns: int = 0
    undecoded: int = 0  # frames of which something could not be decoded
    problems: list[str] = field(default_factory=list)
    hosts: list[Device] = field(default_factory=list)
    watched: list[Device] = field(default_factory=list)
    unseen: list[Unseen] = field(default_factory=list)


class _FirstPass(NamedTuple):
    """What reading a file once gives; `measured` is None where it must be read again."""

    pipeline: Pipeline
    look: FirstLook
    reader: CaptureReader
    measured: list[tuple[int, list[Event]]] | None


@dataclass
class OfflineJudge:
    """Judges captures with one configuration, one set of rules and one list of wake events."""

    config: Config
    rulebook: Rulebook
    events: Sequence[WakeEvent] = ()
    facts: dict[tuple[int, str, str], Fact] = field(default_factory=dict)

    def facts_of(self, path: Path) -> list[Fact]:
        """What the hosts of this capture show of themselves: in other captures of the same house they may show
        nothing. Raises CaptureError."""
        pipeline = self._who_is_who(path, str(path), None).pipeline
        return [fact for device in pipeline.stages.identifier.devices() for fact in device.facts][:MAX_FACTS]

    def learn(self, facts: Sequence[Fact]) -> None:
        """Remember facts for all captures that are judged from now on."""
        for fact in facts[: MAX_FACTS - len(self.facts)]:
            self.facts.setdefault((fact.key, fact.kind, fact.value), fact)

    def file(self, path: Path, outcome: Outcome, progress: Progress) -> Iterator[Record]:
        """The records of one capture file, as they become due. `outcome` is filled meanwhile.

        Raises CaptureError where nothing can be read; what is wrong further on is in `outcome.problems`.
        """
        pipeline, look, reader, measured = self._who_is_who(path, outcome.capture, progress)
        outcome.packets, outcome.first_ns, outcome.last_ns = look.packets, look.first_ns, look.last_ns
        outcome.problems.extend(reader.problems)
        _note_unread(look.unread, outcome)
        outcome.problems.extend(clock_steps.sentences(look.steps))
        total, dropped = 2 * (reader.size or 0), reader.dropped
        if self._listen_to_unknown(path, pipeline, reader.size or 0):
            measured = None
        _take_stock(pipeline, outcome)
        if not outcome.watched:
            return
        pipeline.look_again()
        yield from pipeline.devices()
        yield from self._wake(pipeline)
        yield from _doubts(pipeline, look.steps, outcome)
        if measured is not None:
            pipeline.start_ns = look.start_ns
            for time_ns, events in measured:
                yield from pipeline.measured(time_ns, events)
        else:
            with open_capture(path) as reader:
                for batch in gathered(reader, pipeline.selection):
                    yield from pipeline.packets(batch)
                    progress(total // 2 + reader.bytes_read, total)
        detector = pipeline.stages.detector
        _note_repeats(max(look.repeated_datagrams, detector.repeated_datagrams), outcome)
        _note_forged(max(look.forged_packets, detector.forged_packets), outcome)
        yield from _losses(pipeline, dropped, outcome)
        yield from pipeline.finish()

    def _who_is_who(
        self, path: Path, capture: str, progress: Progress | None, before: Identifier | None = None
    ) -> _FirstPass:
        """Learn from a whole file who is who, and measure what may be speakers meanwhile if there is `progress`. Where
        a MAC address turns out to carry several hosts, its packets are looked at anew, host by host."""
        pipeline = self._pipeline(capture)
        identifier = pipeline.stages.identifier
        if before is not None:
            identifier.adopt(before)
        if progress is not None:
            identifier.recall(self.facts.values())
        detector = build_detector(self.config, self.rulebook, identifier) if progress is not None else None
        look = FirstLook(pipeline, detector)
        with open_capture(path) as reader:
            for block in reader:
                look.block(block)
                if progress is not None:
                    progress(reader.bytes_read, 2 * (reader.size or 0))
        measured = look.finish()
        if identifier.carriers and before is None:
            return self._who_is_who(path, capture, progress, identifier)
        return _FirstPass(pipeline, look, reader, measured)

    def _listen_to_unknown(self, path: Path, pipeline: Pipeline, size: int) -> bool:
        """Look at what hosts send that no rule knows: one that behaves like a speaker is listed from here on. Return
        whether there is one. Large captures are looked at where nothing else is watched."""
        identifier = pipeline.stages.identifier
        unknown = identifier.unknown()
        if not unknown or (size > UNKNOWN_BYTES and identifier.watched()):
            return False
        detector = build_detector(self.config, self.rulebook, identifier)
        since = dict.fromkeys(unknown, 0)
        events: list[Event] = []
        with open_capture(path) as reader:
            for batch in gathered(reader, Selection(keys=sorted_keys(identifier.aliases(unknown)), identity=False)):
                events += detector.feed(identifier.resolve(batch), since)
        events += detector.finish()
        uploads = [event for event in events if isinstance(event, Upload)]
        streams = {upload.key for upload in uploads if upload.upload_class is UploadClass.MEDIA}  # a camera, or a call
        for upload in uploads:
            like_speech = upload.upload_class is UploadClass.SPEECH and upload.probability >= LIKE_SPEECH
            if like_speech and upload.key not in streams:
                identifier.sounds(upload.key, upload.start_ns, upload.probability)
        return not unknown.isdisjoint(identifier.watched())

    def stream(self, stream: BinaryIO, outcome: Outcome) -> Iterator[Record]:
        """The records of a capture that arrives on a stream, while it arrives. Raises CaptureError."""
        pipeline = self._pipeline(outcome.capture)
        yield from self._wake(pipeline)
        reader = read_stream(stream, outcome.capture)
        unread, steps = Unread(), clock_steps.ClockSteps(time.time_ns() + FUTURE_NS)
        for block in reader:
            outcome.packets += len(block)
            batch, errors = decode(block, EVERYTHING)
            unread.add(block.link_type, len(block), errors)
            steps.add(block.time_ns)
            steps.look(batch)
            yield from pipeline.packets(batch)
        _note_unread(unread, outcome)
        steps.finish()
        outcome.problems.extend(clock_steps.sentences(steps))
        outcome.problems.extend(reader.problems)
        yield from _losses(pipeline, reader.dropped, outcome)
        yield from _doubts(pipeline, steps, outcome)
        _note_repeats(pipeline.stages.detector.repeated_datagrams, outcome)
        _note_forged(pipeline.stages.detector.forged_packets, outcome)
        yield from pipeline.finish()
        _take_stock(pipeline, outcome)

    def _pipeline(self, capture: str) -> Pipeline:
        return build_pipeline(self.config, self.rulebook, file_sources(self.events), capture, offline=True)

    def _wake(self, pipeline: Pipeline) -> Iterator[Record]:
        for event in self.events:
            yield from pipeline.wake(event)


def _note_unread(unread: Unread, outcome: Outcome) -> None:
    """Report what could not be decoded. Raises CaptureError where that was everything."""
    outcome.undecoded = unread.total
    if unread.nothing_else:
        raise CaptureError(f"{outcome.capture}: nothing in it can be decoded: {'; '.join(unread.sentences(0))}")
    outcome.problems.extend(unread.sentences())


def _losses(pipeline: Pipeline, dropped: dict[str, int], outcome: Outcome) -> Iterator[Record]:
    """What the capturing host says it dropped, it says for the whole capture: when it was is not known. A few packets
    of very many neither make an upload nor hide one; above that share, no upload is called unexpected."""
    for interface, count in dropped.items():
        if count:
            outcome.problems.append(f"the capturing host dropped {count} packets")
        if count > MAX_DROPPED_SHARE * outcome.packets:
            yield from pipeline.loss(Loss(interface or outcome.capture, pipeline.start_ns, pipeline.time_ns, count))


def _note_repeats(count: int, outcome: Outcome) -> None:
    if count:
        outcome.problems.append(f"{count} datagrams were captured twice (as at a mirror port) and are counted once")


def _note_forged(count: int, outcome: Outcome) -> None:
    if count:
        outcome.problems.append(
            f"{count} packets to speakers claim to come from the Internet, and another host than the router sent them: "
            "they are not counted"
        )


def _doubts(pipeline: Pipeline, steps: ClockSteps, outcome: Outcome) -> Iterator[Record]:
    """Where the clock was set or wrong, what time it was is not known: it counts as packets that were lost."""
    for doubt in steps.doubts(outcome.capture):
        yield from pipeline.leap(doubt.start_ns, doubt.end_ns)


def _take_stock(pipeline: Pipeline, outcome: Outcome) -> None:
    identifier = pipeline.stages.identifier
    watched = identifier.watched()
    outcome.hosts = identifier.devices()
    outcome.watched = [device for device in outcome.hosts if device.key in watched]
    outcome.unseen = identifier.unseen()
    outcome.problems.extend(identifier.news())
    if cut := pipeline.stages.dissector.cut:
        what = "1 packet that carries names was" if cut == 1 else f"{cut} packets that carry names were"
        outcome.problems.append(f"{what} cut by the snap length: devices and services may stay unknown")
