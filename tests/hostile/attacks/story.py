"""What happens in the house under attack: a speaker says three sentences unasked, while frames are forged.

An attack is a function from the true frames to the frames that go over the wire. `scapy` builds what is forged, so that
our own code reads packets of another hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether
from scapy.packet import Packet

from sniffer.model.clock import SECOND, parse_timestamp
from sniffer.testing import House
from sniffer.testing.pcap import Frame

MAC = "68:db:f5:90:19:64"
LAPTOP = "3c:22:fb:11:22:33"
ROUTER = "02:00:5e:00:00:01"
INTRUDER = "02:aa:bb:cc:dd:ee"
#: When the speaker says its sentences (s), how long each lasts (s), and when the first may be disturbed (s).
SENTENCES, LENGTH, FIRST_FORGED = (9.0, 19.0, 29.0), 4.0, 15.0
#: What becomes of everything has been seen after this (s).
END = 36.0
SERVER = "avs-alexa-4-na.amazon.com"

CONFIGURED = f'devices: [{{mac: "{MAC}", name: kitchen}}]\n'
RECOGNISED = ""  # the speaker is known by what it shows


@dataclass
class Story:
    """The true frames of the house, and what was said when (seconds after the start)."""

    house: House
    sentences: tuple[tuple[float, float], ...]

    @cached_property
    def frames(self) -> list[Frame]:
        """What is sent if nothing is forged."""
        return self.house.frames()

    def at(self, seconds: float) -> int:
        """A moment of the story in nanoseconds."""
        return self.house.start_ns + round(seconds * SECOND)

    def upstream(self, since: float = FIRST_FORGED) -> Iterator[tuple[Frame, Packet]]:
        """The speaker's frames with payload to its server, from a moment on."""
        for frame in self.frames:
            if frame.time_ns >= self.at(since) and (packet := spoken(frame)) is not None:
                yield frame, packet


def spoken(frame: Frame) -> Packet | None:
    """The packet of a frame, if it is TCP payload of the speaker."""
    packet = Ether(frame.data)
    mine = TCP in packet and packet.src == MAC and len(packet[TCP].payload) > 0
    return packet if mine else None


def framed(time_ns: int, packet: Packet) -> Frame:
    """A packet as a frame; lengths and checksums that were deleted are computed."""
    data = bytes(packet)
    return Frame(time_ns, data, len(data))


def fresh(packet: Packet) -> Packet:
    """A copy whose lengths and checksums are computed anew."""
    copy = packet.copy()
    for layer in (IP, TCP):
        if layer in copy:
            copy[layer].chksum = None
    if IP in copy:
        copy[IP].len = None
    return copy


def tell(*, seed: int = 7, mac: str = MAC, answer: int = 300, **shape: Any) -> Callable[[int], Story]:
    """The usual story: the speaker joins, looks names up, and says its sentences on one connection. Nothing answers
    them: many answers would show that the listener is deaf."""

    def begin(start_ns: int) -> Story:
        house = House(seed=seed, start_ns=start_ns)
        speaker = house.host("kitchen", mac=mac)
        introduce(speaker)
        for at in SENTENCES:
            speaker.says(LENGTH, answer=answer, **shape).to(SERVER, at=at)
        return Story(house, tuple((at, at + LENGTH) for at in SENTENCES))

    return begin


def introduce(speaker: Any) -> None:
    """What an Echo shows of itself when it starts."""
    speaker.joins(at=0.1, hostname="amazon-12345", vendor_class="dhcpcd-5.5.6", parameters=[1, 33, 3, 6])
    names = ("fireoscaptiveportal.com", "ntp-g7g.amazon.com", "avs-alexa-4-na.amazon.com", "echocaptiveportal.com")
    for number, name in enumerate(names, 1):
        speaker.looks_up(name, at=0.2 + number * 0.3)


@dataclass
class Outcome:
    """What the daemon made of an attack."""

    story: Story
    records: list[dict[str, Any]]
    log: str
    metrics: str
    alive: bool

    @property
    def uploads(self) -> list[dict[str, Any]]:
        """The judged uploads, each in its last revision."""
        newest: dict[str, dict[str, Any]] = {}
        for record in self.records:
            if record["event_type"] == "upload" and record["verdict"] is not None:
                newest[record["id"]] = record
        return list(newest.values())

    def of(self, name: str) -> list[dict[str, Any]]:
        """The judged uploads of a device."""
        return [record for record in self.uploads if record["device"]["name"] == name]

    def metric(self, name: str) -> float:
        """The sum of a metric."""
        lines = [line for line in self.metrics.splitlines() if line.startswith((name + " ", name + "{"))]
        return sum(float(line.split()[-1]) for line in lines)


#: Says what is wrong, or nothing.
Check = Callable[[Outcome], str]


def verdicts(outcome: Outcome, name: str | None = None) -> str:
    """The uploads in short, for messages."""
    return "; ".join(
        f"{r['device']['name']} {r['timestamp'][17:23]} {r['upload']['class']} {r['verdict']} ({r['reason']})"
        for r in outcome.uploads
        if name is None or r["device"]["name"] == name
    )


def each_sentence(*wanted: str, least: int | None = None) -> Check:
    """Each sentence is covered by a judged upload with one of the verdicts."""

    def check(outcome: Outcome) -> str:
        missed = [
            f"{begin:g} s"
            for begin, end in outcome.story.sentences
            if not any(
                record["verdict"] in wanted and _touches(outcome.story, record, begin, end)
                for record in outcome.uploads
                if record["device"]["mac"] == MAC
            )
        ]
        allowed = 0 if least is None else len(outcome.story.sentences) - least
        return f"not {'/'.join(wanted)}: the sentences at {', '.join(missed)}" if len(missed) > allowed else ""

    return check


def _touches(story: Story, record: dict[str, Any], begin: float, end: float) -> bool:
    start = (parse_timestamp(record["timestamp"]) - story.house.start_ns) / SECOND
    last = start + float(record["upload"]["duration"])
    return start < end - 1 and last > begin - 2


def nobody_accused(outcome: Outcome) -> str:
    """No upload is `unexpected`."""
    accused = [record for record in outcome.uploads if record["verdict"] == "unexpected"]
    return f"accused {len(accused)} times" if accused else ""


ACCUSED = each_sentence("unexpected")


@dataclass(frozen=True)
class Attack:
    """One attack: what is told, what is forged, and what must hold."""

    name: str
    kind: str
    forge: Callable[[Story], Iterable[Frame]]
    holds: Check = ACCUSED
    config: str = CONFIGURED
    story: Callable[[int], Story] = field(default_factory=tell)
    #: Whether the daemon runs on the router: what the router sends leaves then, instead of arriving.
    on_router: bool = False
    #: More wake sources: lines of a YAML list.
    sources: str = ""
    #: Presence and other wake events besides the listener's own: seconds and the body that its token sends.
    events: Sequence[tuple[float, dict[str, Any]]] = ()


def beside(*makers: Callable[[Story], Iterable[Frame]]) -> Callable[[Story], list[Frame]]:
    """The true frames, and forged ones beside them."""

    def forge(story: Story) -> list[Frame]:
        return [*story.frames, *(frame for maker in makers for frame in maker(story))]

    return forge


def instead(
    change: Callable[[Frame, Packet], Iterable[Frame]], since: float = FIRST_FORGED
) -> Callable[..., list[Frame]]:
    """The true frames, those of the speaker to its server replaced from a moment on."""

    def forge(story: Story) -> list[Frame]:
        found: list[Frame] = []
        for frame in story.frames:
            packet = spoken(frame) if frame.time_ns >= story.at(since) else None
            found.extend([frame] if packet is None else change(frame, packet))
        return found

    return forge


def both_ways(change: Callable[[Packet], Packet | Iterable[Packet]]) -> Callable[[Story], list[Frame]]:
    """The true frames, all those between the speaker and its server changed."""

    def forge(story: Story) -> list[Frame]:
        server = str(story.house.address_of(SERVER))
        found: list[Frame] = []
        for frame in story.frames:
            packet = Ether(frame.data)
            if IP not in packet or server not in (packet[IP].src, packet[IP].dst):
                found.append(frame)
                continue
            made = change(packet)
            for number, piece in enumerate([made] if isinstance(made, Packet) else made):
                found.append(framed(frame.time_ns + number * 20_000, piece))
        return found

    return forge
