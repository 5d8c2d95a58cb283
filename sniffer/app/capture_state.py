"""How each source of packets is, for the page and for metrics: up, since when, its last packet, losses, its clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sniffer.app.packet_source import PacketSource
from sniffer.model.clock import Clock
from sniffer.sinks.metrics import Metrics


@dataclass(slots=True)
class SourceState:
    """One source. Its times are of this machine's clock; `clock_offset_seconds` is added to a sender's stamps, and None
    where none came yet; `remote`: on another machine; `own_clock`: that one stamps the packets; `problem` says why
    nothing comes."""

    name: str
    up: bool
    since_ns: int
    last_packet_ns: int | None = None
    packets: int = 0
    dropped: int = 0
    remote: bool = False
    own_clock: bool = False
    clock_offset_seconds: float | None = None
    reconnects: int = 0
    problem: str = ""


class CaptureState:
    """Follows the sources. The main loop writes; other threads read."""

    def __init__(self, metrics: Metrics, clock: Clock) -> None:
        self._metrics, self._clock = metrics, clock
        self._states: dict[str, SourceState] = {}

    def up(self) -> dict[str, bool]:
        """By source, whether it is captured from."""
        return {state.name: state.up for state in list(self._states.values())}

    def states(self) -> list[SourceState]:
        """All sources, in the order in which they are configured."""
        return list(self._states.values())

    def is_losing(self, source: PacketSource, name: str) -> bool:
        """Whether a source lost packets since `look`."""
        counts, state = source.statistics().get(name), self._states.get(name)
        return counts is not None and counts.dropped != (state.dropped if state is not None else 0)

    def packets(self, name: str, count: int, newest_ns: int) -> None:
        """Packets came from a source; the newest has this time."""
        state = self._state(name)
        state.packets += count
        last_ns = state.last_packet_ns
        if last_ns is None or newest_ns > last_ns or last_ns > self._clock.now_ns():  # or the clock was set back
            state.last_packet_ns = newest_ns

    def look(self, source: PacketSource) -> int:
        """Look at all sources anew; return how many packets were lost since the last time."""
        lost = 0
        for name, up in source.up().items():
            if name in self._states and self._states[name].up == up:
                continue
            state = self._state(name)
            state.up, state.since_ns = up, self._clock.now_ns()
            self._metrics.capturing(name, up)
        for name, counts in source.statistics().items():
            state = self._state(name)
            new, state.dropped = max(0, counts.dropped - state.dropped), counts.dropped
            self._metrics.dropped(name, new)
            lost += new
        health: Mapping[str, Any] = getattr(source, "health", dict)()
        for name, found in health.items():
            state = self._state(name)
            state.remote, state.own_clock, state.problem = True, found.own_clock, found.problem
            state.clock_offset_seconds, state.reconnects = found.clock_offset_seconds, found.reconnects
            self._metrics.sender(name, found.clock_offset_seconds, found.reconnects)
        return lost

    def _state(self, name: str) -> SourceState:
        if name not in self._states:
            self._states[name] = SourceState(name, up=False, since_ns=self._clock.now_ns())
        return self._states[name]
