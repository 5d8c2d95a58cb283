"""An upload before the judge, and what was known when it came."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sniffer.judge.learning import Known
from sniffer.model import JUDGED_CLASSES, Device, Trust, Upload, UploadClass, Verdict, WakeEvent, key_text

#: In a call, the side that mostly listens still sends comfort noise and reports: a fifth, and mostly far more.
BOTH_WAYS = 5
#: Kinds that stream pictures: what explains their uploads is somebody who watches, not a wake word.
CAMERAS = frozenset({"camera", "doorbell"})


@dataclass(frozen=True, slots=True)
class Speaker:
    """What the judge needs of a device, as it was known when the upload came."""

    key: int
    name: str
    vendor: str | None
    kind: str
    earshot: str | None
    microphone: bool = True

    @classmethod
    def of(cls, device: Device) -> Speaker:
        """The part of a device that matters here."""
        return cls(device.key, device.name, device.vendor, device.kind, device.earshot, device.microphone)

    @property
    def names(self) -> frozenset[str]:
        """What a wake event may call it: its name, or its address however that is written."""
        address = key_text(self.key).casefold()
        return frozenset({self.name.casefold(), address, address.replace(":", "-"), address.replace(":", "")})

    def is_of(self, vendor: str | None) -> bool:
        """Could it be of this vendor? Where either is unknown, it could."""
        return vendor is None or self.vendor is None or vendor.casefold() == self.vendor.casefold()


@dataclass(frozen=True, slots=True)
class Hit:
    """A wake event that was paired with an upload; `gap_ns` is upload start minus event time."""

    event: WakeEvent
    gap_ns: int
    fit: float
    trust: Trust


class Stage(enum.IntEnum):
    """How far a case has come."""

    WAITING = 0
    JUDGED = 1
    SETTLED = 2


@dataclass(slots=True, eq=False)
class Case:
    """One upload.

    `known`, `odds` and `answer_rate` are what was believed of sources and device when it was final. `joined`: it goes
    on from, or along with, another upload, so it had no wake word of its own. `pending_ns` is until when it waits to
    hear whether a source lives. `order` is where it stands among all cases, and its identity.
    """

    upload: Upload
    speaker: Speaker
    due_ns: int
    known: dict[str, Known] = field(default_factory=dict)
    odds: float = 0.0
    answer_rate: float = 0.0
    stage: Stage = Stage.WAITING
    verdict: Verdict | None = None
    unasked: float = 0.0
    hits: Mapping[str, Hit] = field(default_factory=dict)
    listened: frozenset[str] = frozenset()
    joined: bool = False
    pending_ns: int = 0
    order: tuple[int, int, int, str] = field(init=False)

    def __post_init__(self) -> None:
        upload = self.upload
        self.order = (upload.start_ns, upload.key, upload.final_ns, str(upload.flows[0]) if upload.flows else "")

    @property
    def judged_class(self) -> bool:
        """Is its class one that gets a verdict?"""
        return self.upload.upload_class in JUDGED_CLASSES

    @property
    def camera(self) -> bool:
        """Does somebody who watches explain it?"""
        return self.speaker.kind in CAMERAS

    @property
    def call(self) -> bool:
        """Is it the media of a call?"""
        return not self.camera and self.upload.upload_class is UploadClass.MEDIA

    @property
    def spoken(self) -> bool:
        """Is it what a wake word leads to?"""
        return not self.camera and self.upload.upload_class in (UploadClass.SPEECH, UploadClass.BULK)

    @property
    def sound(self) -> float:
        """How probable it is that this carries live sound. What a camera streams does, and so does a stream that goes
        both ways (a call); one that goes out only is believed as far as its pace goes: logs can take minutes too."""
        upload = self.upload
        both_ways = upload.bytes_toclient * BOTH_WAYS >= upload.bytes
        if upload.upload_class is UploadClass.MEDIA and (self.camera or both_ways):
            return 1.0
        return upload.probability

    @property
    def hears(self) -> str:
        """What a source must hear for its silence to count against this upload."""
        return "view" if self.camera else "call" if self.call else "wake"
