"""The values that stages hand to each other. No I/O, no behaviour beyond reading what is held.

Until `detect`, packets travel as columns (numpy arrays, one row a packet). After it everything is
scalar: a house has few uploads. Times are int64 nanoseconds since 1970-01-01 UTC everywhere inside;
they become ISO-8601 text in `sniffer.records` only.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
U16 = npt.NDArray[np.uint16]
U8 = npt.NDArray[np.uint8]

PROTO_ICMP = 1
PROTO_TCP = 6
PROTO_UDP = 17
PROTO_ICMPV6 = 58
PROTO_NAMES: Mapping[int, str] = {PROTO_ICMP: "ICMP", PROTO_TCP: "TCP", PROTO_UDP: "UDP", PROTO_ICMPV6: "IPv6-ICMP"}

#: Upper half of an IPv4 address in the 128-bit columns is 0, the lower half `V4_MAPPED | address` (RFC 4291, 2.5.5.2).
V4_MAPPED = 0xFFFF_0000_0000

#: Where a link has no MAC address, the key of a host is made from its address: this bit, and for IPv4 the address.
KEY_FROM_ADDRESS = 1 << 63
#: Set beside `KEY_FROM_ADDRESS` for IPv6: the other 62 bits are a hash of the address.
KEY_FROM_IPV6 = 1 << 62


# --- addresses ---------------------------------------------------------------------------------------------------


def mac_key(text: str) -> int:
    """The 48-bit key of a MAC address written `aa:bb:cc:dd:ee:ff` (also with `-`, or bare). Raises ValueError."""
    digits = text.replace(":", "").replace("-", "")
    if len(digits) != 12 or not set(digits) <= set("0123456789abcdefABCDEF"):
        raise ValueError(f"not a MAC address: {text!r}")
    return int(digits, 16)


def mac_text(key: int) -> str | None:
    """`aa:bb:cc:dd:ee:ff`, or None where the key was made from an IP address."""
    if key & KEY_FROM_ADDRESS:
        return None
    return ":".join(f"{key:012x}"[i : i + 2] for i in range(0, 12, 2))


def key_text(key: int) -> str:
    """How a host is written for people: its MAC address, its IPv4 address, or `ipv6-` and the hash."""
    mac = mac_text(key)
    if mac is not None:
        return mac
    if key & KEY_FROM_IPV6:
        return f"ipv6-{key & (KEY_FROM_IPV6 - 1):016x}"
    return str(ipaddress.IPv4Address(key & 0xFFFF_FFFF))


def address_pair(address: str) -> tuple[int, int]:
    """The two 64-bit halves of an IPv4 (mapped) or IPv6 address. Raises ValueError."""
    parsed = ipaddress.ip_address(address)
    if parsed.version == 4:
        return 0, V4_MAPPED | int(parsed)
    return int(parsed) >> 64, int(parsed) & 0xFFFF_FFFF_FFFF_FFFF


def address_text(high: int, low: int) -> str:
    """The address whose two 64-bit halves are given, IPv4 where it is a mapped one."""
    high, low = int(high), int(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return str(ipaddress.IPv4Address(low & 0xFFFF_FFFF))
    return str(ipaddress.IPv6Address(high << 64 | low))


def address_key(high: int, low: int) -> int:
    """The key of a host on a link without MAC addresses. The hash for IPv6 is splitmix64's finaliser over both
    halves (Steele et al., OOPSLA 2014): cheap in columns, and spread over all bits."""
    high, low = int(high), int(low)
    if high == 0 and low >> 32 == 0xFFFF:
        return KEY_FROM_ADDRESS | (low & 0xFFFF_FFFF)
    mask = 0xFFFF_FFFF_FFFF_FFFF
    mixed = (high * 0x9E37_79B9_7F4A_7C15 + low) & mask
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9) & mask
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB) & mask
    mixed ^= mixed >> 31
    return KEY_FROM_ADDRESS | KEY_FROM_IPV6 | (mixed & (KEY_FROM_IPV6 - 1))


def host_key(text: str) -> int:
    """The key of a host that a person wrote as a MAC or an IP address. Raises ValueError."""
    try:
        return mac_key(text)
    except ValueError:
        try:
            return address_key(*address_pair(text))
        except ValueError:
            raise ValueError(f"not a MAC or IP address: {text!r}") from None


# --- capture -> decode -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FrameBlock:
    """Frames of one interface and one link type, in the order in which they were captured.

    `data` and the columns are valid until the next block is asked for (readers use theirs again): copy what is kept.
    Row i is `data[offset[i]:offset[i] + captured[i]]`; `wire` is the frame's length on the link.
    """

    interface: str
    link_type: int
    data: memoryview
    offset: I64
    captured: I32
    wire: I32
    time_ns: I64

    def __len__(self) -> int:
        return len(self.offset)


# --- decode -> everything ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PacketBatch:
    """Packets in columns, one row a packet, in capture order. All arrays have the same length.

    `eth_src`, `eth_dst`
        48-bit MAC addresses; where the link has none, keys made from the IP address (`KEY_FROM_ADDRESS`).
        Linux cooked captures know the sender only: `eth_dst` is then made from the destination address.
    `src_high`, `src_low`, `dst_high`, `dst_low`
        128-bit addresses in halves, IPv4 as mapped addresses; 0 where the packet is not IP.
    `ether_type`
        0x0800, 0x86DD, 0x0806 ...; `ip_version` is 4, 6 or 0.
    `payload_len`
        Transport payload **on the wire**, from the IP length, never from what was captured.
    `payload_offset`, `payload_captured`
        Where the transport payload starts in `data`, and how many of its bytes were captured.
        For ARP and ICMPv6 it is the body behind the Ethernet or IPv6 header.
    `frame_offset`, `frame_captured`, `wire_len`
        The frame itself in `data`; its length on the link.
    """

    interface: str
    link_type: int
    data: memoryview
    time_ns: I64
    eth_src: U64
    eth_dst: U64
    ether_type: U16
    ip_version: U8
    src_high: U64
    src_low: U64
    dst_high: U64
    dst_low: U64
    proto: U8
    src_port: U16
    dst_port: U16
    payload_len: I32
    tcp_flags: U8
    tcp_seq: U32
    tcp_ack: U32
    wire_len: I32
    frame_offset: I64
    frame_captured: I32
    payload_offset: I64
    payload_captured: I32

    def __len__(self) -> int:
        return len(self.time_ns)

    def take(self, rows: npt.NDArray[Any] | slice) -> PacketBatch:
        """The rows selected by an index array, a mask or a slice; `data` is shared."""
        columns = {name: getattr(self, name)[rows] for name in PACKET_COLUMNS}
        return PacketBatch(interface=self.interface, link_type=self.link_type, data=self.data, **columns)

    def payload(self, row: int) -> memoryview:
        """The captured part of the transport payload of one packet."""
        start = int(self.payload_offset[row])
        return self.data[start : start + int(self.payload_captured[row])]

    def frame(self, row: int) -> memoryview:
        """The captured part of one frame."""
        start = int(self.frame_offset[row])
        return self.data[start : start + int(self.frame_captured[row])]


#: The array fields of `PacketBatch`, in order.
PACKET_COLUMNS: tuple[str, ...] = tuple(
    f.name for f in dataclasses.fields(PacketBatch) if f.name not in ("interface", "link_type", "data")
)


@dataclass(frozen=True, slots=True)
class DecodeErrors:
    """What could not be decoded, counted by the protocol that was wrong: `{"ipv4": 3, "tcp": 1}`; and fragments."""

    by_protocol: Mapping[str, int] = field(default_factory=dict)
    fragments: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows `decode` keeps: those whose source or destination key is in `keys` (sorted, uint64), and, where
    `identity` is set, the identity protocols of all hosts. `keys` None keeps everything."""

    keys: U64 | None = None
    identity: bool = True


# --- decode -> identify: what the identity packets say -----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing a host showed of itself.

    `kind` is one of `oui`, `dhcp.hostname`, `dhcp.vendor_class`, `dhcp.parameters`, `dhcp.client_id`,
    `mdns.service`, `mdns.txt`, `mdns.host`, `mdns.query`, `ssdp.server`, `ssdp.type`, `dns.query`, `tls.sni`,
    `tls.ja3`, `tls.ja4`, `tls.alpn`, `quic.sni`, `user_agent`. `value` comes from a
    stranger: it is data, cut to 255 characters.
    """

    time_ns: int
    key: int
    kind: str
    value: str


@dataclass(frozen=True, slots=True)
class NameSeen:
    """A name that belongs to an address, or to one flow of one host.

    From DNS answers: `address` and `ttl_seconds`, `port` and `peer` None. From SNI: the flow's
    server `address`, `port`, and the client's port in `client_port`.
    """

    time_ns: int
    key: int
    name: str
    source: Literal["dns", "sni", "quic", "mdns"]
    address: tuple[int, int]
    proto: int | None = None
    port: int | None = None
    client_port: int | None = None
    ttl_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class AddressSeen:
    """An address belongs to a host (ARP, neighbour discovery, DHCP, or a packet it sent)."""

    time_ns: int
    key: int
    address: tuple[int, int]


Observation = Fact | NameSeen | AddressSeen


# --- identify ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Device:
    """Who a host is, how sure that is, and why.

    `microphone` says whether it is judged; `configured` whether a person said so (a person is always right).
    `name` is the configured name, else one made from model and MAC that is safe as a metric label.
    """

    key: int
    name: str
    address: tuple[int, int] | None = None
    vendor: str | None = None
    model: str | None = None
    kind: str = "unknown"
    confidence: float = 0.0
    microphone: bool = False
    configured: bool = False
    rules: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    reasons: tuple[str, ...] = ()
    since_ns: int = 0
    earshot: str | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """Whom a flow talks to. `role` is a prior, never a verdict; `source` says where the name comes from:
    `sni`, `quic`, `dns`, `mdns`, `dns_late` (an answer seen after the flow began), or None (unknown)."""

    host: str | None = None
    role: Literal["voice", "telemetry", "control", "update", "media", "time", "unknown"] = "unknown"
    source: str | None = None
    age_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class FlowKey:
    """One flow, seen from the device: it is the source."""

    src: tuple[int, int]
    src_port: int
    dst: tuple[int, int]
    dst_port: int
    proto: int

    def __str__(self) -> str:
        name = PROTO_NAMES.get(self.proto, str(self.proto))
        return f"{_endpoint(self.src, self.src_port)} > {_endpoint(self.dst, self.dst_port)} {name}"


def _endpoint(address: tuple[int, int], port: int) -> str:
    text = address_text(*address)
    return f"[{text}]:{port}" if ":" in text else f"{text}:{port}"


class ServiceLookup(Protocol):
    """What `detect` may ask of `identify`. The answer is as of `at_ns`: what was observed later than that
    does not change it, so verdicts do not depend on how packets were batched."""

    def service(self, key: int, flow: FlowKey, at_ns: int) -> Service: ...


# --- detect ------------------------------------------------------------------------------------------------------


class UploadClass(enum.StrEnum):
    """What an upload is shaped like. The first three are judged."""

    SPEECH = "speech"
    BULK = "bulk"
    MEDIA = "media"
    SYNC = "sync"
    TELEMETRY = "telemetry"
    OTHER = "other"


JUDGED_CLASSES: frozenset[UploadClass] = frozenset({UploadClass.SPEECH, UploadClass.BULK, UploadClass.MEDIA})


@dataclass(frozen=True, slots=True)
class Evidence:
    """One reason: `value` as measured, `weight` as added to the score (log-odds), `text` for a lay person."""

    name: str
    value: float
    weight: float
    text: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A run that looks like live audio and still lasts. `ended` marks the message that takes it back."""

    key: int
    flow: FlowKey
    service: Service
    start_ns: int
    time_ns: int
    score: float
    ended: bool = False


@dataclass(frozen=True, slots=True)
class Upload:
    """A run with a meaning. `start_ns` and `end_ns` are its first and last upstream payload packet; it became
    final at `final_ns` (packet time). `score` is in log-odds, `probability` the same as a probability of speech.
    `bins` are upstream payload bytes a 250 ms bin from `start_ns` on, `body` the first and one-past-last bin
    of the audio.
    """

    key: int
    flows: tuple[FlowKey, ...]
    service: Service
    start_ns: int
    end_ns: int
    final_ns: int
    upload_class: UploadClass
    score: float
    probability: float
    bytes: int
    bytes_toclient: int
    packets: int
    chunk_bytes: int | None
    chunks_per_second: float | None
    speech_seconds: float
    evidence: tuple[Evidence, ...] = ()
    answered: bool = False
    bins: tuple[int, ...] = ()
    body: tuple[int, int] | None = None

    @property
    def duration(self) -> float:
        """Seconds from the first to the last upstream payload packet."""
        return (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Drift:
    """A device's habits have moved away from what was learned: announced, never absorbed silently."""

    key: int
    time_ns: int
    what: str
    before: float
    after: float


# --- wake --------------------------------------------------------------------------------------------------------


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


# --- judge -------------------------------------------------------------------------------------------------------


class VerdictKind(enum.StrEnum):
    """Was the upload asked for?"""

    EXPECTED = "expected"
    UNEXPECTED = "unexpected"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True)
class WakeMatch:
    """Which wake event stands beside an upload.

    `relation` is `direct`, `follow_up`, `arbitration`, `call`, `view` or `none`.
    """

    seen: bool = False
    relation: str = "none"
    source: str | None = None
    trust: Trust | None = None
    gap_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """The judgement of one upload; `kind` None where its class is not judged.

    `reason` is a word from the fixed list in `sniffer.judge`; `confidence` the probability that the verdict is right;
    `listened` the sources that were up and would have heard.
    """

    kind: VerdictKind | None
    reason: str
    confidence: float
    wake: WakeMatch = WakeMatch()
    revision: int = 0
    time_ns: int = 0
    listened: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """An upload and what became of it. The same upload comes again with `verdict.revision` + 1 when judged anew."""

    upload: Upload
    verdict: Verdict


Level = Literal["informational", "low", "medium", "high", "critical"]
LEVELS: Sequence[Level] = ("informational", "low", "medium", "high", "critical")

#: A record that leaves the program: one JSON object, spelled as in docs/events.md.
Record = Mapping[str, Any]


class Sink(Protocol):
    """Where records go. `emit` never blocks on the network and never raises for one bad record."""

    name: str

    def emit(self, record: Record) -> None: ...

    def close(self) -> None: ...


def sorted_keys(keys: Iterable[int]) -> U64:
    """Keys as the sorted array that `Selection` wants."""
    return np.sort(np.fromiter(set(keys), dtype=np.uint64))  # np.unique loads a large module


# --- settings ----------------------------------------------------------------------------------------------------


class Section(BaseModel):
    """A part of the configuration: immutable, and an unknown key is an error. Each stage defines its own in its
    `settings.py`; `sniffer.app.config` puts them together."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Secret(Section):
    """Where a secret is read from; it is never written into the configuration itself. Exactly one is given."""

    file: Path | None = None
    env: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _not_here(cls, value: object) -> object:
        if isinstance(value, str | int):
            raise ValueError("a secret is not written here: `{file: PATH}` or `{env: NAME}` says where it is")
        return value

    @model_validator(mode="after")
    def _one(self) -> Secret:
        if (self.file is None) == (self.env is None):
            raise ValueError("give either `file` (a path) or `env` (the name of an environment variable)")
        return self


class DeviceSettings(Section):
    """What a person says of a device: always right.

    `mac` is its MAC address (or its IP address, where the link has no MACs); `watch: false` excludes it.
    `earshot` names a group of speakers that hear the same voice, for arbitration.
    """

    mac: str
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\w .:-]+$")]
    kind: str = "speaker"
    vendor: str | None = None
    model: str | None = None
    watch: bool = True
    earshot: str | None = None

    @field_validator("name")
    @classmethod
    def _own_name(cls, name: str) -> str:
        if name.casefold() == "all":
            raise ValueError("'all' is every device, where alerts are muted: give it another name")
        return name

    @property
    def key(self) -> int:
        """The key that packets of this device carry."""
        return host_key(self.mac)

    @field_validator("mac")
    @classmethod
    def _address(cls, text: str) -> str:
        host_key(text)
        return text.lower()
