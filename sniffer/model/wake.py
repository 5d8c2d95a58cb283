"""Wake events, wake sources and capture loss."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class WakeKind(enum.StrEnum):
    """What a wake source can say."""

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
    """Whose word it is: an ear of one's own, or the vendor's."""

    INDEPENDENT = "independent"
    SELF_REPORT = "self_report"


@dataclass(frozen=True, slots=True)
class WakeEvent:
    """Something a wake source said. `time_ns` is when it happened, `received_ns` when we heard of it (the same where
    nothing is known of the delay). `device` is a configured name or a MAC; None is every speaker in the house.
    `vendor` limits it to one vendor's speakers (a wake word of one does not explain another's)."""

    time_ns: int
    source: str
    kind: WakeKind = WakeKind.WAKE
    device: str | None = None
    trust: Trust = Trust.INDEPENDENT
    received_ns: int = 0
    vendor: str | None = None
    miss_rate: float | None = None


@dataclass(frozen=True, slots=True)
class WakeSource:
    """What the judge must know of a wake source: whose word it is, what it would hear, and how well.

    `hears` is any of `wake`, `call`, `view`: what its silence says something about. `devices` (names or MACs, none
    means the whole house) and `vendor` limit whom it hears for. `before` and `after` are its window in seconds: how
    long before the upload's start, and how long after it, its event may lie. `hold_off` is how long to wait for it.
    `miss_rate` is the share of requests it misses: where `measured`, the first guess, corrected by what is seen;
    else a fact. It counts as up from the start where `assumed_up`; and where `expires` is given, for that many
    seconds after its last sign of life.
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


@dataclass(frozen=True, slots=True)
class Loss:
    """Packets were lost between two times: what was not seen cannot be judged."""

    interface: str
    start_ns: int
    end_ns: int
    packets: int
