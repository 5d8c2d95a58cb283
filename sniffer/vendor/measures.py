"""How good the vendor's record itself is: its delay, its gaps, and what it lacks of what listeners heard."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sniffer.model.clock import SECOND
from sniffer.vendor.comparison import Comparison, Seen

#: Uploads in a row without any row of the record that are called a gap.
GAP_UPLOADS = 3
#: Gaps that are listed: the longest.
MOST_GAPS = 20
#: A difference in seconds that is larger is a zone, not a delay.
MOST_DELAY_S = 90


@dataclass(frozen=True, slots=True)
class Gap:
    """Uploads of speech in a row, from `start_ns` to `end_ns`, of which the record lists none."""

    device: str
    start_ns: int
    end_ns: int
    uploads: int


@dataclass(frozen=True, slots=True)
class Measures:
    """`delay_seconds` is how much later than the upload the record dates it (median), `delay_spread_seconds` how much
    that varies (90 % lie within it). `heard` counts the uploads whose request a listener of one's own heard,
    `heard_missing` those of them that the record lacks."""

    delay_seconds: float | None
    delay_spread_seconds: float | None
    gaps: Sequence[Gap]
    heard: int
    heard_missing: int


def measure(found: Comparison) -> Measures:
    """Return the measures of a record."""
    gaps = [(pair.rows[0].time_ns - pair.upload.start_ns) / SECOND for pair in found.both]
    gaps = [gap for gap in gaps if abs(gap) < MOST_DELAY_S]
    middle = statistics.median(gaps) if gaps else None
    off = sorted(abs(gap - middle) for gap in gaps) if middle is not None else []
    missing = [upload for upload in found.only_seen if upload.asked_by]
    heard = [pair for pair in (*found.both, *found.apart) if pair.upload.asked_by]
    return Measures(
        delay_seconds=middle,
        delay_spread_seconds=off[min(len(off) - 1, int(0.9 * len(off)))] if off else None,
        gaps=_gaps(found),
        heard=len(heard) + len(missing),
        heard_missing=len(missing),
    )


def _gaps(found: Comparison) -> list[Gap]:
    marks: list[tuple[str, int, Seen | None]] = [
        (upload.device, upload.start_ns, upload) for upload in found.only_seen if upload.upload_class == "speech"
    ]
    listed = (*found.both, *found.apart, *found.unrecognised)
    marks += [(pair.upload.device, pair.upload.start_ns, None) for pair in listed]
    marks.sort(key=lambda mark: mark[:2])
    gaps: list[Gap] = []
    run: list[Seen] = []
    for device, _, upload in [*marks, ("", 0, None)]:
        if run and (upload is None or run[0].device != device):
            if len(run) >= GAP_UPLOADS:
                gaps.append(Gap(run[0].device, run[0].start_ns, run[-1].end_ns, len(run)))
            run = []
        if upload is not None:
            run.append(upload)
    return sorted(gaps, key=lambda gap: gap.start_ns - gap.end_ns)[:MOST_GAPS]
