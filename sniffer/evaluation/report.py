"""What `sniffer evaluate` prints: a table a device, and all of it as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sniffer.evaluation import trained
from sniffer.evaluation.baselines import BASELINES
from sniffer.evaluation.bursts import BurstScore
from sniffer.evaluation.datasets import HELD_OUT, TUNED
from sniffer.evaluation.score import Counts, DeviceScore, together
from sniffer.evaluation.statistics import Bin, at_most, median, reliability, wilson
from sniffer.evaluation.windows import Piece, auc

_NOTE = {
    TUNED: "tuned-on: these captures were looked at while the detector was made; see docs/detection.md for what was "
    "fitted without them",
    HELD_OUT: "held-out: nothing was fitted or looked at here",
}
_HEAD = (
    f"  {'':27}{'found':>9} {'more':>5} {'false':>6}  {'recall':>7} {'95 % interval':>16} {'precision':>10} {'AUC':>6} "
    f"{'heard in':>9} {'false/h':>8} {'at most':>8}"
)


def text(devices: Sequence[DeviceScore], bursts: Sequence[BurstScore]) -> Iterator[str]:
    """The report, line by line."""
    for device in devices:
        classes = ", ".join(f"{number} {name}" for name, number in sorted(device.classes.items()))
        captures = "1 capture" if device.captures == 1 else f"{device.captures} captures"
        yield f"{device.device} ({device.tuning}; {captures}, {_hours(device.hours)}; {classes or 'no uploads'})"
        yield _HEAD
        for name, counts in device.counts.items():
            yield _line(name, counts, device.pieces)
        if device.streams:
            yield f"  {_whole(device.whole, device.streams)}"
        yield ""
    pieces = [piece for device in devices for piece in device.pieces]
    total = together(devices)
    if len(devices) > 1:
        yield "all devices together"
        yield _HEAD
        for name, counts in total.items():
            yield _line(name, counts, pieces)
        if streams := sum(device.streams for device in devices):
            yield f"  {_whole(sum(device.whole for device in devices), streams)}"
        yield ""
    if devices:
        yield from _reliability(pieces)
        yield ""
    if bursts:
        yield from _bursts(bursts)
        yield ""
    yield from _legend()
    for tuning in dict.fromkeys(device.tuning for device in devices):
        yield _NOTE[tuning]
    if devices:
        yield ""
        yield _summary(total["sniffer"])


def _whole(whole: int, streams: int) -> str:
    low, high = wilson(whole, streams) or (0.0, 1.0)
    return f"views and calls over 5 s that are one upload of their length: {whole} / {streams} ({low:.1%} - {high:.1%})"


def title(name: str) -> str:
    """How a detector is called in reports."""
    return BASELINES[name].title if name in BASELINES else trained.TITLES.get(name, name)


def _line(name: str, counts: Counts, pieces: Sequence[Piece]) -> str:
    interval = wilson(counts.found, counts.expected)
    between = f"{interval[0]:.1%} - {interval[1]:.1%}" if interval else "-"
    delay = median(counts.delays)
    bound = at_most(counts.false, counts.hours)
    told = auc(pieces, name)
    return (
        f"  {title(name):27}{f'{counts.found} / {counts.expected}':>9} {counts.more:>5} {counts.false:>6}  "
        f"{_given(counts.recall, '.1%'):>7} {between:>16} {_given(counts.precision, '.1%'):>10} "
        f"{_given(told, '.3f'):>6} {'-' if delay is None else f'{delay:.2f} s':>9} "
        f"{_given(counts.false / counts.hours if counts.hours else None, '.2f'):>8} {_given(bound, '.2f'):>8}"
    )


def _given(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _hours(hours: float) -> str:
    return f"{hours:.1f} device-hours" if hours >= 1 else f"{hours * 60:.0f} device-minutes"


def _reliability(pieces: Sequence[Piece]) -> Iterator[str]:
    yield "is the probability what it says? (sniffer; pieces of time in which it saw an upload)"
    yield f"  {'said':>7} {'was speech':>11} {'95 % interval':>16} {'pieces':>7}"
    for one in curve(pieces):
        low, high = one.interval
        yield f"  {one.said:>7.3f} {one.share:>11.3f} {f'{low:.3f} - {high:.3f}':>16} {one.count:>7}"


def curve(pieces: Sequence[Piece]) -> list[Bin]:
    """The reliability of the probabilities that were given."""
    return reliability((piece.probability, piece.spoken) for piece in pieces if piece.probability is not None)


def _legend() -> Iterator[str]:
    yield "found      commands with an alarm; where their times are not known, alarms up to the number of commands"
    yield "more       further alarms for commands that were found, or where a re-prompt makes them right"
    yield "false      alarms where nobody spoke; false/h: in an hour of one device; at most: the 95 % upper bound of it"
    yield "precision  found / (found + false)"
    yield "AUC        chance that a piece of time with speech scores higher than one without (0.5 is guessing)"
    yield "heard in   median seconds from the first packet of an utterance to 'listening now'"


def _summary(ours: Counts) -> str:
    parts = []
    if interval := wilson(ours.found, ours.expected):
        parts.append(
            f"{ours.found} of {ours.expected} spoken commands were found ({ours.found / ours.expected:.1%}; 95 %: "
            f"{interval[0]:.1%} - {interval[1]:.1%})"
        )
    bound = at_most(ours.false, ours.hours)
    if bound is not None:
        alarms = "1 false alarm" if ours.false == 1 else f"{ours.false or 'no'} false alarms"
        parts.append(f"{alarms} in {_hours(ours.hours)}, so at most {bound:.2f} an hour (95 %)")
    early, final = median(ours.delays), median(ours.finals)
    if early is not None and final is not None:
        parts.append(f"'listening now' after {early:.2f} s, the class {final:.2f} s after the end (medians)")
    return f"sniffer: {'; '.join(parts)}."


def _bursts(bursts: Sequence[BurstScore]) -> Iterator[str]:
    yield "bursts without packets (BehavIoT): what can be judged from a host name and a sum of bytes"
    yield f"  {'device':24}{'spoken':>8} {'bursts':>8} {'to voice host':>14} {'over PETS rate':>15}"
    for score in bursts:
        for spoken in (True, False):
            row = score.spoken if spoken else score.silent
            yield (
                f"  {score.device:24}{'yes' if spoken else 'no':>8} {row.bursts:>8} {row.voice_host:>14} "
                f"{row.over_rate:>15}"
            )
    yield "  (our own detector needs packets: it is not run on these rows)"


def as_json(devices: Sequence[DeviceScore], bursts: Sequence[BurstScore]) -> dict[str, Any]:
    """The same as one JSON object."""
    pieces = [piece for device in devices for piece in device.pieces]
    return {
        "devices": [
            {
                "device": device.device,
                "tuning": device.tuning,
                "captures": device.captures,
                "classes": device.classes,
                "streams": {"of": device.streams, "whole": device.whole},
                "detectors": {name: _counts(name, counts, device.pieces) for name, counts in device.counts.items()},
            }
            for device in devices
        ],
        "together": {name: _counts(name, counts, pieces) for name, counts in together(devices).items()},
        "reliability": [
            {"said": b.said, "share": b.share, "interval": b.interval, "pieces": b.count} for b in curve(pieces)
        ],
        "bursts": [score.as_dict() for score in bursts],
        "detectors": {name: {"title": b.title, "source": b.source} for name, b in BASELINES.items()}
        | {name: {"title": title, "source": trained.SOURCE} for name, title in trained.TITLES.items()},
    }


def _counts(name: str, counts: Counts, pieces: Sequence[Piece]) -> Mapping[str, Any]:
    return {
        "expected": counts.expected,
        "found": counts.found,
        "more": counts.more,
        "false": counts.false,
        "recall": counts.recall,
        "recall_interval": wilson(counts.found, counts.expected),
        "precision": counts.precision,
        "auc": auc(pieces, name),
        "device_hours": round(counts.hours, 4),
        "false_an_hour_at_most": at_most(counts.false, counts.hours),
        "listening_delay_median": median(counts.delays),
        "final_delay_median": median(counts.finals),
    }
