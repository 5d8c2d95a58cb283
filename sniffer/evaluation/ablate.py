"""What each part of the detector is worth: one line for each part that is switched off.

    python -m sniffer.evaluation.ablate ../shared/data --houses 4 --seed 901

Real captures and simulated houses are judged with everything on, with each part off, and with all profiles,
hypotheses and lines off together. The weights stay as they are. A part stays in the detector where a real capture or a
row of at least 0.3 points of the simulator is worse without it.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

from sniffer.app.build import Rulebook, load_rulebook
from sniffer.app.config import Config
from sniffer.detect.parts import SWITCHES, Parts
from sniffer.detect.scoring.evidence import ITEMS, Weights
from sniffer.detect.scoring.streams import RULES
from sniffer.errors import CaptureError
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import find
from sniffer.evaluation.lab.contenders import Ours
from sniffer.evaluation.lab.months import House, Truth
from sniffer.evaluation.lab.score import Score, compare
from sniffer.evaluation.run import play
from sniffer.evaluation.score import score, together

EVIDENCE = tuple(item.name for item in ITEMS)


def choices() -> Iterator[tuple[str, frozenset[str]]]:
    """Each thing that is switched off, by name."""
    yield "nothing", frozenset()
    for name in (*SWITCHES, *RULES, *EVIDENCE):
        yield name, frozenset({name})
    yield "all hypotheses, profiles and lines", frozenset(SWITCHES)
    yield "all rules for streams", frozenset(RULES)


def without(weights: Weights, off: frozenset[str]) -> Weights:
    """Weights in which some kinds of evidence say nothing."""
    return replace(weights, curves={name: curve for name, curve in weights.curves.items() if name not in off})


def real(captures: Sequence[LabelledCapture], off: frozenset[str]) -> tuple[str, ...]:
    """Commands found, false alarms, and views and calls that are one upload, on real captures."""
    config = Config()
    rulebook: Rulebook = load_rulebook(config)
    rulebook = replace(rulebook, weights=without(rulebook.weights, off))
    played = []
    for capture in captures:
        try:
            played.append(play(capture, config, rulebook, parts=Parts(off)))
        except CaptureError:
            continue
    devices = score(played)
    counts = together(devices)["sniffer"]
    streams, whole = (sum(getattr(device, name) for device in devices) for name in ("streams", "whole"))
    return f"{counts.found} / {counts.expected}", str(counts.false), f"{whole} / {streams}"


def simulated(seed: int, houses: int, days: int, off: frozenset[str]) -> tuple[str, ...]:
    """Recall, recall of utterances under a second, and false alarms a device-month, in simulated houses."""
    total = Score()
    for number in range(seed * 100_000, seed * 100_000 + houses):
        house = House(number)
        ours = Ours([resident.mac for resident in house.residents], house.names, off=off)
        truths: list[Truth] = []
        for batch, happened in house.days(days):
            truths += happened
            ours.feed(batch)
        ours.finish()
        one = compare(truths, ours.claims, ours.listening, seed=number)
        one.device_months = len(house.residents) * days / 30
        total.merge(one)
    figures = total.as_dict()
    short = figures["recall"].get("length 0-1 s", {"recall": float("nan")})
    false = figures["false_per_device_month"]["speech+media"]
    return f"{figures['recall']['all']['recall']:.2%}", f"{short['recall']:.1%}", f"{false['rate']:.2f}"


def row(job: tuple[str, frozenset[str], tuple[LabelledCapture, ...], int, int, int]) -> str:
    """One line of the table."""
    name, off, captures, seed, houses, days = job
    return f"| {name} | {' | '.join((*real(captures, off), *simulated(seed, houses, days, off)))} |"


def main(arguments: Sequence[str] | None = None) -> None:
    """The command: prints the table of docs/detection.md."""
    parser = argparse.ArgumentParser(prog="python -m sniffer.evaluation.ablate", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=901)
    parser.add_argument("--houses", type=int, default=4)
    parser.add_argument("--days", type=int, default=6)
    parser.add_argument("--only", action="append", help="a part to switch off; default: each, one after the other")
    parser.add_argument("--sample", type=int, default=1, help="judge every n-th of the real captures only")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    captures = tuple(find(options.data).captures)[:: options.sample]
    chosen = [(name, off) for name, off in choices() if not options.only or name in (*options.only, "nothing")]
    print("| switched off | found | false | views whole | simulated recall | under 1 s | false a device-month |")
    print("|---|---|---|---|---|---|---|", flush=True)
    jobs = [(name, off, captures, options.seed, options.houses, options.days) for name, off in chosen]
    with ProcessPoolExecutor(options.jobs) as pool:
        for line in pool.map(row, jobs):
            print(line, flush=True)


if __name__ == "__main__":
    main()
