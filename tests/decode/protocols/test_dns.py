"""DNS messages: the same as scapy reads, bounded, and never an exception."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRHTTPS, DNSRRSRV, SvcParam

from sniffer.decode.protocols import dns
from sniffer.model import address_pair


def answer(*records: object, name: str = "voice.example.com") -> bytes:
    return bytes(DNS(id=7, qr=1, rd=1, ra=1, qd=[DNSQR(qname=name)], an=list(records)))


def test_addresses_aliases_and_ttl() -> None:
    message = dns.parse(
        answer(
            DNSRR(rrname="voice.example.com", type="CNAME", rdata="cdn.example.net", ttl=60),
            DNSRR(rrname="cdn.example.net", type="A", rdata="52.1.2.3", ttl=30),
            DNSRR(rrname="cdn.example.net", type="AAAA", rdata="2600:9000::1", ttl=30),
        )
    )
    assert message is not None
    assert message.response and message.whole and message.answers == 3
    assert message.questions == (dns.Question("voice.example.com", 1),)
    assert message.records[0].target == "cdn.example.net"
    assert message.records[1].addresses == (address_pair("52.1.2.3"),)
    assert message.records[2].addresses == (address_pair("2600:9000::1"),)
    assert [record.ttl for record in message.records] == [60, 30, 30]


def test_services_and_texts() -> None:
    message = dns.parse(
        answer(
            DNSRR(rrname="_googlecast._tcp.local", type="PTR", rdata="Kitchen._googlecast._tcp.local", ttl=120),
            DNSRRSRV(rrname="Kitchen._googlecast._tcp.local", port=8009, target="kitchen.local", ttl=120),
            DNSRR(rrname="Kitchen._googlecast._tcp.local", type="TXT", rdata=[b"md=Nest Mini", b"id=1"], ttl=4500),
        )
    )
    assert message is not None
    pointer, service, text = message.records
    assert (pointer.target, pointer.label) == ("kitchen._googlecast._tcp.local", "Kitchen")
    assert service.target == "kitchen.local"
    assert text.texts == ("md=Nest Mini", "id=1")


def test_hints_and_encrypted_hello_of_an_https_record() -> None:
    hints = [SvcParam(key="ipv4hint", value=["52.1.2.3"]), SvcParam(key="ech", value=b"\x00\x01x")]
    message = dns.parse(
        answer(DNSRRHTTPS(rrname="voice.example.com", svc_priority=1, target_name=".", svc_params=hints))
    )
    assert message is not None
    (record,) = message.records
    assert record.addresses == (address_pair("52.1.2.3"),)
    assert record.ech


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x0c",  # a pointer to itself
        b"\xc0\x20",  # forwards
        b"\x03abc\xc0\x0c",  # to its own beginning
        b"\x3f" + b"a" * 10,  # a label that is cut
        b"\x80abc\x00",  # a label type that does not exist
        (b"\x3f" + b"a" * 63) * 5 + b"\x00",  # over 255 bytes
    ],
)
def test_names_that_lie(name: bytes) -> None:
    header = struct.pack("!6H", 1, 0x8180, 1, 0, 0, 0)
    assert dns.parse(header + name + b"\x00\x01\x00\x01") is None


def test_counts_that_lie_are_bounded() -> None:
    header = struct.pack("!6H", 1, 0x8180, 1, 0xFFFF, 0xFFFF, 0xFFFF)
    record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02\x03\x04"
    message = dns.parse(header + b"\x01a\x00\x00\x01\x00\x01" + record * 2000)
    assert message is not None
    assert len(message.records) == dns.MAX_RECORDS
    message = dns.parse(header + b"\x01a\x00\x00\x01\x00\x01" + record * 3)
    assert message is not None and len(message.records) == 3 and not message.whole


@given(st.binary(max_size=600))
def test_anything_may_come(data: bytes) -> None:
    message = dns.parse(data)
    assert message is None or all(len(record.name) <= 255 for record in message.records)


@given(st.binary(max_size=80), st.integers(0, 200))
def test_a_damaged_answer(damage: bytes, at: int) -> None:
    good = answer(DNSRR(rrname="voice.example.com", type="A", rdata="52.1.2.3"))
    dns.parse(good[:at] + damage + good[at + len(damage) :])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.from_regex(r"[a-z0-9_-]{1,30}", fullmatch=True), min_size=1, max_size=6), st.booleans())
def test_names_as_scapy_writes_them(labels: list[str], compressed: bool) -> None:
    name = ".".join(labels)
    packet = DNS(id=1, qr=1, qd=[DNSQR(qname=name)], an=[DNSRR(rrname=name, type="A", rdata="1.2.3.4")])
    message = dns.parse(bytes(packet.compress() if compressed else packet))
    assert message is not None
    assert message.questions[0].name == message.records[0].name == name


@pytest.mark.parametrize("raw", [b"a\x1b[31mb", b"a\nb", b"\xff\xfe", "a\u202eb".encode()])
def test_nothing_a_stranger_writes_moves_a_cursor(raw: bytes) -> None:
    assert dns.printable(raw).isprintable()
