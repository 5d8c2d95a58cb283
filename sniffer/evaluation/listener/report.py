"""The fit in words, as YAML, and as a picture."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from sniffer import extras
from sniffer.errors import UsageError
from sniffer.evaluation.listener.fit import Check
from sniffer.evaluation.listener.measure import Measured
from sniffer.evaluation.statistics import reliability, wilson
from sniffer.judge.testimony import Table

_HEADER = """\
# What a listener's testimony says about a request: log-odds, by the share of tenths of a second with a voice, the
# signal-to-noise ratio (the loudest tenth over the noise floor, dB) and the best score of a wake word. `room` is what
# the class alone says, `score` the points of a line that the best score adds, straight between them, level beyond.
# sniffer/judge/testimony.py says how the numbers are used; docs/listener.md how they were found.
# Written by `make fit-ear`: do not edit by hand.
"""


def about(measured: Sequence[Measured], seed: int) -> str:
    """Return one line that says what was measured."""
    counts = Counter(one.asked for one in measured)
    engines = ", ".join(sorted({one.engine for one in measured if one.engine}))
    models = ", ".join(sorted({one.model for one in measured}))
    return (
        f"{counts[True]} requests and {counts[False]} other moments, {counts[None]} words that sound alike apart; "
        f"synthetic speech ({engines}) in simulated rooms; models {models}; seed {seed}"
    )


def as_yaml(table: Table) -> str:
    """Return the table as `rules/judge/testimony.yml`."""
    lines = [f"fitted: {table.fitted!r}".replace("'", '"'), f"unheard: {table.unheard:g}", "rows:"]
    for row in table.rows:
        points = ", ".join(f"[{x:g}, {y:g}]" for x, y in row.score)
        lines.append(f"  - {{voice: {row.voice:g}, snr_db: {row.snr_db:g}, room: {row.room:g}, score: [{points}]}}")
    return _HEADER + "\n".join(lines) + "\n"


def tables(measured: Sequence[Measured], checks: Sequence[Check]) -> Iterator[str]:
    """Yield Markdown: how well the models hear, and the checks."""
    yield "| requests | heard (over the cut-off) | almost heard (best score over 0.1) | no trace (under 0.02) |"
    yield "|---|---|---|---|"
    asked = [one for one in measured if one.asked]
    cutoffs = {"alexa": 0.9, "okay_nabu": 0.85, "hey_jarvis": 0.97}
    for title, key in (("model", "model"), ("voice", "engine"), ("distance", "nearness"), ("background", "kind")):
        for name in sorted({getattr(one, key) for one in asked}):
            some = [one for one in asked if getattr(one, key) == name]
            shares = [
                sum(one.testimony.best > cutoffs[one.model] for one in some),
                sum(one.testimony.best > 0.1 for one in some),
                sum(one.testimony.best < 0.02 for one in some),
            ]
            yield f"| {title} {name} ({len(some)}) | " + " | ".join(_share(n, len(some)) for n in shares) + " |"
    yield ""
    yield "| not asked | best score under 0.02 | under 0.1 | over 0.5 |"
    yield "|---|---|---|---|"
    others = [one for one in measured if not one.asked]
    for name in sorted({_kind(one) for one in others}):
        some = [one for one in others if _kind(one) == name]
        shares = [
            sum(one.testimony.best < 0.02 for one in some),
            sum(one.testimony.best < 0.1 for one in some),
            sum(one.testimony.best > 0.5 for one in some),
        ]
        yield f"| {name} ({len(some)}) | " + " | ".join(_share(n, len(some)) for n in shares) + " |"
    yield ""
    yield (
        "| fitted without, tested on | requests | others | of the others, odds under 1 in 10 | under 1 in 30 | "
        "of the requests, under 1 in 10 | under 1 in 30 | overstated by at most |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for one in checks:
        ten, thirty = one.share_below(-math.log(10)), one.share_below(-math.log(30))
        yield (
            f"| {one.name} | {len(one.asked)} | {len(one.unasked)} | {ten[1]:.0%} | {thirty[1]:.0%} | "
            f"{ten[0]:.1%} | {thirty[0]:.1%} | {one.excess:.2f} |"
        )


def _kind(one: Measured) -> str:
    return "a word that sounds alike" if one.asked is None else one.kind


def _share(found: int, of: int) -> str:
    low, high = wilson(found, of) or (0.0, 1.0)
    return f"{found / of:.0%} ({low:.0%} to {high:.0%})"


def draw(checks: Sequence[Check], path: Path) -> None:
    """Write a picture: the log-odds of held-out requests and others, and whether the probabilities are what they say.
    Raises UsageError."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise UsageError(extras.missing("matplotlib", "--plot")) from None
    asked = [weight for one in checks for weight in one.asked]
    unasked = [weight for one in checks for weight in one.unasked]
    curve = reliability(
        (1.0 / (1.0 + math.exp(-weight)), truth) for side, truth in ((asked, True), (unasked, False)) for weight in side
    )
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
    left.hist([asked, unasked], bins=[x / 2 for x in range(-12, 17)], label=["asked", "not asked"])
    left.axvline(0, color="0.3", linewidth=1)
    left.set(xlabel="log-odds of a request", ylabel="scenes", title="Engines that the fit did not hear")
    left.legend(frameon=False)
    right.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    low, high = ([abs(one.share - one.interval[side]) for one in curve] for side in (0, 1))
    right.errorbar([one.said for one in curve], [one.share for one in curve], yerr=[low, high], fmt="o", capsize=3)
    right.set(xlabel="probability that was stated", ylabel="share that was asked for", title="Reliability (95 %)")
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=110)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the plot cannot be written: {' '.join(str(error).split())}") from None
    finally:
        pyplot.close(figure)
