"""What could not be decoded, added up, and in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from sniffer.decode.frames.encapsulation import LINK_TYPES
from sniffer.model import DecodeErrors

#: A smaller share of the packets (of one cause) is not reported.
LEAST_SHARE = 0.01
#: Names of link types that are not decoded (https://www.tcpdump.org/linktypes.html).
_LINK_NAMES: Mapping[int, str] = {
    6: "token ring", 10: "FDDI", 107: "frame relay", 122: "IP over Fibre Channel", 143: "DOCSIS", 187: "Bluetooth HCI",
    189: "USB", 195: "802.15.4", 197: "ERF", 201: "Bluetooth HCI", 220: "USB", 227: "CAN bus", 230: "802.15.4",
    247: "InfiniBand", 249: "USB", 251: "Bluetooth Low Energy", 252: "Wireshark's exported dissections", 253: "netlink",
    254: "Bluetooth monitor", 256: "Bluetooth Low Energy", 283: "802.15.4",
}  # fmt: skip
_MALFORMED = ("ipv4", "ipv6", "tcp", "udp")
_TOO_MANY = 64


class Unread:
    """Counts the frames of a capture, and those of which something could not be decoded, by what is wrong."""

    def __init__(self) -> None:
        self.frames = 0
        #: Frames that carry IP.
        self.packets = 0
        self.overlong = 0
        self._causes: Counter[str] = Counter()

    def add(self, link_type: int, frames: int, errors: DecodeErrors) -> None:
        """Count one block of frames."""
        self.frames += frames
        self.packets += errors.packets
        self.overlong += errors.overlong
        counts = errors.by_protocol
        if not counts:
            return
        if link_type not in LINK_TYPES:
            name = _LINK_NAMES.get(link_type)
            self._count(f"are of link type {link_type}{f' ({name})' if name else ''}", counts.get("link", 0))
        else:
            self._count("have a damaged link header", counts.get("link", 0))
        self._count("are encrypted on the link", counts.get("encrypted", 0))
        self._count("are in tunnels that cannot be unwrapped", counts.get("tunnel", 0))
        for ether_type, count in errors.ether_types.items():
            self._count(f"are of EtherType 0x{ether_type:04x}" if ether_type else "are of other EtherTypes", count)
        self._count("have damaged headers of IP, TCP or UDP", sum(counts.get(name, 0) for name in _MALFORMED))

    def _count(self, cause: str, count: int) -> None:
        if count:
            self._causes[cause if cause in self._causes or len(self._causes) < _TOO_MANY else "are of other kinds"] += (
                count
            )

    @property
    def total(self) -> int:
        """Frames of which something could not be decoded."""
        return self._causes.total()

    @property
    def nothing_else(self) -> bool:
        """Return whether there are frames, some could not be decoded, and none carries IP."""
        return self.total > 0 and not self.packets

    def news(self, known: set[str]) -> Iterator[str]:
        """Give sentences for the causes that are not known yet, and add these to what is known."""
        for cause, text in self._told(LEAST_SHARE):
            if cause not in known:
                known.add(cause)
                yield text

    def sentences(self, least_share: float = LEAST_SHARE) -> Iterator[str]:
        """Give what could not be decoded and how large its share is, the most first."""
        for _, text in self._told(least_share):
            yield text
        if self.overlong:
            yield f"{self.overlong} packets claim to be longer than their frames; the frames' lengths are counted"

    def _told(self, least_share: float) -> Iterator[tuple[str, str]]:
        for cause, count in self._causes.most_common():
            share = count / max(self.frames, 1)
            if share >= least_share:
                text = f"{_percent(share)} of the packets ({count} of {self.frames}) {cause} and cannot be decoded"
                yield cause, text


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.01 else "less than 1%"
