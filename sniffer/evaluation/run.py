"""One labelled capture through reading, identification and the detector, and through the comparison detectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.app.build import Rulebook
from sniffer.app.config import Config
from sniffer.capture.files.open import open_capture
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.detect import Detector
from sniffer.detect.flows.rows import LocalNetworks
from sniffer.detect.parts import ALL, Parts
from sniffer.errors import CaptureError
from sniffer.evaluation.baselines import BASELINES, Alarm, Traffic, together, traffic_of
from sniffer.evaluation.baselines.lsh import Stretch, Stretches
from sniffer.evaluation.datasets import LabelledCapture, Utterance
from sniffer.evaluation.joy import read_joy
from sniffer.identify import Identifier
from sniffer.model import (
    Device,
    FlowKey,
    Listening,
    PacketBatch,
    Selection,
    Service,
    ServiceLookup,
    Upload,
    address_key,
    key_text,
)
from sniffer.model.clock import SECOND

_LONGEST_GAP_NS = 300 * SECOND
#: An alarm belongs to a command that was said to be spoken at that time if it overlaps with it and so much before and
#: after: clocks and notes differ, and the upload goes on while the cloud listens.
EARLY_NS, LATE_NS = 2 * SECOND, 3 * SECOND
#: How long a command lasts where only its beginning is known.
LENGTH_NS = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Judged:
    """One device of a capture: what it sent to the Internet, and its vendor, where known."""

    traffic: Traffic
    vendor: str | None


@dataclass(slots=True)
class Played:
    """What came of one capture. `hours` are those of all judged devices together; `spoken` are the commands as
    (start, end) in nanoseconds of Unix time, where their times are known."""

    capture: LabelledCapture
    uploads: list[Upload] = field(default_factory=list)
    listening: list[Listening] = field(default_factory=list)
    alarms: dict[str, list[Alarm]] = field(default_factory=dict)
    scored: dict[str, list[tuple[int, int, float]]] = field(
        default_factory=dict
    )  # of trained ones: (start, end, score)
    hours: float = 0.0
    devices: list[Judged] = field(default_factory=list)
    stretches: list[Stretch] = field(default_factory=list)
    begin_ns: int = 0
    end_ns: int = 0
    spoken: tuple[tuple[int, int], ...] = ()

    def take(self, events: Sequence[object]) -> None:
        """Keep what the detector reports."""
        for event in events:
            if isinstance(event, Upload):
                self.uploads.append(event)
            elif isinstance(event, Listening):
                self.listening.append(event)


class Nameless:
    """A lookup that knows no host names: what a capture from mid-connection has."""

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service:
        return Service()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A capture that was read and whose hosts are identified, for detectors that judge it one after the other."""

    played: Played
    batches: Sequence[PacketBatch]
    watched: Mapping[int, int]
    services: ServiceLookup


def prepare(capture: LabelledCapture, config: Config, rulebook: Rulebook) -> Prepared:
    """Read a capture into memory and identify who is in it. Raises CaptureError."""
    played, watched, identifier = _identified(capture, config, rulebook)
    batches = [identifier.resolve(batch) for batch in read_all(capture)]
    networks = LocalNetworks(config.detect.local_networks)
    for key in watched:
        traffic = traffic_of(batches, key, networks, identifier)
        played.devices.append(Judged(traffic, identifier.device(key).vendor))
    return Prepared(played, batches, watched, identifier)


def play(
    capture: LabelledCapture, config: Config, rulebook: Rulebook, *, names: bool = True, parts: Parts = ALL
) -> Played:
    """Everything the detectors make of a capture, in two passes: who is there, and what they send. Raises
    CaptureError."""
    played, watched, identifier = _identified(capture, config, rulebook)
    networks = LocalNetworks(config.detect.local_networks)
    services: ServiceLookup = identifier if names else Nameless()
    detector = Detector(config.detect, rulebook.weights, services, {}, parts=parts)
    sent: dict[int, list[Traffic]] = {key: [] for key in watched}
    cutter = Stretches(networks)
    for raw in read(capture):
        batch = identifier.resolve(raw)
        played.take(detector.feed(batch, watched))
        for key in watched:
            sent[key].append(traffic_of([batch], key, networks, services))
        played.stretches += cutter.feed(batch, set(watched))
    played.take(detector.finish())
    played.stretches += cutter.finish()
    for key, pieces in sent.items():
        judged = Judged(together(pieces), identifier.device(key).vendor)
        played.devices.append(judged)
        for name, baseline in BASELINES.items():
            played.alarms.setdefault(name, []).extend(baseline.detect(judged.traffic, judged.vendor))
    return played


def _identified(
    capture: LabelledCapture, config: Config, rulebook: Rulebook
) -> tuple[Played, Mapping[int, int], Identifier]:
    """The first pass: who is judged, and when it was."""
    identifier = Identifier(config.identify, config.devices, rulebook.devices, rulebook.services, rulebook.oui)
    networks = LocalNetworks(config.detect.local_networks)
    dissector = Dissector()
    local: set[int] = set()
    clock = _Clock()
    for batch in read(capture):
        identifier.seen(batch)
        identifier.observe(dissector.dissect(batch))
        local |= local_hosts([batch], networks)
        clock.see(batch)
    watched = _watched(capture, identifier, local)
    played = Played(capture, begin_ns=clock.begin_ns, end_ns=clock.end_ns)
    played.hours = len(watched) * clock.watched_ns / 3.6e12
    played.spoken = tuple(_window(utterance, clock.begin_ns) for utterance in capture.spoken)
    return played, watched, identifier


def _watched(capture: LabelledCapture, identifier: Identifier, local: set[int]) -> dict[int, int]:
    """Who is judged: the host that the label names, or recognised speakers, or every local host."""
    if capture.host is not None:
        hosts = [capture.host, *(device.key for device in identifier.devices() if _has(device, capture.host))]
        found = [host for host in hosts if host in local]
        if not found:
            raise CaptureError(f"{capture.path}: the labelled device {key_text(capture.host)} sends nothing in it")
        return dict.fromkeys(found, 0)
    watched = {} if capture.everybody else {key: 0 for key in identifier.watched() if key in local}
    return watched or dict.fromkeys(local, 0)


def _has(device: Device, key: int) -> bool:
    """Does this device have the address from which the key was made?"""
    return device.address is not None and address_key(*device.address) == key


def _window(utterance: Utterance, begin_ns: int) -> tuple[int, int]:
    base = begin_ns if utterance.relative else 0
    end = utterance.end_ns if utterance.end_ns is not None else utterance.start_ns + LENGTH_NS
    return base + utterance.start_ns - EARLY_NS, base + end + LATE_NS


def read(capture: LabelledCapture) -> Iterator[PacketBatch]:
    """The packets of a capture; each batch is valid until the next is asked for. Raises CaptureError."""
    if capture.path.suffix == ".json":
        yield read_joy(capture.path)
        return
    with open_capture(capture.path) as reader:
        for block in reader:
            yield decode(block, Selection())[0]


def read_all(capture: LabelledCapture) -> list[PacketBatch]:
    """The packets of a capture, kept in memory. Raises CaptureError."""
    return [_kept(batch) for batch in read(capture)]


def _kept(batch: PacketBatch) -> PacketBatch:
    """A batch that outlives the reader's buffer."""
    rows = batch.take(np.arange(len(batch)))
    columns = {name: getattr(rows, name) for name in rows.__slots__ if name not in ("interface", "link_type", "data")}
    return PacketBatch(rows.interface, rows.link_type, memoryview(bytes(batch.data)), **columns)


@dataclass(slots=True)
class _Clock:
    """How long the capture watched: gaps of over five minutes are where nobody captured."""

    begin_ns: int = 0
    end_ns: int = 0
    watched_ns: int = 0

    def see(self, batch: PacketBatch) -> None:
        if not len(batch):
            return
        times = np.sort(batch.time_ns)
        first = self.end_ns or int(times[0])
        self.begin_ns = min(self.begin_ns, int(times[0])) if self.begin_ns else int(times[0])
        self.end_ns = max(first, int(times[-1]))
        steps = np.diff(np.concatenate(([first], times[times > first])))
        self.watched_ns += int(np.minimum(steps, _LONGEST_GAP_NS).sum())


def local_hosts(batches: Iterable[PacketBatch], networks: LocalNetworks) -> set[int]:
    """The hosts that send from an address of the local networks to the Internet."""
    hosts: set[int] = set()
    for batch in batches:
        carrying = np.flatnonzero((batch.payload_len > 0) & ((batch.proto == 6) | (batch.proto == 17)))
        pairs = np.stack([batch.eth_src[carrying], batch.src_low[carrying], batch.dst_low[carrying]], axis=1)
        for key, source, target in np.unique(pairs, axis=0).tolist():
            flow = FlowKey((0, target), 0, (0, source), 0, 6)
            if int(key) not in hosts and networks.excludes(flow) and not networks.excludes(_turned(flow)):
                hosts.add(int(key))
    return hosts


def _turned(flow: FlowKey) -> FlowKey:
    return FlowKey(flow.dst, flow.dst_port, flow.src, flow.src_port, flow.proto)


def alarms_of(played: Played) -> Mapping[str, Sequence[tuple[int, int]]]:
    """For each detector (ours is `sniffer`), when it said that somebody was heard: (start, end) in nanoseconds."""
    ours = [(u.start_ns, u.end_ns) for u in played.uploads if u.upload_class == "speech"]
    return {"sniffer": ours} | {name: [(a.start_ns, a.end_ns) for a in found] for name, found in played.alarms.items()}
