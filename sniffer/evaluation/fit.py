"""Fits the curves of the evidence and writes `rules/detect/evidence.yml`.

    python sniffer/evaluation/fit.py ../shared/data              # prints held-out figures, writes nothing
    python sniffer/evaluation/fit.py ../shared/data --write      # ... and writes the curves fitted on everything
    python sniffer/evaluation/fit.py ../shared/data --plot docs/reliability.png
    python sniffer/evaluation/fit.py ../shared/data --keep runs.pickle     # measures once; afterwards only fits

It is fitted on the development captures and on simulated houses (`SIMULATED`: seeds that were looked at all along; no
figure is reported on them). Labels come from the sets' own ground truth, never from the detector (`labelled` below says
how). Every real run is also taken in forms that other devices, homes and radios would have given it (`forms`): other
chunk sizes and speeds, sizes that spread, jitter and bunching, merged or cut short; slower lines for other runs.

The fit is a logistic regression over curves: each kind of evidence adds what a line through a few points says of its
number (`SHAPES`). The lines are drawn to straight ones that the physics suggests instead of to nothing, and may not
change direction. As the detector does, it takes each run by the reading that speaks most for speech; which one that is
follows the curves, so the two are found in turn. Host names are priors, not shape: they are set (`SET`), not fitted,
because the development sets have few of them and each names its device.

What the habits of a device say is measured while the shipped curves decide what is sure enough to teach one, so the
whole is run twice where the curves have moved much.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.detect import Detector
from sniffer.detect.features.alternatives import alternatives
from sniffer.detect.features.pacing import measure
from sniffer.detect.features.rows import Line, Rows
from sniffer.detect.features.video import bursts_in, key_frames
from sniffer.detect.flows.rows import LocalNetworks
from sniffer.detect.parts import Scored
from sniffer.detect.scoring.evidence import ITEMS, MOST_AGAINST, Weights, features
from sniffer.detect.scoring.observation import Observation
from sniffer.detect.scoring.streams import Live, stream_of
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import find
from sniffer.evaluation.lab.months import SESSIONS, SPOKEN, START_NS, House, Truth
from sniffer.evaluation.lab.score import MARGIN
from sniffer.evaluation.run import Nameless, local_hosts, read_all
from sniffer.model import Service

SHARE = (0, 0.25, 0.5, 0.75, 1)
BOTH = (-1, -0.5, 0, 0.25, 0.5, 0.75, 1)
#: Where the lines have their points, and what the physics suggests for each unit, in log-odds. All lines go through
#: nothing at 0.
SHAPES: dict[str, tuple[tuple[float, ...], float]] = {
    "pace": ((0, 0.2, 0.4, 0.6, 0.8, 1), 5.0),
    "steadiness": (BOTH, 2.0),
    "regular_gaps": (BOTH, 2.0),
    "chunk_constancy": (SHARE, 2.5),
    "comb": (SHARE, 2.5),
    "narrow_sizes": (SHARE, 2.0),
    "mixed_sizes": (SHARE, -4.5),
    "burst_then_pace": (SHARE, 2.0),
    "full_packets": (SHARE, -4.0),
    "too_fast": ((0, 0.5, 1, 2, 4), -3.0),
    "too_slow": ((0, 0.3, 0.7, 1.5, 3), -4.5),
    "too_few_chunks": ((0, 0.5, 1, 2, 3), -2.0),
    "asked_for_each": (SHARE, -8.0),
    "rest": ((0, 0.25, 0.5, 1), -1.0),
    "bursts": ((0, 1, 2, 4), -1.0),
    "amount": ((-4, -3, -2, -1, 0, 1, 2), 0.5),
    "new_connection": ((0, 0.3, 1), -3.0),
    "answer": ((0, 0.3), 1.0),
    "known_server": ((-1, 0, 0.5, 1), 1.0),
    "known_opening": ((-4, -2, -1, 0, 1, 2, 3, 4, 6), 1.0),
    "known_chunk": ((-1, 0, 0.2, 0.4, 0.6, 1), 2.0),
    "known_rate": (BOTH, 1.0),
    "known_write": (BOTH, 0.5),
}
INTERCEPT = -5.5
#: What no microphone does: here the fit may not fall below half of what the physics says, however few houses show it.
FIRM = ("too_fast", "too_slow", "full_packets", "asked_for_each")
#: ... and what is no sound by itself: in houses without much else that is large, the fit may not rise by more than so
#: much for each unit.
AT_MOST = {"amount": 1.5, "answer": 4.0}
#: Set by hand, in log-odds for each unit: see above.
SET = {
    "no_opening": -6.5,
    "unanswered": -10.0,
    "mostly_download": -3.0,
    "voice_host": 1.0,
    "telemetry_host": -5.0,
    "errand_host": -1.0,
}
HABITS = frozenset(item.name for item in ITEMS if item.habit)
#: How far a fitted piece of a line may be from the physics.
PRIOR_SPREAD = 0.8
#: Seeds of simulated houses, how many of each seed, and for how many days.
SIMULATED, HOUSES, DAYS = (11, 77, 501, 90210, 57721566, 64338327, 93238462, 95028841), 32, 10
#: Readings and curves are found in turn, so often.
TURNS = 3
#: Simulated runs that are far from speech are many and alike: one in so many counts for all.
FAR, ONE_IN = -9.0, 10
#: What a simulated run counts for: houses are cheap, and all drawn by the same hand. Less of it where somebody spoke: a
#: false accusation costs more than a short word that is listed as something else.
SIMULATED_RUN, SPOKEN_RUN = 0.5, 0.6
#: What the real runs of a device count for, with each label; and how much more its real form counts than the others.
REAL, REAL_FORM = 150.0, 5.0
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


def forms(rows: Rows, observed: Observation, speech: bool, rng: np.random.Generator) -> Iterator[Rows]:
    """The same run as another device, home or radio would have sent it."""
    begin = observed.shape.begin
    if speech:
        yield cut(rows, begin + rng.uniform(0.4, 0.9))
        yield cut(rows, begin + rng.uniform(0.9, 2.0))
        yield cut(resized(rows, begin, rng.uniform(0.3, 2.5)), begin + rng.uniform(0.5, 4))
        yield dilated(rows, begin, rng.uniform(0.6, 1.7))
        yield jittered(rows, rng.uniform(0.01, 0.05), rng)
        yield bunched(rows, begin, rng.uniform(0.06, 0.2))
        yield spread(rows, begin, rng.uniform(0.15, 0.35), rng)
        yield cut(spread(rows, begin, 0.25, rng), begin + rng.uniform(0.6, 2))
        yield headless(rows, begin)
        yield stalled(rows, begin, rng.uniform(0.2, 0.6), rng)
    else:
        yield dilated(rows, 0.0, rng.uniform(1.5, 3))
        yield dilated(rows, 0.0, rng.uniform(3, 8))
        yield jittered(rows, rng.uniform(0.01, 0.05), rng)
        yield merged(rows)
        yield slow_line(rows, rng.uniform(15_000, 60_000))


def cut(rows: Rows, last: float) -> Rows:
    return rows.between(0, last) if last > 0 else rows


def with_(rows: Rows, **changes: object) -> Rows:
    changed = dataclasses.replace(rows, **changes)  # type: ignore[arg-type]
    order = np.argsort(changed.seconds, kind="stable")
    seconds = changed.seconds[order]
    return Rows(
        seconds - seconds[0], changed.bytes[order], changed.answers[order], changed.unit[order], changed.units[order]
    )


def resized(rows: Rows, begin: float, factor: float) -> Rows:
    body = (rows.seconds >= begin) & (rows.bytes < 1_150)
    size = np.where(body, np.clip((rows.bytes * factor).astype(np.int64), 60, 1_400), rows.bytes)
    unit = np.where(body, np.clip((rows.unit * factor).astype(np.int64), 60, 1_400), rows.unit)
    return with_(rows, bytes=size, unit=unit)


def dilated(rows: Rows, begin: float, factor: float) -> Rows:
    return with_(rows, seconds=np.where(rows.seconds > begin, begin + (rows.seconds - begin) * factor, rows.seconds))


def jittered(rows: Rows, deviation: float, rng: np.random.Generator) -> Rows:
    late = np.abs(rng.normal(0, deviation, len(rows.seconds)))
    return with_(rows, seconds=np.maximum.accumulate(rows.seconds + late))


def bunched(rows: Rows, begin: float, window: float) -> Rows:
    held = begin + np.ceil((rows.seconds - begin) / window) * window + np.arange(len(rows.seconds)) * 1e-5
    return with_(rows, seconds=np.where(rows.seconds > begin, held, rows.seconds))


def stalled(rows: Rows, begin: float, length: float, rng: np.random.Generator) -> Rows:
    at = begin + rng.uniform(0.2, max(0.3, float(rows.seconds[-1]) - begin))
    inside = (rows.seconds >= at) & (rows.seconds < at + length)
    return with_(rows, seconds=np.where(inside, at + length, rows.seconds))


def spread(rows: Rows, begin: float, deviation: float, rng: np.random.Generator) -> Rows:
    body = (rows.seconds >= begin) & (rows.bytes < 1_150)
    size = np.clip((rows.bytes * np.exp(rng.normal(0, deviation, len(rows.bytes)))).astype(np.int64), 60, 1_400)
    size = np.where(body, size, rows.bytes)
    return with_(rows, bytes=size, unit=np.where(body, size, rows.unit), units=np.where(body, 1, rows.units))


def headless(rows: Rows, begin: float) -> Rows:
    low = int(np.searchsorted(rows.seconds, begin))
    rest = Rows(rows.seconds[low:], rows.bytes[low:], rows.answers[low:], rows.unit[low:], rows.units[low:])
    return with_(rest) if len(rest.seconds) else rows


def merged(rows: Rows) -> Rows:
    starts = np.flatnonzero(np.concatenate(([True], np.diff(rows.seconds) > 0.001)))
    size = np.add.reduceat(rows.bytes, starts)
    return Rows(
        rows.seconds[starts],
        size,
        np.logical_or.reduceat(rows.answers, starts),
        size,
        np.ones(len(size), dtype=np.int64),
    )


def slow_line(rows: Rows, rate: float) -> Rows:
    """A transport's first window at once, the rest as fast as the line goes."""
    total = np.cumsum(rows.bytes)
    earliest = np.maximum(0, total - 14_600) / rate
    return with_(rows, seconds=np.maximum(rows.seconds, earliest))


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
            for form in forms(rows, observed, speech, rng):
                if len(form.seconds) >= 4:
                    other = dataclasses.replace(observed, shape=measure(form, line))
                    found.append(
                        Sample(capture.device, speech, False, readings(form, other, line), stream(form, other))
                    )
    return found


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


Parameters = np.ndarray  # the intercept, then the rise of each piece of each line


def pieces() -> Iterator[tuple[str, float, float]]:
    """Each piece of each line: of what, from where, to where."""
    for name, (points, _) in SHAPES.items():
        for low, high in pairwise(points):
            yield name, low, high


def table(numbers: list[dict[str, float]]) -> np.ndarray:
    """How far each reading has come along each piece, from 0 outwards."""
    columns = [np.ones(len(numbers))]
    for name, low, high in pieces():
        along = np.clip((np.array([one[name] for one in numbers]) - low) / (high - low), 0, 1)
        columns.append(along - 1 if high <= 0 else along)
    return np.array(columns, dtype=np.float32).T


class Fit:
    """Samples in columns, and the curves that explain them best."""

    def __init__(self, data: list[Sample]) -> None:
        self.data = data
        many = [one for sample in data for one in sample.readings]
        self.table, self.given = table(many), np.array([offset(one) for one in many])
        self.owner = np.repeat(np.arange(len(data)), [len(sample.readings) for sample in data])
        self.begins = np.searchsorted(self.owner, np.arange(len(data)))
        self.truth = np.array([sample.speech for sample in data], dtype=float)
        self.weight = np.array([self._weight(sample) for sample in data])
        devices = collections.Counter(self._group(s) for s in data if not s.simulated)
        total: dict[tuple[str, bool], float] = collections.defaultdict(float)
        for sample, weight in zip(data, self.weight, strict=True):
            total[self._group(sample)] += weight
        for place, sample in enumerate(data):
            if not sample.simulated:  # a device counts by the root of its number of runs, up to `REAL`
                group = self._group(sample)
                self.weight[place] *= REAL * min(1.0, np.sqrt(devices[group] / 200)) / total[group]
        self.prior = np.array([INTERCEPT, *(SHAPES[name][1] * (high - low) for name, low, high in pieces())])

    @staticmethod
    def _group(sample: Sample) -> tuple[str, bool]:
        return sample.device, sample.speech

    @staticmethod
    def _weight(sample: Sample) -> float:
        if sample.simulated:
            often = ONE_IN if sample.device.endswith("(far)") else SPOKEN_RUN if sample.speech else 1.0
            return SIMULATED_RUN * often
        return REAL_FORM if sample.real else 1.0

    def fitted(self, chosen: np.ndarray, start: Parameters | None = None) -> Parameters:
        """The curves with the highest posterior, seen from these samples."""
        least = [p / 2 if name in FIRM else 0 for (name, _, _), p in zip(pieces(), self.prior[1:], strict=True)]
        most = [AT_MOST[name] * (high - low) if name in AT_MOST else None for name, low, high in pieces()]
        bounds = [(None, None)] + [
            (low, high) if p > 0 else (None, low) for low, high, p in zip(least, most, self.prior[1:], strict=True)
        ]
        spread = np.array([3.0] + [PRIOR_SPREAD] * (len(self.prior) - 1))
        found = self.prior if start is None else start
        for _ in range(TURNS):
            best = self._best(found)[chosen]
            rows, taken = bounded(self.table[best], found)
            given = self.given[best] + taken
            truth, weight = self.truth[chosen], self.weight[chosen]

            def loss(
                at: np.ndarray,
                rows: np.ndarray = rows,
                given: np.ndarray = given,
                truth: np.ndarray = truth,
                weight: np.ndarray = weight,
            ) -> tuple[float, np.ndarray]:
                value = rows @ at.astype(np.float32) + given
                wrong = weight * (1 / (1 + np.exp(-np.clip(value, -50, 50))) - truth)
                off = (at - self.prior) / spread
                every = (weight * (np.logaddexp(0, value) - truth * value)).sum() + (off**2).sum() / 2
                return float(every), rows.T @ wrong.astype(np.float32) + off / spread

            found = minimize(loss, found, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": 400}).x
        return found

    def _best(self, at: Parameters) -> np.ndarray:
        """The reading of each sample that speaks most for speech."""
        return np.lexsort((-self._values(slice(None), at), self.owner))[self.begins]

    def scores(self, at: Parameters) -> np.ndarray:
        """Each sample's score: that of its best reading."""
        return self._values(self._best(at), at)

    def _values(self, chosen: np.ndarray | slice, at: Parameters) -> np.ndarray:
        rows, taken = bounded(self.table[chosen], at)
        values: np.ndarray = rows @ at + taken + self.given[chosen]
        return values

    def held_out(self, at: Parameters) -> list[tuple[Sample, float]]:
        """Every real sample's score under curves that never saw its device; `at` is where to begin to look."""
        found = []
        streams = np.array([s.stream for s in self.data])
        devices = np.array([s.device for s in self.data])
        for device in sorted({s.device for s in self.data if not s.simulated}):
            mine = np.flatnonzero((devices == device) & ~streams)
            values = self.scores(self.fitted(np.flatnonzero((devices != device) & ~streams), at))
            found += [(self.data[place], float(values[place])) for place in mine.tolist()]
        return found


def bounded(rows: np.ndarray, at: Parameters) -> tuple[np.ndarray, np.ndarray]:
    """Where habits take more than `MOST_AGAINST` together under such curves, the detector cuts them: returns the rows
    of the table, those without what they take, and what is to be added for it."""
    columns = collections.defaultdict(list)
    for column, (name, _, _) in enumerate(pieces(), start=1):
        if name in HABITS:
            columns[name].append(column)
    taken = {name: np.minimum(rows[:, mine] @ at[mine], 0) for name, mine in columns.items()}
    over = -sum(taken.values()) > MOST_AGAINST
    rows = rows.copy()
    for name, mine in columns.items():
        rows[np.ix_(np.flatnonzero(over & (taken[name] < 0)), np.array(mine))] = 0
    return rows, np.where(over, -MOST_AGAINST, 0.0)


def offset(numbers: dict[str, float]) -> float:
    """What the weights that are set add; the fit has to live with it."""
    return sum(value * numbers[name] for name, value in SET.items())


def curves(at: Parameters) -> dict[str, list[list[float]]]:
    """The lines that rise so, as points."""
    rises = collections.defaultdict(list)
    for (name, low, high), rise in zip(pieces(), at[1:].tolist(), strict=True):
        rises[name].append((low, high, rise))
    found = {}
    for name, parts in rises.items():
        level = -sum(rise for _, high, rise in parts if high <= 0)
        points = [[float(parts[0][0]), level]]
        for _, high, rise in parts:
            level += rise
            points.append([float(high), level])
        found[name] = [[x, round(y, 2)] for x, y in points]
    for name, value in SET.items():
        found[name] = [[0.0, 0.0], [4.0, round(4 * value, 2)]]
    return found


def report(title: str, scored: list[tuple[Sample, float]]) -> None:
    print(f"\n{title}\n{'device':30s} {'found':>14s} {'in other forms':>16s} {'false':>12s} {'in other forms':>16s}")
    for device in sorted({s.device for s, _ in scored}):
        cells = []
        for speech in (True, False):
            for real in (True, False):
                mine = [
                    not s.stream and value >= 0
                    for s, value in scored
                    if s.device == device and s.speech is speech and s.real is real
                ]
                cells.append(f"{sum(mine)}/{len(mine)}" if mine else "-")
        print(f"{device:30s} {cells[0]:>14s} {cells[1]:>16s} {cells[2]:>12s} {cells[3]:>16s}")


def reliability(scored: list[tuple[Sample, float]]) -> list[tuple[float, float, int]]:
    """Said probability, true share, count; each device and label by the root of its number, and four that were not
    spoken for each that was."""
    many = collections.Counter((s.device, s.speech) for s, _ in scored)
    said = np.array([1 / (1 + np.exp(-v)) for _, v in scored])
    truth = np.array([s.speech for s, _ in scored], dtype=float)
    size = np.array([1 / np.sqrt(many[s.device, s.speech]) for s, _ in scored])
    size[truth == 0] *= 4 * size[truth == 1].sum() / size[truth == 0].sum()
    edges = [0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.001]
    curve = []
    for low, high in pairwise(edges):
        inside = (said >= low) & (said < high)
        if inside.any():
            w = size[inside]
            mean, share = (float((values[inside] * w).sum() / w.sum()) for values in (said, truth))
            curve.append((mean, share, int(inside.sum())))
    return curve


def write(at: Parameters, data: list[Sample], path: Path) -> None:
    houses = sum(s.simulated for s in data)
    data = [s for s in data if not s.simulated]
    real = [s for s in data if s.real]
    found = curves(at)
    lines = [
        "# What each kind of evidence adds to the log-odds that a run of upload is somebody's voice: points of a line,",
        "# [number, log-odds], straight between them and level beyond the ends.",
        "# sniffer/detect/scoring/evidence.py says what each number is; docs/detection.md how the lines were found.",
        "# Written by sniffer/evaluation/fit.py: do not edit by hand.",
        f"fitted: {sum(s.speech for s in real)} spoken and {sum(not s.speech for s in real)} other runs of "
        f"{len({s.device for s in real})} sets of devices, and {len(data) - len(real)} other forms of them, "
        f"seed {SEED}; {houses} runs of simulated houses",
        f"intercept: {round(float(at[0]), 2)}",
        "curves:",
        *(f"  {item.name}: {found[item.name]}" for item in ITEMS),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def measured(options: argparse.Namespace) -> list[Sample]:
    """All samples, or those that were kept."""
    if options.keep and options.keep.exists():
        with options.keep.open("rb") as kept:
            data: list[Sample] = pickle.load(kept)  # noqa: S301 (what this command wrote itself)
            return data
    numbers = [seed * 100_000 + house for seed in SIMULATED for house in range(HOUSES)]
    with ProcessPoolExecutor(options.jobs) as pool:
        real = pool.submit(samples, options.data)
        houses = list(pool.map(simulated, numbers))
        data = [*real.result(), *(sample for house in houses for sample in house)]
    if options.keep:
        with options.keep.open("wb") as kept:
            pickle.dump(data, kept)
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--keep", type=Path, help="a file for what was measured; read where it is there")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    data = measured(options)
    fit = Fit(data)
    usable = np.flatnonzero([not s.stream for s in data])
    at = fit.fitted(usable)
    for name, points in curves(at).items():
        print(f"{name:16s} {points}")
    print(f"intercept {at[0]:.2f}")
    report("fitted on all", list(zip(data, fit.scores(at).tolist(), strict=True)))
    if options.write:
        target = Path(__file__).parents[2] / "rules/detect/evidence.yml"
        write(at, data, target)
        print(f"written: {target}", file=sys.stderr)
    scored = fit.held_out(at)
    report("each device under curves that never saw it", scored)
    print("\nreliability of the held-out scores: said, true, samples")
    curve = reliability(scored)
    for said, true, count in curve:
        print(f"  {said:.3f}  {true:.3f}  {count}")
    if options.plot:
        plot(curve, options.plot)


def plot(curve: list[tuple[float, float, int]], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(4.5, 4.2))
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    axes.plot([c[0] for c in curve], [c[1] for c in curve], marker="o")
    axes.set(xlabel="probability of speech that was said", ylabel="share that was speech", title="Held-out devices")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
