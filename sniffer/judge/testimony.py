"""How much a listener's testimony speaks for a request: a likelihood ratio, read from a fitted table.

A request that the listener could hear and one that it could not (a whisper, another room, a covered microphone) are
told apart by `unheard`, so that no testimony ever speaks more strongly against a request than that share allows::

    ratio = (1 - unheard) * fitted ratio + unheard

The table knows many voices and rooms, the listener its own. Where it heard no trace of the wake word, its own requests
replace the table's guess as they are counted, those in a silent room apart from those beside a voice::

    ratio = (TABLE_WORTH * ratio + requests without a trace / share of unasked uploads without one)
            / (TABLE_WORTH + all requests)

Whether an upload without a trace was a request is seen from what else is known of it: the cloud answers most requests
and few other uploads, another listener heard them, a person said so. If those without a trace are answered as requests
are, most of them are requests, however many the listener did hear: they are made in another room. So the ratio is
corrected by the share of requests that this evidence shows among them (expectation maximisation).

At last it is drawn to 1 as far as the span was not heard.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise

from sniffer.model import Testimony

#: A span of which this share was heard says nothing against a request: the word may lie in the rest.
LEAST_HEARD = 0.5
#: A best score below this is no trace of a wake word.
TRACE_SCORE = 0.02
#: A span with less than this share of voice is silent.
SILENT_VOICE = 0.05
#: Requests that the table is worth against what a listener shows itself.
TABLE_WORTH = 10.0
#: No listener is believed to leave fewer requests than this share without a trace in either.
LEAST_UNHEARD = 0.003
#: The shares of unasked uploads that leave no trace in a silent room, and beside a voice: on the careful side, as the
#: scenes of docs/listener.md give 0.6 and 0.37.
SILENT_IF_UNASKED, VOICED_IF_UNASKED = 0.5, 0.33
#: Uploads without a trace that the number of requests heard and missed is worth, against what is known of each.
PRIOR_WORTH = 1.0
#: Requests that are remembered of one listener, and the uploads without a trace among them.
MEMORY, MEMORY_UNTRACED = 400, 64
#: Evidence that an upload was certainly asked for.
CERTAIN = 1e9
#: Rounds in which the share is found; each changes it by less than the one before.
ROUNDS = 20

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


@dataclass(frozen=True, slots=True)
class Untraced:
    """An upload that left no trace in a listener (`case` is its number): in a `silent` room or beside a voice, what
    else speaks for a request (`evidence`, a likelihood ratio), and how many requests the listener had heard before."""

    case: int
    silent: bool
    evidence: float
    after: int = 0


@dataclass(frozen=True, slots=True)
class Traces:
    """What a listener heard of its requests: how many left a trace (`heard`), and the uploads that left none."""

    heard: int = 0
    untraced: tuple[Untraced, ...] = ()

    def plus(self, untraced: Untraced | None = None) -> Traces:
        """Count a request that left a trace, or an upload that left none; one counted before is counted anew."""
        if untraced is None:
            kept = tuple(one for one in self.untraced if one.after > self.heard + 1 - MEMORY)
            return Traces(self.heard + 1, kept)
        others = tuple(one for one in self.untraced if one.case != untraced.case)
        return Traces(self.heard, (*others, replace(untraced, after=self.heard))[-MEMORY_UNTRACED:])

    @property
    def requests(self) -> int:
        """How many of the requests that are remembered it heard."""
        return min(self.heard, MEMORY)

    def ratio(self, guess: float, silent: bool, base_odds: float) -> float:
        """Return P(no trace | asked) / P(no trace | not asked) in a silent room or beside a voice. `guess` is the
        table's, `base_odds` are those of a request before anything is known of an upload.

        First from how many requests were heard and missed; with the share of requests that follows as its prior, then
        from what else is known of the uploads without a trace. Both by expectation maximisation.
        """
        evidence = [one.evidence for one in self.untraced if one.silent == silent]
        unasked = SILENT_IF_UNASKED if silent else VOICED_IF_UNASKED
        ratio, least = guess, LEAST_UNHEARD / unasked
        for _ in range(ROUNDS):
            missed = sum(1.0 - 1.0 / (1.0 + base_odds * ratio * one) for one in evidence)
            ratio = max(least, (TABLE_WORTH * guess + missed / unasked) / (TABLE_WORTH + self.requests + missed))
        prior = share = base_odds * ratio / (1.0 + base_odds * ratio)
        for _ in range(ROUNDS if evidence else 0):
            found = sum(1.0 - (1.0 - share) / (1.0 - share + share * one) for one in evidence)
            share = (PRIOR_WORTH * prior + found) / (PRIOR_WORTH + len(evidence))
        return min(1.0, max(least, share / (1.0 - share) / base_odds if share < 1.0 else 1.0))

    def unheard(self) -> float:
        """Return the share of its requests that left no trace."""
        missed = 0.0
        for silent in (False, True):
            odds = self.ratio(1.0, silent, 1.0)
            missed += sum(1.0 - 1.0 / (1.0 + odds * one.evidence) for one in self.untraced if one.silent == silent)
        return missed / (self.requests + missed) if self.requests + missed > 0 else 0.0


def is_silent(testimony: Testimony) -> bool:
    """Return whether there was no voice worth the name."""
    return testimony.voice < SILENT_VOICE


def leaves_trace(testimony: Testimony) -> bool:
    """Return whether anything sounded a little like a wake word, or might have while nothing was heard."""
    return not testimony.scores or testimony.best >= TRACE_SCORE


def log_odds_asked(testimony: Testimony, table: Table, traces: Traces | None = None, base_odds: float = 1.0) -> float:
    """Return ln P(testimony | asked) / P(testimony | not asked): above 0 speaks for a request, below 0 against one.

    `traces` is what is known of this listener, `base_odds` are the odds of a request before anything is known of the
    upload. Without scores (no model for the wake word in question) only the room counts. A testimony about nothing
    heard gives 0.
    """
    if not testimony.seconds > 0.0 or testimony.to_ns <= testimony.from_ns:
        return 0.0
    row = find_row(table, testimony.voice, testimony.level_db - testimony.noise_db)
    fitted = row.room + (interpolate(row.score, testimony.best) if testimony.scores else 0.0)
    if fitted >= 0.0:
        return fitted
    share = min(1.0, testimony.seconds * 1e9 / (testimony.to_ns - testimony.from_ns))
    heard = max(0.0, (share - LEAST_HEARD) / (1.0 - LEAST_HEARD))
    ratio = (1.0 - table.unheard) * math.exp(fitted) + table.unheard
    if traces is not None and testimony.scores:
        own = traces.ratio(ratio, is_silent(testimony), base_odds)
        ratio = max(ratio, own) if leaves_trace(testimony) else own  # a trace never weighs more than none
    return math.log(heard * ratio + 1.0 - heard)


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
