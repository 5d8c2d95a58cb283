"""The sources of a wake file: those that it names."""

from __future__ import annotations

from collections.abc import Iterable

from sniffer.model import Trust, WakeEvent, WakeKind, WakeSource

_HEARS = {
    WakeKind.WAKE: "wake",
    WakeKind.TESTIMONY: "wake",
    WakeKind.CALL_START: "call",
    WakeKind.CALL_END: "call",
    WakeKind.VIEW_START: "view",
    WakeKind.VIEW_END: "view",
}
#: Seconds; longer than any event may lie behind its upload, so that first verdicts are final. A file makes no one wait.
HOLD_OFF = 20.0
#: The share of wake words that a listener misses where a file holds its testimony, but none about an upload.
LISTENER_MISS_RATE = 0.2
#: Kinds that say nothing about requests: a mute switch hears no wake word.
_SWITCHES = {WakeKind.MUTE, WakeKind.UNMUTE, WakeKind.AWAY, WakeKind.HOME}


def file_sources(events: Iterable[WakeEvent]) -> list[WakeSource]:
    """Sources named in a wake file count as up for the whole capture and as missing nothing, unless the file says
    otherwise (`source_down`, or `source_up` with a `miss_rate`). A source hears what it reports; one that is only
    reported to be up hears wake words. It is a self-report if all its events are. Answers of people are no source."""
    kinds: dict[str, set[WakeKind]] = {}
    independent: set[str] = set()
    vendors: dict[str, set[str | None]] = {}
    for event in events:
        if event.kind is WakeKind.ANSWER:
            continue
        kinds.setdefault(event.source, set()).add(event.kind)
        if event.trust is Trust.INDEPENDENT:
            independent.add(event.source)
        if event.kind is WakeKind.WAKE:
            vendors.setdefault(event.source, set()).add(event.vendor)
    sources = []
    for name, said in sorted(kinds.items()):
        hears = {_HEARS[kind] for kind in said if kind in _HEARS}
        if not hears and not said & _SWITCHES:
            hears = {"wake"}
        only = vendors.get(name, set())
        sources.append(
            WakeSource(
                name,
                trust=Trust.INDEPENDENT if name in independent else Trust.SELF_REPORT,
                hears=frozenset(hears),
                vendor=next(iter(only)) if len(only) == 1 else None,
                hold_off=HOLD_OFF,
                miss_rate=LISTENER_MISS_RATE if WakeKind.TESTIMONY in said else 0.0,
                measured=False,
                assumed_up=True,
            )
        )
    return sources
