"""A house in which people browse: the second capture of the benchmarks, made with other code than the first.

Twenty thousand connections of fifty hosts in ten minutes, over IPv4 and IPv6, by TLS and QUIC, each looked up before it
is opened; all of the house's multicast chatter; and eight speakers that play, keep alive and are spoken to. How much
there is of each thing was counted in captures of phones and computers (`../shared/data`: `ndpi/alexa-app`, `iphone`,
`telegram`, `wechat`, `vcf/.../what_is_my_traffic_report`) and of things that announce themselves (`iot-sentinel`):

- a connection has 24 packets at the median, 7 at the tenth part, 50 at the ninth tenth, 1,375 at most there;
- a ClientHello has 205 to 260 bytes (old clients), 517 (browsers), or 1,750 (browsers with post-quantum keys, two
  segments or two Initial packets); of 37 of them 32 go to different names;
- a DNS answer has 109 bytes and 3.5 records on average, many with aliases; phones ask for A, AAAA and HTTPS;
- mDNS: 4.8 messages a second in a house of phones, half of them questions, 165 bytes and 3 records on average; an
  iPhone's ask 6 things and list 6 answers that it knows; the same is said over IPv4 and IPv6;
- a host sends 24 ARP packets in 176 s, SSDP is 108 datagrams in 182 s.

    python -m tests.bench.browsing house.pcap [--connections 20000] [--pcapng]
"""

from __future__ import annotations

import argparse
import heapq
import ipaddress
import math
import random
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sniffer.testing import wire

SECOND = 1_000_000_000
BEGIN_NS = 1_795_000_000 * SECOND
GATEWAY = bytes.fromhex("20e52a0b1c01")
V4, V6 = "10.20.0.", "2001:db8:77:1::"
GATEWAY_V4, GATEWAY_V6 = ipaddress.IPv4Address("10.20.0.1"), ipaddress.IPv6Address("fe80::22e5:2aff:fe0b:1c01")
SYN, ACK, PSH_ACK, FIN_ACK = 0x02, 0x10, 0x18, 0x11
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Sent = tuple[int, bytes, int]  # time, the first bytes of a frame, and its length on the link

#: What lives in the house: how many, the vendor's prefix (None: a private address), and what it is.
KINDS = (
    (8, "68dbf5", "speaker"),
    (7, None, "phone"),
    (4, "f01898", "laptop"),
    (5, "3c2eff", "tablet"),
    (3, "8c7712", "tv"),
    (2, "cc6da0", "stick"),
    (2, "a438cc", "console"),
    (3, "b827eb", "server"),
    (16, "50c7bf", "thing"),
)
KNOWN = """www.google.com play.googleapis.com clients4.google.com www.gstatic.com fonts.gstatic.com i.ytimg.com
connectivitycheck.gstatic.com gateway.icloud.com gsp-ssl.ls.apple.com xp.apple.com mesu.apple.com init.itunes.apple.com
api.amazon.com images-na.ssl-images-amazon.com www.amazon.com fls-na.amazon.com graph.facebook.com scontent.xx.fbcdn.net
web.whatsapp.com api.spotify.com audio-ak.spotify.com nrdp.logs.netflix.com settings-win.data.microsoft.com
login.live.com outlook.office365.com api.twitter.com cdn.ampproject.org googleads.g.doubleclick.net""".split()
ALEXA = ("avs-alexa-12-na.amazon.com", "device-metrics-us.amazon.com", "api.amazonalexa.com", "dcape-na.amazon.com")
#: What each kind of host announces, and what it looks for.
ANNOUNCED = {
    "speaker": ("_amzn-wplay._tcp", "_spotify-connect._tcp"),
    "phone": ("_companion-link._tcp", "_rdlink._tcp"),
    "tablet": ("_companion-link._tcp", "_rdlink._tcp"),
    "laptop": ("_companion-link._tcp", "_ssh._tcp", "_sftp-ssh._tcp", "_smb._tcp"),
    "tv": ("_airplay._tcp", "_spotify-connect._tcp"),
    "stick": ("_rsp._tcp", "_http._tcp"),
    "server": ("_workstation._tcp", "_ssh._tcp", "_smb._tcp", "_http._tcp"),
    "thing": ("_hap._tcp", "_http._tcp"),
}
WANTED = {
    "phone": (
        "_companion-link._tcp",
        "_rdlink._tcp",
        "_homekit._tcp",
        "_hap._tcp",
        "_airplay._tcp",
        "_raop._tcp",
    ),
    "tablet": ("_companion-link._tcp", "_homekit._tcp", "_hap._tcp", "_airplay._tcp", "_raop._tcp", "_printer._tcp"),
    "laptop": ("_companion-link._tcp", "_smb._tcp", "_ipp._tcp", "_airplay._tcp", "_raop._tcp", "_googlecast._tcp"),
    "tv": ("_airplay._tcp", "_spotify-connect._tcp"),
    "server": ("_ssh._tcp", "_smb._tcp", "_ipp._tcp", "_googlecast._tcp"),
}


@dataclass(frozen=True)
class Household:
    """How much of it is made; connections are those of people's devices."""

    connections: int = 20_000
    seconds: float = 600.0
    seed: int = 77


@dataclass(frozen=True)
class Resident:
    """One host of the house."""

    mac: bytes
    kind: str
    number: int
    v4: ipaddress.IPv4Address
    v6: ipaddress.IPv6Address
    style: int

    @property
    def browses(self) -> bool:
        """Whether a person uses it."""
        return self.kind in ("phone", "laptop", "tablet", "tv", "stick", "console")


def residents() -> list[Resident]:
    """All hosts of the house."""
    found: list[Resident] = []
    for count, prefix, kind in KINDS:
        for _ in range(count):
            number = len(found) + 10
            mac = bytes.fromhex((prefix or f"{0x42 + 4 * (number % 16):02x}{number:02x}9c") + f"51{number:02x}07")
            link = ipaddress.IPv6Address(f"{V6}{number:x}")
            found.append(Resident(mac, kind, number, ipaddress.IPv4Address(f"{V4}{number}"), link, number % 3))
    return found


def speaker_macs() -> list[str]:
    """The MAC addresses of the speakers, as text."""
    return [resident.mac.hex(":") for resident in residents() if resident.kind == "speaker"]


class Street:
    """Makes the packets of a household, each stream in order of time; `merged` puts the streams together."""

    def __init__(self, house: Household) -> None:
        self.house = house
        self.dice = random.Random(house.seed)
        self.residents = residents()
        self.filler = random.Random(5).randbytes(1 << 16)
        words = ["news", "shop", "static", "img", "api", "edge", "cdn", "app", "data", "login", "video", "ads"]
        self.sites = [
            f"{self.dice.choice(words)}{n}.{self.dice.choice(words)}-{n * 7919 % 9973}.example" for n in range(4_000)
        ]

    # --- one connection --------------------------------------------------------------------------------------------

    def name(self) -> str:
        """A name that somebody wants: few are asked for often, most once."""
        dice = self.dice
        return dice.choice(KNOWN) if dice.random() < 0.4 else self.sites[int(4_000 * dice.random() ** 2)]

    def server(self, name: str, six: bool) -> Address:
        """The address that a name has."""
        number = zlib.crc32(name.encode()) % (1 << 22)
        return (
            ipaddress.IPv6Address((0x2A00_1450 << 96) + number) if six else ipaddress.IPv4Address(0x5000_0000 + number)
        )

    def lookup(self, who: Resident, at: int, name: str, six: bool) -> Iterator[Sent]:
        """Questions and answers: A and AAAA, of phones and computers HTTPS too."""
        dice = self.dice
        for kind in (1, 28, 65) if who.style else (1, 28):
            ident, port = dice.getrandbits(16), dice.randrange(32_768, 61_000)
            question = wire.dns_query(ident, name, kind)
            yield self._udp(who, at, six, port, 53, question, up=True)
            records, owner = [], b"\xc0\x0c"
            for step in range(dice.choice((0, 1, 1, 2))):
                alias = wire.dns_name(f"{name.split('.')[0]}-{step}.edge{step}.cdn.example")
                records.append(wire.dns_record(owner, 5, alias, 300))
                owner = alias
            for more in range(dice.choice((1, 1, 2, 4))):
                address = self.server(name, kind == 28)
                data = (type(address)(int(address) + more)).packed
                if kind == 65:
                    data = struct.pack("!H", 1) + b"\0" + struct.pack("!HH", 1, 6) + b"\x02h3\x02h2"
                records.append(wire.dns_record(owner, kind, data, 120))
                if kind == 65:
                    break
            body = struct.pack("!HHHHHH", ident, 0x8180, 1, len(records), 0, 0) + question[12:] + b"".join(records)
            yield self._udp(who, at + dice.randrange(5, 40) * 1_000_000, six, port, 53, body, up=False)

    def hello(self, name: str, style: int, quic: bytes = b"") -> bytes:
        """A ClientHello of an old client, a browser, or one with a post-quantum key share."""
        hello = wire.client_hello(name, ("h3",) if quic else ("h2", "http/1.1"), self.dice.randbytes(32), quic)
        more = (0, 517 - 9 - len(hello), 1_750 - len(hello))[style]
        if more <= 0:
            return hello
        # The last extension is a longer one: padding, or a share of a key.
        extra = struct.pack("!HH", 21, more) + (bytes(more) if style == 1 else self.dice.randbytes(more))
        at = hello.rindex(struct.pack("!HH", 10, 6)) if quic else hello.index(struct.pack("!HH", 10, 6))
        start = at - 2 - len(self._sni(name))
        size = int.from_bytes(hello[start : start + 2], "big") + len(extra)
        body = hello[4:start] + struct.pack("!H", size) + hello[start + 2 :] + extra
        return b"\x01" + len(body).to_bytes(3, "big") + body

    @staticmethod
    def _sni(name: str) -> bytes:
        return bytes(9 + len(name))

    def connection(self, who: Resident, at: int, name: str, packets: int) -> Iterator[Sent]:
        """All packets of one connection, its look-ups before it."""
        six, quic = self.dice.random() < 0.35, self.dice.random() < 0.3 and who.kind != "speaker"
        if self.dice.random() < 0.7:
            yield from sorted(self.lookup(who, at, name, six and self.dice.random() < 0.3))
        at += 45_000_000
        port, server = self.dice.randrange(32_768, 61_000), self.server(name, six)
        make = self._quic if quic else self._tls
        yield from make(who, at, six, server, port, name, packets)

    def _tls(
        self, who: Resident, at: int, six: bool, server: Address, port: int, name: str, packets: int
    ) -> Iterator[Sent]:
        dice = self.dice
        mine, theirs = dice.getrandbits(32), dice.getrandbits(32)
        trip = dice.randrange(8, 60) * 1_000_000

        def segment(at: int, flags: int, payload: bytes | int = b"", *, up: bool) -> Sent:
            nonlocal mine, theirs
            sequence, answer = (mine, theirs) if up else (theirs, mine)
            size = payload if isinstance(payload, int) else len(payload)
            sent = self._tcp(who, at, six, server, port, sequence, answer, flags, payload, up=up)
            step = size + (1 if flags & (SYN | 1) else 0)
            if up:
                mine = (mine + step) & 0xFFFF_FFFF
            else:
                theirs = (theirs + step) & 0xFFFF_FFFF
            return sent

        yield segment(at, SYN, up=True)
        yield segment(at + trip, SYN | ACK, up=False)
        at += trip + 200_000
        yield segment(at, ACK, up=True)
        hello = wire.tls_record(22, self.hello(name, who.style))
        for first in range(0, len(hello), 1400):
            yield segment(at + 300_000 + first, PSH_ACK, hello[first : first + 1400], up=True)
        at += trip
        for size in (1400, 1400, dice.randrange(200, 1300)):
            at += 120_000
            yield segment(at, PSH_ACK, size, up=False)
        yield segment(at + 60_000, ACK, up=True)
        yield segment(at + 900_000, PSH_ACK, 80, up=True)
        yield segment(at + 1_000_000, PSH_ACK, dice.randrange(120, 900), up=True)
        at += trip
        for count in range(max(0, packets - 12)):
            at += dice.choice((90_000, 120_000, 200_000, 2_000_000)) if packets < 300 else 150_000
            if count % 3 == 2:
                yield segment(at, ACK, up=True)
            elif count % 40 == 19:
                yield segment(at, PSH_ACK, dice.randrange(60, 1_100), up=True)
            else:
                yield segment(at, ACK, 1400, up=False)
        yield segment(at + 5_000_000, FIN_ACK, up=True)
        yield segment(at + 5_000_000 + trip, FIN_ACK, up=False)

    def _quic(
        self, who: Resident, at: int, six: bool, server: Address, port: int, name: str, packets: int
    ) -> Iterator[Sent]:
        dice = self.dice
        ident = dice.randbytes(8)
        hello = self.hello(name, who.style, quic=b"\x0f\x00\x04\x04\x80\x10\x00\x00")
        for number, first in enumerate(range(0, len(hello), 1_100)):
            initial = wire.quic_initial(hello[first : first + 1_100], ident, b"", number, first)
            yield self._udp(who, at + number * 80_000, six, port, 443, initial, up=True, server=server)
        at += dice.randrange(8, 60) * 1_000_000
        flight = wire.quic_long(2, b"", ident, b"", self.filler[:1100])
        for number in range(3):
            yield self._udp(who, at + number * 90_000, six, port, 443, flight, up=False, server=server)
        at += 1_000_000
        for count in range(max(0, packets - 8)):
            at += dice.choice((90_000, 120_000, 1_500_000)) if packets < 300 else 140_000
            up, size = count % 4 == 3, 1_250
            body = b"\x43" + ident + struct.pack("!I", count) + self.filler[: 40 - 13]
            yield self._udp(who, at, six, port, 443, body, up=up, server=server, size=40 if up else size)

    # --- what is always said ---------------------------------------------------------------------------------------

    def chatter(self, who: Resident) -> Iterator[Sent]:
        """ARP, neighbour discovery, DHCP, mDNS and SSDP of one host."""
        dice, end = random.Random(who.number), self.house.seconds
        for moment in _times(dice, 7.3, end):
            target = bytes(6) if dice.random() < 0.5 else GATEWAY
            body = wire.arp(who.mac, who.v4, target, GATEWAY_V4, reply=target is GATEWAY)
            yield _frame(moment, wire.ethernet(who.mac, GATEWAY if target is GATEWAY else wire.BROADCAST, 0x0806, body))
        for moment in _times(dice, 15.0, end):
            body = struct.pack("!BBHI", 136, 0, 0, 0x6000_0000) + who.v6.packed + b"\x02\x01" + who.mac
            yield _frame(moment, _link(who.mac, GATEWAY, who.v6, GATEWAY_V6, 58, body))
        for moment in _times(dice, 300.0, end):
            name = "" if who.kind == "speaker" else f"{who.kind}-{who.number}"
            request = wire.dhcp(3, who.mac, dice.getrandbits(32), hostname=name, parameters=(1, 3, 6, 15, 119, 252))
            yield _frame(
                moment,
                _datagram(who.mac, wire.BROADCAST, who.v4, ipaddress.IPv4Address("255.255.255.255"), 68, 67, request),
            )
            granted = wire.dhcp(5, who.mac, dice.getrandbits(32), yours=who.v4)
            yield _frame(moment + 900_000, _datagram(GATEWAY, who.mac, GATEWAY_V4, who.v4, 67, 68, granted))
        often = 13.0 if who.kind in WANTED else 60.0
        for moment in _times(dice, often, end) if who.kind in ANNOUNCED else ():
            body = (
                self._question(who, dice)
                if who.kind in WANTED and dice.random() < 0.5
                else self._announcement(who, dice)
            )
            group4, group6 = ipaddress.IPv4Address("224.0.0.251"), ipaddress.IPv6Address("ff02::fb")
            yield _frame(moment, _datagram(who.mac, b"\x01\0\x5e\0\0\xfb", who.v4, group4, 5353, 5353, body))
            yield _frame(moment + 400_000, _datagram(who.mac, b"\x33\x33\0\0\0\xfb", who.v6, group6, 5353, 5353, body))
        if who.kind in ("laptop", "tv", "server"):
            for moment in _times(dice, 17.0, end):
                kind = f"urn:schemas-upnp-org:service:x{dice.randrange(5)}:1"
                body = wire.ssdp_notify(kind, "Linux/5 UPnP/1.0 x/1", f"http://{who.v4}:8200/d.xml")
                group = ipaddress.IPv4Address("239.255.255.250")
                yield _frame(moment, _datagram(who.mac, b"\x01\0\x5e\x7f\xff\xfa", who.v4, group, 50_000, 1900, body))

    def _question(self, who: Resident, dice: random.Random) -> bytes:
        """What an iPhone asks: several services, with the answers that it knows already."""
        wanted = WANTED[who.kind]
        count = dice.randrange(1, 1 + len(wanted))
        asked = b"".join(wire.dns_name(f"{s}.local") + b"\0\x0c\0\1" for s in dice.sample(wanted, count))
        known = b"".join(
            wire.dns_record(wire.dns_name(f"{s}.local"), 12, wire.dns_name(f"Room {dice.randrange(40)}.{s}.local"),
                            dice.randrange(2_000, 4_500))
            for s in dice.sample(wanted, count)
        )  # fmt: skip
        return struct.pack("!HHHHHH", 0, 0, count, count, 0, 0) + asked + known

    def _announcement(self, who: Resident, dice: random.Random) -> bytes:
        host = f"{who.kind}-{who.number}.local"
        records = [wire.dns_record(wire.dns_name(host), 1, who.v4.packed, 120, flush=True),
                   wire.dns_record(wire.dns_name(host), 28, who.v6.packed, 120, flush=True)]  # fmt: skip
        for service in ANNOUNCED[who.kind][: 1 + who.number % 4]:
            full = f"{who.kind} {who.number}.{service}.local"
            text = f"id={dice.getrandbits(40):x}".encode()  # changes, as the state that real ones tell
            records.append(wire.dns_record(wire.dns_name(f"{service}.local"), 12, wire.dns_name(full), 4_500))
            records.append(wire.dns_record(wire.dns_name(full), 16, bytes([len(text)]) + text, 4_500, flush=True))
        return struct.pack("!HHHHHH", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)

    # --- speakers --------------------------------------------------------------------------------------------------

    def speaker(self, who: Resident) -> Iterator[Iterator[Sent]]:
        """Music, keep-alives, and what somebody says to it each three minutes."""
        dice = random.Random(who.number)
        yield self.connection(who, self._at(dice.random() * 20), "audio-ak.spotify.com", 2_500)
        for moment in range(5 + 7 * (who.number % 8), int(self.house.seconds) - 25, 90):
            yield self.connection(who, self._at(moment + dice.random()), dice.choice(ALEXA[1:]), dice.randrange(18, 40))
        for moment in range(30 + 11 * (who.number % 8), int(self.house.seconds) - 30, 180):
            yield self.spoken(who, self._at(moment + dice.random()), dice.randrange(35, 90))

    def spoken(self, who: Resident, at: int, chunks: int) -> Iterator[Sent]:
        """One sentence: a head as fast as the link takes it, then chunks of one size as fast as they are spoken."""
        server, port = self.server(ALEXA[0], False), 40_000 + who.number
        yield from sorted(self.lookup(who, at - 60_000_000, ALEXA[0], False))
        sequence = (at // 1_000_000) & 0xFFFF_FFFF
        moments = [at + n * 4_000_000 for n in range(14)]
        moments += [moments[-1] + 48_000_000 * (n + 1) for n in range(chunks)]
        for number, moment in enumerate(moments):
            size = 1_400 if number < 14 else 460
            yield self._tcp(who, moment, False, server, port, sequence, 77, PSH_ACK, size, up=True)
            sequence = (sequence + size) & 0xFFFF_FFFF
            if number % 2:
                yield self._tcp(who, moment + 9_000_000, False, server, port, 77, sequence, ACK, up=False)
        for number in range(30):
            moment = moments[-1] + 400_000_000 + number * 12_000_000
            yield self._tcp(who, moment, False, server, port, 77 + number, sequence, PSH_ACK, 1_000, up=False)

    # --- bytes -----------------------------------------------------------------------------------------------------

    def _at(self, seconds: float) -> int:
        return BEGIN_NS + int(seconds * SECOND)

    def _tcp(
        self, who: Resident, at: int, six: bool, server: Address, port: int, sequence: int, answer: int, flags: int,
        payload: bytes | int = b"", *, up: bool,
    ) -> Sent:  # fmt: skip
        options = b"\x02\x04\x05\x78\x01\x01\x08\x0a" + bytes(8) if flags & SYN else b"\x01\x01\x08\x0a" + bytes(8)
        ports = (port, 443) if up else (443, port)
        head = struct.pack("!HHIIBBHHH", *ports, sequence, answer, (20 + len(options)) << 2, flags, 512, 0, 0) + options
        if isinstance(payload, int):
            size = payload
            shown = struct.pack("!BHH", 23, 0x0303, size - 5) if size > 100 else b"\x17\x03\x03"
            head += shown + self.filler[sequence & 0x7FFF :][: max(0, size - len(shown))]
        else:
            size, head = len(payload), head + payload
        del size
        return self._routed(who, at, six, server, 6, head, up=up)

    def _udp(
        self, who: Resident, at: int, six: bool, port: int, other: int, body: bytes, *, up: bool,
        server: Address | None = None, size: int = 0,
    ) -> Sent:  # fmt: skip
        far = server or (GATEWAY_V6 if six else GATEWAY_V4)
        body = body.ljust(size, b"\x5a")
        ports = (port, other) if up else (other, port)
        return self._routed(who, at, six, far, 17, struct.pack("!HHHH", *ports, 8 + len(body), 0) + body, up=up)

    @staticmethod
    def _routed(who: Resident, at: int, six: bool, far: Address, proto: int, body: bytes, *, up: bool) -> Sent:
        near: Address = who.v6 if six else who.v4
        ends, macs = ((near, far), (who.mac, GATEWAY)) if up else ((far, near), (GATEWAY, who.mac))
        return _frame(at, _link(*macs, *ends, proto, body))

    # --- all of it -------------------------------------------------------------------------------------------------

    def streams(self) -> Iterator[tuple[int, Iterator[Sent]]]:
        """Each stream of packets, and when it begins."""
        people = [resident for resident in self.residents if resident.browses]
        weights = [1.0 / (1 + n % 7) for n in range(len(people))]
        for who in self.residents:
            yield BEGIN_NS, iter(sorted(self.chatter(who)))
            if who.kind == "speaker":
                for part in self.speaker(who):
                    yield _peeked(part)
        for _ in range(self.house.connections):
            who = self.dice.choices(people, weights)[0]
            packets = int(math.exp(self.dice.gauss(math.log(24), 0.65)))
            if self.dice.random() < 0.03:
                packets = int(self.dice.paretovariate(1.1) * 700)
            at = self._at(self.dice.random() * (self.house.seconds - 30))
            yield at, self.connection(who, at, self.name(), min(packets, 20_000))

    def merged(self) -> Iterator[Sent]:
        """All packets in the order of time."""
        waiting = sorted(self.streams(), key=lambda found: found[0])
        waiting.reverse()
        heap: list[tuple[int, int, Sent, Iterator[Sent]]] = []
        number = 0
        while heap or waiting:
            while waiting and (not heap or waiting[-1][0] <= heap[0][0]):
                stream = waiting.pop()[1]
                first = next(stream, None)
                if first is not None:
                    number += 1
                    heapq.heappush(heap, (first[0], number, first, stream))
            _, order, sent, stream = heap[0]
            yield sent
            following = next(stream, None)
            if following is None:
                heapq.heappop(heap)
            else:
                heapq.heapreplace(heap, (following[0], order, following, stream))


def _peeked(stream: Iterator[Sent]) -> tuple[int, Iterator[Sent]]:
    first = next(stream)

    def again() -> Iterator[Sent]:
        yield first
        yield from stream

    return first[0], again()


def _times(dice: random.Random, mean: float, end: float) -> Iterator[int]:
    moment = dice.random() * mean
    while moment < end:
        yield BEGIN_NS + int(moment * SECOND)
        moment += mean * (0.5 + dice.random())


def _frame(at: int, data: bytes) -> Sent:
    return at, data, len(data)


def _link(src: bytes, dst: bytes, source: Address, to: Address, proto: int, body: bytes) -> bytes:
    if source.version == 6:
        head = struct.pack("!IHBB", 6 << 28, len(body), proto, 64) + source.packed + to.packed
        return dst + src + b"\x86\xdd" + head + body
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(body), 0, 0x4000, 64, proto, 0) + source.packed + to.packed
    return dst + src + b"\x08\x00" + head + body


def _datagram(src: bytes, dst: bytes, source: Address, to: Address, sport: int, dport: int, body: bytes) -> bytes:
    return _link(src, dst, source, to, 17, struct.pack("!HHHH", sport, dport, 8 + len(body), 0) + body)


def write(path: Path, house: Household, *, pcapng: bool = False) -> int:
    """Write the capture; return the number of its packets. Another than the same house always gives the same bytes."""
    count = 0
    with path.open("wb", buffering=1 << 20) as file:
        if pcapng:
            file.write(struct.pack("<IIIHHqI", 0x0A0D0D0A, 28, 0x1A2B3C4D, 1, 0, -1, 28))
            file.write(struct.pack("<IIHHIHHB3xII", 1, 32, 1, 0, 0, 9, 1, 9, 0, 32))
        else:
            file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262_144, 1))
        for at, data, size in Street(house).merged():
            count += 1
            if pcapng:
                pad = -len(data) % 4
                total = 32 + len(data) + pad
                file.write(struct.pack("<7I", 6, total, 0, at >> 32, at & 0xFFFF_FFFF, len(data), size))
                file.write(data + bytes(pad) + struct.pack("<I", total))
            else:
                file.write(struct.pack("<IIII", at // SECOND, at % SECOND // 1000, len(data), size) + data)
    return count


def main() -> None:
    """Write a capture to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path)
    parser.add_argument("--connections", type=int, default=20_000)
    parser.add_argument("--pcapng", action="store_true")
    options = parser.parse_args()
    print(write(options.path, Household(connections=options.connections), pcapng=options.pcapng), "packets")


if __name__ == "__main__":
    main()
