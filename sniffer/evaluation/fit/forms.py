"""Real runs as other devices, homes and radios would have sent them: other chunk sizes and speeds, sizes that spread,
jitter and bunching, merged or cut short; slower lines for what is not speech."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np

from sniffer.detect.features.rows import Rows


@dataclasses.dataclass(frozen=True)
class Form:
    """A run in another form. Of one that is not `whole` the beginning was not captured: nothing is known of how it
    opens."""

    rows: Rows
    whole: bool = True


def forms(rows: Rows, begin: float, speech: bool, rng: np.random.Generator) -> Iterator[Form]:
    """The same run as another device, home or radio would have sent it. `begin` is the second in which its paced part
    begins."""
    if speech:
        yield Form(headless(rows, begin), whole=False)
    for changed in _changed(rows, begin, speech, rng):
        yield Form(changed)


def _changed(rows: Rows, begin: float, speech: bool, rng: np.random.Generator) -> Iterator[Rows]:
    if speech:
        yield cut(rows, begin + rng.uniform(0.4, 0.9))
        yield cut(rows, begin + rng.uniform(0.9, 2.0))
        yield cut(resized(rows, begin, rng.uniform(0.3, 2.5)), begin + rng.uniform(0.5, 4))
        yield dilated(rows, begin, rng.uniform(0.6, 1.7))
        yield jittered(rows, rng.uniform(0.01, 0.05), rng)
        yield bunched(rows, begin, rng.uniform(0.06, 0.2))
        yield spread(rows, begin, rng.uniform(0.15, 0.35), rng)
        yield cut(spread(rows, begin, 0.25, rng), begin + rng.uniform(0.6, 2))
        yield stalled(rows, begin, rng.uniform(0.2, 0.6), rng)
    else:
        yield dilated(rows, 0.0, rng.uniform(1.5, 3))
        yield dilated(rows, 0.0, rng.uniform(3, 8))
        yield jittered(rows, rng.uniform(0.01, 0.05), rng)
        yield merged(rows)
        yield slow_line(rows, rng.uniform(15_000, 60_000))


def cut(rows: Rows, last: float) -> Rows:
    """Return the run up to a second."""
    return rows.between(0, last) if last > 0 else rows


def _with(rows: Rows, **changes: object) -> Rows:
    changed = dataclasses.replace(rows, **changes)  # type: ignore[arg-type]
    order = np.argsort(changed.seconds, kind="stable")
    seconds = changed.seconds[order]
    return Rows(
        seconds - seconds[0], changed.bytes[order], changed.answers[order], changed.unit[order], changed.units[order]
    )


def resized(rows: Rows, begin: float, factor: float) -> Rows:
    """Return the run with the pieces of the paced part enlarged by a factor."""
    body = (rows.seconds >= begin) & (rows.bytes < 1_150)
    size = np.where(body, np.clip((rows.bytes * factor).astype(np.int64), 60, 1_400), rows.bytes)
    unit = np.where(body, np.clip((rows.unit * factor).astype(np.int64), 60, 1_400), rows.unit)
    return _with(rows, bytes=size, unit=unit)


def dilated(rows: Rows, begin: float, factor: float) -> Rows:
    """Return the run with the time behind `begin` stretched by a factor."""
    return _with(rows, seconds=np.where(rows.seconds > begin, begin + (rows.seconds - begin) * factor, rows.seconds))


def jittered(rows: Rows, deviation: float, rng: np.random.Generator) -> Rows:
    """Return the run as a radio delivers it late, with delays of this standard deviation (seconds)."""
    late = np.abs(rng.normal(0, deviation, len(rows.seconds)))
    return _with(rows, seconds=np.maximum.accumulate(rows.seconds + late))


def bunched(rows: Rows, begin: float, window: float) -> Rows:
    """Return the run as a radio that delivers every `window` seconds sends it."""
    held = begin + np.ceil((rows.seconds - begin) / window) * window + np.arange(len(rows.seconds)) * 1e-5
    return _with(rows, seconds=np.where(rows.seconds > begin, held, rows.seconds))


def stalled(rows: Rows, begin: float, length: float, rng: np.random.Generator) -> Rows:
    """Return the run with nothing delivered for `length` seconds, and that at once behind."""
    at = begin + rng.uniform(0.2, max(0.3, float(rows.seconds[-1]) - begin))
    inside = (rows.seconds >= at) & (rows.seconds < at + length)
    return _with(rows, seconds=np.where(inside, at + length, rows.seconds))


def spread(rows: Rows, begin: float, deviation: float, rng: np.random.Generator) -> Rows:
    """Return the run with pieces of sizes that spread by `deviation`."""
    body = (rows.seconds >= begin) & (rows.bytes < 1_150)
    size = np.clip((rows.bytes * np.exp(rng.normal(0, deviation, len(rows.bytes)))).astype(np.int64), 60, 1_400)
    size = np.where(body, size, rows.bytes)
    return _with(rows, bytes=size, unit=np.where(body, size, rows.unit), units=np.where(body, 1, rows.units))


def headless(rows: Rows, begin: float) -> Rows:
    """Return the paced part alone: the capture begins after the utterance did."""
    low = int(np.searchsorted(rows.seconds, begin))
    rest = Rows(rows.seconds[low:], rows.bytes[low:], rows.answers[low:], rows.unit[low:], rows.units[low:])
    return _with(rest) if len(rest.seconds) else rows


def merged(rows: Rows) -> Rows:
    """Return the run with packets that follow within a millisecond as one: receive offload."""
    starts = np.flatnonzero(np.concatenate(([True], np.diff(rows.seconds) > 0.001)))
    size = np.add.reduceat(rows.bytes, starts)
    return Rows(
        rows.seconds[starts],
        size,
        np.logical_or.reduceat(rows.answers, starts),
        size,
        np.ones(len(size), dtype=np.int64),
    )


def slow_line(rows: Rows, rate: float) -> Rows:
    """A transport's first window at once, the rest as fast as the line goes."""
    total = np.cumsum(rows.bytes)
    earliest = np.maximum(0, total - 14_600) / rate
    return _with(rows, seconds=np.maximum(rows.seconds, earliest))
