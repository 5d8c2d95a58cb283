"""How much a listener's testimony speaks for a request: a likelihood ratio, read from a fitted table.

A request that the listener could hear and one that it could not (a whisper, another room, a covered microphone) are
told apart by `unheard`, so that no testimony ever speaks more strongly against a request than that share allows::

    ratio = h * fitted ratio + (1 - h),    h = (1 - unheard) * how much of the span was heard
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from sniffer.model import Testimony

#: A span of which this share was heard says nothing against a request: the word may lie in the rest.
LEAST_HEARD = 0.5

#: Points of a line, (number, log-odds), in order of the number; level beyond the ends.
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One class of rooms: at least this share of `voice` (0 to 1) and this signal-to-noise ratio (dB).

    `room` is the log-odds that the class itself gives to a request, `score` what the best score of a wake word adds.
    """

    voice: float
    snr_db: float
    room: float
    score: Curve


@dataclass(frozen=True, slots=True)
class Table:
    """The fitted numbers. `unheard` is the share of requests that leave no trace in a listener, before anything is
    known of this one. `rows` are in order of `voice`, then `snr_db`; the first begins at the least of both."""

    unheard: float
    rows: tuple[Row, ...]
    fitted: str = ""


def log_odds_asked(testimony: Testimony, table: Table, unheard: float | None = None) -> float:
    """Return ln P(testimony | asked) / P(testimony | not asked): above 0 speaks for a request, below 0 against one.

    `unheard` (0 to 1) is what is known of this listener, the table's own where None. Without scores (no model for the
    wake word in question) only the room counts. A testimony about nothing heard gives 0.
    """
    if not testimony.seconds > 0.0 or testimony.to_ns <= testimony.from_ns:
        return 0.0
    row = find_row(table, testimony.voice, testimony.level_db - testimony.noise_db)
    fitted = row.room + (interpolate(row.score, testimony.best) if testimony.scores else 0.0)
    if fitted >= 0.0:
        return fitted
    share = min(1.0, testimony.seconds * 1e9 / (testimony.to_ns - testimony.from_ns))
    heard = max(0.0, (share - LEAST_HEARD) / (1.0 - LEAST_HEARD))
    heard *= 1.0 - (table.unheard if unheard is None else unheard)
    return math.log(heard * math.exp(fitted) + 1.0 - heard)


def find_row(table: Table, voice: float, snr_db: float) -> Row:
    """Return the class of rooms that a share of voice and a signal-to-noise ratio belong to."""
    found = table.rows[0]
    for row in table.rows:
        if row.voice <= voice and (row.snr_db <= snr_db or row.voice > found.voice):
            found = row
    return found


def interpolate(curve: Curve, at: float) -> float:
    """Return the curve's value, straight between its points and level beyond its ends."""
    if at <= curve[0][0]:
        return curve[0][1]
    for (x0, y0), (x1, y1) in pairwise(curve):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return curve[-1][1]
