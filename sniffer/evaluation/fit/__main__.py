"""Fits the curves of the evidence: `make fit`, or

    python -m sniffer.evaluation.fit ../shared/data              # prints held-out figures, writes nothing
    python -m sniffer.evaluation.fit ../shared/data --write      # ... and writes the curves fitted on everything
    python -m sniffer.evaluation.fit ../shared/data --plot docs/reliability.png
    python -m sniffer.evaluation.fit ../shared/data --keep runs.pickle     # measures once; afterwards only fits

It is fitted on the development captures and on simulated houses (`samples.SIMULATED`: seeds that were looked at all
along; no figure is reported on them). What the profile of a device says is measured while the shipped curves decide
what is sure enough to teach one, so the whole is run twice where the curves have moved much.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from sniffer.evaluation.fit.curves import curves
from sniffer.evaluation.fit.regression import Fit
from sniffer.evaluation.fit.report import plot, reliability, report, write
from sniffer.evaluation.fit.samples import HOUSES, SIMULATED, Sample, samples, simulated


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
    parser = argparse.ArgumentParser(prog="python -m sniffer.evaluation.fit", description=__doc__)
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
        target = Path(__file__).parents[3] / "rules/detect/evidence.yml"
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


if __name__ == "__main__":
    main()
