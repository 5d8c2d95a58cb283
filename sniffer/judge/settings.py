"""What can be set about judging."""

from __future__ import annotations

import contextlib
import datetime
import zoneinfo
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from sniffer.model import Level
from sniffer.settings.base import Section


class ExceptionSettings(Section):
    """A rule that is silenced for one device (its name or MAC; none: for all). `expires` is a date (to its end, UTC),
    a time, or `never`; `reason` is for whoever reads this in a year."""

    rule: str
    device: str | None = None
    expires: datetime.datetime | datetime.date | Literal["never"]
    reason: Annotated[str, Field(min_length=1, max_length=500)]

    @field_validator("expires", mode="before")
    @classmethod
    def _a_date_is_no_midnight(cls, value: object) -> object:
        """A date as text lasts as long as one that YAML reads as a date: to its end."""
        with contextlib.suppress(ValueError, TypeError):
            return datetime.date.fromisoformat(value)  # type: ignore[arg-type]
        return value


class RuleSettings(Section):
    """`folders` hold rules of one's own, `levels` change those of shipped rules, `exceptions` silence some."""

    folders: tuple[Path, ...] = ()
    levels: dict[str, Level] = Field(default_factory=dict)
    exceptions: Annotated[tuple[ExceptionSettings, ...], Field(max_length=1000)] = ()


Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Probability = Annotated[float, Field(gt=0, lt=1)]


def clock_time(value: object) -> object:
    """YAML 1.1 reads an unquoted 23:00 as a number in base 60 (and 05:00 as text): any other number is no time."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if not 60 <= value < 24 * 60:
        raise ValueError("a time is needed here, such as '08:00'")
    return datetime.time(int(value) // 60, int(value) % 60)


class FollowUpSettings(Section):
    """A dialogue goes on without a wake word: at most `gap` seconds after the previous upload ended where that was
    answered (the answer is spoken in this time), `unanswered_gap` where it was not, and `chain` times in a row.
    `longest` is how many seconds of speech one follow-up can be, `longest_request` how many one wake word explains at
    all: a longer upload is `inconclusive`. Speakers end an utterance at a pause, and after 10 to 15 s at the latest;
    the limits leave room for dictation."""

    gap: Annotated[float, Field(ge=0, le=60)] = 12.0
    unanswered_gap: Annotated[float, Field(ge=0, le=60)] = 8.0
    chain: Annotated[int, Field(ge=0, le=20)] = 3
    longest: Annotated[float, Field(ge=5, le=600)] = 25.0
    longest_request: Annotated[float, Field(ge=5, le=600)] = 45.0


class QuietHours(Section):
    """No upload is expected between `start` and `end` (local times; past midnight where `end` is earlier), on the
    `days` on which the interval starts, from `devices` (names or MACs; none means all). Cameras are exempt.
    With `unless_asked` an independent wake event still explains an upload."""

    start: datetime.time
    end: datetime.time
    days: tuple[Day, ...] = DAYS
    devices: tuple[str, ...] = ()
    unless_asked: bool = False

    @model_validator(mode="after")
    def _length(self) -> QuietHours:
        if self.start == self.end:
            raise ValueError("start and end are the same: the whole day is 00:00 to 23:59:59")
        return self

    @field_validator("start", "end", mode="before")
    @classmethod
    def _clock(cls, value: object) -> object:
        return clock_time(value)


class AwaySettings(Section):
    """What a presence source's `away` means: uploads from speakers are unexpected until `home`, save for `grace`
    seconds after leaving and before the return was noticed. `unless_asked` as in quiet hours; where it is not set, it
    is true for sources of type `presence`: phones that are silent may be off, and their addresses can be forged."""

    grace: Annotated[float, Field(ge=0, le=3600)] = 120.0
    unless_asked: bool | None = None


class BaseRates(Section):
    """What is taken to be usual: `requests` a day, until it is known how often a device is asked; uploads a day that
    nobody asked for (`unasked`: a budget that bounds the false accusations, and is not learned); the same where
    each source that listened testified (`unasked_testified`; speakers beside a television were measured to wake unasked
    1 to 19 times a day: Dubois et al., PETS 2020); and how often the cloud answers each."""

    requests: Annotated[float, Field(gt=0, le=1000)] = 14.0
    unasked: Annotated[float, Field(gt=0, le=1000)] = 0.3
    unasked_testified: Annotated[float, Field(gt=0, le=1000)] = 1.0
    answered_if_asked: Probability = 0.9
    answered_if_unasked: Probability = 0.4

    @property
    def budget(self) -> float:
        """The ratio of the odds of a request where each source testified to those where silence does."""
        return min(1.0, self.unasked / self.unasked_testified)


class ExplanationConfidence(Section):
    """How sure an explanation makes us. These are set, not computed; docs/judge.md says why each has its value. No
    value is 1, because the wire does not show who spoke. `wake_word_faint` is the most for one that a listener almost
    heard; it is computed up to there, and so is `person_says_asked`. `vendor_reports_request` is the word of the
    accused."""

    wake_event: Probability = 0.99
    wake_word_faint: Probability = 0.98
    person_says_asked: Probability = 0.95
    follow_up: Probability = 0.9
    arbitration: Probability = 0.9
    call: Probability = 0.95
    view: Probability = 0.95
    vendor_reports_request: Probability = 0.6


class QuestionSettings(Section):
    """When a person is asked "Was that you?". `enabled: false` asks nothing. At most `per_day` questions in 24 hours
    about one device; none in quiet hours. A question is asked at once if the probability that nobody asked is
    `at_once`; after a day without a question, `at_least` suffices. Of the answers a share of `error_rate` is taken to
    be wrong, and of the uploads that nobody asked for, people are taken to claim a share of `pleasing` as theirs."""

    enabled: bool = True
    per_day: Annotated[int, Field(ge=1, le=24)] = 1
    at_once: Probability = 0.25
    at_least: Probability = 0.05
    error_rate: Annotated[float, Field(ge=0.01, le=0.3)] = 0.05
    pleasing: Annotated[float, Field(ge=0.1, le=0.9)] = 0.3


class JudgeSettings(Section):
    """`bound` is the probability that nobody asked, above which an upload is called unexpected.

    `shared_misses` is the share of one source's misses that another source in the house misses too (a whisper is
    missed by every ear). `arbitration` is within how many seconds several speakers answer one wake word, `call_setup`
    how long after a request its call may begin, `max_skew` how far a source's clock may be off before it is no
    longer believed. `time_zone` (as in `Europe/Berlin`) is what quiet hours are read in.
    """

    bound: Annotated[float, Field(ge=0.5, le=0.98)] = 0.9
    rates: BaseRates = BaseRates()
    confidence: ExplanationConfidence = ExplanationConfidence()
    questions: QuestionSettings = QuestionSettings.model_construct()
    shared_misses: Annotated[float, Field(ge=0, le=1)] = 0.1
    follow_up: FollowUpSettings = FollowUpSettings.model_construct()
    arbitration: Annotated[float, Field(ge=0, le=10)] = 2.5
    call_setup: Annotated[float, Field(ge=0, le=300)] = 45.0
    max_skew: Annotated[float, Field(ge=0, le=60)] = 10.0
    time_zone: str = "UTC"
    quiet_hours: tuple[QuietHours, ...] = ()
    away: AwaySettings = AwaySettings.model_construct()
    rules: RuleSettings = RuleSettings.model_construct()

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"unknown time zone {name!r} (they are written like 'Europe/Berlin')") from None
        return name


class AlertSettings(Section):
    """Which uploads raise an alert, and how often. Rules from `level` on raise one. A rule that raised an alert for a
    device raises none for `cooldown_minutes`; then one alert counts the uploads since. More than `max_per_hour` alerts
    in all are combined as well. `digest` sums up the day at `digest_at`. Times are in `time_zone` (the machine's own if
    none is given)."""

    level: Level = "medium"
    cooldown_minutes: Annotated[float, Field(ge=0, le=7 * 1440)] = 60.0
    max_per_hour: Annotated[int, Field(ge=1, le=10_000)] = 30
    digest: bool = True
    digest_at: datetime.time = datetime.time(8)
    time_zone: str | None = None

    @field_validator("digest_at", mode="before")
    @classmethod
    def _clock(cls, value: object) -> object:
        return clock_time(value)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str | None) -> str | None:
        try:
            if name is not None:
                zoneinfo.ZoneInfo(name)
        except (ValueError, OSError, zoneinfo.ZoneInfoNotFoundError):
            raise ValueError(f"no such time zone: {name!r} (such as Europe/Berlin)") from None
        return name
