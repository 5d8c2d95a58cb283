"""How a host is shown: its name, what is known of it, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from sniffer.identify.hosts import ENOUGH_VOICES, Host
from sniffer.model import Device, Fact
from sniffer.model.hosts import SENDS_VOICE

#: Below this a guess is not shown as one.
GUESS_CONFIDENCE = 0.5
CARRIES = "several hosts send from this MAC address: a Wi-Fi extender, a bridge or a second router"
_HIDES = {
    "dns.encrypted": "uses encrypted DNS, so that its services may stay unnamed",
    "tls.ech": "hides server names by Encrypted ClientHello, or pretends to",
}


def unknown(key: int) -> Device:
    """A host of which nothing was seen."""
    return Device(key=key, name=f"host-{suffix(key)}")


def described(host: Host, *, watched: bool, waits: bool) -> Device:
    """The device that a host is, from its own facts. `waits` where too many hosts are recognised to watch it too."""
    opinion = host.opinion
    shown = tuple(host.shown.values())
    carries = CARRIES if host.carries else None
    extra = tuple(filter(None, (carries, _sounds(host), host.hides, host.lost, host.same_as, *_hidden(shown))))
    if waits:
        extra = ("is not watched: too many devices look like speakers; name it in the configuration", *extra)
    facts = shown if opinion is None else tuple(dict.fromkeys(opinion.facts + shown))
    if opinion is None or opinion.confidence < GUESS_CONFIDENCE:
        name = f"host-{suffix(host.key)}"
        return Device(host.key, name, host.address, vendor=host.oui, facts=facts, reasons=extra)
    return Device(
        key=host.key,
        name=f"{_slug(opinion.model or opinion.kind)}-{suffix(host.key)}",
        address=host.address,
        vendor=opinion.rule.vendor or host.oui,
        model=opinion.model,
        kind=opinion.kind,
        confidence=opinion.confidence,
        microphone=watched and host.since_ns is not None,
        rules=(opinion.rule.id,),
        facts=facts,
        reasons=opinion.reasons + extra,
        since_ns=host.since_ns or 0,
    )


def _sounds(host: Host) -> str | None:
    """What is said of a host that no rule knows and that behaves like a speaker."""
    if host.voices < ENOUGH_VOICES:
        return None
    times = f"{host.voices} times, {host.voice_probability:.0%} sure at best"
    return f"{SENDS_VOICE} ({times}), and no rule says what it is"


def suffix(key: int) -> str:
    """The last digits of a key, which tell hosts of one kind apart."""
    return f"{key & 0xFF_FFFF:06x}"


def _hidden(facts: Sequence[Fact]) -> Iterator[str]:
    """What keeps the names of services from being seen."""
    for kind, text in _HIDES.items():
        values = [fact.value for fact in facts if fact.kind == kind]
        if values:
            yield f"{text} ({', '.join(filter(None, values[:3])) or kind})"


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40] or "device"
