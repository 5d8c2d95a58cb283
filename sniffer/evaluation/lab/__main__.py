"""Recall and false alarms per device-month over simulated houses: `python -m sniffer.evaluation.lab --months 100`."""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from sniffer.evaluation.baselines import BASELINES
from sniffer.evaluation.lab.contenders import Contender, Ours, Published, Trained
from sniffer.evaluation.lab.months import House, Truth
from sniffer.evaluation.lab.score import Score, compare, said
from sniffer.evaluation.plot import draw
from sniffer.evaluation.statistics import reliability

#: Trained on labelled days of the same house, or of other houses.
TRAINED = ("lsh-home", "lsh-new")
NAMES = ("ours", *BASELINES, *TRAINED)
#: Labelled days that a trained detector gets, and the seed after a house's own where other houses begin.
LESSONS, ELSEWHERE = 3, 50_000_000


def contender(name: str, house: House, seed: int) -> Contender:
    """A detector for one house."""
    watched = [resident.mac for resident in house.residents]
    if name == "ours":
        return Ours(watched, house.names)
    if name not in TRAINED:
        return Published(name, watched, house.names)
    trained = Trained(watched)
    if name == "lsh-new":
        for other in range(LESSONS):
            for batch, happened in House(seed + ELSEWHERE + other).days(1):
                trained.learn(batch, happened)
    return trained


def run_house(seed: int, days: int, names: Sequence[str]) -> dict[str, Score]:
    """One house for so many days, under the ears of several detectors. What is learned from the house itself is
    learned from days after those."""
    house = House(seed)
    heard = {name: contender(name, house, seed) for name in names}
    truths: list[Truth] = []
    packets = 0
    student = heard.get("lsh-home")
    lessons = LESSONS if isinstance(student, Trained) else 0
    for day, (batch, happened) in enumerate(house.days(days + lessons)):
        if day >= days:
            assert isinstance(student, Trained)
            student.learn(batch, happened)
            continue
        packets += len(batch)
        truths += happened
        for detector in heard.values():
            detector.feed(batch)
    scores = {}
    for name, detector in heard.items():
        detector.finish()
        score = compare(truths, detector.claims, detector.listening, seed=seed)
        score.device_months, score.packets = len(house.residents) * days / 30, packets
        score.said = said(truths, detector.claims) if name == "ours" else []
        scores[name] = score
    return scores


def simulate(
    months: float, seed: int, *, days: int = 30, names: Sequence[str] = ("ours",), jobs: int = 1
) -> dict[str, Score]:
    """Houses, one after the other, until there are enough device-months."""
    total = {name: Score() for name in names}

    def enough() -> bool:
        return total[names[0]].device_months >= months

    def add(scores: dict[str, Score]) -> None:
        for name, score in scores.items():
            total[name].merge(score)
        if sys.stderr.isatty():
            print(f"\r{total[names[0]].device_months:8.1f} device-months", end="", file=sys.stderr)

    number = seed * 100_000
    if jobs <= 1:
        while not enough():
            add(run_house(number, days, names))
            number += 1
        return total
    with ProcessPoolExecutor(jobs) as pool:
        while not enough():  # in waves, so that the houses are the same whatever the number of jobs
            wave = [pool.submit(run_house, number + i, days, names) for i in range(jobs)]
            number += jobs
            for future in wave:
                if not enough():
                    add(future.result())
    return total


def table(name: str, score: Score) -> str:
    """The score in text."""
    figures = score.as_dict()
    lines = [f"{name}: {figures['device_months']} device-months, {figures['packets']} packets", ""]
    lines.append(f"{'':24}{'found':>8}{'of':>8}{'recall':>9}   95 % interval     judged at all")
    for key, row in figures["recall"].items():
        low, high = row["wilson"]
        share = f"{row['recall']:>9.2%}   {low:.2%} - {high:.2%}   {row['judged']:.2%}"
        lines.append(f"{key:24}{row['found']:>8}{row['expected']:>8}{share}")
    lines += ["", f"{'false alarms':24}{'count':>8}{'per device-month':>20}   95 % upper bound"]
    for key, row in figures["false_per_device_month"].items():
        lines.append(f"{key:24}{row['count']:>8}{row['rate']:>20.3f}   {row['upper95']:.3f}")
    for key, n in figures["false_by_kind"].items():
        kind = key.split("/", 1)[1]
        lines.append(f"  {key:30}{n:>6} of {score.impostors.get(kind, 0)}")
    for kind, row in figures["sessions"].items():
        lines.append(f"{kind + 's that are one upload':24}{row['whole']:>6} of {row['of']}")
    for row in figures["reliability"]:
        low, high = row["interval"]
        so = f"{row['share']:.3f}   {low:.3f} - {high:.3f}   {row['count']} uploads"
        lines.append(f"said to be speech {row['said']:.3f}, was {so}")
    for key in ("listening_delay", "final_delay"):
        if figures[key]:
            lines.append(f"{key:24} median {figures[key]['median']:.2f} s, 95 % {figures[key]['p95']:.2f} s")
    return "\n".join(lines)


def summary(scores: dict[str, Score]) -> str:
    """A line for each detector."""
    lines = [f"{'':12}{'recall':>8}   {'95 % interval':17}{'false speech a device-month':>28}{'at most':>9}"]
    for name, score in scores.items():
        figures = score.as_dict()
        row, false = figures["recall"]["all"], figures["false_per_device_month"]["speech"]
        between = f"{row['wilson'][0]:.1%} - {row['wilson'][1]:.1%}"
        lines.append(f"{name:12}{row['recall']:>8.1%}   {between:17}{false['rate']:>28.2f}{false['upper95']:>9.2f}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m sniffer.evaluation.lab", description=__doc__)
    parser.add_argument("--months", type=float, default=100, help="device-months to simulate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30, help="days in each house")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--detector", choices=NAMES, action="append", help="default: all")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    parser.add_argument("--plot", type=Path, help="draw scores and reliability of ours")
    parser.add_argument("--show", type=int, default=0, help="list so many misses and false alarms")
    chosen = parser.parse_args(arguments)
    begun = time.perf_counter()
    names = tuple(chosen.detector or NAMES)
    scores = simulate(chosen.months, chosen.seed, days=chosen.days, names=names, jobs=chosen.jobs)
    if chosen.plot and "ours" in scores:
        pairs = scores["ours"].said
        odds = [(so, -math.log(1 / min(max(p, 1e-9), 1 - 1e-9) - 1)) for p, so in pairs]
        draw([v for so, v in odds if so], [v for so, v in odds if not so], reliability(pairs), chosen.plot)
    if chosen.format == "json":
        report: dict[str, Any] = {name: score.as_dict() for name, score in scores.items()}
        print(json.dumps({"seed": chosen.seed, "detectors": report}, indent=1))
        return
    for name, score in scores.items():
        print(table(name, score), end="\n\n")
        for kind, items in (("missed", score.missed), ("false", score.wrong)):
            for item in items[: chosen.show]:
                print(kind, item)
    if len(scores) > 1:
        print(summary(scores), end="\n\n")
    print(f"{time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
