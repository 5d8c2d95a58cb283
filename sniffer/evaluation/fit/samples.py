"""What the fit sees: every run of the development captures, in several forms, and of simulated houses.

Labels come from the sets' own ground truth, never from the detector (`labelled`).
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.detect import Detector
from sniffer.detect.features.alternatives import alternatives
from sniffer.detect.features.pacing import LEAST_ROWS, measure
from sniffer.detect.features.rows import Line, Rows
from sniffer.detect.features.video import bursts_in, key_frames
from sniffer.detect.flows.rows import LocalNetworks
from sniffer.detect.parts import Scored
from sniffer.detect.scoring.evidence import Weights, features
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.streams import Live, stream_of
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import find
from sniffer.evaluation.fit.forms import Form, forms
from sniffer.evaluation.lab.months import SESSIONS, SPOKEN, START_NS, House, Truth
from sniffer.evaluation.lab.score import MARGIN
from sniffer.evaluation.run import Nameless, local_hosts, read_all
from sniffer.model import Service

#: Seeds of simulated houses, how many of each seed, and for how many days.
SIMULATED, HOUSES, DAYS = (11, 77, 501, 90210, 57721566, 64338327, 93238462, 95028841), 32, 10
#: Simulated runs that are far from speech are many and alike: one in so many counts for all.
FAR, ONE_IN = -9.0, 10
#: Of everything that is drawn.
SEED = 20261122


#: A run with the numbers of each hypothesis about it.
Seen = tuple[Scored, list[dict[str, float]]]


@dataclasses.dataclass
class Sample:
    device: str
    speech: bool
    real: bool
    readings: list[dict[str, float]]
    stream: bool = False  # long, two-way or pictures: that is decided before any score
    simulated: bool = False


class Recorder:
    """Keeps every run that is scored, with what each hypothesis says of it at that moment: profiles move on."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []

    def __call__(self, scored: Scored) -> None:
        self.seen.append((scored, [features(one) for one in scored.hypotheses]))


def runs(capture: LabelledCapture, config: Config, weights: Weights) -> list[Seen]:
    """Every part of a run in a capture that was scored."""
    batches = read_all(capture)
    recorder = Recorder()
    detector = Detector(config.detect, weights, Nameless(), {}, on_scored=recorder)
    watched = dict.fromkeys(local_hosts(batches, LocalNetworks(config.detect.local_networks)), 0)
    for batch in batches:
        detector.feed(batch, watched)
    detector.finish()
    return recorder.seen


def labelled(capture: LabelledCapture, seen: list[Seen]) -> Iterator[tuple[bool, Rows, Observation]]:
    """Which runs of a capture were spoken, by the set's own word.

    VCF: what went to the host that got most of the file's upload, at least 10 kB over at least 1.2 s; other hosts'
    runs were not spoken, and the rest is left out. CIC and the study: the largest run of a capture with a command.
    Everything else was not spoken.
    """
    largest = max((run.bytes for run, _ in seen), default=0)
    hosts: collections.Counter[tuple[int, int]] = collections.Counter()
    for run, _ in seen:
        hosts[run.flow.dst] += run.bytes
    main = hosts.most_common(1)[0][0] if hosts else None
    for run, _ in seen:
        observed = run.hypotheses[0]
        if capture.dataset == "vcf":
            long = run.bytes >= 10_000 and observed.shape.duration >= 1.2
            if run.flow.dst == main and not long:
                continue
            yield run.flow.dst == main, run.rows, observed
        else:
            yield capture.expected > 0 and run.bytes == largest, run.rows, observed


def samples(paths: list[Path]) -> list[Sample]:
    """The real runs, and the other forms of them."""
    config = Config()
    weights = load_rulebook(config).weights
    rng = np.random.default_rng(SEED)
    captures = find(paths).captures
    found = []
    for capture in captures:
        for speech, rows, observed in labelled(capture, runs(capture, config, weights)):
            observed = dataclasses.replace(observed, service=Service(), profile=None)
            line = Line(int(rows.bytes.max()))
            found.append(Sample(capture.device, speech, True, readings(rows, observed, line), stream(rows, observed)))
            for form in forms(rows, observed.shape.begin, speech, rng):
                if len(form.rows.seconds) >= LEAST_ROWS:
                    other = in_form(observed, form, line)
                    numbers = readings(form.rows, other, line)
                    found.append(Sample(capture.device, speech, False, numbers, stream(form.rows, other)))
    return found


def in_form(observed: Observation, form: Form, line: Line) -> Observation:
    """What would have been observed of a run in another form: it opens as that form does."""
    shape = measure(form.rows, line)
    return dataclasses.replace(observed, shape=shape, opening=shape.opening if form.whole else None)


def readings(rows: Rows, observed: Observation, line: Line) -> list[dict[str, float]]:
    """What each reading of a run says."""
    others = [dataclasses.replace(observed, shape=shape) for shape in alternatives(rows, line, observed.shape)]
    return [features(one) for one in (observed, *others)]


def simulated(number: int) -> list[Sample]:
    """The runs of a house in which it is known what happened: of each utterance the run that scores best, of everything
    else all that is not near one. Devices are the codecs, and the kinds of other things."""
    weights = load_rulebook(Config()).weights
    house = House(number)
    watched = dict.fromkeys((resident.mac for resident in house.residents), 0)
    recorder = Recorder()
    detector = Detector(Config().detect, weights, house.names, {}, on_scored=recorder)
    truths = []
    for batch, happened in house.days(DAYS):
        truths += happened
        for first in range(0, len(batch), 8192):
            detector.feed(batch.take(slice(first, first + 8192)), watched)
    detector.finish()
    return list(_known(recorder.seen, truths, np.random.default_rng(number)))


def _known(seen: list[Seen], truths: list[Truth], rng: np.random.Generator) -> Iterator[Sample]:
    spoken: dict[int, tuple[float, Truth, Seen]] = {}
    begins = np.array([truth.begin for truth in truths])
    longest = max((truth.end - truth.begin for truth in truths), default=0.0) + MARGIN
    for run, numbers in seen:
        begin, end = ((moment - START_NS) / 1e9 for moment in (run.first_ns, run.last_ns))
        low, high = np.searchsorted(begins, (begin - longest, end + MARGIN))
        near = [
            (place, truths[place])
            for place in range(int(low), int(high))
            if truths[place].mac == run.key and begin < truths[place].end + MARGIN
        ]
        for place, truth in near:
            if truth.kind in SPOKEN and (place not in spoken or spoken[place][0] < run.score):
                spoken[place] = run.score, truth, (run, numbers)
        if run.bytes >= 2_000 and not any(truth.kind in SPOKEN | SESSIONS for _, truth in near):
            kind = near[0][1].kind if near else "nothing"
            far = run.score < FAR
            if far and rng.random() >= 1 / ONE_IN:
                continue
            name = f"simulated {kind}{' (far)' if far else ''}"
            yield Sample(name, False, True, numbers, run.stream, simulated=True)
    for _, truth, (run, numbers) in spoken.values():
        yield Sample(f"simulated {truth.family}", True, True, numbers, run.stream, simulated=True)


def stream(rows: Rows, observed: Observation) -> bool:
    """Whether a run is part of a view or a call: that is decided before any score."""
    return stream_of(Live(observed, 443, 1.0, 0.0, key_frames(bursts_in(rows)))) is not None
