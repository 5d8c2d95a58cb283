"""Sentences of evidence that depend on more than one number."""

from __future__ import annotations

from sniffer.detect.profiles.baseline import Baseline
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.detect.scoring.observation import Observation


def host(seen: Observation) -> str:
    return seen.service.host or "this server"


def kilobytes(amount: float) -> str:
    return f"{amount / 1000:.{0 if amount >= 10_000 else 1}f} kB"


def server_words(seen: Observation, value: float) -> str:
    if value:
        return "This device has sent speech to this server before"
    return "All speech of this device went to other servers so far"


def opening_words(seen: Observation, value: float) -> str:
    habits = seen.profile or DeviceProfile()
    usual = kilobytes(habits.opening.value)
    if (habits.opening.likeness(value) or 0) > 0:
        seldom = ", and little else" if habits.telling > 2 else ""
        return f"It began with {kilobytes(value)} at once, as speech of this device has begun before{seldom}"
    if (habits.opening_odds(int(value)) or 0) > 0:
        return (
            f"It began with {kilobytes(value)}, nearer to the {usual} of this device's speech than anything else does"
        )
    return f"It began with {kilobytes(value)}; speech of this device begins with about {usual}"


def chunk_words(seen: Observation, value: float) -> str:
    if not value:
        return "This device has always sent speech in pieces of one size, and none of these is"
    return f"This device has sent speech in pieces of {value:.0f} bytes before, and some of these are"


def rate_words(seen: Observation, value: float) -> str:
    usual = seen.profile.rate if seen.profile else Baseline()
    if (usual.likeness(value) or 0) <= 0:
        return f"This device sends speech at about {kilobytes(usual.value)} a second; this was {kilobytes(value)}"
    return f"This device has sent speech at {kilobytes(value)} a second before"
