"""Wake events, wake sources and capture loss."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Literal


class WakeKind(enum.StrEnum):
    """What a wake source can report. `testimony` is what a listener heard in a span of time, `answer` what a person
    says about one upload, `misdated` a report of which only the time of arrival is known: its own time was refused."""

    WAKE = "wake"
    MUTE = "mute"
    UNMUTE = "unmute"
    CALL_START = "call_start"
    CALL_END = "call_end"
    VIEW_START = "view_start"
    VIEW_END = "view_end"
    AWAY = "away"
    HOME = "home"
    SOURCE_UP = "source_up"
    SOURCE_DOWN = "source_down"
    TESTIMONY = "testimony"
    ANSWER = "answer"
    MISDATED = "misdated"


@dataclass(frozen=True, slots=True)
class Testimony:
    """What a listener heard between two times, also where it heard nothing. No sound and no words.

    `scores` are the best probability (0 to 1) of each wake word model in that time, by the model's name; `voice` is
    the share of the tenths of a second with voice activity (0 to 1); `level_db` the loudest tenth of a second and
    `noise_db` the noise floor, both in dB relative to full scale; `seconds` how much of the span was heard.
    """

    from_ns: int
    to_ns: int
    scores: tuple[tuple[str, float], ...]
    voice: float
    level_db: float
    noise_db: float
    seconds: float

    @property
    def best(self) -> float:
        """The best score of any wake word, 0 where there is none."""
        return max((score for _, score in self.scores), default=0.0)


class Trust(enum.StrEnum):
    """Whose word it is: that of a listener of one's own, of the vendor, or of a person who was asked."""

    INDEPENDENT = "independent"
    SELF_REPORT = "self_report"
    PERSON = "person"


#: The trust that a wake source can have.
SourceTrust = Literal[Trust.INDEPENDENT, Trust.SELF_REPORT]


class Answer(enum.StrEnum):
    """What a person says about an upload: it was asked for, nobody asked, or it is not known."""

    YES = "yes"
    NO = "no"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class WakeEvent:
    """A report of a wake source. `time_ns` is when it happened, `received_ns` when it arrived (the same if no delay is
    known). `device` is a configured name or a MAC; None is every speaker in the house. `vendor` limits it to one
    vendor's speakers (a wake word of one does not explain another's). `miss_rate` belongs to `source_up`, `testimony`
    to `testimony`; `upload` (an id) and `answer` belong to `answer`, whose `source` is the way it came."""

    time_ns: int
    source: str
    kind: WakeKind = WakeKind.WAKE
    device: str | None = None
    trust: Trust = Trust.INDEPENDENT
    received_ns: int = 0
    vendor: str | None = None
    miss_rate: float | None = None
    testimony: Testimony | None = None
    upload: str | None = None
    answer: Answer | None = None


@dataclass(frozen=True, slots=True)
class WakeSource:
    """What the judge must know of a wake source: whose word it is, what it would hear, and how well.

    `hears` is any of `wake`, `call`, `view`: what its silence says something about. `devices` (names or MACs, none
    means the whole house) and `vendor` limit whom it hears for. `before` and `after` are its window in seconds: how
    long before the upload's start, and how long after it, its event may lie. `hold_off` is how long to wait for it.
    `miss_rate` is the share of requests it misses: where `measured`, the first guess, corrected by what is seen;
    else a fact. It counts as up from the start where `assumed_up`; and where `expires` is given, for that many
    seconds after its last sign of life. Where `heard_within` is given, its silence counts for a device only if it
    reported a request to that device at most that many seconds before, and was up ever since. `infers_absence`: it
    concludes from the silence of phones that the house is empty.
    """

    name: str
    trust: Trust = Trust.INDEPENDENT
    hears: frozenset[str] = frozenset({"wake"})
    devices: tuple[str, ...] = ()
    vendor: str | None = None
    before: float = 6.0
    after: float = 4.0
    hold_off: float = 2.0
    miss_rate: float = 0.05
    measured: bool = True
    assumed_up: bool = False
    expires: float | None = None
    heard_within: float | None = None
    infers_absence: bool = False


@dataclass(frozen=True, slots=True)
class Loss:
    """Packets were lost between two times: what was not seen cannot be judged."""

    interface: str
    start_ns: int
    end_ns: int
    packets: int
