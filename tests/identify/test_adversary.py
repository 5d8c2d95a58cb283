"""Frames that claim to be another's, hosts that are invented, and work that is asked of us."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_address

import pytest

from sniffer.capture.live.bpf import BPF_MAXINSNS, compile_filter
from sniffer.decode.dissect import Dissector
from sniffer.decode.protocols import dns
from sniffer.decode.reassembly import DissectSettings
from sniffer.identify import Identifier
from sniffer.identify.hosts import FORWARDING_MINUTES, OFTEN_MINUTES
from sniffer.identify.settings import IdentifySettings
from sniffer.identify.watchlist import ACTIVE_NS, Watchlist
from sniffer.model import Fact, NameSeen, PacketBatch, mac_key
from sniffer.settings.base import DeviceSettings
from sniffer.testing import Frame, House, packet_batch, wire
from tests.identify.test_identifier import OUI, ROLES, SCALES

SECOND = 1_000_000_000
ECHO, LAPTOP, OTHER, ROUTER = "68:db:f5:90:19:64", "3c:22:fb:11:22:33", "02:aa:bb:cc:dd:ee", "02:00:5e:00:00:01"
FORGED = "fe:ed:fa:ce:00:01"
START = 1_700_000_000 * SECOND


def identifier(*devices: DeviceSettings, **settings: object) -> Identifier:
    return Identifier(IdentifySettings(**settings), devices, SCALES, ROLES, OUI)


def feed(who: Identifier, dissector: Dissector, frames: Iterable[Frame]) -> None:
    batch = packet_batch(list(frames))
    who.seen(batch)
    who.observe(dissector.dissect(batch, who.watched()))


def frame(src: str, dst: str, body: bytes, at_ns: int, ether_type: int = 0x0800) -> Frame:
    data = wire.ethernet(wire.mac_bytes(src), wire.mac_bytes(dst), ether_type, body)
    return Frame(at_ns, data, len(data))


def datagram(src: str, dst: str, ends: tuple[str, int, str, int], body: bytes, at_ns: int) -> Frame:
    source, destination = ip_address(ends[0]), ip_address(ends[2])
    packet = wire.udp(source, ends[1], destination, ends[3], body)
    return frame(src, dst, wire.ip(source, destination, 17, packet), at_ns)


def answer(src: str, dst: str, ends: tuple[str, int, str, int], name: str, number: int, at_ns: int) -> Frame:
    return datagram(src, dst, ends, wire.dns_answer(number, name, ip_address("52.1.2.3")), at_ns)


def question(src: str, dst: str, ends: tuple[str, int, str, int], name: str, number: int, at_ns: int) -> Frame:
    return datagram(src, dst, ends, wire.dns_query(number, name), at_ns)


def booted(seed: int = 0) -> list[Frame]:
    house = House(seed=seed)
    echo = house.host("kitchen", mac=ECHO)
    echo.joins(at=0, hostname="amazon-12345", vendor_class="dhcpcd-5.5.6", parameters=[1, 33, 3, 6])
    for at, name in enumerate(("fireoscaptiveportal.com", "ntp-g7g.amazon.com", "avs-alexa-4-na.amazon.com"), 1):
        echo.looks_up(name, at=at)
    return house.frames()


# --- answers that nobody asked for -----------------------------------------------------------------------------------

ENDS = ("192.168.1.1", 53, "192.168.1.9", 40_000)
BACK = ("192.168.1.9", 40_000, "192.168.1.1", 53)
NAME = "echocaptiveportal.com"
LATE = START + 60 * SECOND


@pytest.mark.parametrize(
    ("frames", "believed"),
    [
        ([answer(OTHER, LAPTOP, ENDS, NAME, 7, START)], False),
        ([question(LAPTOP, OTHER, BACK, NAME, 7, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, START + SECOND)], True),
        ([question(LAPTOP, OTHER, BACK, NAME, 8, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, START + SECOND)], False),
        ([question(LAPTOP, OTHER, BACK, "a.b", 7, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, START + 1)], False),
        (
            [
                question(LAPTOP, OTHER, BACK, NAME, 7, START),
                answer(OTHER, LAPTOP, ("192.168.1.2", *ENDS[1:]), NAME, 7, START + SECOND),
            ],
            False,
        ),
        (
            [
                question(LAPTOP, OTHER, BACK, NAME, 7, START),
                answer(OTHER, LAPTOP, (*ENDS[:3], 40_001), NAME, 7, START + SECOND),
            ],
            False,
        ),
        (
            [question(LAPTOP, OTHER, BACK, NAME, 7, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, LATE)],
            False,
        ),
    ],
    ids=["unasked", "asked", "other number", "other name", "other server", "other port", "too late"],
)
def test_an_answer_counts_where_its_question_was_seen(frames: list[Frame], believed: bool) -> None:
    dissector = Dissector()
    seen = dissector.dissect(packet_batch(frames))
    assert any(isinstance(o, NameSeen) for o in seen) == believed
    assert any(isinstance(o, Fact) and o.kind == "dns.server" for o in seen) == believed
    assert dissector.left_out() == ({} if believed else {"dns.unasked": 1})


def test_another_host_answers_no_question_to_a_resolver_that_answers() -> None:
    first = [question(LAPTOP, OTHER, BACK, NAME, 7, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, START + SECOND)]
    again = question(LAPTOP, OTHER, BACK, "a.b", 8, LATE)
    forged, true = (answer(src, LAPTOP, ENDS, "a.b", 8, LATE + at) for at, src in enumerate((FORGED, OTHER), 1))
    dissector = Dissector()
    seen = dissector.dissect(packet_batch([*first, again, forged, true]))
    assert [(o.name, o.time_ns) for o in seen if isinstance(o, NameSeen)] == [(NAME, START + SECOND), ("a.b", LATE + 2)]
    assert dissector.left_out() == {"dns.unasked": 1}


def test_a_resolver_behind_routers_that_share_an_address_is_believed() -> None:
    frames = [question(LAPTOP, FORGED, BACK, NAME, 7, START), answer(OTHER, LAPTOP, ENDS, NAME, 7, START + SECOND)]
    assert any(isinstance(o, NameSeen) for o in Dissector().dissect(packet_batch(frames)))


def test_a_question_is_answered_once() -> None:
    frames = [question(LAPTOP, OTHER, BACK, NAME, 7, START)]
    frames += [answer(OTHER, LAPTOP, ENDS, NAME, 7, START + at) for at in (1, 2)]
    assert sum(isinstance(o, NameSeen) for o in Dissector().dissect(packet_batch(frames))) == 1


def test_an_unasked_answer_makes_no_laptop_an_echo() -> None:
    who, dissector = identifier(), Dissector()
    for number in range(50):
        feed(who, dissector, [answer(OTHER, LAPTOP, ENDS, NAME, number, START + number)])
    assert mac_key(LAPTOP) not in who.watched()


# --- frames with the speaker's own address ----------------------------------------------------------------------------


def advertised(at_ns: int) -> list[Frame]:
    return [advertisement(at_ns)]


def advertisement(at_ns: int) -> Frame:
    body = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 1800, 0, 0)
    packet = wire.ip(ip_address("fe80::1"), ip_address("ff02::1"), 58, body)
    return frame(ECHO, "33:33:00:00:00:01", packet, at_ns, 0x86DD)


def resolver(at_ns: int) -> list[Frame]:
    """The speaker's address answers a question: two frames, forged."""
    there, back = ("192.168.1.77", 5_000, "192.168.1.20", 53), ("192.168.1.20", 53, "192.168.1.77", 5_000)
    return [question(FORGED, ECHO, there, "x.y", 1, at_ns), answer(ECHO, FORGED, back, "x.y", 1, at_ns + 1)]


def gateway(at_ns: int) -> list[Frame]:
    """The speaker's address sends packets of public hosts."""
    return [
        datagram(ECHO, LAPTOP, (f"52.0.0.{host}", 443, "192.168.1.9", 5_000), b"x", at_ns + host)
        for host in range(1, 9)
    ]


@pytest.mark.parametrize(
    "forged", [lambda at: [advertisement(at)], resolver, gateway], ids=["router", "dns", "gateway"]
)
def test_a_speaker_is_not_hidden_by_a_few_frames_and_its_end_is_news(
    forged: Callable[[int], list[Frame]],
) -> None:
    who, dissector = identifier(), Dissector()
    frames = booted()
    feed(who, dissector, frames)
    end_ns, key = frames[-1].time_ns, mac_key(ECHO)
    assert key in who.watched()
    for minute in range(FORWARDING_MINUTES - 1):
        feed(who, dissector, forged(end_ns + minute * 60 * SECOND))
        assert key in who.watched()
        assert who.device(key).microphone
    assert not who.news()
    feed(who, dissector, forged(end_ns + FORWARDING_MINUTES * 60 * SECOND))
    assert key not in who.watched()
    (line,) = who.news()
    assert line.startswith(f"{ECHO} is not watched any more: it was taken for Echo")
    assert who.counts["lost"] == 1
    assert who.departed() == {key}
    assert any("was taken for Echo" in reason for reason in who.device(key).reasons)


def test_many_forged_frames_within_two_minutes_hide_no_speaker() -> None:
    who, dissector = identifier(), Dissector()
    frames = booted()
    feed(who, dissector, frames)
    end_ns = frames[-1].time_ns
    for second in range(60):
        feed(who, dissector, gateway(end_ns + second * SECOND))
    assert mac_key(ECHO) in who.watched()
    for minute in range(1, OFTEN_MINUTES):
        feed(who, dissector, gateway(end_ns + minute * 60 * SECOND))
    assert mac_key(ECHO) not in who.watched()


def test_a_configured_device_is_watched_whatever_is_forged() -> None:
    who, dissector = identifier(DeviceSettings(mac=ECHO, name="kitchen")), Dissector()
    frames = booted()
    feed(who, dissector, frames)
    for minute in range(10):
        feed(who, dissector, [*resolver(frames[-1].time_ns + minute * 60 * SECOND), advertisement(frames[-1].time_ns)])
    assert who.watched() == {mac_key(ECHO): 0}
    assert who.device(mac_key(ECHO)).microphone


# --- hosts that are invented ---


def invented(count: int, start_ns: int) -> Iterator[Frame]:
    """Hosts with a prefix of Amazon, each with the question that only an Echo asks."""
    for number in range(count):
        mac = f"fc:65:de:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
        ends = (f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", 40_000, "192.168.1.1", 53)
        yield question(mac, ROUTER, ends, NAME, number & 0xFFFF, start_ns + number * 500_000)


def flooded(who: Identifier, dissector: Dissector, count: int, start_ns: int, size: int = 500) -> None:
    frames = list(invented(count, start_ns))
    for at in range(0, count, size):
        feed(who, dissector, frames[at : at + size])


@pytest.mark.slow
@pytest.mark.parametrize("configured", [False, True])
def test_invented_speakers_push_no_real_one_out_and_the_filter_stays(configured: bool) -> None:
    who = identifier(*([DeviceSettings(mac=ECHO, name="kitchen")] if configured else []))
    dissector, frames = Dissector(), booted()
    feed(who, dissector, frames)
    flooded(who, dissector, 3_000, frames[-1].time_ns)
    assert mac_key(ECHO) in who.watched()
    assert who.device(mac_key(ECHO)).microphone
    assert len(who.watched()) <= 128 + configured
    assert len(list(who.hosts)) <= 2048
    assert len(compile_filter(who.watched(), 192, 4096)) <= BPF_MAXINSNS
    assert who.counts["refused"] > 100
    assert sum("look like speakers" in line for line in who.news()) == 1

    again = identifier()  # and after a restart
    again.restore(who.state())
    assert mac_key(ECHO) in again.watched()
    assert len(again.watched()) <= 128


def test_a_real_speaker_that_comes_after_a_flood_gets_its_place() -> None:
    who, dissector = identifier(max_recognised=16), Dissector()
    flooded(who, dissector, 100, START)
    late = START + 3_600 * SECOND
    frames = [frame._replace(time_ns=frame.time_ns - booted()[0].time_ns + late) for frame in booted()]
    feed(who, dissector, frames)
    more = [frame._replace(time_ns=frame.time_ns + ACTIVE_NS) for frame in frames]
    feed(who, dissector, more)
    assert mac_key(ECHO) in who.watched()


def test_of_too_many_the_newest_and_weakest_wait() -> None:
    places = Watchlist(2)
    places.offer(1, hits=3, first_ns=0, time_ns=0)
    places.offer(2, hits=1, first_ns=0, time_ns=0)
    places.offer(3, hits=1, first_ns=5, time_ns=5)
    assert (places.keys, places.waiting) == ({1, 2}, 1)
    places.offer(3, hits=2, first_ns=5, time_ns=6)
    assert places.keys == {1, 3}
    places.active(2, ACTIVE_NS)
    assert places.keys == {1, 2}
    places.drop(1)
    assert (places.keys, places.waiting) == ({2, 3}, 0)


# --- work ---


def chained(records: int, pointers: int, labels: int) -> bytes:
    """An mDNS message whose every name is a chain of pointers to many labels."""
    body = bytearray(struct.pack("!6H", 0, 0x8400, 0, records + 1, 0, 0))
    at = len(body)
    body += b"\x01a" * labels + b"\0" + struct.pack("!HHIH", 16, 1, 120, 2 * pointers)
    for _ in range(pointers):
        body += struct.pack("!H", 0xC000 | at)
        at = len(body) - 2
    for _ in range(records):
        body += struct.pack("!H", 0xC000 | at) + struct.pack("!HHIH", 1, 1, 120, 4) + b"\x0a\0\0\1"
    return bytes(body)


def test_a_chain_of_pointers_is_walked_once() -> None:
    message = dns.parse(chained(records=80, pointers=100, labels=120))
    assert message is not None
    assert len(message.records) == 81
    assert message.steps < 500


def test_names_that_make_too_much_work_end_the_message() -> None:
    body = bytearray(struct.pack("!6H", 0, 0x8400, 0, 60, 0, 0))
    for number in range(60):
        name = bytes([1, 97 + number % 26]) * 100 + b"\0"
        body += name + struct.pack("!HHIH", 1, 1, 120, 4) + b"\x0a\0\0\1"
    message = dns.parse(bytes(body))
    assert message is not None
    assert not message.whole
    assert dns.MAX_STEPS < message.steps <= dns.MAX_STEPS + 1
    assert 0 < len(message.records) < 12


def heavy(mac: str, number: int, at_ns: int) -> Frame:
    body = b"".join(bytes([1, 97 + (number + k) % 26]) for k in range(100)) + b"\0"
    message = struct.pack("!6H", 0, 0x8400, 0, 5, 0, 0) + (body + struct.pack("!HHIH", 1, 1, 9, 4) + bytes(4)) * 5
    return datagram(
        mac, "01:00:5e:00:00:fb", (f"192.168.1.{number % 200 + 1}", 5353, "224.0.0.251", 5353), message, at_ns
    )


def mdns_batch(macs: int, count: int) -> PacketBatch:
    return packet_batch([heavy(f"02:00:00:00:01:{n % macs:02x}", n, START + n) for n in range(count)])


def test_the_work_of_all_senders_together_is_bounded_and_what_was_left_out_counted() -> None:
    settings = DissectSettings(rate=10, burst=1_000, total_rate=10, total_burst=500)
    dissector = Dissector(settings)
    dissector.dissect(mdns_batch(macs=50, count=600))
    assert 600 - dissector.left_out()["limited"] < 60


def test_watched_devices_are_read_while_others_flood() -> None:
    settings = DissectSettings(rate=10, burst=1_000, total_rate=10, total_burst=100)
    dissector = Dissector(settings)
    dissector.dissect(mdns_batch(macs=50, count=100))
    frames = [frame._replace(time_ns=START + 1_000 + n) for n, frame in enumerate(booted())]
    assert not dissector.dissect(packet_batch(frames))
    assert dissector.dissect(packet_batch(frames), {mac_key(ECHO), mac_key(ROUTER)})


# --- a bounded price for hosts that do not matter --------------------------------------------------------------------


def browsing(mac: str, count: int) -> list[Frame]:
    frames = []
    for number in range(count):
        there = ("192.168.1.9", 30_000 + number, "192.168.1.1", 53)
        back = (*there[2:], *there[:2])
        at_ns = START + number * SECOND // 4
        frames.append(question(mac, ROUTER, there, f"h{number}.example.com", number, at_ns))
        frames.append(answer(ROUTER, mac, back, f"h{number}.example.com", number, at_ns + 1_000_000))
    return frames


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 7, 4_000])
def test_a_host_that_does_not_matter_is_read_until_it_is_known_and_then_sampled(size: int) -> None:
    frames, dissector, seen = browsing(LAPTOP, 1_000), Dissector(DissectSettings(settled_cost=100, sample=10)), []
    for at in range(0, len(frames), size):
        seen += dissector.dissect(packet_batch(frames[at : at + size]))
    asked = [o.value for o in seen if isinstance(o, Fact) and o.kind == "dns.query"]
    answered = [o.name for o in seen if isinstance(o, NameSeen)]
    assert asked[:50] == [f"h{number}.example.com" for number in range(50)]
    assert asked == answered  # a question and its answer are read both or not at all
    assert 50 + 80 < len(asked) < 50 + 120
    left_out = dissector.left_out()
    assert left_out == {"sampled": 2 * (1_000 - len(asked))}


def test_a_watched_host_is_read_always() -> None:
    dissector = Dissector(DissectSettings(settled_cost=100, sample=10))
    seen = dissector.dissect(packet_batch(browsing(LAPTOP, 500)), {mac_key(LAPTOP)})
    assert sum(isinstance(o, NameSeen) for o in seen) == 500
