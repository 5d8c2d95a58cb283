"""Traffic of a house on a LAN bridge, as large as wanted and the same every time: what the benchmarks read.

A few hosts download, browse and call, over TCP and QUIC; all of them ask for names and addresses; the speakers
among them play music, keep their connections alive and now and then send what somebody said. It is made in
columns, so that millions of packets take seconds.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Column = npt.NDArray[Any]

SECOND = 1_000_000_000
START_NS = 1_790_000_000 * SECOND
ROUTER = 0x02_00_00_00_00_01
HOST_MACS = 0x02_11_22_00_00_00  # locally administered: nobody's prefix
SPEAKER_MACS = 0x68_DB_F5_00_00_00  # a maker of speakers, known by prefix
CHUNK = 50_000
HEADER = 66  # Ethernet, IPv4, TCP with timestamps; a UDP header ends earlier

NAMES = ("www.example.org", "cdn.example.net", "time.example.com", "mail.example.org")
SPEAKER_NAMES = ("avs-alexa-4-na.amazon.com", "device-metrics-us.amazon.com", "api.amazonalexa.com")


@dataclass(frozen=True, slots=True)
class House:
    """What is generated. `share` is that of the speakers' packets, `snap` how many bytes of each are kept."""

    packets: int = 2_000_000
    hosts: int = 50
    speakers: int = 8
    share: float = 0.025
    flows: int = 12
    seconds: float = 3600.0
    snap: int | None = None
    seed: int = 1

    def speaker_macs(self) -> list[int]:
        return [SPEAKER_MACS + i for i in range(self.speakers)]


@dataclass(slots=True)
class _Events:
    time_ns: Column
    host: Column
    flow: Column
    up: Column
    payload: Column  # bytes; -1 is an identity packet


def write_mix(path: Path, house: House, *, pcapng: bool = False) -> None:
    """Write the capture (nanosecond pcap, or pcapng)."""
    with path.open("wb") as file:
        file.write(_pcapng_header() if pcapng else struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for chunk in _chunks(house, pcapng):
            file.write(chunk)


def _pcapng_header() -> bytes:
    section = struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28)
    return section + struct.pack("<IIHHIHHB3xI I", 1, 32, 1, 0, 0, 9, 1, 9, 0, 32)


def _events(house: House, random: np.random.Generator) -> _Events:
    wanted = round(house.packets * house.share) if house.speakers else 0
    others = house.hosts - house.speakers
    parts = []
    if wanted:
        # One utterance in ten minutes and speaker, where there is room for it; the rest is music and keep-alives.
        spoken = _speech(house, random)
        spoken = _Events(*(getattr(spoken, name)[: wanted // 2] for name in _Events.__slots__))
        parts += [spoken, _bulk(house, random, wanted - len(spoken.time_ns), 0, house.speakers)]
    if not parts or (others > 0 and house.packets > wanted):
        parts.append(_bulk(house, random, house.packets - wanted, house.speakers, others))
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _Events.__slots__}
    order = np.argsort(columns["time_ns"], kind="stable")
    return _Events(**{name: column[order] for name, column in columns.items()})


def _bulk(house: House, random: np.random.Generator, count: int, first: int, hosts: int) -> _Events:
    """Downloads and their acknowledgements, smaller packets, and a few that name things. Speakers play music and keep
    their connections alive; the others do all kinds of things."""
    kind = random.random(count)
    speakers = first == 0 and house.speakers > 0
    full, acknowledged = (0.55, 0.93) if speakers else (0.42, 0.78)
    payload = random.integers(30, 120, count) if speakers else random.integers(0, 1100, count)
    payload[kind < full] = 1448
    payload[(kind >= full) & (kind < acknowledged)] = 0
    payload[kind >= 0.998] = -1
    up = random.random(count) < 0.5
    up[kind < full] = False
    up[(kind >= full) & (kind < acknowledged)] = True
    return _Events(
        time_ns=START_NS + np.sort(random.integers(0, int(house.seconds * SECOND), count)),
        host=first + (random.random(count) ** 2 * hosts).astype(np.int64),  # some use far more than others
        flow=random.integers(0, max(house.flows - 1, 1), count),
        up=up,
        payload=payload,
    )


def _speech(house: House, random: np.random.Generator) -> _Events:
    """Sentences: a head as fast as the link takes it, then chunks of one size at the pace of the microphone."""
    parts = []
    for speaker in range(house.speakers):
        for begin in np.arange(30 + 7 * speaker, house.seconds - 20, 600.0):
            chunks = int(random.integers(30, 100))
            head = np.arange(16) * 0.004
            body = head[-1] + 0.05 * (1 + np.arange(chunks)) + random.random(chunks) * 0.003
            answer = body[-1] + 0.3 + np.arange(40) * 0.01
            parts.append(
                _Events(
                    time_ns=START_NS + ((begin + np.concatenate([head, body, answer])) * SECOND).astype(np.int64),
                    host=np.full(56 + chunks, speaker),
                    flow=np.full(56 + chunks, house.flows - 1),
                    up=np.concatenate([np.ones(16 + chunks, dtype=bool), np.zeros(40, dtype=bool)]),
                    payload=np.concatenate([np.full(16, 1448), np.full(chunks, 437), np.full(40, 1000)]),
                )
            )
    if not parts:
        nothing = np.zeros(0, dtype=np.int64)
        return _Events(nothing, nothing, nothing, nothing.astype(bool), nothing)
    return _Events(*(np.concatenate([getattr(part, name) for part in parts]) for name in _Events.__slots__))


def _chunks(house: House, pcapng: bool) -> Iterator[bytes]:
    random = np.random.default_rng(house.seed)
    events = _events(house, random)
    seq = _sequence_numbers(house, events)
    filler = random.integers(0, 256, 1 << 16, dtype=np.uint8)
    identity = _identity_frames(house)
    for start in range(0, len(events.time_ns), CHUNK):
        rows = slice(start, start + CHUNK)
        part = _Events(*(getattr(events, name)[rows] for name in _Events.__slots__))
        yield _render(house, part, seq[rows], filler, identity, pcapng, start)


def _sequence_numbers(house: House, events: _Events) -> Column:
    """Where each packet stands in its direction of its flow."""
    direction = (events.host * house.flows + events.flow) * 2 + events.up
    order = np.argsort(direction, kind="stable")
    size = np.maximum(events.payload[order], 0)
    before = np.cumsum(size) - size
    first = np.flatnonzero(np.diff(direction[order], prepend=-1))
    before -= np.repeat(before[first], np.diff(np.append(first, len(order))))
    seq = np.empty(len(order), dtype=np.int64)
    seq[order] = before
    return (seq + 1000) & 0xFFFFFFFF


def _render(
    house: House, events: _Events, seq: Column, filler: Column, identity: list[list[bytes]], pcapng: bool, start: int
) -> bytes:
    rows = len(events.time_ns)
    server = events.flow % 7
    udp = (events.flow % 4 == 1) & (events.flow != house.flows - 1)
    header = np.zeros((rows, HEADER), dtype=np.uint8)
    mac = np.where(events.host < house.speakers, SPEAKER_MACS + events.host, HOST_MACS + events.host)
    router = np.full(rows, ROUTER)
    _put(header, 0, 6, np.where(events.up, router, mac))
    _put(header, 6, 6, np.where(events.up, mac, router))
    _put(header, 12, 2, np.full(rows, 0x0800))
    length = np.maximum(events.payload, 0) + np.where(udp, 28, 52)
    local, remote = 0xC0A80000 + 256 + events.host + 10, 0x22000000 + server * 65_536 + events.host % 200 + 1
    _put(header, 14, 2, np.full(rows, 0x4500))
    _put(header, 16, 2, length)
    _put(header, 20, 2, np.full(rows, 0x4000))
    _put(header, 22, 1, np.full(rows, 64))
    _put(header, 23, 1, np.where(udp, 17, 6))
    _put(header, 26, 4, np.where(events.up, local, remote))
    _put(header, 30, 4, np.where(events.up, remote, local))
    port = 40_000 + (events.flow + events.host * house.flows) % 20_000
    _put(header, 34, 2, np.where(events.up, port, 443))
    _put(header, 36, 2, np.where(events.up, 443, port))
    _put(header, 38, 4, np.where(udp, (length - 20) << 16, seq))
    tcp = np.flatnonzero(~udp)
    header[tcp, 46] = 0x80
    header[tcp, 47] = np.where(events.payload[tcp] > 0, 0x18, 0x10)
    header[tcp, 54] = header[tcp, 55] = 1
    header[tcp, 56], header[tcp, 57] = 8, 10

    special = np.flatnonzero(events.payload < 0)
    chosen = [identity[int(events.host[i])][(start + int(i)) % len(identity[0])] for i in special]
    wire = length + 14
    wire[special] = [len(frame) for frame in chosen]
    kept = np.minimum(wire, house.snap) if house.snap else wire
    pad = -kept % 4 if pcapng else np.zeros(rows, dtype=np.int64)
    before, behind = (28, 4) if pcapng else (16, 0)
    size = before + kept + pad + behind
    at = np.cumsum(size) - size
    out = np.resize(filler, int(size.sum()) + HEADER)
    place = at[:, None] + before + np.arange(HEADER)
    mask = np.arange(HEADER) < np.minimum(kept, np.where(udp, 42, HEADER))[:, None]
    out[place[mask]] = header[mask]
    tls = np.flatnonzero(~udp & (kept >= HEADER + 5) & (events.payload >= 5))
    for i, column in enumerate((23, 3, 3, (events.payload[tls] - 5) >> 8, (events.payload[tls] - 5) & 255)):
        out[at[tls] + before + HEADER + i] = column
    quic = np.flatnonzero(udp & (kept > 42))
    out[at[quic] + before + 42] = 0x43  # a short header
    for i, frame in zip(special, chosen, strict=True):
        begin = int(at[i]) + before
        out[begin : begin + int(kept[i])] = np.frombuffer(frame, dtype=np.uint8)[: int(kept[i])]
    if pcapng:
        head = np.stack([np.full(rows, 6), size, np.zeros(rows), events.time_ns >> 32], axis=1)
        fields = [*head.T, events.time_ns & 0xFFFFFFFF, kept, wire]
        _put_at(out, at + before + kept + pad, size)
    else:
        fields = [events.time_ns // SECOND, events.time_ns % SECOND, kept, wire]
    for i, column in enumerate(fields):
        _put_at(out, at + 4 * i, column)
    return out[: int(size.sum())].tobytes()


def _put(header: Column, at: int, width: int, value: Column) -> None:
    for i in range(width):
        header[:, at + i] = (value >> (8 * (width - 1 - i))) & 255


def _put_at(out: Column, at: Column, value: Column) -> None:
    value = value.astype(np.int64)
    for i in range(4):
        out[at + i] = (value >> (8 * i)) & 255


def _identity_frames(house: House) -> list[list[bytes]]:
    """For each host an ARP question, DNS questions with their answers, and an mDNS question."""
    frames = []
    for host in range(house.hosts):
        speaker = host < house.speakers
        mac = ((SPEAKER_MACS if speaker else HOST_MACS) + host).to_bytes(6, "big")
        router, address = ROUTER.to_bytes(6, "big"), (0xC0A8010A + host).to_bytes(4, "big")
        gateway = bytes([192, 168, 1, 1])
        ask = (
            b"\xff" * 6 + mac + struct.pack(">HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + mac + address + bytes(6) + gateway
        )
        mine = [ask + bytes(18)]
        for i, name in enumerate(SPEAKER_NAMES if speaker else NAMES):
            labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0\0\1\0\1"
            query = struct.pack(">HHHHHH", i, 0x0100, 1, 0, 0, 0) + labels
            server = (0x22000000 + ((house.flows - 1) % 7 if i == 0 else i) * 65_536 + host % 200 + 1).to_bytes(
                4, "big"
            )
            answer = struct.pack(">HHHHHH", i, 0x8180, 1, 1, 0, 0) + labels
            answer += b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 300, 4) + server
            mine.append(_udp(router, mac, address, gateway, 30_000 + i, 53, query))
            mine.append(_udp(mac, router, gateway, address, 53, 30_000 + i, answer))
        cast = struct.pack(">HHHHHH", 0, 0, 1, 0, 0, 0) + b"\x0b_googlecast\x04_tcp\x05local\0\0\x0c\0\1"
        mine.append(_udp(b"\x01\0\x5e\0\0\xfb", mac, address, b"\xe0\0\0\xfb", 5353, 5353, cast))
        frames.append(mine[:8])
    least = min(len(mine) for mine in frames)
    return [mine[:least] for mine in frames]


def _udp(dst: bytes, src: bytes, source: bytes, to: bytes, sport: int, dport: int, body: bytes) -> bytes:
    length = 28 + len(body)
    network = struct.pack(">BBHHHBBH", 0x45, 0, length, 0, 0, 64, 17, 0) + source + to
    return dst + src + b"\x08\x00" + network + struct.pack(">HHHH", sport, dport, length - 20, 0) + body
