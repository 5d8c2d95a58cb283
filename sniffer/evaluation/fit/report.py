"""What the fit says of itself, and the file of curves that it writes."""

from __future__ import annotations

import collections
from itertools import pairwise
from pathlib import Path

import numpy as np

from sniffer.detect.scoring.evidence import ITEMS
from sniffer.evaluation.fit.curves import Parameters, curves
from sniffer.evaluation.fit.samples import SEED, Sample


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
        "# Written by sniffer/evaluation/fit: do not edit by hand.",
        f"fitted: {sum(s.speech for s in real)} spoken and {sum(not s.speech for s in real)} other runs of "
        f"{len({s.device for s in real})} sets of devices, and {len(data) - len(real)} other forms of them, "
        f"seed {SEED}; {houses} runs of simulated houses",
        f"intercept: {round(float(at[0]), 2)}",
        "curves:",
        *(f"  {item.name}: {found[item.name]}" for item in ITEMS),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


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
