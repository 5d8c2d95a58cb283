"""Identity packets in, observations out; and how they were batched does not matter."""

import random
from ipaddress import ip_address

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sniffer.decode.dissect import Dissector
from sniffer.decode.identity import Protocols, protocol_mask
from sniffer.decode.reassembly import DissectSettings
from sniffer.model import AddressSeen, Fact, NameSeen, Observation, PacketBatch
from sniffer.model.protocols import IDENTITY
from sniffer.testing import Frame, House, packet_batch, wire

ECHO = "68:db:f5:90:19:64"


def facts(observations: list[Observation], kind: str) -> set[str]:
    return {o.value for o in observations if isinstance(o, Fact) and o.kind == kind}


def dissect(house: House) -> list[Observation]:
    return Dissector().dissect(packet_batch(house.frames()))


def test_a_name_looked_up_belongs_to_the_asker_and_to_the_address() -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.looks_up("voice.example.com", at=1, aliases=["cdn.example.net"])
    seen = dissect(house)
    assert facts(seen, "dns.query") == {"voice.example.com"}
    names = [o for o in seen if isinstance(o, NameSeen)]
    assert [(n.name, n.source, n.key) for n in names] == [("voice.example.com", "dns", echo.key)]
    assert facts(seen, "dns.server") == {"53"}


@pytest.mark.parametrize("transport", ["tcp", "quic"])
def test_a_hello_names_its_flow(transport: str) -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.says(1.0, transport=transport).to("voice.example.com", at=1)
    (name,) = [o for o in dissect(house) if isinstance(o, NameSeen) and o.source != "dns"]
    assert (name.name, name.source) == ("voice.example.com", "sni" if transport == "tcp" else "quic")
    assert name.client_port is not None and name.port == 443


def test_what_a_host_says_of_itself() -> None:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.joins(at=0, hostname="kitchen-echo", vendor_class="dhcpcd-5.5.6", parameters=[1, 3, 6])
    echo.advertises("_amzn-alexa._tcp", at=1, txt=["md=Echo"])
    echo.announces("urn:schemas-upnp-org:device:basic:1", "Linux/4.4 UPnP/1.0", at=2)
    seen = dissect(house)
    assert facts(seen, "dhcp.hostname") == {"kitchen-echo"}
    assert facts(seen, "dhcp.vendor_class") == {"dhcpcd-5.5.6"}
    assert facts(seen, "dhcp.parameters") == {"1,3,6"}
    assert "_amzn-alexa._tcp" in facts(seen, "mdns.service")
    assert "_amzn-alexa._tcp:md=Echo" in facts(seen, "mdns.txt")
    assert facts(seen, "ssdp.type") == {"urn:schemas-upnp-org:device:basic:1"}
    assert facts(seen, "ssdp.server") == {"Linux/4.4 UPnP/1.0"}
    assert any(isinstance(o, AddressSeen) and o.key == echo.key for o in seen)


def test_a_question_identifies_nobody_as_what_is_asked_for() -> None:
    house = House()
    house.host("phone", mac=ECHO).asks_for("_googlecast._tcp", at=0)
    seen = dissect(house)
    assert facts(seen, "mdns.query") == {"_googlecast._tcp"}
    assert not facts(seen, "mdns.service")


def test_how_packets_are_batched_does_not_matter() -> None:
    frames = _busy_house().frames()
    luck = random.Random(1)
    whole = Dissector().dissect(packet_batch(frames))
    cut = Dissector()
    pieces: list[Observation] = []
    at = 0
    while at < len(frames):
        size = luck.randrange(1, 7)
        pieces += cut.dissect(packet_batch(frames[at : at + size]))
        at += size
    assert pieces == whole
    assert len(whole) > 20


def test_a_flood_of_one_sender_is_not_read_to_its_end() -> None:
    house = House()
    flooder = house.host("flooder", mac="02:00:00:00:00:66")
    for index in range(300):
        flooder.asks_for("_googlecast._tcp", at=index * 0.001)
    house.host("kitchen", mac=ECHO).looks_up("voice.example.com", at=0.2)
    dissector = Dissector(DissectSettings(rate=10, burst=20))
    seen = dissector.dissect(packet_batch(house.frames()))
    assert dissector.errors["limited"] > 200
    assert "voice.example.com" in facts(seen, "dns.query")


def test_frames_cut_anywhere_raise_nothing_and_tell_no_lies() -> None:
    frames = _busy_house().frames()
    whole = {(o.kind, o.value) for o in Dissector().dissect(packet_batch(frames)) if isinstance(o, Fact)}
    for length in (60, 70, 96, 128, 192, 300, 600, 1000):
        batch = packet_batch([frame.snapped(length) for frame in frames])
        seen = {(o.kind, o.value) for o in Dissector().dissect(_sane(batch)) if isinstance(o, Fact)}
        assert {(k, v) for k, v in seen if k not in ("ssdp.server", "ssdp.type")} <= whole, length


def _sane(batch: PacketBatch) -> PacketBatch:
    return batch.take(batch.payload_captured >= 0)


def _busy_house() -> House:
    house = House()
    echo = house.host("kitchen", mac=ECHO)
    echo.joins(at=0, hostname="kitchen", vendor_class="dhcpcd-5.5.6", parameters=[1, 3, 6])
    echo.looks_up("voice.example.com", at=1)
    echo.says(1.0).to("voice.example.com", at=2)
    echo.says(1.0, transport="quic").to("other.example.com", at=4)
    echo.advertises("_sonos._tcp", at=5, txt=["md=One"])
    echo.announces("urn:x:device:y:1", "Linux", at=6)
    return house


def test_identity_protocols_are_the_same_compiled_and_in_columns() -> None:
    frames = [frame.snapped(length) for frame in _busy_house().frames() for length in (60, 70, 96, 1500)]
    batch = _sane(packet_batch(frames))
    found = Protocols(batch)
    for protocol in IDENTITY:
        assert found.rows(protocol.name).tolist() == np.flatnonzero(protocol_mask(batch, protocol.name)).tolist()
    assert (
        found.rows("arp", "dns", "hello", "quic").tolist()
        == np.flatnonzero(
            np.logical_or.reduce([protocol_mask(batch, name) for name in ("arp", "dns", "hello", "quic")])
        ).tolist()
    )
    assert len(found.rows("dns")) and len(found.rows("hello")) and len(found.rows("quic"))


def hello_frames(hello: bytes, sizes: list[int], order: list[int]) -> list[Frame]:
    """One ClientHello in TCP segments of these sizes, sent in this order."""
    source, destination = (
        ip_address("192.168.1.9"),
        ip_address("52.1.2.3"),
    )
    pieces, at = [], 0
    for size in [*sizes, len(hello)]:
        pieces.append((at, hello[at : at + size]))
        at += size
    pieces = [p for p in pieces if p[1]]
    frames = []
    for number, index in enumerate(order):
        offset, data = pieces[index]
        segment = wire.tcp(source, 40000, destination, 443, 1000 + offset, 1, 0x18, data)
        packet = wire.ip(source, destination, 6, segment)
        ether = wire.ethernet(wire.mac_bytes("02:00:00:00:00:01"), wire.mac_bytes(ECHO), 0x0800, packet)
        frames.append(Frame(1_700_000_000_000_000_000 + number, ether, len(ether)))
    return frames


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1], [0, 0, 1, 1, 2]])
def test_a_hello_across_segments(order: list[int]) -> None:
    hello = wire.tls_record(22, wire.client_hello("voice.example.com"))
    frames = hello_frames(hello, [40, 40], order)
    whole = Dissector().dissect(packet_batch(hello_frames(hello, [], [0])))
    assert facts(whole, "tls.sni") == {"voice.example.com"}
    together = Dissector().dissect(packet_batch(frames))
    one_by_one = Dissector()
    apart = [o for frame in frames for o in one_by_one.dissect(packet_batch([frame]))]
    assert together == apart
    assert {(o.kind, o.value) for o in apart if isinstance(o, Fact)} == {
        (o.kind, o.value) for o in whole if isinstance(o, Fact)
    }


#: Of a ClientHello, a QUIC Initial and a DNS answer.
BEGINNINGS = (
    b"",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"\xc0\0\0\0\1\x08",
    b"\0\1\x81\x80\0\1\0\1\0\0\0\0",
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([53, 67, 443, 546, 547, 853, 1900, 5353, 40000]),
            st.sampled_from([53, 68, 443, 547, 853, 1900, 5353]),
            st.booleans(),
            st.sampled_from(BEGINNINGS),
            st.binary(max_size=80),
            st.sampled_from([0, 1300]),
        ),
        max_size=12,
    )
)  # fmt: skip
def test_any_packets(packets: list[tuple[int, int, bool, bytes, bytes, int]]) -> None:
    frames = []
    for number, (source_port, port, tcp, start, rest, padding) in enumerate(packets):
        payload = start + rest + bytes(padding)
        ends = ip_address("192.168.1.9"), ip_address("52.1.2.3")
        if tcp:
            segment = wire.tcp(ends[0], source_port, ends[1], port, number * 100, 1, 0x18, payload)
        else:
            segment = wire.udp(ends[0], source_port, ends[1], port, payload)
        packet = wire.ip(*ends, 6 if tcp else 17, segment)
        data = wire.ethernet(wire.mac_bytes("02:00:00:00:00:01"), wire.mac_bytes(ECHO), 0x0800, packet)
        frames.append(Frame(1_700_000_000_000_000_000 + number, data, len(data)))
    together, apart = Dissector(), Dissector()
    whole = together.dissect(packet_batch(frames))
    assert whole == [o for frame in frames for o in apart.dissect(packet_batch([frame]))]
    assert together.errors == apart.errors
    for observation in whole:
        if isinstance(observation, Fact):
            assert len(observation.value) <= 255 and observation.value.isprintable()
