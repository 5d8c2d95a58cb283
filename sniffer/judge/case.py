"""An upload that is judged, with what was known of its device and of the wake sources when it became final."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from sniffer.judge.learning import Known
from sniffer.model import (
    JUDGED_CLASSES,
    Answer,
    Device,
    Testimony,
    Trust,
    Upload,
    UploadClass,
    Verdict,
    WakeEvent,
    WakeSource,
    key_text,
)

#: A stream is a call if at least one byte comes back for this many bytes sent: in a call, also the side that only
#: listens sends comfort noise and reports, mostly far more than a fifth of what it receives.
CALL_MOST_BYTES_PER_BYTE_BACK = 5
#: Kinds of devices that stream pictures: a viewer explains their uploads, not a wake word.
CAMERAS = frozenset({"camera", "doorbell"})

#: Values that identify something by its content and order it.
Key = tuple[int | str, ...]


def upload_key(upload: Upload) -> Key:
    """The identity of an upload, and its place among all: start, device, end of detection, first flow."""
    return (upload.start_ns, upload.key, upload.final_ns, str(upload.flows[0]) if upload.flows else "")


@dataclass(frozen=True, slots=True)
class Speaker:
    """The part of a device that the judge uses, as it was known when the upload became final."""

    key: int
    name: str
    vendor: str | None
    kind: str
    earshot: str | None
    microphone: bool = True

    @classmethod
    def of(cls, device: Device) -> Speaker:
        """Take the part that the judge uses."""
        return cls(device.key, device.name, device.vendor, device.kind, device.earshot, device.microphone)

    @property
    def names(self) -> frozenset[str]:
        """The names that a wake event may use for it: its name, and its address in each common spelling."""
        address = key_text(self.key).casefold()
        return frozenset({self.name.casefold(), address, address.replace(":", "-"), address.replace(":", "")})

    def is_of(self, vendor: str | None) -> bool:
        """Return whether it may be of this vendor: also true if either vendor is unknown."""
        return vendor is None or self.vendor is None or vendor.casefold() == self.vendor.casefold()


@dataclass(frozen=True, slots=True)
class Hit:
    """A wake event paired with an upload. `gap_ns` is upload start minus event time; `fit` is 0 to 1."""

    event: WakeEvent
    gap_ns: int
    fit: float
    trust: Trust


class Stage(enum.IntEnum):
    """The progress of a case."""

    WAITING = 0
    JUDGED = 1
    SETTLED = 2


@dataclass(slots=True)
class Case:
    """One upload on its way to a verdict.

    `number` identifies it in this judge. `due_ns` is the time of its first verdict. `known`, `odds`, `answer_rate`
    and `suspicion` are what had been learned of sources and device before it became final. `unasked` is the probability
    that nobody asked, `hits` the wake event of each source that was paired with it, `listened` the sources whose
    silence counted, `heard` the weight of each source's testimony (log-odds that it was asked for), `testified` what it
    said.
    `identifier` is the upload's id, `answer` what a person said about it, `taught` whether that was learned from.
    `joined`: it continues or accompanies another upload, so it had no wake word of its own. `pending_ns`: the verdict
    waits until then for a sign of life of a source.
    """

    number: int
    upload: Upload
    speaker: Speaker
    due_ns: int
    known: dict[str, Known] = field(default_factory=dict)
    odds: float = 0.0
    answer_rate: float = 0.0
    suspicion: float = 1.0
    stage: Stage = Stage.WAITING
    verdict: Verdict | None = None
    unasked: float = 0.0
    hits: dict[str, Hit] = field(default_factory=dict)
    listened: frozenset[str] = frozenset()
    heard: dict[str, float] = field(default_factory=dict)
    testified: dict[str, Testimony] = field(default_factory=dict)
    identifier: str = ""
    answer: Answer | None = None
    taught: bool = False
    joined: bool = False
    pending_ns: int = 0

    @property
    def order(self) -> Key:
        """Its place among all cases."""
        return upload_key(self.upload)

    @property
    def judged_class(self) -> bool:
        """Whether its class gets a verdict."""
        return self.upload.upload_class in JUDGED_CLASSES

    @property
    def camera(self) -> bool:
        """Whether a viewer would explain it."""
        return self.speaker.kind in CAMERAS

    @property
    def call(self) -> bool:
        """Whether it is the media of a call."""
        return not self.camera and self.upload.upload_class is UploadClass.MEDIA

    @property
    def spoken(self) -> bool:
        """Whether a wake word leads to uploads of its kind."""
        return not self.camera and self.upload.upload_class in (UploadClass.SPEECH, UploadClass.BULK)

    @property
    def sound(self) -> float:
        """The probability that this carries live sound. It is 1 for a camera's stream and for a stream in both
        directions (a call); a stream that only leaves may be a log, so there the detector's probability counts."""
        upload = self.upload
        both_ways = upload.bytes_toclient * CALL_MOST_BYTES_PER_BYTE_BACK >= upload.bytes
        if upload.upload_class is UploadClass.MEDIA and (self.camera or both_ways):
            return 1.0
        return upload.probability

    @property
    def hears(self) -> str:
        """What a source must be able to report for its silence to count: `view`, `call` or `wake`."""
        return "view" if self.camera else "call" if self.call else "wake"


def covers(source: WakeSource, case: Case) -> bool:
    """Return whether a source would report a request to this device. A device of unknown vendor is not covered by a
    source that is limited to one vendor."""
    if case.hears not in source.hears:
        return False
    if source.vendor is not None and (case.speaker.vendor or "").casefold() != source.vendor.casefold():
        return False
    return not source.devices or any(name.casefold() in case.speaker.names for name in source.devices)
