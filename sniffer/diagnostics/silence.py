"""Whether packets of other hosts arrive on each interface, and what a person can do where none do.

A daemon that sees nothing finds nothing, and its silence must not look like peace: after `FIRST_SECONDS` it warns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sniffer.diagnostics.visibility import Sight
from sniffer.model import PacketBatch

#: Seconds after the start without a packet between other hosts, after which an interface is reported.
FIRST_SECONDS = 60.0
#: The same for an interface on which there were some: at night a small house may be quiet for a minute.
LATER_SECONDS = 300.0

WHERE = "docs/where.md shows the places where sniffer sees a house"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of an interface. `busier` are interfaces of this host with more neighbours; `hiding` are findings
    of offloads that carry packets past it. `remote` says that another machine captures and sends the packets."""

    wireless: bool = False
    carrier: bool = True
    forwards: bool = False
    busier: Sequence[str] = ()
    hiding: Sequence[str] = ()
    remote: bool = False


def cause(around: Surroundings) -> tuple[str, str]:
    """Return the most probable cause why packets of other hosts do not arrive, and the remedy."""
    if around.remote:
        return (
            "the sender captures on an interface that speakers do not use, or its port mirroring is off",
            "choose the LAN bridge there (br-lan, br0, lan), or the mirrored ports of the speakers and the router",
        )
    if not around.carrier:
        return "no cable is plugged in, or the other end is off", "plug it in, or name another interface (-i)"
    if around.hiding:
        return around.hiding[0], "turn it off in the router's settings"
    if around.busier:
        names = ", ".join(around.busier)
        return f"other hosts are on {names}", f"capture there: -i {around.busier[0]}, or capture.interface"
    if around.wireless:
        return (
            "an access point sends a Wi-Fi client only its own packets",
            f"let the router send its packets (capture.sources), or use a cable to a mirror port; {WHERE}",
        )
    if around.forwards:
        return (
            "no host is connected to this side of the router, or its accelerator carries packets past the system",
            "name the LAN side (-i br-lan), and turn hardware acceleration off",
        )
    return (
        "a switch keeps packets between other hosts away from this port",
        f"let the router send its packets (capture.sources), or use a mirror port; {WHERE}",
    )


@dataclass(slots=True)
class _Watched:
    """One interface. `last` is when a packet between other hosts arrived, in seconds of the monotonic clock."""

    sight: Sight
    since: float
    last: float | None = None
    reported: bool = False


class SilenceWatch:
    """Follows packets of all interfaces, and reports those on which none between other hosts arrive.

    `own` and `addresses` are the MAC and IP addresses of this machine, `why` gives cause and remedy for an interface.
    Times are seconds of the monotonic clock.
    """

    def __init__(
        self,
        own: Collection[int],
        addresses: Collection[tuple[int, int]],
        why: Callable[[str], tuple[str, str]],
    ) -> None:
        self._own, self._addresses, self._why = own, addresses, why
        self._own_keys = np.fromiter(own, dtype=np.uint64)
        self._interfaces: dict[str, _Watched] = {}

    def add(self, batch: PacketBatch, now: float) -> None:
        """Take packets of one interface into account."""
        watched = self._watched(batch.interface, now)
        if watched.last is None:
            watched.sight.add(batch)
            if watched.sight.sees_others:
                watched.last = now
        elif len(batch) and not np.isin(batch.eth_src, self._own_keys).all():
            watched.last = now

    def check(self, up: Iterable[str], now: float) -> list[str]:
        """Return what is to be reported of the interfaces that are up: a line each, once until it has changed."""
        lines = []
        for name in up:
            watched = self._watched(name, now)
            limit = FIRST_SECONDS if watched.last is None else LATER_SECONDS
            silent = now - (watched.since if watched.last is None else watched.last)
            if silent < limit:
                if watched.reported:
                    lines.append(f"{name}: packets of other hosts arrive now")
                watched.reported = False
            elif not watched.reported:
                watched.reported = True
                reason, remedy = self._why(name)
                lines.append(f"{name}: {self._what(watched, silent)}. Probable cause: {reason}. Remedy: {remedy}")
        return lines

    def seen(self) -> Mapping[str, bool]:
        """By interface: packets between other hosts arrive, or it is too early to say that none do."""
        return {name: not watched.reported for name, watched in self._interfaces.items()}

    def _watched(self, name: str, now: float) -> _Watched:
        if name not in self._interfaces:
            self._interfaces[name] = _Watched(Sight(self._own, self._addresses), now)
        return self._interfaces[name]

    def _what(self, watched: _Watched, silent: float) -> str:
        if watched.last is not None:
            return f"no packet of another host for {silent:.0f} seconds"
        return f"{missing(watched.sight)} in {silent:.0f} seconds; uploads of speakers cannot be found here"


def missing(sight: Sight) -> str:
    """Say what of other hosts was not seen."""
    if sight.hosts:
        return "only broadcasts of other hosts, and no packet between them,"
    return "no packet of another host"
