"""The compiled readers of messages: what they read is what Python reads; whatever they decline, Python decides."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRHTTPS, DNSRRSRV, SvcParam

from sniffer import native
from sniffer.decode.protocols import dns, tls
from sniffer.testing import wire

pytestmark = pytest.mark.skipif(native.DECODE is None, reason="the compiled piece is not built (python hatch_build.py)")

KITCHEN = "Kitchen._googlecast._tcp.local"
ANSWERS = (
    DNS(
        qr=1,
        qd=[DNSQR(qname="Voice.Example.com")],
        an=[
            DNSRR(rrname="voice.example.com", type="CNAME", rdata="cdn.example.net", ttl=60),
            DNSRR(rrname="cdn.example.net", type="A", rdata="52.1.2.3", ttl=30),
            DNSRR(rrname="cdn.example.net", type="AAAA", rdata="2600:9000::1", ttl=2**32 - 1),
        ],
    ),
    DNS(
        qr=1,
        qd=[],
        an=[
            DNSRR(rrname="_googlecast._tcp.local", type="PTR", rdata=KITCHEN, ttl=120),
            DNSRRSRV(rrname=KITCHEN, port=8009, target="kitchen.local", ttl=120),
            DNSRR(rrname=KITCHEN, type="TXT", rdata=[b"md=Nest Mini", b"id=1"], ttl=4500),
        ],
    ),
    DNS(
        qr=1,
        qd=[DNSQR(qname="voice.example.com", qtype="HTTPS")],
        an=[
            DNSRRHTTPS(
                rrname="voice.example.com",
                svc_priority=1,
                target_name=".",
                svc_params=[SvcParam(key="ipv4hint", value=["52.1.2.3"]), SvcParam(key="ech", value=b"\x00\x01x")],
            )
        ],
    ),
    DNS(qd=[DNSQR(qname="a.b.c.example.org")]),
)
MESSAGES = [bytes(message) for message in ANSWERS] + [bytes(message.compress()) for message in ANSWERS]
HELLOS = [
    wire.client_hello("Voice.Example.com", ("h2", "http/1.1"), bytes(32)),
    wire.client_hello("x.example", ("h3",), bytes(32), b"\x0f\x00\x04\x04\x80\x10\x00\x00"),
]

#: A byte that is written over another, at a place; bytes that matter to these formats come often.
Change = tuple[int, int]
CHANGES = st.lists(
    st.tuples(
        st.integers(0, 1_000),
        st.sampled_from([0, 1, 4, 5, 6, 12, 16, 28, 33, 64, 65, 0xC0, 0xFF]) | st.integers(0, 255),
    ),
    max_size=5,
)


def changed(data: bytes, changes: list[Change], end: int) -> bytes:
    """Return the bytes with some written over, and what stands behind `end` cut."""
    made = bytearray(data)
    for at, value in changes:
        made[at % len(made)] = value
    return bytes(made[: len(made) - end % len(made)] if end % 4 == 1 else made)


def compiled_dns(data: bytes) -> dns.Message | None:
    assert native.DECODE is not None
    message: dns.Message | None = native.DECODE.dns(data, dns.Message, dns.Question, dns.Record)
    return message


def compiled_hello(data: bytes) -> tls.ClientHello | None:
    assert native.DECODE is not None
    hello: tls.ClientHello | None = native.DECODE.hello(data, tls.ClientHello)
    return hello


@pytest.mark.parametrize("data", MESSAGES)
def test_usual_messages_are_read(data: bytes) -> None:
    message = compiled_dns(data)
    assert message is not None and message == dns._parse_python(data)
    assert type(message) is dns.Message
    assert all(type(record) is dns.Record for record in message.records)


@settings(max_examples=1_000)
@given(st.sampled_from(MESSAGES), CHANGES, st.integers(0, 400))
def test_messages_as_python_reads_them(data: bytes, changes: list[Change], end: int) -> None:
    data = changed(data, changes, end)
    message = compiled_dns(data)
    assert message is None or message == dns._parse_python(data)


@given(st.lists(st.integers(0, 60), min_size=1, max_size=300))
def test_pointers_to_anywhere_before(targets: list[int]) -> None:
    """Names that share their ends cost the same steps, and are the same."""
    data = struct.pack("!6H", 1, 0x8180, 1, len(targets), 0, 0) + b"\x01a\x02bc\x03def\x00\x00\x01\x00\x01"
    for target in targets:
        at = 12 + target % max(1, len(data) - 12)
        data += b"\x01x" + struct.pack("!H", 0xC000 | at) + struct.pack("!HHIH", 1, 1, 60, 4) + b"\x01\x02\x03\x04"
    message = compiled_dns(data)
    assert message is None or message == dns._parse_python(data)


@pytest.mark.parametrize("data", HELLOS)
def test_usual_hellos_are_read_wherever_they_are_cut(data: bytes) -> None:
    whole = compiled_hello(data)
    assert whole is not None and whole.whole and type(whole) is tls.ClientHello
    read = 0
    for length in range(len(data) + 1):
        hello = compiled_hello(data[:length])
        assert hello is None or hello == tls._parse_python(data[:length])
        read += hello is not None
    assert read > len(data) // 2


@settings(max_examples=1_000)
@given(st.sampled_from(HELLOS), CHANGES, st.integers(0, 400))
def test_hellos_as_python_reads_them(data: bytes, changes: list[Change], end: int) -> None:
    data = changed(data, changes, end)
    hello = compiled_hello(data)
    assert hello is None or hello == tls._parse_python(data)
