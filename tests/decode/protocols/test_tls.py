"""ClientHello: names and fingerprints; JA3 and JA4 by their published examples."""

import ssl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.decode.protocols import tls
from sniffer.testing import wire


def hello_of_python(name: str, protocols: list[str]) -> bytes:
    """The TLS stream that Python's own ssl module begins a connection with."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(protocols)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = context.wrap_bio(incoming, outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def test_what_a_real_client_says() -> None:
    message, more = tls.handshake_bytes(hello_of_python("Voice.Example.com", ["h2", "http/1.1"]))
    hello = tls.parse(message)
    assert hello is not None and hello.whole and not more
    assert hello.server_name == "voice.example.com"
    assert hello.alpn == ("h2", "http/1.1")
    ja4 = hello.ja4()
    assert ja4 is not None and ja4.startswith("t13d") and ja4[8:10] == "h2"
    assert hello.ja3 is not None and len(hello.ja3) == 32


def test_a_hello_that_is_cut_gives_what_is_there() -> None:
    stream = wire.tls_record(22, wire.client_hello("voice.example.com"))
    whole = tls.parse(tls.handshake_bytes(stream)[0])
    assert whole is not None
    named = 0
    for length in range(len(stream)):
        hello = tls.parse(tls.handshake_bytes(stream[:length])[0])
        if hello is None:
            continue
        assert not hello.whole and hello.ja3 is None and hello.ja4() is None
        assert hello.server_name in (None, "voice.example.com")
        named += hello.server_name is not None
    assert named > 50


def test_a_hello_over_several_records() -> None:
    message = wire.client_hello("voice.example.com")
    stream = b"".join(wire.tls_record(22, message[at : at + 50]) for at in range(0, len(message), 50))
    assert tls.handshake_bytes(stream) == (message, False)
    assert tls.handshake_bytes(stream[:-60])[1]


def test_the_fingerprints_of_a_known_hello() -> None:
    """JA3 and JA4 written out by hand from their definitions, for a hello with GREASE in every list."""
    hello = tls.ClientHello(
        version=0x0303,
        ciphers=(0x0A0A, 0x1301, 0xC02B),
        extensions=(0x1A1A, 0, 16, 10, 11, 13, 43),
        groups=(0x2A2A, 29, 23),
        point_formats=(0,),
        signatures=(0x0403, 0x0804),
        versions=(0x3A3A, 0x0304, 0x0303),
        alpn=("h2",),
        alpn_raw=b"h2",
        server_name="x",
    )
    import hashlib

    text = "771,4865-49195,0-16-10-11-13-43,29-23,0"
    assert hello.ja3 == hashlib.md5(text.encode()).hexdigest()
    ciphers = hashlib.sha256(b"1301,c02b").hexdigest()[:12]
    extensions = hashlib.sha256(b"000a,000b,000d,002b_0403,0804").hexdigest()[:12]
    assert hello.ja4() == f"t13d0206h2_{ciphers}_{extensions}"
    assert str(hello.ja4("q")).startswith("q13d")


@pytest.mark.parametrize(
    ("first", "mark"),
    [(b"h2", "h2"), (b"http/1.1", "h1"), (b"", "00"), (b"\xab", "ab"), (b"\xab\xcd", "ad"), (b"x", "xx")],
)
def test_how_ja4_marks_the_first_protocol(first: bytes, mark: str) -> None:
    assert tls._alpn_mark(first) == mark


@given(st.binary(max_size=400))
def test_anything_may_come(data: bytes) -> None:
    tls.parse(data)
    tls.parse(b"\x01\x00\x01\x00\x03\x03" + data)
    tls.handshake_bytes(b"\x16\x03\x01\x00\x40" + data)


@given(st.binary(min_size=1, max_size=20), st.integers(0, 250))
def test_a_damaged_hello(damage: bytes, at: int) -> None:
    good = wire.client_hello("voice.example.com")
    hello = tls.parse(good[:at] + damage + good[at + len(damage) :])
    if hello is not None:
        hello.ja4()
        assert hello.server_name is None or len(hello.server_name) <= 255
