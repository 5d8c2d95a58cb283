"""Times in which a source was up and yet reported no request: it was unresponsive, and its silence means nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sniffer.judge.case import Case, Stage, covers
from sniffer.model import Answer, Trust, WakeEvent, WakeSource
from sniffer.model.clock import SECOND

#: The end of an outage that still lasts.
OPEN_END_NS = 1 << 62
#: A source is unresponsive if a streak of misses has less than this chance for a source of its miss rate.
STREAK_CHANCE = 1e-3
#: The shortest streak that counts: two misses in a row happen to every source.
LEAST_STREAK = 3


def vouched(case: Case, name: str) -> bool:
    """Return whether something other than the source `name` shows a request with a wake word of its own."""
    if case.joined:
        return False
    others = any(hit.trust is Trust.INDEPENDENT for other, hit in case.hits.items() if other != name)
    return others or case.upload.answered or case.answer is Answer.YES


def outages(source: WakeSource, cases: Sequence[Case], events: Sequence[WakeEvent]) -> list[tuple[int, int]]:
    """Find the outages of a source, as (start, end) in ns: each from the first request of an unlikely streak of misses
    to the next event of the source. Uploads just before the streak that may have been requests belong to it."""
    moments: list[tuple[int, int, Case | None]] = [(event.time_ns, 0, None) for event in events]
    moments += [
        (case.upload.start_ns, 1, case)
        for case in cases
        if case.stage is not Stage.WAITING and case.spoken and case.judged_class and covers(source, case)
    ]
    found: list[tuple[int, int]] = []
    first, missed, silent = 0, 0, False
    unsure = 0  # the first upload since the source was heard of that may have been a request
    for time_ns, _, case in sorted(moments, key=lambda moment: moment[:2]):
        if case is None or source.name in case.hits or case.heard.get(source.name, 0.0) > 0.0:
            if silent:
                found.append((first, time_ns))
            missed, silent, unsure = 0, False, 0
            continue
        unsure = unsure or time_ns
        if vouched(case, source.name):
            first = unsure - SECOND if missed == 0 else first
            missed += 1
            silent = silent or missed >= _streak(case.known[source.name].miss_rate)
    if silent:
        found.append((first, OPEN_END_NS))
    return found


def _streak(miss_rate: float) -> int:
    rate = min(0.9, max(0.02, miss_rate))
    return max(LEAST_STREAK, math.ceil(math.log(STREAK_CHANCE) / math.log(rate)))
