"""By the host alone: whatever goes to a host that takes voice recordings is a recording.

What a proxy or firewall that knows the names can do; after the traffic recognition of VoiceGuard (DSN 2023), without
its trained model. Captures that begin in mid-connection show no names, and then it sees nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sniffer.evaluation.baselines.traffic import Alarm, Traffic
from sniffer.model.clock import SECOND

LEAST_BYTES = 2_000
GAP_NS = SECOND


def voice_host(traffic: Traffic, vendor: str | None) -> Sequence[Alarm]:
    """One alarm for each stretch of upload to a voice host with more than a keep-alive in it."""
    time, payload = traffic.time_ns[traffic.voice], traffic.payload[traffic.voice]
    if not len(time):
        return []
    groups = np.split(np.arange(len(time)), np.flatnonzero(np.diff(time) > GAP_NS) + 1)
    return [Alarm(int(time[g[0]]), int(time[g[-1]])) for g in groups if int(payload[g].sum()) >= LEAST_BYTES]


def voice_bytes(traffic: Traffic, vendor: str | None) -> float:
    """Bytes sent to voice hosts."""
    return float(traffic.payload[traffic.voice].sum())
