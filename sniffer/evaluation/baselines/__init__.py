"""Detectors that others published, made from their description, to be run over the same packets as ours.

What was measured with another sensor (a proxy, a trained model of one home) cannot be had from a capture; here is what
a capture allows. Each says where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.evaluation.baselines.firewalla import abnormal_upload, all_bytes
from sniffer.evaluation.baselines.host_only import voice_bytes, voice_host
from sniffer.evaluation.baselines.leakypick import sustained_burst, sustained_rate
from sniffer.evaluation.baselines.pets20 import busiest_second, threshold
from sniffer.evaluation.baselines.traffic import Alarm, Traffic, episodes, per_second, together, traffic_of

__all__ = ["BASELINES", "Alarm", "Baseline", "Traffic", "episodes", "per_second", "together", "traffic_of"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """One published detector. `detect` and `score` get what a device sent and its vendor, where known; `score` is what
    the rule compares with its threshold, for how well it tells speech from the rest at any threshold."""

    title: str
    source: str
    detect: Callable[[Traffic, str | None], Sequence[Alarm]]
    score: Callable[[Traffic, str | None], float]


BASELINES: Mapping[str, Baseline] = {
    "pets20": Baseline(
        "PETS'20 threshold",
        'Dubois et al., "When Speakers Are All Ears", PETS 2020, the authors\' code',
        threshold,
        busiest_second,
    ),
    "leakypick": Baseline(
        "LeakyPick-style burst", 'Mitev et al., "LeakyPick", ACSAC 2020', sustained_burst, sustained_rate
    ),
    "firewalla": Baseline("Firewalla abnormal upload", "its public configuration", abnormal_upload, all_bytes),
    "voice-host": Baseline(
        "any upload to a voice host",
        "after VoiceGuard, DSN 2023: command traffic by whom it goes to",
        voice_host,
        voice_bytes,
    ),
}
