"""What each part of the detector is worth: one line for each part that is switched off.

    python -m sniffer.evaluation.ablate ../shared/data --trials 6 --times 5

Real captures and trials of simulated speakers (`lab.trials`: each codec family that houses are drawn from, and those
that no fit has seen) are judged with everything on, with each part off, and with several off together. The weights stay
as they are. A part stays in the detector where a real capture, or a row of the simulator by at least 0.3 points, is
worse without it; where the row is of a few hundred, only as many as chance does not give say so (`Row.worse`).
"""

from __future__ import annotations

import argparse
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sniffer.app.build import load_rulebook
from sniffer.app.config import Config
from sniffer.detect import Detector
from sniffer.detect.parts import SWITCHES, Parts
from sniffer.detect.scoring.evidence import ITEMS, Weights
from sniffer.detect.scoring.streams import RULES
from sniffer.errors import CaptureError
from sniffer.evaluation.datasets import LabelledCapture
from sniffer.evaluation.discover import find
from sniffer.evaluation.lab.contenders import Ours
from sniffer.evaluation.lab.score import Score, compare
from sniffer.evaluation.lab.speakers import FAMILIES, HELD_OUT, Family
from sniffer.evaluation.lab.trials import KINDS_OF, trial
from sniffer.evaluation.run import Played, prepare
from sniffer.evaluation.score import matched, streams_in

EVIDENCE = tuple(item.name for item in ITEMS)
HABITS = tuple(item.name for item in ITEMS if item.habit)
#: A part that is switched off alone, or several together.
Choice = tuple[str, frozenset[str]]
#: How much worse a row is, in points, before it defends a part.
_POINTS = 0.3


def choices() -> Iterator[Choice]:
    """Each thing that is switched off, by name."""
    yield "nothing", frozenset()
    for name in (*SWITCHES, *RULES, *EVIDENCE):
        yield name, frozenset({name})
    yield "all hypotheses", frozenset({"early_body", "frames_alone"})
    yield "all evidence of habits", frozenset(HABITS)
    yield "all hypotheses, profiles and lines", frozenset(SWITCHES)
    yield "all rules for streams", frozenset(RULES)


def without(weights: Weights, off: frozenset[str]) -> Weights:
    """Weights in which some kinds of evidence say nothing."""
    return replace(weights, curves={name: curve for name, curve in weights.curves.items() if name not in off})


@dataclass
class Row:
    """Counts under one choice: of each row that more of is better, how many of how many."""

    good: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def count(self, name: str, good: int, of: int) -> None:
        """Count `of` more cases, of which `good` are right."""
        self.good[name] += good
        self.of[name] += of

    def add(self, other: Row) -> None:
        """Counts of more captures or trials."""
        self.good.update(other.good)
        self.of.update(other.of)

    def share(self, name: str) -> str:
        """Right of all, as text."""
        return f"{self.good[name]} / {self.of[name]}"

    def together(self, start: str) -> str:
        """Right of all in the rows whose names begin so."""
        names = [name for name in self.of if name.startswith(start)]
        return f"{sum(self.good[name] for name in names)} / {sum(self.of[name] for name in names)}"

    def worse(self, base: Row) -> Iterator[tuple[str, int, float]]:
        """Each row that is worse than with everything on by 0.3 points and more: its name, by how many, by how many
        points. In a row of real captures one is enough."""
        for name, of in base.of.items():
            lost = base.good[name] - self.good[name]
            points = 100 * lost / of if of else 0.0
            if lost > 0 and (name.startswith("real") or points >= _POINTS):
                yield name, lost, points


def real(captures: Sequence[LabelledCapture], chosen: Sequence[Choice]) -> list[Row]:
    """Some captures under each choice. Commands found; no false alarm; views and calls that are one upload."""
    config = Config()
    rulebook = load_rulebook(config)
    rows = [Row() for _ in chosen]
    for capture in captures:
        try:
            prepared = prepare(capture, config, rulebook)
        except CaptureError:
            continue
        for row, (_, off) in zip(rows, chosen, strict=True):
            weights = without(rulebook.weights, off)
            detector = Detector(config.detect, weights, prepared.services, {}, parts=Parts(off))
            played = replace(prepared.played, uploads=[], listening=[])
            for batch in prepared.batches:
                played.take(detector.feed(batch, prepared.watched))
            played.take(detector.finish())
            _count(row, played)
    return rows


def _count(row: Row, played: Played) -> None:
    speech = [(u.start_ns, u.end_ns) for u in played.uploads if u.upload_class == "speech"]
    found, _, false = matched(played, speech)
    row.count("real commands", found, played.capture.expected)
    row.count("real captures without a false alarm", int(false == 0), 1)
    streams, whole = streams_in(played)
    row.count("real views and calls", whole, streams)


def simulated(job: tuple[int, Family], chosen: Sequence[Choice], times: int, kinds: str = "everyday") -> list[Row]:
    """One trial under each choice."""
    seed, family = job
    made = trial(seed, family, times, KINDS_OF[kinds])
    rows = []
    for _, off in chosen:
        ours = Ours([made.mac], made.names, off=off)
        ours.feed(made.batch)
        ours.finish()
        rows.append(_of_trial(compare(made.truths, ours.claims, ours.listening, seed=seed)))
    return rows


def _of_trial(score: Score) -> Row:
    row = Row()
    for name, of in score.expected.items():
        if name.startswith("codec ") or name in ("length 0-1 s", "length 1-1.5 s", "kind follow_up"):
            row.count(f"spoken: {name}", score.found[name], of)
    row.count("spoken", score.found["all"], score.expected["all"])
    for kind, of in score.impostors.items():
        row.count(f"silent: {kind}", of - score.false[f"speech/{kind}"], of)
        if kind in score.sessions:
            row.count(f"one upload: {kind}", score.whole[kind], score.sessions[kind])
    row.count("silent: nothing", -score.false["speech/nothing"], 0)
    return row


def line(name: str, row: Row, base: Row) -> str:
    """One line of the table."""
    worse = sorted(row.worse(base), key=lambda one: (not one[0].startswith("real"), -one[2]))
    defends = "; ".join(f"{name} {lost} ({points:.1f})" for name, lost, points in worse[:5]) or "nothing"
    of = sum(n for kind, n in row.of.items() if kind.startswith("silent: "))
    false = of - sum(n for kind, n in row.good.items() if kind.startswith("silent: "))
    captures = row.of["real captures without a false alarm"] - row.good["real captures without a false alarm"]
    cells = (
        f"{row.share('real commands')}, {captures}, {row.share('real views and calls')}",
        row.share("spoken"),
        str(false),
        f"{row.share('one upload: view')}, {row.share('one upload: call')}",
        defends,
    )
    return f"| {name} | {' | '.join(cells)} |"


def deviation(row: Row, name: str) -> float:
    """Of a row's share, in points, as chance gives it."""
    share = row.good[name] / max(row.of[name], 1)
    return 100 * math.sqrt(share * (1 - share) / max(row.of[name], 1))


def tables(
    captures: Sequence[LabelledCapture],
    jobs: Sequence[tuple[int, Family]],
    chosen: Sequence[Choice],
    times: int,
    n: int,
    kinds: str,
) -> Mapping[str, Row]:
    """The counts under each choice."""
    total = {name: Row() for name, _ in chosen}
    with ProcessPoolExecutor(n) as pool:
        for rows in pool.map(partial(real, chosen=chosen), [captures[k :: 4 * n] for k in range(4 * n)]):
            for row, (name, _) in zip(rows, chosen, strict=True):
                total[name].add(row)
        for rows in pool.map(partial(simulated, chosen=chosen, times=times, kinds=kinds), jobs):
            for row, (name, _) in zip(rows, chosen, strict=True):
                total[name].add(row)
    return total


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table of docs/detection.md."""
    parser = argparse.ArgumentParser(prog="python -m sniffer.evaluation.ablate", description=__doc__)
    parser.add_argument("data", nargs="*", type=Path)
    parser.add_argument("--seed", type=int, default=43_000, help="of the first speaker of each family")
    parser.add_argument("--trials", type=int, default=6, help="speakers of each codec family")
    parser.add_argument("--times", type=int, default=5, help="how often each does everything")
    parser.add_argument("--kinds", choices=tuple(KINDS_OF), default="everyday", help="what the speakers do")
    parser.add_argument("--only", action="append", help="a part to switch off, or several with commas between them")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    chosen = list(choices())
    if options.only:
        chosen = [chosen[0], *((names, frozenset(names.split(","))) for names in options.only)]
    captures = find(options.data).captures if options.data else []
    jobs = [(options.seed + n, family) for n in range(options.trials) for family in (*FAMILIES, *HELD_OUT)]
    found = tables(captures, jobs, chosen, options.times, options.jobs, options.kinds)
    base = found["nothing"]
    print(
        "| switched off | real: found, captures with a false alarm, views whole | requests | false `speech` |", end=""
    )
    print(" views, calls whole | rows that are worse: by how many (points) |")
    print("|---|---|---|---|---|---|")
    for name, row in found.items():
        print(line(name, row, base))
    print("\n| row | right | points by chance |")
    print("|---|---|---|")
    for name in sorted(base.of):
        if base.of[name]:
            print(f"| {name} | {base.share(name)} | {deviation(base, name):.1f} |")


if __name__ == "__main__":
    main()
