"""What a detector said beside what happened."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sniffer.evaluation.lab.months import SESSIONS, SPOKEN, Truth
from sniffer.evaluation.statistics import reliability

#: Seconds by which a claim and a truth may miss each other (queues and stalls move packets).
MARGIN = 1.5
#: Seconds by which a claim may be longer than what was spoken: an alarm over four hours does not say that it was.
LONGEST = 60.0
#: Seconds from which on a view or a call has to be one upload.
LEAST_SESSION = 5.0
LENGTHS = (1.0, 1.5, 2.5, 5.0, 10.0)
RATIOS = (0.5, 1.0, 3.0, 10.0)


@dataclass(frozen=True)
class Claim:
    """One upload that a detector announced; times in seconds after the start of the month."""

    mac: int
    begin: float
    end: float
    upload_class: str
    probability: float = 1.0
    final: float | None = None
    seconds: float = 0.0


@dataclass
class Score:
    """Counts of one or many houses; `merge` adds up."""

    device_months: float = 0.0
    packets: int = 0
    found: Counter[str] = field(default_factory=Counter)
    expected: Counter[str] = field(default_factory=Counter)
    judged: Counter[str] = field(default_factory=Counter)
    false: Counter[str] = field(default_factory=Counter)
    impostors: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    whole: Counter[str] = field(default_factory=Counter)
    listening_delay: list[float] = field(default_factory=list)
    final_delay: list[float] = field(default_factory=list)
    missed: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[dict[str, Any]] = field(default_factory=list)
    said: list[tuple[float, bool]] = field(default_factory=list)

    def merge(self, other: Score) -> None:
        """Add another score to this one."""
        self.device_months += other.device_months
        self.packets += other.packets
        for name in ("found", "expected", "judged", "false", "impostors", "sessions", "whole"):
            getattr(self, name).update(getattr(other, name))
        for name in ("listening_delay", "final_delay", "missed", "wrong", "said"):
            getattr(self, name).extend(getattr(other, name))

    def as_dict(self) -> dict[str, Any]:
        """Figures with their intervals, for JSON."""
        speech = sum(n for kind, n in self.false.items() if kind.startswith("speech/"))
        media = sum(n for kind, n in self.false.items() if kind.startswith("media/"))
        bulk = sum(n for kind, n in self.false.items() if kind.startswith("bulk/"))
        return {
            "device_months": round(self.device_months, 2),
            "packets": self.packets,
            "recall": {
                key: {
                    "found": self.found[key],
                    "expected": n,
                    "recall": self.found[key] / n,
                    "wilson": wilson(self.found[key], n),
                    "judged": self.judged[key] / n,
                }
                for key, n in sorted(self.expected.items())
                if n
            },
            "false_per_device_month": {
                name: {"count": n, "rate": n / self.device_months, "upper95": poisson_upper(n) / self.device_months}
                for name, n in (("speech", speech), ("media", media), ("speech+media", speech + media), ("bulk", bulk))
            },
            "false_by_kind": dict(self.false.most_common()),
            "impostors": dict(self.impostors),
            "sessions": {kind: {"of": n, "whole": self.whole[kind]} for kind, n in sorted(self.sessions.items())},
            "reliability": [
                {"said": one.said, "share": one.share, "interval": one.interval, "count": one.count}
                for one in reliability(self.said)
            ],
            "listening_delay": quantiles(self.listening_delay),
            "final_delay": quantiles(self.final_delay),
        }


def buckets(truth: Truth) -> Iterable[str]:
    """The rows of the table in which an utterance counts."""
    yield "all"
    yield f"kind {truth.kind}"
    yield f"codec {truth.family}"
    yield f"length {_bucket(truth.seconds, LENGTHS)} s"
    yield "noise none" if math.isinf(truth.snr) else f"noise 1/{_bucket(truth.snr, RATIOS)}"


def _bucket(value: float, edges: Sequence[float]) -> str:
    for low, high in zip((0.0, *edges), edges, strict=False):
        if value < high:
            return f"{low:g}-{high:g}"
    return f">{edges[-1]:g}"


def compare(
    truths: Sequence[Truth], claims: Sequence[Claim], listening: Sequence[tuple[int, float]], *, seed: int
) -> Score:
    """Score one stretch of one house. `listening` are (device, seconds) of each live announcement."""
    score = Score()
    by_device: dict[int, list[Truth]] = defaultdict(list)
    for truth in truths:
        by_device[truth.mac].append(truth)
    said: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        said[claim.mac].append(claim)
    live: dict[int, list[float]] = defaultdict(list)
    for mac, at in listening:
        live[mac].append(at)
    for mac, happened in by_device.items():
        for truth in happened:
            if truth.kind in SPOKEN:
                _recall(score, truth, said[mac], live[mac], seed)
            else:
                score.impostors[truth.kind] += 1
                _session(score, truth, said[mac], happened)
    for mac, heard in said.items():
        for claim in heard:
            _false(score, claim, by_device[mac], seed)
    return score


def said(truths: Sequence[Truth], claims: Sequence[Claim]) -> list[tuple[float, bool]]:
    """For each utterance that was seen as an upload the highest probability that was given, and for each other upload
    its own. What else left while somebody spoke, and calls and camera views, are left out."""
    by_device: dict[int, list[Truth]] = defaultdict(list)
    for truth in truths:
        if truth.kind in SPOKEN | SESSIONS:
            by_device[truth.mac].append(truth)
    highest: dict[Truth, float] = {}
    pairs = []
    for claim in claims:
        near = [truth for truth in by_device[claim.mac] if _overlaps(claim, truth)]
        for truth in near:
            highest[truth] = max(highest.get(truth, 0.0), claim.probability)
        if not near and claim.upload_class != "media":
            pairs.append((claim.probability, False))
    return pairs + [(p, True) for truth, p in highest.items() if truth.kind in SPOKEN]


def _overlaps(claim: Claim, truth: Truth) -> bool:
    return claim.begin < truth.end + MARGIN and claim.end > truth.begin - MARGIN


def _recall(score: Score, truth: Truth, claims: Sequence[Claim], live: Sequence[float], seed: int) -> None:
    near = [claim for claim in claims if _overlaps(claim, truth) and claim.end - claim.begin <= LONGEST + truth.seconds]
    hit = any(claim.upload_class == "speech" for claim in near)
    judged = hit or any(claim.upload_class in ("bulk", "media") for claim in near)
    for key in buckets(truth):
        score.expected[key] += 1
        score.found[key] += hit
        score.judged[key] += judged
    if not hit:
        classes = [f"{claim.upload_class}({claim.probability:.2f})" for claim in near]
        score.missed.append({"seed": seed, "truth": truth, "said": classes})
        return
    announced = [at - truth.begin for at in live if truth.begin - 0.1 <= at <= truth.end + MARGIN]
    if announced:
        score.listening_delay.append(min(announced))
    score.final_delay += [c.final - c.end for c in near if c.upload_class == "speech" and c.final is not None]


def _session(score: Score, truth: Truth, claims: Sequence[Claim], truths: Sequence[Truth]) -> None:
    """Count a view or a call of over five seconds, with nothing spoken beside it, and whether it is one upload."""
    length = truth.end - truth.begin
    if truth.kind not in SESSIONS or length <= LEAST_SESSION:
        return
    if any(other.kind in SPOKEN and other.begin < truth.end and other.end > truth.begin for other in truths):
        return
    near = [claim for claim in claims if _overlaps(claim, truth) and claim.upload_class in ("speech", "media", "bulk")]
    score.sessions[truth.kind] += 1
    if len(near) == 1 and near[0].upload_class == "media":
        score.whole[truth.kind] += abs(near[0].end - near[0].begin - length) <= max(2.0, 0.15 * length)


def _false(score: Score, claim: Claim, truths: Sequence[Truth], seed: int) -> None:
    if claim.upload_class not in ("speech", "media", "bulk"):
        return
    near = [truth for truth in truths if _overlaps(claim, truth)]
    if any(truth.kind in SPOKEN for truth in near):
        return
    if claim.upload_class != "speech" and any(truth.kind in SESSIONS for truth in near):
        return
    about = near[0].kind if near else "nothing"
    score.false[f"{claim.upload_class}/{about}"] += 1
    score.wrong.append({"seed": seed, "claim": claim, "truth": near[0] if near else None})


def wilson(found: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    share = found / n
    middle, half = share + z * z / (2 * n), z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, (middle - half) / (1 + z * z / n)), min(1.0, (middle + half) / (1 + z * z / n))


def poisson_upper(count: int, level: float = 0.95) -> float:
    """The rate that would have shown more than `count` with this probability (3.0 for none: the rule of three)."""
    low, high = 0.0, 10.0 + 3 * count
    for _ in range(80):
        rate = (low + high) / 2
        below = sum(math.exp(k * math.log(rate) - rate - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (rate, high) if below > 1 - level else (low, rate)
    return high


def quantiles(values: Sequence[float]) -> dict[str, float] | None:
    """Median and 95th percentile."""
    if not values:
        return None
    ranked = sorted(values)
    return {"median": ranked[len(ranked) // 2], "p95": ranked[int(len(ranked) * 0.95)], "n": len(ranked)}
