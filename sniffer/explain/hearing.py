"""How well a wake source hears, in a sentence."""

from __future__ import annotations

from sniffer.judge import SourceQuality

#: Requests that must have been compared before a share is worth a number.
ENOUGH_REQUESTS = 10
#: A listener that leaves more requests than this without a trace should stand elsewhere.
MANY_UNHEARD = 0.05


def hears_badly(quality: SourceQuality) -> bool:
    """Return whether a source should be looked at: it is up and silent, its clock is wrong, or it misses much."""
    wrong_clock = quality.clock_offset_seconds is None
    enough = quality.unheard is not None and quality.requests >= ENOUGH_REQUESTS
    misses = enough and quality.unheard is not None and quality.unheard > MANY_UNHEARD
    return quality.unresponsive_since_ns is not None or wrong_clock or misses


def hearing_text(quality: SourceQuality) -> str:
    """Return what is known of how well a source hears: no capital at its start, no full stop at its end."""
    if quality.unresponsive_since_ns is not None:
        return f"{quality.name} is connected, but reported none of the last requests: is its microphone covered?"
    if quality.clock_offset_seconds is None:
        return f"{quality.name} has a wrong clock, so its silence counts for nothing: switch on NTP there"
    heard = f"{quality.name} misses about {quality.miss_rate:.0%} of the wake words"
    if quality.unheard is None or quality.requests < ENOUGH_REQUESTS:
        return f"{heard} (too few requests so far to say more)"
    return f"{heard}, and {quality.unheard:.1%} of {quality.requests} requests left no trace in it at all"
