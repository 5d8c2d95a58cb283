"""Why a run is, or is not, somebody's voice: each reason a measurement, a weight, and a sentence for anyone.

The table at the end is the whole list. Each entry maps what was measured to a number (0 says nothing either way); what
that adds to the log-odds is a curve, fitted and kept in `rules/detect/evidence.yml`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sniffer.detect.scoring import numbers, words
from sniffer.detect.scoring.observation import Observation
from sniffer.model import Evidence

#: Habits take no more than this from what is unlike them, in log-odds: nobody trains the detector to overlook a voice.
MOST_AGAINST = 3.0


#: (number, log-odds) in order of the number: straight between them, level beyond the ends.
Curve = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Weights:
    """Fitted numbers: the log-odds a run starts with, what each kind of evidence adds, and where they come from."""

    intercept: float
    curves: Mapping[str, Curve]
    provenance: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One kind of evidence. `measure` gives (number for the curve, number for people) or None where not applicable.
    A `habit` is about what this device did before."""

    name: str
    measure: Callable[[Observation], tuple[float, float] | None]
    sentence: Callable[[Observation, float], str]
    habit: bool = False


@dataclass(frozen=True, slots=True)
class Weighed:
    """The log-odds of speech; what they are without any habit; and the evidence, heaviest first."""

    score: float
    alone: float
    evidence: tuple[Evidence, ...]


def features(seen: Observation) -> dict[str, float]:
    """The numbers that the curves are for."""
    return {item.name: found[0] if (found := item.measure(seen)) else 0.0 for item in ITEMS}


def score_of(seen: Observation, weights: Weights) -> float:
    """The score of `weigh` alone: most of the time is in the words."""
    return weights.intercept + sum(added for _, _, added in _added(seen, weights))


def weigh(seen: Observation, weights: Weights) -> Weighed:
    """What speaks for speech in this seen, and what against it."""
    added = _added(seen, weights)
    evidence = [
        Evidence(item.name, value, weight, item.sentence(seen, value))
        for item, value, weight in added
        if abs(weight) >= 0.05
    ]
    evidence.sort(key=lambda e: -abs(e.weight))
    alone = weights.intercept + sum(weight for item, _, weight in added if not item.habit)
    return Weighed(weights.intercept + sum(weight for _, _, weight in added), alone, tuple(evidence))


def _added(seen: Observation, weights: Weights) -> list[tuple[Item, float, float]]:
    """Each item that applies, its number for people, and what it adds to the log-odds."""
    added = []
    against = 0.0
    for item in ITEMS:
        found = item.measure(seen)
        if found is None:
            continue
        weight = height(weights.curves[item.name], found[0]) if item.name in weights.curves else 0.0
        added.append((item, found[1], weight))
        if item.habit:
            against -= min(weight, 0.0)
    if against <= MOST_AGAINST:
        return added
    part = MOST_AGAINST / against
    return [(item, value, weight * part if item.habit and weight < 0 else weight) for item, value, weight in added]


def height(curve: Curve, number: float) -> float:
    """The curve at `number`."""
    before = curve[0]
    if number <= before[0]:
        return before[1]
    for point in curve:
        if number < point[0]:
            return before[1] + (point[1] - before[1]) * (number - before[0]) / (point[0] - before[0])
        before = point
    return before[1]


def probability(score: float) -> float:
    """Log-odds as a probability."""
    return 1 / (1 + math.exp(-max(-50.0, min(50.0, score))))


ITEMS: tuple[Item, ...] = (
    Item(
        "pace",
        numbers.amount_of_pace,
        lambda c, v: f"For {v:.1f} s data left at one steady speed, as live sound does",
    ),
    Item(
        "regular_gaps",
        numbers.regular_gaps,
        lambda c, v: f"{v:.0%} of the pieces left at the same distance in time",
    ),
    Item(
        "chunk_constancy",
        numbers.chunk_constancy,
        lambda c, v: (
            f"{v:.0%} of the steady part is made of pieces of the same few sizes, mostly {c.shape.chunk} bytes"
        ),
    ),
    Item("comb", numbers.comb, lambda c, v: f"Pieces of {v:.0f} bytes left like clockwork"),
    Item(
        "narrow_sizes",
        numbers.narrow_sizes,
        lambda c, v: (
            "The pieces are nearly of one size, as compressed speech is"
            if v < 0.05
            else f"The pieces differ in size by {v:.0%}, as those of compressed speech may"
        ),
    ),
    Item(
        "mixed_sizes",
        numbers.mixed_sizes,
        lambda c, v: f"The pieces have very different sizes (they differ by {v:.0%})",
    ),
    Item(
        "burst_then_pace",
        numbers.burst_then_pace,
        lambda c, v: (
            f"A first burst left {v:.0f} times faster; after it the device took its time, although the line had room"
        ),
    ),
    Item(
        "too_fast",
        numbers.too_fast,
        lambda c, v: f"{v / 1000:.0f} kB a second is more than a live microphone needs",
    ),
    Item(
        "too_slow",
        numbers.too_slow,
        lambda c, v: f"{v / 1000:.1f} kB a second is little for understandable speech",
    ),
    Item(
        "too_few_chunks",
        numbers.too_few_chunks,
        lambda c, v: (
            f"Only {v:.1f} pieces a second; live sound leaves more often"
            if v
            else "No part of it left at a steady speed"
        ),
    ),
    Item(
        "asked_for_each",
        numbers.asked_for_each,
        lambda c, v: f"{v:.0%} of the pieces were sent only after the server had answered the one before",
    ),
    Item(
        "mostly_download",
        numbers.mostly_download,
        lambda c, v: f"{v:.0f} times as much was received at the same time: this looks like a download",
    ),
    Item(
        "amount",
        numbers.amount,
        lambda c, v: f"{words.kilobytes(v)} is {'little' if v < 16_000 else 'enough'} for a spoken request",
    ),
    Item(
        "no_opening",
        numbers.no_opening,
        lambda c, v: (
            f"It began with {words.kilobytes(v)}, no faster than it went on; a spoken request begins with a burst"
        ),
    ),
    Item(
        "unanswered",
        numbers.unanswered,
        lambda c, v: f"It began with {words.kilobytes(v)} and nothing came back; a spoken request is answered",
    ),
    Item("rest", numbers.rest, lambda c, v: f"{v / 1000:.0f} kB beside the steady part left in another way"),
    Item(
        "voice_host",
        numbers.role("voice"),
        lambda c, v: f"It went to {words.host(c)}, which takes voice recordings",
    ),
    Item(
        "telemetry_host",
        numbers.role("telemetry"),
        lambda c, v: f"It went to {words.host(c)}, which collects usage data",
    ),
    Item(
        "errand_host",
        numbers.errand_host,
        lambda c, v: f"It went to {words.host(c)}, which does other errands",
    ),
    Item(
        "new_connection",
        numbers.new_connection,
        lambda c, v: "The connection had just been opened, and devices introduce themselves at length",
    ),
    Item("answer", numbers.answer, lambda c, v: f"{v / 1000:.0f} kB came back right after it, like a spoken answer"),
    Item("known_server", numbers.known_server, words.server_words, habit=True),
    Item("known_opening", numbers.known_opening, words.opening_words, habit=True),
    Item("known_chunk", numbers.known_chunk, words.chunk_words, habit=True),
    Item("known_rate", numbers.known_rate, words.rate_words, habit=True),
)
