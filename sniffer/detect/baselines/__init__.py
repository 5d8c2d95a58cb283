"""Detectors that others published, made from their description, to be run over the same packets as ours.

What was measured with another sensor (a proxy, a trained model of one home) cannot be had from a capture; here is what
a capture allows. Each says where it comes from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.detect.baselines.firewalla import abnormal_upload
from sniffer.detect.baselines.host_only import voice_host
from sniffer.detect.baselines.leakypick import sustained_burst
from sniffer.detect.baselines.pets20 import threshold
from sniffer.detect.baselines.traffic import Alarm, Traffic, traffic_of

__all__ = ["BASELINES", "Alarm", "Baseline", "Traffic", "traffic_of"]


@dataclass(frozen=True, slots=True)
class Baseline:
    """One published detector. `detect` gets what a device sent and its vendor, where known."""

    title: str
    source: str
    detect: Callable[[Traffic, str | None], Sequence[Alarm]]


BASELINES: Mapping[str, Baseline] = {
    "pets20": Baseline(
        "PETS'20 threshold", 'Dubois et al., "When Speakers Are All Ears", PETS 2020, the authors\' code', threshold
    ),
    "leakypick": Baseline("LeakyPick-style burst", 'Mitev et al., "LeakyPick", ACSAC 2020', sustained_burst),
    "firewalla": Baseline("Firewalla abnormal upload", "its public configuration", abnormal_upload),
    "voice-host": Baseline(
        "any upload to a voice host", "after VoiceGuard, DSN 2023: command traffic by whom it goes to", voice_host
    ),
}
