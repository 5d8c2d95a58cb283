"""Wake sources of a simulated house: what they hear of what was asked, when they say so, and what they make up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sniffer.evaluation.lab.listeners import ACCENTS, ELSEWHERE, LOUD, PLEASER, QUIET, TELEVISION, Person, Room
from sniffer.evaluation.lab.months import DAY, START_NS, Truth
from sniffer.model import Trust, WakeEvent, WakeKind, WakeSource, mac_text
from sniffer.model.clock import SECOND

#: When the microphone of a covered listener is covered, in seconds from the start.
COVERED_S = 10 * DAY


@dataclass(frozen=True)
class Ear:
    """One source. Shares are 0 to 1, times in seconds.

    `miss` is the share of wake words it does not report; `late` when its report arrives (from, to) after the word;
    `skew` its clock's error and `jitter` that of each time stamp; `false_per_day` what it hears that nobody said;
    `named` whether it knows which speaker was meant; `outages_per_day` and `outage` how often and how long it is down,
    which it says (`honest`) or does not; `vendor` a vendor's history, which also reports false activations. With a
    `room` it testifies about every upload, and its `miss` follows from that; `covered` is a listener whose microphone
    is covered from the tenth day on.
    """

    name: str
    miss: float = 0.05
    late: tuple[float, float] = (0.2, 0.8)
    skew: float = 0.0
    jitter: float = 0.15
    false_per_day: float = 2.0
    named: bool = False
    outages_per_day: float = 0.0
    outage: float = 3600.0
    honest: bool = True
    vendor: bool = False
    room: Room | None = None
    covered: bool = False

    def source(self) -> WakeSource:
        """What a person would configure: who it is, not how well it hears."""
        if self.vendor:
            return WakeSource(self.name, trust=Trust.SELF_REPORT, hold_off=60.0, assumed_up=True)
        miss_rate = 0.05 if self.room is None else 0.2
        return WakeSource(self.name, assumed_up=True, miss_rate=miss_rate, heard_within=float(DAY))

    def events(
        self, luck: np.random.Generator, truths: Iterable[Truth], days: int, macs: Sequence[int]
    ) -> list[WakeEvent]:
        """Return everything that it reports in this many days, but for its testimony."""
        down = self._outages(luck, days)
        trust = Trust.SELF_REPORT if self.vendor else Trust.INDEPENDENT
        found = []

        def say(at: float, mac: int | None) -> None:
            if any(begin <= at < end for begin, end in down) or (self.covered and at > COVERED_S):
                return
            stamp = at + self.skew + luck.normal(0, self.jitter)
            device = mac_text(mac) if mac is not None and self.named else None
            arrived = at + luck.uniform(*self.late)
            found.append(
                WakeEvent(_ns(stamp), self.name, device=device, trust=trust, received_ns=max(_ns(arrived), _ns(stamp)))
            )

        heard: set[float] = set()
        for truth in truths:
            asked = truth.asked if truth.kind in ("speech", "overheard") else None
            if asked is not None and asked not in heard and truth.kind == "speech":
                heard.add(asked)
                if self.room is None and luck.random() >= self.miss:
                    say(asked, truth.mac)
            if self.vendor and truth.kind == "false_wake" and luck.random() < 0.9:
                say(truth.begin, truth.mac)
        for at in luck.uniform(0, days * DAY, luck.poisson(self.false_per_day * days)):
            say(float(at), int(luck.choice(macs)))
        if self.honest:
            for begin, end in down:
                found.append(
                    WakeEvent(_ns(begin), self.name, WakeKind.SOURCE_DOWN, trust=trust, received_ns=_ns(begin))
                )
                found.append(WakeEvent(_ns(end), self.name, WakeKind.SOURCE_UP, trust=trust, received_ns=_ns(end)))
        return found

    def _outages(self, luck: np.random.Generator, days: int) -> list[tuple[float, float]]:
        begins = luck.uniform(0, days * DAY, luck.poisson(self.outages_per_day * days))
        return [(float(at), float(at + luck.exponential(self.outage))) for at in np.sort(begins)]


@dataclass(frozen=True)
class Setup:
    """A combination of sources that a home may have."""

    name: str
    ears: tuple[Ear, ...] = field(default=())
    person: Person | None = None


EAR = Ear("ear")
LISTENER = Ear("ear", room=QUIET)
SETUPS: tuple[Setup, ...] = (
    Setup("no source"),
    Setup("ear, 1 % missed", (Ear("ear", miss=0.01),)),
    Setup("ear, 5 % missed", (EAR,)),
    Setup("ear, 20 % missed", (Ear("ear", miss=0.2),)),
    Setup("ear, 1.5 s skew", (Ear("ear", skew=-1.5),)),
    Setup("ear, off 2 h a day, says so", (Ear("ear", outages_per_day=1, outage=7200),)),
    Setup("ear, off 2 h a day, silent", (Ear("ear", outages_per_day=1, outage=7200, honest=False),)),
    Setup("two ears", (EAR, Ear("other", miss=0.1))),
    Setup("button, half unpressed", (Ear("button", miss=0.5, named=True, false_per_day=0, jitter=0.02),)),
    Setup("vendor's history", (Ear("history", miss=0.02, late=(3.5, 60), named=True, false_per_day=0, vendor=True),)),
    Setup("testifying ear, quiet room", (LISTENER,)),
    Setup("testifying ear, television", (Ear("ear", room=TELEVISION),)),
    Setup("testifying ear, loud room", (Ear("ear", room=LOUD),)),
    Setup("testifying ear, all accents", (Ear("ear", room=ACCENTS),)),
    Setup("testifying ear, one request in 30 in another room", (Ear("ear", room=ELSEWHERE),)),
    Setup("testifying ear, clock 30 s off", (Ear("ear", room=QUIET, skew=-30.0),)),
    Setup("testifying ear, covered from day 10", (Ear("ear", room=QUIET, covered=True),)),
    Setup("two testifying ears", (LISTENER, Ear("other", room=QUIET))),
    Setup("testifying ear and ear, 5 % missed", (LISTENER, Ear("other"))),
    Setup("testifying ear and person", (LISTENER,), Person()),
    Setup("testifying ear, television, and person", (Ear("ear", room=TELEVISION),), Person()),
    Setup("ear, 5 % missed, and person", (EAR,), Person()),
    Setup("person alone", (), Person()),
    Setup("testifying ear, person who always says I asked", (LISTENER,), PLEASER),
    Setup(
        "ear and history", (EAR, Ear("history", miss=0.02, late=(3.5, 60), named=True, false_per_day=0, vendor=True))
    ),
)


def _ns(seconds: float) -> int:
    return START_NS + round(seconds * SECOND)
