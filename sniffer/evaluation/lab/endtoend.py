"""False accusations per device-month by wake sources: `python -m sniffer.evaluation.lab.endtoend --months 100`.

Detector and judge together, both through their public interfaces. With `--perfect`, uploads come from the truth itself,
so that only the judge errs: thousands of months in minutes.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sniffer.evaluation.lab.columns import v4
from sniffer.evaluation.lab.contenders import Ours, seconds
from sniffer.evaluation.lab.ears import SETUPS, Setup, _ns
from sniffer.evaluation.lab.household import Household
from sniffer.evaluation.lab.months import SESSIONS, SPOKEN, House, Truth
from sniffer.evaluation.lab.score import MARGIN, poisson_upper
from sniffer.judge.testimony_table import load_table
from sniffer.model import (
    Device,
    FlowKey,
    Judged,
    Service,
    Upload,
    UploadClass,
    VerdictKind,
    key_text,
)
from sniffer.resources import shipped


@dataclass
class Row:
    """One line of the table."""

    device_months: float = 0.0
    asked: int = 0
    asked_accused: int = 0
    asked_inconclusive: int = 0
    accused_at_first: int = 0
    unasked: int = 0
    unasked_found: int = 0
    unasked_expected: int = 0
    others_accused: int = 0
    asked_faint: int = 0
    unasked_faint: int = 0
    questions: int = 0

    def add(self, other: Row) -> None:
        """Sum up."""
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def false(self) -> int:
        return self.asked_accused + self.others_accused

    def as_dict(self) -> dict[str, Any]:
        """Figures for JSON."""
        months = self.device_months
        return vars(self) | {
            "false_per_device_month": self.false / months,
            "upper95": poisson_upper(self.false) / months if self.false < 500 else None,
            "inconclusive_share": self.asked_inconclusive / max(self.asked, 1),
            "found_share": self.unasked_found / max(self.unasked, 1),
        }


def device(key: int) -> Device:
    """All speakers of the lab are known."""
    return Device(key, key_text(key), vendor="Lab", kind="speaker", confidence=1.0, microphone=True, configured=True)


def perfect(truths: Sequence[Truth], luck: np.random.Generator) -> list[Upload]:
    """Uploads as an ideal detector would give them."""
    found = []
    for truth in truths:
        if truth.kind not in SPOKEN:
            continue
        flow = FlowKey(v4(0xC0A80114), 40_000, v4(0x34010203), 443, 6)
        begin, end = _ns(truth.begin), _ns(truth.end)
        answered = luck.random() < {"speech": 0.88, "follow_up": 0.85}.get(truth.kind, 0.3)
        found.append(
            Upload(
                key=truth.mac, flows=(flow,), service=Service("voice.lab.example", "voice", "sni"), start_ns=begin,
                end_ns=end, final_ns=end + 900_000_000, upload_class=UploadClass.SPEECH, score=6.0, probability=0.9975,
                bytes=40_000, bytes_toclient=30_000 if answered else 400, packets=80, chunk_bytes=437,
                chunks_per_second=20.0, speech_seconds=truth.seconds, answered=bool(answered),
            )
        )  # fmt: skip
    return found


def uploads_of(seed: int, days: int, *, ideal: bool) -> tuple[House, list[Upload], list[Truth]]:
    """One house for so many days: what the detector found, and what happened."""
    house = House(seed)
    if ideal:
        truths = house.story(days)
        return house, perfect(truths, np.random.default_rng(seed)), truths
    ours, truths = Ours([r.mac for r in house.residents], house.names), []
    for batch, happened in house.days(days):
        truths += happened
        ours.feed(batch)
    ours.finish()
    return house, ours.uploads, truths


def judged(
    setup: Setup, uploads: Sequence[Upload], truths: Sequence[Truth], days: int, seed: int
) -> tuple[list[list[Judged]], int]:
    """Return what the judge said of each upload, revision after revision, and how many questions it asked."""
    home = Household(setup, truths, days, seed, load_table(shipped("rules") / "judge"), device)
    said: dict[tuple[int, int], list[Judged]] = {}
    for result in home.run(uploads):
        if result.verdict.kind is not None:
            said.setdefault((result.upload.key, result.upload.start_ns), []).append(result)
    return list(said.values()), home.questions


def counted(
    setup: Setup, uploads: Sequence[Upload], truths: Sequence[Truth], days: int, seed: int, months: float
) -> Row:
    """Judge and count."""
    history, questions = judged(setup, uploads, truths, days, seed)
    return count(history, truths, months, questions)


def count(history: Sequence[Sequence[Judged]], truths: Sequence[Truth], months: float, questions: int = 0) -> Row:
    """Verdicts beside the truth."""
    row = Row(device_months=months, questions=questions)
    by_device: dict[int, list[Truth]] = {}
    for truth in truths:
        if truth.kind in SPOKEN | SESSIONS:
            by_device.setdefault(truth.mac, []).append(truth)
    for revisions in history:
        upload, last = revisions[0].upload, revisions[-1].verdict.kind
        begin, end = seconds(upload.start_ns), seconds(upload.end_ns)
        near = [t for t in by_device.get(upload.key, []) if t.begin < end + MARGIN and t.end > begin - MARGIN]
        accused = last is VerdictKind.UNEXPECTED
        if any(truth.kind in SESSIONS for truth in near):
            continue  # nothing in the lab says who calls or views
        if any(truth.asked is not None for truth in near):
            row.asked += 1
            row.asked_accused += accused
            row.asked_inconclusive += last is VerdictKind.INCONCLUSIVE
            row.asked_faint += revisions[-1].verdict.reason == "wake_word_faint"
            row.accused_at_first += revisions[0].verdict.kind is VerdictKind.UNEXPECTED
        elif near:
            row.unasked += 1
            row.unasked_found += accused
            row.unasked_expected += last is VerdictKind.EXPECTED
            row.unasked_faint += revisions[-1].verdict.reason == "wake_word_faint"
        else:
            row.others_accused += accused
    return row


def simulate(months: float, seed: int, *, days: int, ideal: bool, setups: Sequence[Setup] = SETUPS) -> dict[str, Row]:
    """All combinations over the same houses."""
    rows = {setup.name: Row() for setup in setups}
    number, done = seed * 100_000 + 50_000, 0.0
    while done < months:
        house, uploads, truths = uploads_of(number, days, ideal=ideal)
        span = len(house.residents) * days / 30
        for setup in setups:
            rows[setup.name].add(counted(setup, uploads, truths, days, number, span))
        done, number = done + span, number + 1
    return rows


def table(rows: dict[str, Row]) -> str:
    """As Markdown, for docs/wake.md."""
    first = next(iter(rows.values()))
    lines = [
        f"Over {first.device_months:.0f} device-months:\n",
        "| wake sources | false accusations a device-month (95 % bound) | of them asked for | not speech "
        "| asked for, inconclusive | asked for, faintly explained | unasked speech called unexpected "
        "| unasked, called expected (by a faint wake word) | questions a day and device |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        figures = row.as_dict()
        bound = f" ({figures['upper95']:.3f})" if figures["upper95"] is not None else ""
        share = row.unasked_expected / max(row.unasked, 1)
        lines.append(
            f"| {name} | {figures['false_per_device_month']:.3f}{bound} | {row.asked_accused} of {row.asked} "
            f"| {row.others_accused} | {figures['inconclusive_share']:.1%} | {row.asked_faint / max(row.asked, 1):.1%} "
            f"| {figures['found_share']:.0%} of {row.unasked} "
            f"| {share:.0%} ({row.unasked_faint / max(row.unasked, 1):.0%}) "
            f"| {row.questions / (30 * row.device_months):.2f} |"
        )
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m sniffer.evaluation.lab.endtoend", description=__doc__)
    parser.add_argument("--months", type=float, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--perfect", action="store_true", help="an ideal detector: only the judge errs")
    parser.add_argument("--format", choices=("text", "json"), default="text")
    chosen = parser.parse_args(arguments)
    rows = simulate(chosen.months, chosen.seed, days=chosen.days, ideal=chosen.perfect)
    if chosen.format == "json":
        print(json.dumps({name: row.as_dict() for name, row in rows.items()}, indent=1, default=_finite))
    else:
        print(table(rows))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    main()
