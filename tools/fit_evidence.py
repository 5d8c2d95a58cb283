"""Fits the weights of the evidence and writes `rules/detect/evidence.yml`.

    python tools/fit_evidence.py ../shared/data              # prints held-out figures, writes nothing
    python tools/fit_evidence.py ../shared/data --write      # ... and writes the weights fitted on everything
    python tools/fit_evidence.py ../shared/data --plot docs/reliability.png

It is fitted on the development captures and on simulated houses (`SIMULATED`: seeds that were looked at all along; no
figure is reported on them). Labels come from the sets' own ground truth, never from the detector (`labelled` below says
how). Every real run is also taken in forms that other devices, homes and radios would have given it (`forms`): other
chunk sizes and speeds, sizes that spread, jitter and bunching, merged or cut short; slower lines for what is not speech.

The fit is a logistic regression whose weights are drawn to the values that the physics suggests (`PRIOR`) instead of
to zero, and may not change sign. As the detector does, it takes each run by the reading that speaks most for speech;
which one that is follows the weights, so the two are found in turn. Host names, answers and learned habits are priors,
not shape: they are set, not fitted, because the development sets have few of them and each names its device.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).parents[1]))

from sniffer.assembly import load_rulebook
from sniffer.config import Config
from sniffer.detect import Detector
from sniffer.detect.classify import classify
from sniffer.detect.columns import LocalNetworks
from sniffer.detect.evidence import ITEMS, Case, Weights, features
from sniffer.detect.hearing import Hearing
from sniffer.detect.readings import other_readings
from sniffer.detect.shape import Line, Rows, measure
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.find import find
from sniffer.evaluation.play import Nameless, local_hosts, read_all
from sniffer.model import FlowKey, Service, UploadClass
from tests.lab.months import SESSIONS, SPOKEN, START_NS, House, Truth
from tests.lab.score import MARGIN

#: What the physics suggests, in log-odds for each unit of evidence; the fit may move them, not turn them around.
PRIOR = {
    "intercept": -6.5, "pace": 5.0, "steadiness": 2.0, "regular_gaps": 2.0, "chunk_constancy": 2.5, "comb": 2.5, "narrow_sizes": 2.0, "mixed_sizes": -4.5,
    "burst_then_pace": 2.0, "full_packets": -4.0, "too_fast": -3.0, "too_slow": -4.5, "too_few_chunks": -2.0,
    "asked_for_each": -8.0, "rest": -1.0, "bursts": -1.0,
}  # fmt: skip
#: Set by hand: see above.
SET = {
    "mostly_download": -3.0, "voice_host": 1.0, "telemetry_host": -2.5, "errand_host": -1.5, "new_connection": -3.0,
    "answer": 0.5, "known_server": 0.5,
    "known_opening": 2.0, "known_chunk": 1.5, "known_rate": 1.0,
}  # fmt: skip
NAMES = [name for name in PRIOR if name != "intercept"]
PRIOR_SPREAD = 1.5
#: Seeds of simulated houses, and for each seed and house how long.
SIMULATED, DEVICE_MONTHS, DAYS = (11, 77), 6.0, 4
#: Readings and weights are found in turn, so often.
TURNS = 4
#: Runs that were not spoken for each that was: what the score is calibrated for. And how many runs all count as.
OTHERS = 4.0
EFFECTIVE = 200.0
SEED = 20261122


@dataclasses.dataclass
class Sample:
    device: str
    speech: bool
    real: bool
    readings: list[dict[str, float]]
    stream: bool = False  # long, two-way or pictures: that is decided before any score


@dataclasses.dataclass
class Seen:
    """A run that was judged, with what each of its readings says."""

    key: int
    flow: FlowKey
    first_ns: int
    last_ns: int
    bytes: int
    rows: Rows
    case: Case
    readings: list[dict[str, float]]


class Recorder(Hearing):
    """Keeps every run that is judged."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.seen: list[Seen] = []

    def _report(self, flow, run, part, final_ns):  # type: ignore[no-untyped-def]
        if len(part.rows.bytes):
            case = self._case(flow, run, part, final_ns, final=True)
            others = [
                self._case(flow, run, dataclasses.replace(part, shape=shape), final_ns, final=True)
                for shape in other_readings(part.rows, self._line(flow, run), part.shape)
            ]
            last_ns = max(part.last_ns, part.first_ns)
            readings = [features(one) for one in (case, *others)]
            self.seen.append(Seen(flow.key, flow.flow, part.first_ns, last_ns, run.bytes, part.rows, case, readings))
        return super()._report(flow, run, part, final_ns)


def runs(capture: LabelledCapture, config: Config, weights: Weights) -> list[Seen]:
    batches = read_all(capture)
    detector = Detector(config.detect, weights, Nameless(), {})
    recorder = Recorder(weights, Nameless(), detector._silence_ns, {})
    detector._hearing = recorder
    watched = dict.fromkeys(local_hosts(batches, LocalNetworks(config.detect.local_networks)), 0)
    for batch in batches:
        detector.feed(batch, watched)
    detector.finish()
    return recorder.seen


def labelled(capture: LabelledCapture, seen: list[Seen]) -> Iterator[tuple[bool, Rows, Case]]:
    """Which runs of a capture were spoken, by the set's own word.

    VCF: what went to the host that got most of the file's upload, at least 10 kB over at least 1.2 s; other hosts'
    runs were not spoken, and the rest is left out. CIC and the study: the largest run of a capture with a command.
    Calls: the runs of datagrams of at least 5 kB. Everything else was not spoken.
    """
    largest = max((run.bytes for run in seen), default=0)
    hosts: collections.Counter[tuple[int, int]] = collections.Counter()
    for run in seen:
        hosts[run.flow.dst] += run.bytes
    main = hosts.most_common(1)[0][0] if hosts else None
    for run in seen:
        flow, size, rows, case = run.flow, run.bytes, run.rows, run.case
        if capture.dataset == "vcf":
            long = size >= 10_000 and case.shape.duration >= 1.2
            if flow.dst == main and not long:
                continue
            yield flow.dst == main, rows, case
        elif capture.dataset == "calls":
            if flow.proto == 17 and size >= 5_000:
                yield True, rows, case
        else:
            yield capture.expected > 0 and size == largest, rows, case


def forms(rows: Rows, case: Case, speech: bool, rng: np.random.Generator) -> Iterator[Rows]:
    """The same run as another device, home or radio would have sent it."""
    begin = case.shape.begin
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
    for root in paths:
        for stem in ("telegram", "wa_voice"):
            captures += [LabelledCapture(p, "calls", "calls", 1) for p in root.rglob(f"ndpi/{stem}.pcap")]
    found = []
    for capture in captures:
        for speech, rows, case in labelled(capture, runs(capture, config, weights)):
            case = dataclasses.replace(case, service=Service(), learned=None)
            line = Line(int(rows.bytes.max()))
            found.append(Sample(capture.device, speech, True, readings(rows, case, line), stream(case)))
            for form in forms(rows, case, speech, rng):
                if len(form.seconds) >= 4:
                    other = dataclasses.replace(case, shape=measure(form, line))
                    found.append(Sample(capture.device, speech, False, readings(form, other, line), stream(other)))
    return found


def readings(rows: Rows, case: Case, line: Line) -> list[dict[str, float]]:
    """What each reading of a run says."""
    others = [dataclasses.replace(case, shape=shape) for shape in other_readings(rows, line, case.shape)]
    return [features(one) for one in (case, *others)]


def simulated(seed: int, weights: Weights) -> list[Sample]:
    """The runs of houses in which it is known what happened: of each utterance the run that scores best, of everything
    else all that is not near one. Devices are the codecs, and the kinds of other things."""
    found, months, number = [], 0.0, seed * 100_000
    while months < DEVICE_MONTHS:
        house = House(number)
        watched = dict.fromkeys((resident.mac for resident in house.residents), 0)
        detector = Detector(Config().detect, weights, house.names, {})
        recorder = Recorder(weights, house.names, detector._silence_ns, {})
        detector._hearing = recorder
        truths = []
        for batch, happened in house.days(DAYS):
            truths += happened
            detector.feed(batch, watched)
        detector.finish()
        found += _known(recorder.seen, truths, weights)
        months, number = months + len(house.residents) * DAYS / 30, number + 1
    return found


def _known(seen: list[Seen], truths: list[Truth], weights: Weights) -> Iterator[Sample]:
    spoken: dict[int, tuple[float, Truth, Seen]] = {}
    for run in seen:
        begin, end = ((moment - START_NS) / 1e9 for moment in (run.first_ns, run.last_ns))
        near = [
            (place, truth)
            for place, truth in enumerate(truths)
            if truth.mac == run.key and begin < truth.end + MARGIN and end > truth.begin - MARGIN
        ]
        value = max(total(weights, numbers) for numbers in run.readings)
        for place, truth in near:
            if truth.kind in SPOKEN and (place not in spoken or spoken[place][0] < value):
                spoken[place] = value, truth, run
        if run.bytes >= 2_000 and not any(truth.kind in SPOKEN | SESSIONS for _, truth in near):
            kind = near[0][1].kind if near else "nothing"
            yield Sample(f"simulated {kind}", False, True, run.readings, stream(run.case))
    for _, truth, run in spoken.values():
        yield Sample(f"simulated {truth.family}", True, True, run.readings, stream(run.case))


def stream(case: Case) -> bool:
    return classify(case, 1.0, 0.0) is UploadClass.MEDIA


def fit(data: list[Sample]) -> dict[str, float]:
    """The weights with the highest posterior. A device and a label count by the root of their number of samples."""
    many = collections.Counter((s.device, s.speech) for s in data)
    size = np.array([1 / np.sqrt(many[s.device, s.speech]) for s in data])
    truth = np.array([s.speech for s in data], dtype=float)
    for label, share in ((1, 1 / (1 + OTHERS)), (0, OTHERS / (1 + OTHERS))):
        size[truth == label] *= share * EFFECTIVE / size[truth == label].sum()
    every = np.array([[1.0, *(one[name] for name in NAMES)] for s in data for one in s.readings])
    given = np.array([offset(one) for s in data for one in s.readings])
    begins = np.cumsum([0, *(len(s.readings) for s in data)])[:-1]
    prior = np.array([PRIOR["intercept"], *(PRIOR[name] for name in NAMES)])
    bounds = [(None, None) if n == "intercept" else ((0, None) if PRIOR[n] > 0 else (None, 0)) for n in PRIOR]
    weights = prior
    for _ in range(TURNS):
        value = every @ weights + given
        chosen = np.lexsort((-value, np.repeat(np.arange(len(data)), [len(s.readings) for s in data])))[begins]
        table, fixed = every[chosen], given[chosen]

        def loss(w: np.ndarray, table: np.ndarray = table, fixed: np.ndarray = fixed) -> tuple[float, np.ndarray]:
            score = table @ w + fixed
            each = np.logaddexp(0, score) - truth * score
            slope = table.T @ (size * (1 / (1 + np.exp(-np.clip(score, -50, 50))) - truth))
            off = (w - prior) / PRIOR_SPREAD
            return float((size * each).sum() + (off**2).sum() / 2), slope + off / PRIOR_SPREAD

        weights = minimize(loss, weights, jac=True, bounds=bounds, method="L-BFGS-B").x
    return dict(zip(PRIOR, weights.round(2).tolist(), strict=True))


def offset(numbers: dict[str, float]) -> float:
    """What the weights that are set add; the fit has to live with it."""
    return sum(value * numbers[name] for name, value in SET.items())


def total(weights: Weights, numbers: dict[str, float]) -> float:
    """The score of one reading under shipped weights."""
    return weights.intercept + sum(weights.weights.get(name, 0.0) * value for name, value in numbers.items())


def score(weights: dict[str, float], sample: Sample) -> float:
    """A sample's score: that of its best reading."""
    return weights["intercept"] + max(
        offset(one) + sum(weights[name] * one[name] for name in NAMES) for one in sample.readings
    )


def held_out(data: list[Sample]) -> list[tuple[Sample, float]]:
    """Every sample's score under weights that never saw its device."""
    scored = []
    data = [s for s in data if not s.stream]
    for device in sorted({s.device for s in data if not s.device.startswith("simulated")}):
        weights = fit([s for s in data if s.device != device])
        scored += [(s, score(weights, s)) for s in data if s.device == device]
    return scored


def report(title: str, scored: list[tuple[Sample, float]]) -> None:
    print(f"\n{title}\n{'device':22s} {'found':>14s} {'in other forms':>16s} {'false':>10s} {'in other forms':>16s}")
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
        print(f"{device:22s} {cells[0]:>14s} {cells[1]:>16s} {cells[2]:>10s} {cells[3]:>16s}")


def reliability(scored: list[tuple[Sample, float]]) -> list[tuple[float, float, int]]:
    """Said probability, true share, count; each device and label weighs the same."""
    many = collections.Counter((s.device, s.speech) for s, _ in scored)
    said = np.array([1 / (1 + np.exp(-v)) for _, v in scored])
    truth = np.array([s.speech for s, _ in scored], dtype=float)
    size = np.array([1 / np.sqrt(many[s.device, s.speech]) for s, _ in scored])
    size[truth == 0] *= OTHERS * size[truth == 1].sum() / size[truth == 0].sum()
    edges = [0, 0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98, 1.001]
    curve = []
    for low, high in zip(edges, edges[1:], strict=False):
        inside = (said >= low) & (said < high)
        if inside.any():
            w = size[inside]
            curve.append(
                (
                    float((said[inside] * w).sum() / w.sum()),
                    float((truth[inside] * w).sum() / w.sum()),
                    int(inside.sum()),
                )
            )
    return curve


def write(weights: dict[str, float], data: list[Sample], path: Path) -> None:
    houses = sum(s.device.startswith("simulated") for s in data)
    data = [s for s in data if not s.device.startswith("simulated")]
    real = [s for s in data if s.real]
    lines = [
        "# What each kind of evidence adds to the log-odds that a run of upload is somebody's voice.",
        "# sniffer/detect/evidence.py says what each one measures; docs/detection.md how the numbers were found.",
        "# Written by tools/fit_evidence.py: do not edit by hand.",
        f"fitted: {sum(s.speech for s in real)} spoken and {sum(not s.speech for s in real)} other runs of "
        f"{len({s.device for s in real})} sets of devices, and {len(data) - len(real)} other forms of them, seed {SEED}; {houses} runs of simulated houses",
        f"intercept: {weights['intercept']}",
        "weights:",
        *(f"  {item.name}: {weights.get(item.name, SET.get(item.name, 0.0))}" for item in ITEMS),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    data = samples(options.data)
    shipped = load_rulebook(Config()).weights
    for seed in SIMULATED:
        data += simulated(seed, shipped)
    weights = fit([s for s in data if not s.stream])
    print("weight            prior  fitted")
    for name, prior in PRIOR.items():
        print(f"{name:16s} {prior:6.2f} {weights[name]:7.2f}")
    report("fitted on all", [(s, score(weights, s)) for s in data])
    scored = held_out(data)
    report("each device under weights that never saw it", scored)
    print("\nreliability of the held-out scores: said, true, samples")
    curve = reliability(scored)
    for said, true, count in curve:
        print(f"  {said:.3f}  {true:.3f}  {count}")
    if options.plot:
        plot(curve, options.plot)
    if options.write:
        target = Path(__file__).parents[1] / "rules/detect/evidence.yml"
        write(weights, data, target)
        print(f"written: {target}", file=sys.stderr)


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
