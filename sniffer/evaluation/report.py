"""What `sniffer evaluate` prints: a table a device, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sniffer.detect.baselines import BASELINES
from sniffer.evaluation.bursts import BurstScore
from sniffer.evaluation.datasets import HELD_OUT, TUNED
from sniffer.evaluation.score import Counts, DeviceScore, at_most, median, together, wilson

_NOTE = {
    TUNED: "tuned-on: these captures were looked at while the detector was made; see docs/detection.md for what was "
    "fitted without them",
    HELD_OUT: "held-out: nothing was fitted or looked at here",
}


def text(devices: Sequence[DeviceScore], bursts: Sequence[BurstScore]) -> Iterator[str]:
    """The report, line by line."""
    head = (
        f"{'':28}{'found':>11} {'more':>5} {'false':>6}  {'recall':>7} {'95 % interval':>17}  {'precision':>9} "
        f"{'delay':>7}  {'false/h':>8} {'at most':>8}"
    )
    for device in devices:
        classes = ", ".join(f"{number} {name}" for name, number in sorted(device.classes.items()))
        yield f"{device.device} ({device.tuning}; {device.captures} captures; {classes or 'no uploads'})"
        yield head
        for name, counts in device.counts.items():
            yield _line(title(name), counts)
        yield ""
    yield "all devices together"
    yield head
    for name, counts in together(devices).items():
        yield _line(title(name), counts)
    if bursts:
        yield ""
        yield from _bursts(bursts)
    yield ""
    yield "found: alarms up to the number of spoken commands; more: beyond it, where re-prompts make that right;"
    yield "false: alarms where nobody spoke; delay: median seconds from the first packet to 'listening now';"
    yield "at most: the 95 % upper bound of false alarms an hour that so few hours allow"
    for tuning in dict.fromkeys(device.tuning for device in devices):
        yield _NOTE[tuning]


def title(name: str) -> str:
    """How a detector is called in reports."""
    return BASELINES[name].title if name in BASELINES else "sniffer"


def _line(name: str, counts: Counts) -> str:
    interval = wilson(counts.found, counts.expected)
    recall = f"{counts.recall:.1%}" if counts.recall is not None else "-"
    between = f"{interval[0]:.1%} - {interval[1]:.1%}" if interval else "-"
    precision = f"{counts.precision:.1%}" if counts.precision is not None else "-"
    delay = median(counts.delays)
    bound = at_most(counts.false, counts.hours)
    rate = f"{counts.false / counts.hours:.2f}" if counts.hours else "-"
    waited = "-" if delay is None else f"{delay:.2f} s"
    return (
        f"  {name:26}{counts.found:>5} / {counts.expected:<3} {counts.more:>5} {counts.false:>6}  {recall:>7} "
        f"{between:>17}  {precision:>9} {waited:>7}  {rate:>8} {_number(bound):>8}"
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _bursts(bursts: Sequence[BurstScore]) -> Iterator[str]:
    yield "bursts without packets (BehavIoT): what can be judged from a host name and a sum of bytes"
    yield f"  {'device':24}{'spoken':>8} {'bursts':>8} {'to voice host':>14} {'over PETS rate':>15}"
    for score in bursts:
        for spoken in (True, False):
            row = score.spoken if spoken else score.silent
            yield (
                f"  {score.device:24}{'yes' if spoken else 'no':>8} {row.bursts:>8} {row.voice_host:>14} "
                f"{row.over_rate:>15}"
            )
    yield "  (our own detector needs packets: it is not run on these rows)"


def as_json(devices: Sequence[DeviceScore], bursts: Sequence[BurstScore]) -> dict[str, Any]:
    """The same as one JSON object."""
    return {
        "devices": [
            {
                "device": device.device,
                "tuning": device.tuning,
                "captures": device.captures,
                "classes": device.classes,
                "detectors": {name: _counts(counts) for name, counts in device.counts.items()},
            }
            for device in devices
        ],
        "together": {name: _counts(counts) for name, counts in together(devices).items()},
        "bursts": [score.as_dict() for score in bursts],
        "detectors": {name: {"title": b.title, "source": b.source} for name, b in BASELINES.items()},
    }


def _counts(counts: Counts) -> Mapping[str, Any]:
    return {
        "expected": counts.expected,
        "found": counts.found,
        "more": counts.more,
        "false": counts.false,
        "recall": counts.recall,
        "recall_interval": wilson(counts.found, counts.expected),
        "precision": counts.precision,
        "device_hours": round(counts.hours, 4),
        "false_an_hour_at_most": at_most(counts.false, counts.hours),
        "listening_delay_median": median(counts.delays),
    }


def plot(devices: Sequence[DeviceScore], path: Path) -> None:
    """Where the scores of uploads lie, in captures with and without speech."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    spoken = [value for device in devices for said, value in device.scores if said]
    silent = [value for device in devices for said, value in device.scores if not said]
    figure, axes = pyplot.subplots(figsize=(7, 3.5))
    edges = [float(edge) for edge in range(-30, 16)]
    clipped = [[max(-29.5, min(14.5, value)) for value in values] for values in (spoken, silent)]
    axes.hist(clipped, bins=edges, label=["captures with speech", "captures without"], color=["tab:blue", "tab:orange"])
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set(xlabel="score (log-odds of speech)", ylabel="uploads", yscale="symlog")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
