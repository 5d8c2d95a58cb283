"""Verdicts, records, and the sinks that take them."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from sniffer.model.uploads import Upload
from sniffer.model.wake import Answer, Testimony, Trust


class VerdictKind(enum.StrEnum):
    """Was the upload asked for?"""

    EXPECTED = "expected"
    UNEXPECTED = "unexpected"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class Heard:
    """The testimony of one source about an upload. `log_odds` is what it adds to ln(asked : unasked)."""

    source: str
    testimony: Testimony
    log_odds: float


@dataclass(frozen=True, slots=True)
class WakeMatch:
    """Which wake event stands beside an upload.

    `relation` is `direct`, `follow_up`, `arbitration`, `call`, `view`, `faint` (a testimony), `answer` (a person's
    word) or `none`. `testimony` is what listeners heard, `answer` what a person said about it.
    """

    seen: bool = False
    relation: str = "none"
    source: str | None = None
    trust: Trust | None = None
    gap_seconds: float | None = None
    testimony: tuple[Heard, ...] = ()
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one upload; `kind` None where its class is not judged.

    `reason` is a word from the fixed list in `sniffer.judge`; `confidence` the probability that the verdict is right;
    `listened` the sources that were up and would have heard; `decided_by` the name of the policy that gave the verdict
    (empty where it is not known).
    """

    kind: VerdictKind | None
    reason: str
    confidence: float
    wake: WakeMatch = WakeMatch()
    revision: int = 0
    time_ns: int = 0
    listened: tuple[str, ...] = ()
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Judged:
    """An upload and what became of it. The same upload comes again with `verdict.revision` + 1 when judged anew."""

    upload: Upload
    verdict: Verdict


Level = Literal["informational", "low", "medium", "high", "critical"]


LEVELS: Sequence[Level] = ("informational", "low", "medium", "high", "critical")


#: A record that leaves the program: one JSON object, spelled as in docs/events.md.
Record = Mapping[str, Any]


class Sink(Protocol):
    """Where records go. `emit` never blocks on the network and never raises for one bad record."""

    name: str

    def emit(self, record: Record) -> None: ...

    def close(self) -> None: ...
