"""TLS ClientHello: whom a client wants to reach, and what kind of client it is. RFC 8446, 4.1.2; 6066, 3; 7301.

A hello that was cut (by the snap length, or because its other segments were not seen) gives what is there; the
fingerprints need all of it. JA3: github.com/salesforce/ja3; JA4: github.com/FoxIO-LLC/ja4 (its TLS client part).
"""

from __future__ import annotations

import hashlib
import struct
from typing import NamedTuple

from sniffer import native
from sniffer.decode.protocols.text import Buffer, printable
from sniffer.model.protocols import TLS_CLIENT_HELLO, TLS_HANDSHAKE

MAX_HELLO = 16 * 1024
SERVER_NAME, GROUPS, POINT_FORMATS, SIGNATURES, ALPN, VERSIONS, ECH = 0, 10, 11, 13, 16, 43, 0xFE0D

_VERSION_NAMES = {
    0x0304: "13",
    0x0303: "12",
    0x0302: "11",
    0x0301: "10",
    0x0300: "s3",
    0x0002: "s2",
    0xFEFF: "d1",
    0xFEFD: "d2",
    0xFEFC: "d3",
}


class ClientHello(NamedTuple):
    """What a ClientHello says. `whole` is false where it was cut; then the lists hold what was there."""

    version: int
    ciphers: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    point_formats: tuple[int, ...] = ()
    signatures: tuple[int, ...] = ()
    versions: tuple[int, ...] = ()
    alpn: tuple[str, ...] = ()
    alpn_raw: bytes = b""
    server_name: str | None = None
    ech: bool = False
    whole: bool = True

    @property
    def ja3(self) -> str | None:
        """The MD5 of JA3, or None where the hello was cut."""
        if not self.whole:
            return None
        lists = (_real(self.ciphers), _real(self.extensions), _real(self.groups), self.point_formats)
        text = ",".join([str(self.version), *("-".join(map(str, values)) for values in lists)])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def ja4(self, transport: str = "t") -> str | None:
        """JA4, with `t` for TCP, `q` for QUIC and `d` for DTLS; None where the hello was cut."""
        if not self.whole:
            return None
        ciphers, extensions = _real(self.ciphers), _real(self.extensions)
        offered = _real(self.versions) or (self.version,)
        version = _VERSION_NAMES.get(max(offered), "00")
        name = "d" if SERVER_NAME in extensions else "i"
        counts = f"{min(len(ciphers), 99):02d}{min(len(extensions), 99):02d}"
        head = f"{transport}{version}{name}{counts}{_alpn_mark(self.alpn_raw)}"
        kept = sorted(f"{e:04x}" for e in extensions if e not in (SERVER_NAME, ALPN))
        tail = ",".join(kept)
        signatures = _real(self.signatures)
        if signatures:
            tail += "_" + ",".join(f"{s:04x}" for s in signatures)
        cipher_hash = _short(",".join(sorted(f"{c:04x}" for c in ciphers))) if ciphers else "0" * 12
        return f"{head}_{cipher_hash}_{_short(tail) if kept else '0' * 12}"


def handshake_bytes(stream: Buffer) -> tuple[bytes, bool]:
    """The handshake bytes at the start of a TLS stream, and whether more records may follow."""
    out = bytearray()
    at = 0
    while at + 5 <= len(stream) and len(out) < MAX_HELLO:
        kind, major, _, length = struct.unpack_from("!BBBH", stream, at)
        if kind != TLS_HANDSHAKE or major != 3:
            return bytes(out), False
        at += 5
        out += stream[at : at + length]
        at += length
        if len(out) >= 4 and len(out) >= 4 + int.from_bytes(out[1:4], "big"):
            return bytes(out), False
    return bytes(out), True


def parse(message: Buffer) -> ClientHello | None:
    """A ClientHello from its handshake bytes (type, length, body), or None where it is not one. Never raises."""
    if len(message) < 6 or message[0] != TLS_CLIENT_HELLO:
        return None
    data = bytes(message[:MAX_HELLO])
    if native.DECODE is not None:
        usual: ClientHello | None = native.DECODE.hello(data, ClientHello)
        if usual is not None:
            return usual
    return _parse_python(data)


def _parse_python(data: bytes) -> ClientHello | None:
    length = int.from_bytes(data[1:4], "big")
    version = int.from_bytes(data[4:6], "big")
    if version >> 8 not in (3, 0xFE) or length < 38:
        return None
    body = _Reader(data[: 4 + length], 6)
    found: dict[str, object] = {}
    whole = len(data) >= 4 + length
    try:
        body.take(32)
        if len(body.vector(1)) > 32:
            return None
        if version >> 8 == 0xFE:
            body.vector(1)  # the cookie of DTLS
        found["ciphers"] = _numbers(body.vector(2))
        body.vector(1)
        if body.left:
            _extensions(body, found)
    except (IndexError, struct.error):
        whole = False
    return ClientHello(version=version, whole=whole, **found)  # type: ignore[arg-type]


class _Reader:
    """Reads forward; raises IndexError at the end."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data, self._at = data, at

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise IndexError
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))


def _extensions(body: _Reader, found: dict[str, object]) -> None:
    end = body.number(2)
    kinds: list[int] = []
    try:
        while end >= 4 and len(kinds) < 256:
            kind, length = body.number(2), body.number(2)
            end -= 4 + length
            kinds.append(kind)
            _extension(kind, body.take(length), found)
    finally:
        found["extensions"] = tuple(kinds)


def _extension(kind: int, data: bytes, found: dict[str, object]) -> None:
    try:
        if kind == SERVER_NAME:
            names = _Reader(_Reader(data).vector(2))
            while names.left > 3:
                name_type, name = names.number(1), names.vector(2)
                if name_type == 0:
                    text = printable(name).lower().rstrip(".")
                    if 0 < len(name) <= 255:
                        found["server_name"] = text
                    break
        elif kind == GROUPS:
            found["groups"] = _numbers(_Reader(data).vector(2))
        elif kind == POINT_FORMATS:
            found["point_formats"] = tuple(_Reader(data).vector(1))
        elif kind == SIGNATURES:
            found["signatures"] = _numbers(_Reader(data).vector(2))
        elif kind == VERSIONS:
            found["versions"] = _numbers(_Reader(data).vector(1))
        elif kind == ALPN:
            names = _Reader(_Reader(data).vector(2))
            protocols: list[bytes] = []
            while names.left and len(protocols) < 32:
                protocols.append(names.vector(1))
            found["alpn"] = tuple(printable(p) for p in protocols)
            found["alpn_raw"] = protocols[0] if protocols else b""
        elif kind == ECH:
            found["ech"] = True
    except IndexError:
        pass  # one extension that lies about its length spoils itself only


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2])


def _real(values: tuple[int, ...]) -> tuple[int, ...]:
    """Without GREASE (RFC 8701): 0x0a0a, 0x1a1a ... 0xfafa."""
    return tuple(v for v in values if v & 0x0F0F != 0x0A0A or v >> 8 != v & 0xFF)


def _alpn_mark(first: bytes) -> str:
    if not first:
        return "00"
    ends = (first[:1] + first[-1:]).decode("latin-1")
    if all(c.isascii() and c.isalnum() for c in ends):
        return ends
    digits = first.hex()
    return digits[0] + digits[-1]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
