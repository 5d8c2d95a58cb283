"""Where scores lie with and without speech, and whether probabilities are what they say, as one picture.

matplotlib is asked for only here: it is no dependency of the daemon.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sniffer import extras
from sniffer.errors import UsageError
from sniffer.evaluation.statistics import Bin

#: Scores beyond these are drawn at them, in log-odds.
_LOW, _HIGH = -30, 15


def draw(spoken: Sequence[float], silent: Sequence[float], curve: Sequence[Bin], path: Path) -> None:
    """Writes the picture, in the format that the file's name says. Raises UsageError."""
    try:
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot
    except ImportError:
        raise UsageError(extras.missing("matplotlib", "--plot")) from None
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4), width_ratios=(3, 2))
    clipped = [[max(_LOW + 0.5, min(_HIGH - 0.5, value)) for value in values] for values in (spoken, silent)]
    edges = [float(edge) for edge in range(_LOW, _HIGH + 1)]
    left.hist(clipped, bins=edges, label=["somebody spoke", "nobody spoke"], color=["tab:blue", "tab:orange"])
    left.axvline(0, color="0.3", linewidth=1)
    left.set(xlabel="score (log-odds of speech)", ylabel="count", yscale="symlog")
    left.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False)
    right.plot([0, 1], [0, 1], color="0.7", linewidth=1)
    low, high = ([abs(one.share - one.interval[side]) for one in curve] for side in (0, 1))
    right.errorbar([one.said for one in curve], [one.share for one in curve], yerr=[low, high], fmt="o", capsize=3)
    for one in curve:
        right.annotate(str(one.count), (one.said, one.share), textcoords="offset points", xytext=(6, -10), fontsize=7)
    right.set(xlabel="probability that was said", ylabel="share that was speech", title="Reliability (95 %, count)")
    right.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03))
    figure.tight_layout()
    try:
        figure.savefig(path, dpi=120)
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: the plot cannot be written: {' '.join(str(error).split())}") from None
    finally:
        pyplot.close(figure)
