"""QUIC Initial packets: the RFCs' own examples, aioquic as the second opinion, and what must not be believed."""

import pytest
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from hypothesis import given
from hypothesis import strategies as st

from sniffer.decode.protocols import gquic, quic, tls
from sniffer.model.protocols import QUIC_V2


def crypto_of(datagram: bytes, wire_length: int | None = None) -> quic.CryptoStream:
    stream = quic.CryptoStream()
    for initial in quic.initials(datagram, wire_length or len(datagram)):
        frames = quic.open_initial(initial, quic.client_keys(initial.version, initial.destination))
        for offset, data in frames or ():
            stream.add(offset, data)
    return stream


def hello_of(datagram: bytes, wire_length: int | None = None) -> tls.ClientHello | None:
    return tls.parse(crypto_of(datagram, wire_length).stream())


def client(version: int, name: str = "voice.example.com") -> bytes:
    """The first datagram of an aioquic client."""
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], server_name=name)
    configuration.original_version = version
    configuration.supported_versions = [version]
    connection = QuicConnection(configuration=configuration)
    connection.connect(("192.0.2.1", 443), now=0.0)
    datagram: bytes = connection.datagrams_to_send(now=0.0)[0][0]
    return datagram


def test_the_keys_of_rfc_9001_appendix_a() -> None:
    keys = quic.client_keys(quic.V1, bytes.fromhex("8394c8f03e515708"))
    assert keys.key.hex() == "1f369613dd76d5467730efcbe3b1a22d"
    assert keys.iv.hex() == "fa044b2f42a3fd3b46fb255c"
    assert keys.mask(bytes.fromhex("d1b1c98dd7689fb8ec11d242b123dc9b"))[:5].hex() == "437b9aec36"


def test_the_keys_of_rfc_9369_appendix_a() -> None:
    keys = quic.client_keys(QUIC_V2, bytes.fromhex("8394c8f03e515708"))
    assert keys.key.hex() == "8b1a0bc121284290a29e0971b5cd045d"
    assert keys.iv.hex() == "91f73e2351d8fa91660e909f"


@pytest.mark.parametrize("version", [quic.V1, QUIC_V2])
def test_what_aioquic_says(version: int) -> None:
    hello = hello_of(client(version))
    assert hello is not None and hello.whole
    assert (hello.server_name, hello.alpn) == ("voice.example.com", ("h3",))
    assert str(hello.ja4("q")).startswith("q13d")


@pytest.mark.parametrize("version", [quic.V1, QUIC_V2])
@pytest.mark.parametrize("captured", [192, 300, 600])
def test_a_cut_datagram_gives_what_is_there(version: int, captured: int) -> None:
    datagram = client(version)
    hello = hello_of(datagram[:captured], len(datagram))
    assert hello is None or hello.server_name in (None, "voice.example.com")
    if captured == 600:
        assert hello is not None and hello.server_name == "voice.example.com"


def test_a_damaged_packet_is_not_believed() -> None:
    datagram = bytearray(client(quic.V1))
    datagram[200] ^= 1
    assert hello_of(bytes(datagram)) is None


def test_frames_in_any_order_and_over_each_other() -> None:
    stream = quic.CryptoStream()
    for offset, data in ((6, b"world"), (0, b"hel"), (2, b"llo "), (40, b"later")):
        stream.add(offset, data)
    assert stream.stream() == b"hello world"


def test_a_stream_is_bounded() -> None:
    stream = quic.CryptoStream()
    for offset in range(0, 1 << 20, 7):
        stream.add(offset, b"1234567")
    assert len(stream.stream()) <= quic.MAX_CRYPTO
    stream.add(1 << 60, b"x")


def test_the_name_in_googles_own_quic() -> None:
    values = b"\x00" * 10 + b"voice.example.com"
    tags = b"PAD\0" + (10).to_bytes(4, "little") + b"SNI\0" + (27).to_bytes(4, "little")
    chlo = b"\x0d" + bytes(8) + b"Q043" + bytes(20) + b"CHLO" + (2).to_bytes(4, "little") + tags + values
    assert gquic.server_name(chlo) == "voice.example.com"
    for length in range(len(chlo)):
        assert gquic.server_name(chlo[:length]) is None


@given(st.binary(max_size=300))
def test_anything_may_come(data: bytes) -> None:
    gquic.server_name(b"CHLO" + data)
    for start in (b"", b"\xc0\0\0\0\1", b"\xd3\x6b\x33\x43\xcf\x08"):
        crypto_of(start + data, 1200)


@given(st.binary(min_size=1, max_size=30), st.integers(0, 60))
def test_a_damaged_header(damage: bytes, at: int) -> None:
    datagram = client(quic.V1)
    crypto_of(datagram[:at] + damage + datagram[at + len(damage) :])


@given(st.binary(max_size=200), st.booleans())
def test_frames_that_lie(plain: bytes, cut: bool) -> None:
    quic._frames(plain, cut=cut)
