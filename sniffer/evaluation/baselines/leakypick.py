"""LeakyPick-style: an upload rate over 23 kbit/s for several seconds on end.

Mitev et al., "LeakyPick: IoT Audio Spy Detector", ACSAC 2020. The rate is the lowest of a speech codec in the paper;
the number of consecutive one-second windows is not confirmed, five is what the paper's plots suggest.
"""

from __future__ import annotations

from collections.abc import Sequence

from sniffer.evaluation.baselines.traffic import Alarm, Traffic, episodes, per_second
from sniffer.model.clock import SECOND

RATE_BYTES = 23_000 // 8
WINDOWS = 5


def sustained_burst(traffic: Traffic, vendor: str | None) -> Sequence[Alarm]:
    """One alarm for each stretch of at least `WINDOWS` seconds over the rate."""
    seconds, amount = per_second(traffic.time_ns, traffic.payload)
    busy = episodes(seconds[amount > RATE_BYTES])
    return [alarm for alarm in busy if alarm.end_ns - alarm.start_ns >= WINDOWS * SECOND]


def sustained_rate(traffic: Traffic, vendor: str | None) -> float:
    """The highest rate that was kept up for `WINDOWS` seconds, in bytes a second."""
    seconds, amount = per_second(traffic.time_ns, traffic.payload)
    best = 0
    for first in range(len(seconds) - WINDOWS + 1):
        if seconds[first + WINDOWS - 1] - seconds[first] == WINDOWS - 1:
            best = max(best, int(amount[first : first + WINDOWS].min()))
    return float(best)
