"""Short words for the judge's tests: seconds since the story began, devices by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sniffer import model
from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.model import (
    V4_MAPPED,
    Device,
    FlowKey,
    Judged,
    Loss,
    Service,
    Trust,
    Upload,
    UploadClass,
    WakeEvent,
    WakeKind,
    WakeSource,
)

S = 1_000_000_000
START = 1_700_000_000 * S

DEVICES = {
    1: Device(1, "kitchen", vendor="Amazon", kind="speaker", microphone=True),
    2: Device(2, "bedroom", vendor="Amazon", kind="speaker", microphone=True),
    3: Device(3, "hall", vendor="Google", kind="speaker", microphone=True),
    4: Device(4, "door", vendor="Ring", kind="camera", microphone=True),
    5: Device(5, "attic", vendor="Amazon", kind="speaker", microphone=True, earshot="upstairs"),
    6: Device(6, "nameless", kind="speaker", microphone=True),
    7: Device(7, "perhaps", microphone=False),
    10: Device(10, "cellar", vendor="Amazon", kind="speaker", microphone=True),
}
KEYS = {device.name: key for key, device in DEVICES.items()}


def at(seconds: float) -> int:
    return START + round(seconds * 1000) * (S // 1000)


def says(
    start: float,
    device: str = "kitchen",
    seconds: float = 3.0,
    what: UploadClass = UploadClass.SPEECH,
    answered: bool = True,
    probability: float = 0.99,
) -> Upload:
    key = KEYS[device]
    flow = FlowKey((0, V4_MAPPED | key), 4000, (0, V4_MAPPED | 99), 443, 6)
    end = at(start + seconds)
    return Upload(
        key, (flow,), Service(), at(start), end, end + S, what, 5.0, probability, 40_000, 9_000, 60, 437, 20.0, seconds,
        answered=answered,
    )  # fmt: skip


def hears(
    time: float, device: str | None = None, source: str = "ear", received: float | None = None, **more: Any
) -> WakeEvent:
    when = at(time if received is None else received)
    return WakeEvent(at(time), source, device=device, received_ns=when, **more)


def speaks_of(start: float, best: float = 0.0, source: str = "ear", late: float = 1.0, **more: Any) -> WakeEvent:
    """What a listener heard from 6 s before an upload to 2 s after it."""
    heard = model.Testimony(at(start - 6), at(start + 2), (("alexa", best),), 0.3, -40.0, -60.0, 8.0)
    return WakeEvent(heard.to_ns, source, WakeKind.TESTIMONY, received_ns=at(start + 2 + late), testimony=heard, **more)


def told(kind: WakeKind, time: float, device: str | None = None, source: str = "ear", **more: Any) -> WakeEvent:
    return WakeEvent(at(time), source, kind, device, received_ns=at(time), **more)


def lost(start: float, end: float, packets: int = 3) -> Loss:
    return Loss("br-lan", at(start), at(end), packets)


def ear(name: str = "ear", **more: Any) -> WakeSource:
    """A perfect ear, as a wake file's."""
    return WakeSource(name, **{"miss_rate": 0.0, "measured": False, "assumed_up": True, **more})


def history(name: str = "vendor", **more: Any) -> WakeSource:
    return ear(name, trust=Trust.SELF_REPORT, **more)


def judge(*sources: WakeSource, **settings: Any) -> Judge:
    return Judge(JudgeSettings(**settings), sources, DEVICES.__getitem__)


def hand(judge: Judge, items: Sequence[Upload | WakeEvent | Loss]) -> None:
    for item in items:
        if isinstance(item, Upload):
            judge.upload(item)
        elif isinstance(item, WakeEvent):
            judge.wake(item)
        else:
            judge.loss(item)


def final(found: Sequence[Judged]) -> dict[tuple[float, str], Judged]:
    """The last word on each upload, by its start and device."""
    return {
        ((judged.upload.start_ns - START) / S, DEVICES[judged.upload.key].name): judged
        for judged in sorted(found, key=lambda judged: judged.verdict.revision)
    }


def verdicts(judge: Judge, *items: Upload | WakeEvent | Loss) -> list[str]:
    """The reasons of all final verdicts, in the order of the uploads."""
    hand(judge, items)
    words = final(judge.finish())
    return [words[key].verdict.reason for key in sorted(words)]
