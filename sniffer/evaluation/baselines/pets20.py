"""PETS 2020: a speaker is active in each second in which it sends more to TCP port 443 than in any quiet second.

Dubois et al., "When Speakers Are All Ears: Characterizing Misactivations of IoT Smart Speakers", PoPETs 2020(4); the
thresholds are those of the authors' code, in bytes a second. Where the vendor is not in the study, the lowest is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sniffer.evaluation.baselines.traffic import Alarm, Traffic, episodes, per_second

#: Bytes a second, by the study's names.
STUDY: Mapping[str, int] = {"echo": 12_172, "homepod": 76_366, "google": 46_086, "invoke": 13_568}


def threshold(traffic: Traffic, vendor: str | None) -> Sequence[Alarm]:
    """One alarm for each stretch of seconds over the vendor's threshold."""
    limit = _limit(vendor)
    seconds, amount = per_second(traffic.time_ns[traffic.secure], traffic.frames[traffic.secure])
    return episodes(seconds[amount > limit])


def busiest_second(traffic: Traffic, vendor: str | None) -> float:
    """Bytes in the busiest second, as a share of the vendor's threshold."""
    _, amount = per_second(traffic.time_ns[traffic.secure], traffic.frames[traffic.secure])
    return float(amount.max(initial=0)) / _limit(vendor)


def _limit(vendor: str | None) -> int:
    makers = {"apple": "homepod", "google": "google", "harman": "invoke"}
    return STUDY[makers.get((vendor or "").lower(), "echo")]
