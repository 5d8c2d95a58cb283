"""One labelled capture through reading, identification and the detector, and through the comparison detectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.assembly import Rulebook
from sniffer.capture.file import open_capture
from sniffer.config import Config
from sniffer.decode import decode
from sniffer.decode.dissect import Dissector
from sniffer.detect import Detector
from sniffer.detect.baselines import BASELINES, Alarm, Traffic, traffic_of
from sniffer.detect.columns import LocalNetworks
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.joy import read_joy
from sniffer.identify import Identifier
from sniffer.model import (
    FlowKey,
    Listening,
    PacketBatch,
    Selection,
    Service,
    ServiceLookup,
    Upload,
)

_LONGEST_GAP_NS = 300 * 1_000_000_000


@dataclass(slots=True)
class Played:
    """What came of one capture. Times are seconds; `hours` are those of all judged devices together."""

    capture: LabelledCapture
    uploads: list[Upload] = field(default_factory=list)
    listening: list[Listening] = field(default_factory=list)
    alarms: dict[str, list[Alarm]] = field(default_factory=dict)
    hours: float = 0.0


class Nameless:
    """A lookup that knows no host names: what a capture from mid-connection has."""

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service:
        return Service()


def play(capture: LabelledCapture, config: Config, rulebook: Rulebook, *, names: bool = True) -> Played:
    """Everything the detectors make of a capture. Raises CaptureError."""
    batches = read(capture)
    identifier = Identifier(config.identify, config.devices, rulebook.devices, rulebook.services, rulebook.oui)
    dissector = Dissector()
    for batch in batches:
        identifier.seen(batch)
        identifier.observe(dissector.dissect(batch))
    local = local_hosts(batches, LocalNetworks(config.detect.local_networks))
    watched = {} if capture.everybody else {key: 0 for key in identifier.watched() if key in local}
    watched = watched or dict.fromkeys(local, 0)
    services: ServiceLookup = identifier if names else Nameless()
    played = Played(capture)
    detector = Detector(config.detect, rulebook.weights, services, {})
    for batch in batches:
        _take(played, detector.feed(batch, watched))
    _take(played, detector.finish())
    played.hours = len(watched) * _seconds(batches) / 3600
    for key in watched:
        device = identifier.device(key)
        traffic = traffic_of(batches, key, LocalNetworks(config.detect.local_networks), services)
        _baselines(played, traffic, device.vendor)
    return played


def read(capture: LabelledCapture) -> list[PacketBatch]:
    """The packets of a capture. Labelled captures are short: they are kept in memory. Raises CaptureError."""
    if capture.path.suffix == ".json":
        return [read_joy(capture.path)]
    batches = []
    with open_capture(capture.path) as reader:
        for block in reader:
            batch, _ = decode(block, Selection())
            batches.append(_kept(batch))
    return batches


def _kept(batch: PacketBatch) -> PacketBatch:
    """A batch that outlives the reader's buffer."""
    rows = batch.take(np.arange(len(batch)))
    columns = {name: getattr(rows, name) for name in rows.__slots__ if name not in ("interface", "link_type", "data")}
    return PacketBatch(rows.interface, rows.link_type, memoryview(bytes(batch.data)), **columns)


def local_hosts(batches: Sequence[PacketBatch], networks: LocalNetworks) -> set[int]:
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


def _take(played: Played, events: Sequence[object]) -> None:
    for event in events:
        if isinstance(event, Upload):
            played.uploads.append(event)
        elif isinstance(event, Listening):
            played.listening.append(event)


def _baselines(played: Played, traffic: Traffic, vendor: str | None) -> None:
    for name, baseline in BASELINES.items():
        played.alarms.setdefault(name, []).extend(baseline.detect(traffic, vendor))


def _seconds(batches: Sequence[PacketBatch]) -> float:
    """How long the capture watched: gaps of over five minutes are where nobody captured."""
    times = np.sort(np.concatenate([batch.time_ns for batch in batches])) if batches else np.empty(0, dtype=np.int64)
    return float(np.minimum(np.diff(times), _LONGEST_GAP_NS).sum() / 1e9) if len(times) else 0.0


def alarms_of(played: Played) -> Mapping[str, Sequence[tuple[int, int]]]:
    """For each detector (ours is `sniffer`), when it said that somebody was heard: (start, end) in nanoseconds."""
    ours = [(u.start_ns, u.end_ns) for u in played.uploads if u.upload_class == "speech"]
    return {"sniffer": ours} | {name: [(a.start_ns, a.end_ns) for a in found] for name, found in played.alarms.items()}
