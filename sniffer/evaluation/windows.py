"""How well scores tell speech from the rest, at any threshold (AUC), and whether probabilities are what they say.

Both are counted over pieces of time of which it is known whether anybody spoke in them: each command whose time is
known, each minute in which nobody spoke, and, where commands were only counted, the whole capture. A piece has the
highest score that a detector gave in it. Minutes in which a device sent less than a kilobyte say nothing and are left
out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sniffer.evaluation.baselines import BASELINES
from sniffer.evaluation.run import Played
from sniffer.model.clock import SECOND

_MINUTE_NS = 60 * SECOND
_LEAST_BYTES = 1_000


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of time: did anybody speak in it, the highest score of each detector that gave one, and the highest
    probability of speech that ours gave, if it saw an upload at all."""

    spoken: bool
    scores: Mapping[str, float]
    probability: float | None


def pieces_of(played: Played) -> Iterator[Piece]:
    """The pieces of one capture, in the order of time."""
    spans = list(_spans(played))
    uploads = [(u.start_ns, u.end_ns, _score(u.score, str(u.upload_class))) for u in played.uploads]
    likely = [(u.start_ns, u.end_ns, u.probability) for u in played.uploads if u.upload_class != "media"]
    scored = {"sniffer": uploads, **played.scored}
    best = {name: _highest(spans, given) for name, given in scored.items()}
    probability = _highest(spans, likely)
    for place, (start, end, spoken) in enumerate(spans):
        sent = [judged.traffic.between(start, end) for judged in played.devices]
        if not spoken and sum(int(traffic.payload.sum()) for traffic in sent) < _LEAST_BYTES:
            continue
        scores = {name: values[place] for name, values in best.items()}
        for name, baseline in BASELINES.items():
            rates = (baseline.score(t, judged.vendor) for t, judged in zip(sent, played.devices, strict=True))
            scores[name] = max(rates, default=0.0)
        said = probability[place]
        yield Piece(spoken, scores, said if math.isfinite(said) else None)


def _spans(played: Played) -> Iterator[tuple[int, int, bool]]:
    """(start, end, was anything spoken), without overlaps."""
    capture = played.capture
    if capture.expected and not played.spoken:
        yield played.begin_ns, played.end_ns + 1, True
        return
    at = played.begin_ns
    for start, end in sorted(played.spoken):
        yield from _minutes(at, start)
        if end > at:
            yield max(at, start), end, True
            at = end
    yield from _minutes(at, played.end_ns + 1)


def _minutes(start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    while start < end:
        yield start, min(end, start + _MINUTE_NS), False
        start += _MINUTE_NS


def _score(score: float, upload_class: str) -> float:
    """What was judged to be something else, such as a camera's view, is below the threshold whatever its pace."""
    return score if upload_class == "speech" else min(score, -1e-9)


def _highest(spans: Sequence[tuple[int, int, bool]], given: Sequence[tuple[int, int, float]]) -> list[float]:
    """The highest value in each span: it belongs to speech where it overlaps with speech, else to where it began."""
    best = [-math.inf] * len(spans)
    starts = [start for start, _, _ in spans]
    for start, end, value in given:
        first = max(0, int(np.searchsorted(starts, start, side="right")) - 1)
        last = max(first, int(np.searchsorted(starts, end, side="right")) - 1)
        spoken = [place for place in range(first, last + 1) if spans[place][2] and spans[place][1] > start]
        for place in spoken or [first]:
            best[place] = max(best[place], value)
    return best


def auc(pieces: Sequence[Piece], detector: str) -> float | None:
    """The chance that of two pieces, one with speech and one without, the detector gives the first the higher score; a
    tie is half a chance (Mann and Whitney 1947). None where one of the two is missing."""
    told = [piece for piece in pieces if detector in piece.scores]
    spoken = np.array([piece.scores[detector] for piece in told if piece.spoken])
    silent = np.sort([piece.scores[detector] for piece in told if not piece.spoken])
    if not len(spoken) or not len(silent):
        return None
    below, up_to = (np.searchsorted(silent, spoken, side=side) for side in ("left", "right"))
    return float((below + up_to).mean() / 2 / len(silent))
