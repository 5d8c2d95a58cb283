"""Fits the table of `rules/judge/testimony.yml` to measured testimonies, and checks it on engines it never heard.

For each class of rooms and each step of the best score, the table holds

    ln P(class, step | asked) / P(class, step | not asked)

where both shares are taken at the end of their interval (Wilson, one-sided 95 %) that brings the ratio nearer to
nothing, and 0 where the interval contains nothing: what is thinly known says little. Within a class the numbers may
only rise with the score (each is at least the one before), and a score that speaks for a request in all rooms together
speaks as much in each: a wake word that was heard is one, even where the voice detector heard no voice.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sniffer.evaluation.listener.measure import Measured
from sniffer.evaluation.statistics import wilson
from sniffer.judge.testimony import Row, Table, find_row, log_odds_asked

#: The classes of rooms: the least share of tenths of a second with a voice, and the least signal-to-noise ratio (dB).
CLASSES = ((0.0, 0.0), (0.05, 0.0), (0.05, 12.0), (0.05, 24.0))
#: The steps of the best score: where each begins. The line's points lie at their middles.
STEPS = (0.0, 0.01, 0.05, 0.2, 0.5, 0.9)
#: One-sided 95 %.
Z = 1.645
#: The share of requests that leave no trace in a listener, before anything is known of it: a whisper, another room, a
#: covered microphone. No synthesiser measures that; it is set, and the judge learns it for each listener.
UNHEARD = 0.03


def fit(measured: Sequence[Measured], about: str) -> Table:
    """Return the table that fits these testimonies; `about` says what they are."""
    asked = [one for one in measured if one.asked]
    unasked = [one for one in measured if one.asked is False]
    frame = Table(UNHEARD, tuple(Row(voice, snr, 0.0, ((0.0, 0.0), (1.0, 0.0))) for voice, snr in CLASSES))
    everywhere = [
        _log_ratio(_in_step(asked, step), len(asked), _in_step(unasked, step), len(unasked))
        for step in range(len(STEPS))
    ]
    rows = []
    for row in frame.rows:
        here = [
            [one for one in side if find_row(frame, one.testimony.voice, _snr(one)) is row] for side in (asked, unasked)
        ]
        room = _log_ratio(len(here[0]), len(asked), len(here[1]), len(unasked))
        points, highest = [], -math.inf
        for step in range(len(STEPS)):
            alone = _log_ratio(_in_step(here[0], step), len(asked), _in_step(here[1], step), len(unasked))
            highest = max(highest, alone, everywhere[step] if everywhere[step] > 0.0 else -math.inf)
            points.append((_middle(step), round(highest - round(room, 2), 2)))
        rows.append(Row(row.voice, row.snr_db, round(room, 2), tuple(points)))
    return Table(UNHEARD, tuple(rows), about)


def _log_ratio(found: int, of: int, other_found: int, other_of: int) -> float:
    """Return ln (found / of) / (other_found / other_of), drawn to 0 as far as the intervals of both shares allow."""
    low, high = wilson(found, of, Z) or (0.0, 1.0)
    other_low, other_high = wilson(other_found, other_of, Z) or (0.0, 1.0)
    if other_low > 0.0 and 0.0 < high < other_low:
        return math.log(high / other_low)
    if low > 0.0 and low > other_high > 0.0:
        return math.log(low / other_high)
    return 0.0


def _in_step(measured: Iterable[Measured], step: int) -> int:
    end = STEPS[step + 1] if step + 1 < len(STEPS) else math.inf
    return sum(STEPS[step] <= one.testimony.best < end for one in measured)


def _middle(step: int) -> float:
    return round((STEPS[step] + (STEPS[step + 1] if step + 1 < len(STEPS) else 1.0)) / 2, 4)


def _snr(one: Measured) -> float:
    return one.testimony.level_db - one.testimony.noise_db


@dataclass(frozen=True, slots=True)
class Check:
    """How a table does on testimonies: the log-odds that it gives to what was asked for, and to what was not."""

    name: str
    asked: tuple[float, ...]
    unasked: tuple[float, ...]

    def share_below(self, log_odds: float) -> tuple[float, float]:
        """Return the shares of the asked and the unasked that lie at or below these log-odds."""
        return tuple(sum(x <= log_odds for x in side) / max(1, len(side)) for side in (self.asked, self.unasked))  # type: ignore[return-value]

    @property
    def excess(self) -> float:
        """The largest ratio of how often a request got odds of at most 1 in k to 1 in k: at most 1 where the table
        never overstates what speaks against a request (Markov)."""
        if not self.asked:
            return 0.0
        ordered = sorted(self.asked)
        return max(
            ((rank / len(ordered)) / math.exp(value) for rank, value in enumerate(ordered, 1) if value < 0.0),
            default=0.0,
        )


def check(table: Table, measured: Iterable[Measured], name: str) -> Check:
    """Return what a table says of testimonies."""
    weights = [(one.asked, log_odds_asked(one.testimony, table)) for one in measured if one.asked is not None]
    return Check(name, tuple(w for asked, w in weights if asked), tuple(w for asked, w in weights if not asked))


def held_out(measured: Sequence[Measured]) -> list[Check]:
    """Return, for each engine, what a table fitted without it says of its voices. Rooms without any voice are dealt to
    all engines in turn."""
    engines = sorted({one.engine for one in measured if one.engine})
    silent = [one for one in measured if not one.engine]
    checks = []
    for number, engine in enumerate(engines):
        mine = silent[number :: len(engines)]
        ids = {id(one) for one in mine}
        others = [one for one in measured if one.engine != engine and id(one) not in ids]
        test = [*(one for one in measured if one.engine == engine), *mine]
        checks.append(check(fit(others, ""), test, engine))
    return checks
