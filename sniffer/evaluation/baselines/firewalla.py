"""Firewalla's "abnormal upload": half a megabyte out within four hours, looked at every quarter of an hour.

From its public configuration: at least 500 kB uploaded over 4 h, checked every 15 min, silent for 4 h after an alarm.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sniffer.evaluation.baselines.traffic import Alarm, Traffic
from sniffer.model.clock import SECOND

LEAST_BYTES = 500_000
_MINUTE_NS = 60 * SECOND
WINDOW_NS, STEP_NS = 240 * _MINUTE_NS, 15 * _MINUTE_NS


def abnormal_upload(traffic: Traffic, vendor: str | None) -> Sequence[Alarm]:
    """Alarms at the quarter hours at which the last four hours were over the bound."""
    if not len(traffic.time_ns):
        return []
    total = np.concatenate(([0], np.cumsum(traffic.payload)))
    first, last = int(traffic.time_ns[0]), int(traffic.time_ns[-1])
    alarms: list[Alarm] = []
    at = first + STEP_NS
    while at <= last + STEP_NS:
        low, high = np.searchsorted(traffic.time_ns, (at - WINDOW_NS, at))
        if total[high] - total[low] >= LEAST_BYTES and (not alarms or at - alarms[-1].end_ns >= WINDOW_NS):
            alarms.append(Alarm(max(first, at - WINDOW_NS), at))
        at += STEP_NS
    return alarms


def all_bytes(traffic: Traffic, vendor: str | None) -> float:
    """Bytes sent."""
    return float(traffic.payload.sum())
