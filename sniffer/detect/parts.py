"""Parts of the detector that can be switched off, to measure what each is worth (`make ablate`)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sniffer.detect.features.rows import Rows
from sniffer.detect.scoring.observation import Observation
from sniffer.model import FlowKey

#: Hypotheses about a run besides the first; profiles of devices; the knowledge of lines in them.
SWITCHES = ("early_body", "frames_alone", "profiles", "lines")


@dataclass(frozen=True, slots=True)
class Parts:
    """What is switched off: names in `SWITCHES`, and of rules in `scoring.streams`."""

    without: frozenset[str] = frozenset()

    def has(self, name: str) -> bool:
        """Whether a part is on."""
        return name not in self.without


ALL = Parts()


@dataclass(frozen=True, slots=True)
class Scored:
    """A part of a run as it was scored when it was over: its rows, what was observed under each hypothesis, the best
    score, and whether it is part of a view or a call."""

    key: int
    flow: FlowKey
    first_ns: int
    last_ns: int
    bytes: int
    rows: Rows
    hypotheses: tuple[Observation, ...]
    score: float
    stream: bool


#: Called with every part of a run that is scored finally.
OnScored = Callable[[Scored], None]
