"""One row of a vendor's record, whatever export it came from, and what one file gave."""

from __future__ import annotations

import enum
import sys
from collections import Counter
from dataclasses import dataclass, field

#: Characters of a name, and of the vendor's word for a row, that are kept.
MAX_NAME = 64
#: Characters of one transcript that are kept.
MAX_TRANSCRIPT = 2000
#: Rows that are kept of all files together, each about 300 bytes: a house of ten speakers fills this in ten years.
MAX_ROWS = 1_500_000
#: Different accounts and device names that are told apart.
MAX_NAMES = 1000


class Meaning(enum.StrEnum):
    """What the vendor says that a recording was."""

    REQUEST = "request"
    WAKE_WORD_ONLY = "wake_word_only"
    FALSE_ACTIVATION = "false_activation"
    NOT_FOR_DEVICE = "not_for_device"
    OTHER_SPEAKER_ANSWERED = "other_speaker_answered"
    NO_SPEECH = "no_speech"
    AUTOMATION = "automation"
    UNKNOWN = "unknown"


#: Meanings under which the vendor itself says that the device was not asked.
UNASKED = frozenset({Meaning.FALSE_ACTIVATION, Meaning.NOT_FOR_DEVICE})
#: Meanings under which the vendor says that a person asked.
ASKED = frozenset({Meaning.REQUEST, Meaning.WAKE_WORD_ONLY, Meaning.OTHER_SPEAKER_ANSWERED})
#: Meanings of rows that hold no recording: a routine runs by itself.
WITHOUT_SOUND = frozenset({Meaning.AUTOMATION})


@dataclass(frozen=True, slots=True)
class VendorRow:
    """One recording that the vendor lists.

    `time_ns` is the start of its stream where the export has it, else the time that it states. `also_ns` is the second
    possible time of a local time that the end of summer time repeats. `clock` names the clock of the times: rows of one
    clock share an offset. `until_ns` is
    the start of the last part, of a row that stands for several. `said` is the vendor's own word for what it was,
    `device` the vendor's name of the device, `serial` its serial number, `reference` a hash of the stream's id.
    `seconds` is how long the recording lasts, where the export shows it. `transcript` is empty unless transcripts were
    asked for.
    """

    time_ns: int
    meaning: Meaning
    said: str
    device: str | None = None
    serial: str | None = None
    reference: int | None = None
    clock: str = ""
    also_ns: int | None = None
    until_ns: int | None = None
    seconds: float | None = None
    account: str | None = None
    transcript: str = ""


@dataclass(slots=True)
class Span:
    """The first and the last of several times, in ns; None while there is none."""

    first_ns: int | None = None
    last_ns: int | None = None

    def add(self, time_ns: int) -> None:
        """Include a time."""
        self.first_ns = time_ns if self.first_ns is None else min(self.first_ns, time_ns)
        self.last_ns = time_ns if self.last_ns is None else max(self.last_ns, time_ns)

    def join(self, other: Span) -> None:
        """Include another span."""
        for time_ns in (other.first_ns, other.last_ns):
            if time_ns is not None:
                self.add(time_ns)


@dataclass(slots=True)
class Reading:
    """What one file gave.

    `taken` says in words what it was taken for; `skipped` counts, by reason, what was left out. Of the rows only those
    between `from_ns` and `to_ns` are kept, at most `room`; all are counted in `count`, and `spans` covers
    all, by clock.
    `without_zone` counts times that name no zone. `saved_ns` is when the file was last written: the record cannot reach
    beyond that.
    """

    file: str
    taken: str = ""
    from_ns: int = 0
    to_ns: int = 1 << 63
    room: int = MAX_ROWS
    saved_ns: int | None = None
    rows: list[VendorRow] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    count: int = 0
    without_zone: int = 0
    spans: dict[str, Span] = field(default_factory=dict)
    accounts: Counter[str] = field(default_factory=Counter)
    devices: Counter[str] = field(default_factory=Counter)

    def add(self, row: VendorRow) -> None:
        """Count a row, and keep it where it lies in the span that is compared."""
        self.count += 1
        span = self.spans.get(row.clock)
        if span is None:
            span = self.spans[row.clock] = Span()
        span.add(row.time_ns)
        _count(self.accounts, row.account)
        _count(self.devices, row.device or row.serial)
        if not self.from_ns <= row.time_ns <= self.to_ns:
            return
        if len(self.rows) < self.room:
            self.rows.append(row)
        else:
            self.skipped["rows beyond the most that are held in memory: give a shorter time with --from and --to"] += 1


def _count(counted: Counter[str], key: str | None) -> None:
    if key is not None and (key in counted or len(counted) < MAX_NAMES):
        counted[key] += 1


def name(value: object) -> str | None:
    """Return a name as text of bounded length, shared between rows; None where there is none."""
    return sys.intern(str(value)[:MAX_NAME]) if value else None
