"""A source that is up and hears nothing while requests are made: deaf, and no witness for that time."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sniffer.judge.case import Case, Stage
from sniffer.judge.verdict import covers
from sniffer.model import Trust, WakeEvent, WakeSource
from sniffer.model.clock import SECOND

#: Until something is heard again.
FOR_EVER = 1 << 62
#: A source is called deaf where so many misses in a row are a chance of less than this, and never for fewer.
CHANCE, LEAST_STREAK = 1e-3, 3


def vouched(case: Case, name: str) -> bool:
    """Does something other than a source say that this was a request with a wake word of its own?"""
    if case.joined:
        return False
    others = any(hit.trust is Trust.INDEPENDENT for other, hit in case.hits.items() if other != name)
    return others or case.upload.answered


def deaf_times(source: WakeSource, cases: Sequence[Case], events: Sequence[WakeEvent]) -> list[tuple[int, int]]:
    """When a source was deaf, from the first request it missed in an unlikely streak to the next thing it heard."""
    moments: list[tuple[int, int, Case | None]] = [(event.time_ns, 0, None) for event in events]
    moments += [
        (case.upload.start_ns, 1, case)
        for case in cases
        if case.stage is not Stage.WAITING and case.spoken and case.judged_class and covers(source, case)
    ]
    found: list[tuple[int, int]] = []
    first, missed, deaf = 0, 0, False
    for time_ns, _, case in sorted(moments, key=lambda moment: moment[:2]):
        if case is None or source.name in case.hits:
            if deaf:
                found.append((first, time_ns))
            missed, deaf = 0, False
        elif vouched(case, source.name):
            first = time_ns - SECOND if missed == 0 else first
            missed += 1
            deaf = deaf or missed >= _streak(case.known[source.name].miss_rate)
    if deaf:
        found.append((first, FOR_EVER))
    return found


def _streak(miss_rate: float) -> int:
    rate = min(0.9, max(0.02, miss_rate))
    return max(LEAST_STREAK, math.ceil(math.log(CHANCE) / math.log(rate)))
