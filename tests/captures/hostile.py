"""Captures that nobody should trust: `cases()` makes several hundred small ones, each named for its fault.

`expect` is the exit status that `sniffer analyze FILE` owes its user: 3 where nothing can be read, 0 where something
can be judged, None where either is right. `python -m tests.captures.hostile FOLDER` writes them out.
"""

from __future__ import annotations

import gzip
import random
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sniffer.testing import Frame, House, pcap_bytes, pcapng_bytes, wire

START = 1_700_000_000
SOURCE, TARGET = bytes.fromhex("02000000000a"), bytes.fromhex("02005e000001")


@dataclass(frozen=True)
class Case:
    """One bad file."""

    name: str
    data: bytes
    expect: int | None = None


def story() -> list[Frame]:
    """A little of everything, as the ground for mutations."""
    house = House(seed=9)
    echo = house.host("kitchen", "02:00:00:00:00:0a")
    echo.joins(0.1, hostname="speaker", vendor_class="made up")
    echo.advertises("_speaker._tcp", 0.4, txt=["md=thing"])
    echo.announces("urn:example:device:Player:1", "made up", 0.5)
    echo.says(1.0, head=2000, answer=1500).to("voice.example.com", at=2)
    echo.says(0.4, head=2000, answer=0, transport="quic").to("quic.example.com", at=4)
    echo.flushes(3000, 0.1).to("six.example.com", at=5, ipv6=True)
    return house.frames()


def cases() -> Iterator[Case]:
    """All of them, always the same."""
    frames = story()
    yield from _no_capture(pcap_bytes(frames))
    yield from _pcap(frames)
    yield from _pcapng(frames)
    yield from _headers()
    yield from _names()
    yield from _mutations(frames)


# --- files ---------------------------------------------------------------------------------------------------------


def _no_capture(good: bytes) -> Iterator[Case]:
    luck = random.Random(1)
    for name, data in {
        "empty": b"",
        "one-byte": b"\xd4",
        "text": b"hello, I am a text file\n" * 20,
        "json": b'{"a": [1, 2, 3]}',
        "html": b"<!doctype html><html><body>404</body></html>",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(200),
        "zip": b"PK\x03\x04" + luck.randbytes(300),
        "png": b"\x89PNG\r\n\x1a\n" + luck.randbytes(300),
        "zeros": bytes(5000),
        "ones": b"\xff" * 5000,
        "utf-16": "tcpdump".encode("utf-16"),
        "gzip-of-nothing": gzip.compress(b"", mtime=0),
        "gzip-of-text": gzip.compress(b"not a capture " * 100, mtime=0),
        "gzip-header-only": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        "gzip-garbage": b"\x1f\x8b\x08\x00" + luck.randbytes(500),
        "gzip-of-gzip": gzip.compress(gzip.compress(b"x" * 1000, mtime=0), mtime=0),
        "gzip-bomb-of-zeros": gzip.compress(bytes(50_000_000), mtime=0),
        "zstd": b"\x28\xb5\x2f\xfd" + luck.randbytes(100),
        "xz": b"\xfd7zXZ\x00" + luck.randbytes(100),
        "snoop": b"snoop\0\0\0" + struct.pack("!II", 2, 4) + luck.randbytes(100),
    }.items():
        yield Case(f"no-capture-{name}", data, 3)
    for i in range(10):
        yield Case(f"no-capture-random-{i}", luck.randbytes(50 * (i + 1)), 3)
    yield Case("pcap-modified", b"\x34\xcd\xb2\xa1" + good[4:])
    packed = gzip.compress(good, mtime=0)
    yield Case("gzip-cut", packed[: len(packed) // 2], 0)
    yield Case("gzip-wrong-checksum", packed[:-8] + b"\1\2\3\4" + packed[-4:], 0)
    yield Case("gzip-trailing-garbage", packed + b"garbage behind", 0)
    yield Case("gzip-two-members", packed + gzip.compress(b"", mtime=0), 0)


def _pcap(frames: list[Frame]) -> Iterator[Case]:
    good = pcap_bytes(frames)
    for length in (3, 4, 5, 8, 20, 23):
        yield Case(f"pcap-header-of-{length}-bytes", good[:length], 3)
    for length in (24, 25, 39, 40, 41, 100):
        yield Case(f"pcap-cut-at-{length}", good[:length], 0)
    for order in "<>":
        for fine in (True, False):
            name = f"{'little' if order == '<' else 'big'}-{'nano' if fine else 'micro'}"
            data = pcap_bytes(frames, nanoseconds=fine, byte_order=order)
            yield Case(f"pcap-{name}", data, 0)
            yield Case(f"pcap-{name}-no-packets", data[:24], 0)
            yield Case(f"pcap-{name}-cut", data[:-7], 0)
    for snap in (0, 1, 65_535, 0xFFFFFFFF):
        yield Case(f"pcap-snap-{snap}", good[:16] + struct.pack("<I", snap) + good[20:], None if snap < 2 else 0)
    for link in (2, 147, 0xFFFF, 0xFFFFFFFF, 0x14000001):
        yield Case(f"pcap-link-type-{link}", good[:20] + struct.pack("<I", link) + good[24:])
    for major, minor in ((0, 0), (1, 0), (2, 3), (3, 4), (65_535, 65_535)):
        yield Case(f"pcap-version-{major}.{minor}", good[:4] + struct.pack("<HH", major, minor) + good[8:])
    for captured in (0, 1, 13, 14, 65_536, 262_145, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF):
        record = struct.pack("<IIII", START, 0, captured, 100) + bytes(100)
        yield Case(f"pcap-first-record-claims-{captured}", good[:24] + record)
        yield Case(f"pcap-last-record-claims-{captured}", good + record, 0)
    for wire_length in (0, 1, 0xFFFFFFFF):
        yield Case(f"pcap-wire-length-{wire_length}", pcap_bytes([f._replace(wire=wire_length) for f in frames]), 0)
    for second, rest in ((0, 0), (0xFFFFFFFF, 0), (START, 999_999_999), (START, 0xFFFFFFFF), (0x7FFFFFFF, 5)):
        data = frames[-1].data
        record = struct.pack("<IIII", second, rest, len(data), len(data)) + data
        yield Case(f"pcap-time-{second}.{rest}", good[:24] + record, 0)
        yield Case(f"pcap-time-jumps-to-{second}.{rest}", good + record + good[24:], 0)
    yield Case("pcap-backwards", pcap_bytes(reversed(frames)), 0)
    yield Case("pcap-in-pcap", good + good, None)
    yield Case("pcap-empty-packets", pcap_bytes([Frame(START * 10**9 + i, b"", 0) for i in range(50)]), 0)
    yield Case("pcap-64k-packets", pcap_bytes([Frame(START * 10**9 + i, bytes(65_535), 65_535) for i in range(5)]), 0)
    for link in (0, 12, 101, 113, 228, 229, 276, 127, 105, 108, 192):
        yield Case(f"pcap-wrong-link-type-{link}", pcap_bytes(frames, link_type=link))


def _pcapng(frames: list[Frame]) -> Iterator[Case]:
    good = pcapng_bytes(frames)
    section, interface = 28, struct.unpack_from("<I", good, 32)[0]
    packets = section + interface
    for order in "<>":
        for resolution in (3, 6, 9, 10):
            data = pcapng_bytes(frames, resolution=resolution, byte_order=order)
            yield Case(f"pcapng-{'little' if order == '<' else 'big'}-{resolution}", data, 0)
    for length in (4, 8, 12, 27):
        yield Case(f"pcapng-cut-at-{length}", good[:length], 3)
    for length in (28, section + 5, packets, packets + 5, packets + 27, packets + 40):
        yield Case(f"pcapng-cut-at-{length}", good[:length])
    for lie in (0, 1, 3, 8, 11, 12, 13, 29, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00FFFFFC):
        value = struct.pack("<I", lie)
        yield Case(f"pcapng-section-length-{lie}", good[:4] + value + good[8:])
        yield Case(f"pcapng-interface-length-{lie}", good[: section + 4] + value + good[section + 8 :])
        yield Case(f"pcapng-packet-length-{lie}", good[: packets + 4] + value + good[packets + 8 :])
        yield Case(f"pcapng-captured-length-{lie}", good[: packets + 20] + value + good[packets + 24 :])
        yield Case(f"pcapng-interface-number-{lie}", good[: packets + 8] + value + good[packets + 12 :])
        yield Case(f"pcapng-trailer-{lie}", good[:24] + value + good[28:])
    for magic in (0, 0x1A2B3C4E, 0xFFFFFFFF):
        yield Case(f"pcapng-byte-order-{magic:x}", good[:8] + struct.pack("<I", magic) + good[12:], 3)
    for major in (0, 2, 65_535):
        yield Case(f"pcapng-version-{major}", good[:12] + struct.pack("<H", major) + good[14:])
    yield Case("pcapng-no-interface", good[:section] + good[packets:])
    yield Case("pcapng-packets-first", good[packets:] + good[:packets], 3)
    yield Case("pcapng-two-sections", good + pcapng_bytes(frames, byte_order=">"), 0)
    yield Case("pcapng-then-pcap", good + pcap_bytes(frames))
    for resolution in (0, 1, 10, 18, 19, 20, 63, 64, 127, 128, 138, 158, 191, 192, 255):
        at = good.index(b"\x09\x00\x01\x00\x09")
        yield Case(f"pcapng-resolution-{resolution}", good[: at + 4] + bytes([resolution]) + good[at + 5 :])
    body = struct.pack("<HHI", 1, 0, 0)
    yield Case("pcapng-20000-interfaces", good[:section] + _block(1, body) * 20_000 + good[packets:], 0)
    for name, options in {
        "runs-over": struct.pack("<HH", 9, 60_000) + bytes(4),
        "no-end": struct.pack("<HHBxxx", 9, 1, 6),
        "resolution-of-no-bytes": struct.pack("<HH", 9, 0),
        "offset-of-two-bytes": struct.pack("<HHHxx", 14, 2, 7),
        "offset-huge": struct.pack("<HHq", 14, 8, 1 << 62),
        "offset-negative": struct.pack("<HHq", 14, 8, -(1 << 62)),
        "name-not-text": struct.pack("<HH", 2, 4) + b"\xff\xfe\x00\x1b",
        "zero-padding": bytes(64),
    }.items():
        yield Case(f"pcapng-options-{name}", good[:section] + _block(1, body + options) + good[packets:])
    for kind in (0, 2, 3, 4, 5, 7, 9, 10, 0xBAD, 0x40000BAD, 0x80000001, 0x0A0D0D0B):
        for size in (0, 4, 20, 64):
            extra = _block(kind, bytes([size]) * size)
            yield Case(f"pcapng-block-{kind:x}-of-{size}", good[:packets] + extra + good[packets:])
    simple = [_block(3, struct.pack("<I", f.wire) + f.data) for f in frames]
    yield Case("pcapng-simple-packets", good[:packets] + b"".join(simple), 0)


def _block(kind: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))


# --- packets -------------------------------------------------------------------------------------------------------


def _one(name: str, *data: bytes) -> Case:
    frames = [Frame(START * 10**9 + i * 10**8, d, len(d)) for i, d in enumerate(data)]
    return Case(name, pcap_bytes(frames), 0)


def _headers() -> Iterator[Case]:
    """Lengths that lie, inside frames."""
    me, you = wire.ipaddress.ip_address("192.168.1.20"), wire.ipaddress.ip_address("52.1.2.3")
    me6, you6 = wire.ipaddress.ip_address("2a02::20"), wire.ipaddress.ip_address("2600:9000::1")
    segment = wire.tcp(me, 40_000, you, 443, 1, 1, 24, wire.tls_record(23, bytes(400)))
    good = wire.ethernet(SOURCE, TARGET, 0x0800, wire.ip(me, you, 6, segment))
    good6 = wire.ethernet(
        SOURCE, TARGET, 0x86DD, wire.ip(me6, you6, 6, wire.tcp(me6, 1, you6, 443, 1, 1, 24, b"x" * 90))
    )
    yield _one("frames-cut-everywhere", *[good[:i] for i in range(100)])
    yield _one("frames-cut-everywhere-v6", *[good6[:i] for i in range(100)])
    yield _one("ipv4-header-lengths", *[good[:14] + bytes([0x40 | i]) + good[15:] for i in range(16)])
    yield _one("ip-versions", *[good[:14] + bytes([i << 4 | 5]) + good[15:] for i in range(16)])
    lies = (0, 1, 19, 20, 21, 39, 40, 41, 52, 0x7FFF, 0xFFFF)
    yield _one("ipv4-total-lengths", *[good[:16] + struct.pack("!H", n) + good[18:] for n in lies])
    yield _one("ipv6-payload-lengths", *[good6[:18] + struct.pack("!H", n) + good6[20:] for n in lies])
    yield _one("tcp-offsets", *[good[:46] + bytes([i << 4]) + good[47:] for i in range(16)])
    datagram = wire.ethernet(SOURCE, TARGET, 0x0800, wire.ip(me, you, 17, wire.udp(me, 5353, you, 5353, b"x" * 60)))
    yield _one(
        "udp-lengths", *[datagram[:38] + struct.pack("!H", n) + datagram[40:] for n in (0, 1, 7, 8, 9, 67, 0xFFFF)]
    )
    yield _one(
        "fragments", *[good[:20] + struct.pack("!H", n) + good[22:] for n in (0x2000, 0x2001, 1, 0x1FFF, 0xFFFF)]
    )
    tags = [wire.ethernet(SOURCE, TARGET, 0x0800, good[14:], vlan=[7] * n) for n in (1, 2, 3, 8, 60)]
    yield _one("vlan-stacks", *tags, *[tags[4][:i] for i in range(12, 60)])
    for first in (0, 43, 44, 50, 51, 60, 135, 139, 140, 253):
        chain = bytes([first, 0]) + bytes(6)
        body = chain * 200 + bytes([6, 0]) + bytes(6) + segment
        yield _one(
            f"ipv6-extension-chain-{first}",
            wire.ethernet(SOURCE, TARGET, 0x86DD, wire.ip(me6, you6, first, body[:1400])),
        )
        lying = bytes([first, 255]) + bytes(14)
        yield _one(
            f"ipv6-extension-lies-{first}", wire.ethernet(SOURCE, TARGET, 0x86DD, wire.ip(me6, you6, first, lying))
        )
    for kind in (0x0806, 0x8863, 0x8864, 0x88A8, 0x8100, 0x9100, 0x8847, 0x88CC, 0x0000, 0x0026, 0x05DC, 0xFFFF):
        bodies = [bytes(n) for n in (0, 1, 2, 4, 6, 8, 20, 28, 46)] + [b"\xff" * n for n in (4, 8, 28, 46)]
        yield _one(f"ether-type-{kind:04x}", *[SOURCE + TARGET + struct.pack("!H", kind) + body for body in bodies])
    session = struct.pack("!BBHHH", 0x11, 0, 1, 0xFFFF, 0x0021) + good[14:]
    yield _one("pppoe-length-lies", wire.ethernet(SOURCE, TARGET, 0x8864, session))
    yield _one("arp-lengths-lie", *[SOURCE + TARGET + b"\x08\x06" + struct.pack("!HHBBH", 1, 0x800, a, b, 2) + bytes(20)
                                    for a in (0, 6, 255) for b in (0, 4, 255)])  # fmt: skip
    yield _one("from-nobody", *[bytes(12) + good[12:], b"\xff" * 12 + good[12:], SOURCE + SOURCE + good[12:]])


def _udp(sport: int, dport: int, body: bytes) -> bytes:
    me, you = wire.ipaddress.ip_address("192.168.1.20"), wire.ipaddress.ip_address("192.168.1.1")
    return wire.ethernet(SOURCE, TARGET, 0x0800, wire.ip(me, you, 17, wire.udp(me, sport, you, dport, body)))


def _tcp(*bodies: bytes) -> list[bytes]:
    me, you = wire.ipaddress.ip_address("192.168.1.20"), wire.ipaddress.ip_address("52.1.2.3")
    seq, frames = 1, []
    for body in bodies:
        frames.append(
            wire.ethernet(SOURCE, TARGET, 0x0800, wire.ip(me, you, 6, wire.tcp(me, 40_000, you, 443, seq, 1, 24, body)))
        )
        seq += len(body)
    return frames


def _names() -> Iterator[Case]:
    """Identity protocols that lie, and names that want to be more than names."""
    you = wire.ipaddress.ip_address("52.1.2.3")
    head = struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0)
    tails = {
        "pointer-to-itself": b"\xc0\x0c" + struct.pack("!HH", 1, 1) + b"\xc0\x0c",
        "pointers-in-a-ring": b"\xc0\x0e\xc0\x0c" + struct.pack("!HH", 1, 1),
        "pointer-past-the-end": b"\xff\xff" + struct.pack("!HH", 1, 1),
        "label-past-the-end": b"\x3fabc",
        "reserved-label": b"\x80abc\0" + struct.pack("!HH", 1, 1),
        "name-of-1000-labels": b"\x01a" * 1000 + b"\0" + struct.pack("!HH", 1, 1),
        "record-length-lies": b"\1a\0" + struct.pack("!HH", 1, 1) + b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 9999),
        "nothing": b"",
    }  # fmt: skip
    for name, tail in tails.items():
        for port in (53, 5353):
            flags = head if port == 53 else struct.pack("!HHHHHH", 0, 0x8400, 0, 4, 0, 0)
            yield _one(f"dns-{name}-{port}", _udp(port, port, flags + tail))
    counts = struct.pack("!HHHHHH", 1, 0x8180, 65_535, 65_535, 65_535, 65_535)
    yield _one("dns-counts-lie", _udp(53, 53, counts), _udp(53, 40_000, counts + bytes(500)), _udp(5353, 5353, counts))
    luck = random.Random(3)
    for port in (53, 67, 68, 443, 546, 547, 1900, 5353):
        yield _one(f"random-datagrams-{port}", *[_udp(port, port, luck.randbytes(n)) for n in range(0, 300, 7)])
    nasty = (
        "", ".", "a" * 63, ".".join(["a" * 60] * 4), "\x1b[31mred\x1b[0m.example", "a\nb.example", "ü.example",
        "<script>.example", "../../etc/passwd", "'; drop table x;--", "\u202eelpmaxe.moc", "a,b=c{d}", "%s%n",
    )  # fmt: skip
    for i, name in enumerate(nasty):
        clean = name.encode("utf-8", "replace")[:63]
        labels = bytes([len(clean)]) + clean + b"\0"
        answer = head + labels + struct.pack("!HH", 1, 1) + wire.dns_record(b"\xc0\x0c", 1, you.packed)
        hello = wire.tls_record(22, wire.client_hello(name))
        boot = wire.dhcp(1, SOURCE, 1, hostname=name[:200], vendor_class=name[:200])
        advert = wire.mdns_answer("_speaker._tcp", "x", "y", you, [name[:200]])
        notify = wire.ssdp_notify(name or "x", name or "x", name or "x")
        yield _one(f"name-{i}", _udp(53, 40_001, answer), *_tcp(hello), _udp(68, 67, boot), _udp(5353, 5353, advert),
                   _udp(1900, 1900, notify))  # fmt: skip
    hello = wire.tls_record(22, wire.client_hello("voice.example.com"))
    for at in range(5, len(hello), 9):
        yield _one(f"client-hello-byte-{at}", *_tcp(hello[:at] + b"\xff" + hello[at + 1 :]))
    yield _one("client-hello-in-pieces", *_tcp(*[hello[i : i + 1] for i in range(len(hello))]))
    yield _one("client-hello-never-ends", *_tcp(hello[:3] + b"\x40\x00" + hello[5:], *[bytes(1400)] * 40))
    yield _one("client-hello-64k", *_tcp(*[hello[:3] + b"\x3f\xff" + b"\x01\xff\xff\xff" + bytes(1400)] * 3))
    options = wire.dhcp(1, SOURCE, 1)
    for tail in (b"\x0c\xff", b"\x0c\x00", b"\x37\xff" + bytes(10), b"\x34\x01\x03", b"\x0c\x05ab", b"\x00" * 400):
        yield _one(f"dhcp-options-{tail[:3].hex()}", _udp(68, 67, options[:-1] + tail))
    quic = wire.quic_initial(wire.client_hello("quic.example.com", ("h3",), quic=b"\1\0"), b"12345678")
    for at in (0, 1, 4, 5, 6, 14, 15, 16, 17, 18, 19, 30, 200, 1199):
        for value in (0x00, 0x3F, 0x7F, 0xFF):
            yield _one(f"quic-byte-{at}-{value:02x}", _udp(50_000, 443, quic[:at] + bytes([value]) + quic[at + 1 :]))
    yield _one("quic-cut-everywhere", *[_udp(50_000, 443, quic[:i]) for i in range(0, 120)])
    pieces = [
        wire.quic_initial(b"\x01\x00\xff\xff" + bytes(90), b"12345678", number=i, offset=i * 1000) for i in range(60)
    ]
    yield _one("quic-crypto-with-holes", *[_udp(50_000, 443, piece) for piece in pieces])


def _mutations(frames: list[Frame]) -> Iterator[Case]:
    """Bytes that flipped on the way, and files that lost a piece."""
    for name, good in (("pcap", pcap_bytes(frames)), ("pcapng", pcapng_bytes(frames))):
        for seed in range(60):
            luck = random.Random(f"{name}/{seed}")
            data = bytearray(good)
            for _ in range(luck.choice((1, 3, 30, 300))):
                data[luck.randrange(len(data))] = luck.randrange(256)
            if luck.random() < 0.3:
                at = luck.randrange(len(data))
                del data[at : at + luck.randrange(1, 200)]
            if luck.random() < 0.2:
                at = luck.randrange(len(data))
                data[at:at] = luck.randbytes(luck.randrange(1, 200))
            yield Case(f"{name}-mutation-{seed}", bytes(data))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases():
        (folder / case.name).write_bytes(case.data)
