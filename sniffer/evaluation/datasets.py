"""Labelled sets, each through a small adapter: which captures, of which device, with how many spoken commands.

A published set is recognised by how its files are named, so that any folder can be handed to `sniffer evaluate`.
Captures of one's own are labelled in a `labels.csv` beside them (`sniffer.evaluation.labels`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Sets whose captures were looked at while the detector was made: figures on them are no prediction.
TUNED = "tuned-on"
HELD_OUT = "held-out"


#: The devices whose captures the development had, by the names that the adapters give.
DEVELOPMENT = frozenset({
    "vcf/haipeng_li", "cic/echodot", "cic/echospot", "cic/nestcam", "cic/nestmini", "cic/sonosone", "study/echodot3a",
    "nemea/google-mini", "ndpi", "iot-sentinel", "camera/amcrestcam", "camera/boruncam", "camera/dlinkcam",
    "camera/eufyhomebase", "camera/homeeyecam", "camera/netatmocam", "calls",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Utterance:
    """When one command was spoken, in nanoseconds: Unix time, or from the capture's first packet where `relative`."""

    start_ns: int
    end_ns: int | None = None
    relative: bool = False


@dataclass(frozen=True, slots=True)
class LabelledCapture:
    """One capture and what is known of it.

    `expected` is the number of spoken commands; `exact` whether more than that is known to be wrong (where questions
    can lead to a re-prompt, more uploads than commands are right). `streams` marks captures in which what lasts is a
    camera's view or a call: to be reported as one `media` upload. With `everybody` all local hosts are judged, not
    only those with a microphone; with `host` this one. `spoken` says when, where that is known.
    """

    path: Path
    dataset: str
    device: str
    expected: int
    exact: bool = True
    everybody: bool = False
    spoken: tuple[Utterance, ...] = ()
    host: int | None = None
    streams: bool = False

    @property
    def tuning(self) -> str:
        return TUNED if self.device in DEVELOPMENT else HELD_OUT


Adapter = Callable[[Path], LabelledCapture | None]


def by_name(path: Path) -> LabelledCapture | None:
    """The label that a published set's file name gives."""
    return next((label for adapter in ADAPTERS.values() if (label := adapter(path))), None)


def _vcf(path: Path) -> LabelledCapture | None:
    """Kennedy et al., "I Can Hear Your Alexa", CNS 2019: `question_5_30s.pcap` was asked five times."""
    match = re.fullmatch(r"(.+)_(\d+)_(\d+)s?(_.*)?", path.stem)
    if match is None or path.suffix not in (".pcap", ".pcapng"):
        return None
    return LabelledCapture(path, "vcf", f"vcf/{path.parent.name}", int(match[2]), exact=False)


_CIC = re.compile(r"([a-z]+)\d*((?:LOCAL|LCL|LAN|WAN|VOICE|ALEXA)[A-Z]*)[_-]?\d*")
#: Names of cameras in that set, and of the doorbell's base.
_CAMERA = re.compile(r".*(cam|homebase|doorbell)")


def _cic(path: Path) -> LabelledCapture | None:
    """CIC IoT 2022, "Interactions" (Dadkhah et al.): `VOICE` is exactly one spoken command, anything else none."""
    match = _CIC.fullmatch(path.stem)
    if match is None or path.suffix != ".pcap":
        return None
    if _CAMERA.fullmatch(match[1]) and not match[1].startswith("nest"):
        return LabelledCapture(path, "cameras", f"camera/{match[1]}", 0, everybody=True, streams=True)
    spoken, streams = match[2].startswith("VOICE"), match[1] == "nestcam"
    return LabelledCapture(path, "cic", f"cic/{match[1]}", int(spoken), everybody=True, streams=streams)


def _study(path: Path) -> LabelledCapture | None:
    """Dubois et al., "When Speakers Are All Ears", PETS 2020: an `active` capture holds one activation."""
    match = re.fullmatch(r"([a-z0-9]+)_(active|quiet)_[\d-]+", path.stem)
    if match is None or path.suffix != ".pcap":
        return None
    return LabelledCapture(path, "speakers-study", f"study/{match[1]}", int(match[2] == "active"), exact=False)


_MONIOTR = re.compile(r"\d{4}-\d\d-\d\d_\d\d.\d\d.\d\d\.\d+s")


def _moniotr(path: Path) -> LabelledCapture | None:
    """Mon(IoT)r, Ren et al., "Information Exposure From Consumer IoT Devices", IMC 2019:
    `DEVICE/ACTIVITY/2019-04-25_19:28:58.154s.pcap`. `local_voice` is one spoken command; at the press of a button, by
    an app, at power-on and idle nobody speaks. What was spoken to another device (`alexa_on`) is left out."""
    if _MONIOTR.fullmatch(path.stem) is None or path.suffix != ".pcap":
        return None
    activity, device = path.parent.name, path.parent.parent.name
    if activity.startswith("local_voice"):
        return LabelledCapture(path, "moniotr", f"moniotr/{device}", 1, exact=False)
    if activity.startswith(("local_", "android_", "ios_", "power", "idle")):
        return LabelledCapture(path, "moniotr", f"moniotr/{device}", 0)
    return None


def _joy(path: Path) -> LabelledCapture | None:
    """nemea SIoT: Cisco Joy flows, a hundred packets each. Quiet and booting devices hear nobody; the other files say
    nothing of what was spoken and are left out."""
    if path.suffix != ".json" or not re.search(r"quiet|init", path.stem):
        return None
    return LabelledCapture(path, "nemea-siot", f"nemea/{path.parent.name}", 0, everybody=True)


#: Captures in nDPI's tests that are of calls, wherever they are.
_CALLS = frozenset({"telegram", "wa_voice"})


def _negatives(path: Path) -> LabelledCapture | None:
    """nDPI's and IoT Sentinel's captures: phones, apps, and 31 devices that are no speakers, while they are set up."""
    if path.suffix not in (".pcap", ".pcapng") or path.parent.name not in ("ndpi", "iot-sentinel"):
        return None
    if path.stem in _CALLS:
        return LabelledCapture(path, "calls", "calls", 0, everybody=True, streams=True)
    return LabelledCapture(path, path.parent.name, path.parent.name, 0, everybody=True)


def _calls(path: Path) -> LabelledCapture | None:
    """A folder `calls`: calls, or their beginnings, by phones and computers. No part of one is an utterance."""
    if path.suffix not in (".pcap", ".pcapng") or path.parent.name != "calls":
        return None
    return LabelledCapture(path, "calls", "calls", 0, everybody=True, streams=True)


ADAPTERS: Mapping[str, Adapter] = {
    "speakers-study": _study,
    "vcf": _vcf,
    "cic": _cic,
    "moniotr": _moniotr,
    "nemea-siot": _joy,
    "calls": _calls,
    "negatives": _negatives,
}
