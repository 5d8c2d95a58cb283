"""QUIC Initial packets of clients: opened with the keys that anyone can derive from the connection id, so that the
ClientHello inside can be read. QUIC v1: RFC 9000, 9001; v2: RFC 9369.

A datagram that was cut by the snap length is opened too, without its authentication tag (AES-GCM is a counter mode);
then the frames must make sense, or nothing is believed.
"""

from __future__ import annotations

import hmac
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sniffer.decode.protocols.text import Buffer
from sniffer.model.protocols import QUIC_V2

V1, Q050 = 0x0000_0001, 0x5130_3530
_DRAFT = 0xFF00_0000
_SALT_V1 = bytes.fromhex("38762cf7f55934b34d179ae6a4c80cadccbb7f0a")
_SALT_V2 = bytes.fromhex("0dede3def700a6db819381be6e269dcbf9bd2ed9")
_SALT_29 = bytes.fromhex("afbfec289993d24c9e9786f19c6111e04390a899")
_SALT_23 = bytes.fromhex("c3eef712c72ebb5a11a7d2432bb46365bef9f502")
_SALT_Q050 = bytes.fromhex("504574efd066fe2f9d945cfcdbd3a7f0d3b56b45")
_SALT_T050 = bytes.fromhex("7ff579e5acd072915580304c43a2367c60488310")
_SALT_T051 = bytes.fromhex("7a4edef4e7ccee5fa4506c19124fc8ccda6e033d")
#: The salts by version. Devices that get no more updates still speak the drafts, or gQUIC on the way there.
_SALTS = {
    V1: _SALT_V1,
    QUIC_V2: _SALT_V2,
    Q050: _SALT_Q050,
    0x5430_3530: _SALT_T050,
    0x5430_3531: _SALT_T051,
    **{_DRAFT | draft: _SALT_V1 for draft in (33, 34)},
    **{_DRAFT | draft: _SALT_29 for draft in range(29, 33)},
    **dict.fromkeys((*range(_DRAFT | 23, _DRAFT | 29), 0xFACE_B002, 0xFACE_B00E), _SALT_23),
}
VERSIONS = tuple(_SALTS)
_LABELS_V1, _LABELS_V2 = (b"quic key", b"quic iv", b"quic hp"), (b"quicv2 key", b"quicv2 iv", b"quicv2 hp")
TAG = 16
#: A ClientHello with post-quantum shares is some 2 kB; nobody needs more than this.
MAX_CRYPTO = 16 * 1024
MAX_CHUNKS = 64
MAX_COALESCED = 8


@dataclass(frozen=True, slots=True)
class Initial:
    """One Initial packet as it lies in a datagram; `cut` where not all of it was captured."""

    version: int
    destination: bytes
    header: bytes
    number_offset: int
    packet: bytes
    cut: bool


@dataclass(frozen=True, slots=True)
class Keys:
    """The client's Initial keys for one connection."""

    key: bytes
    iv: bytes
    mask: Callable[[bytes], bytes]


@dataclass(slots=True)
class CryptoStream:
    """CRYPTO frames of one connection, in any order; `stream()` is what is there without a gap from the start."""

    _chunks: dict[int, bytes] = field(default_factory=dict)

    def add(self, offset: int, data: bytes) -> None:
        room = offset + len(data) <= MAX_CRYPTO and (offset in self._chunks or len(self._chunks) < MAX_CHUNKS)
        if room and len(data) > len(self._chunks.get(offset, b"")):
            self._chunks[offset] = data

    def stream(self) -> bytes:
        out = bytearray()
        for offset in sorted(self._chunks):
            if offset > len(out):
                break
            out += self._chunks[offset][len(out) - offset :] if len(out) - offset < len(self._chunks[offset]) else b""
        return bytes(out)


def initials(datagram: Buffer, wire_length: int) -> Iterator[Initial]:
    """The Initial packets coalesced in one datagram (RFC 9000, 12.2). Never raises."""
    data = bytes(datagram)
    at = 0
    for _ in range(MAX_COALESCED):
        try:
            found, at = _long_header(data, at, wire_length)
        except (IndexError, struct.error):
            return
        if found is not None:
            yield found
        if at <= 0:
            return


def _long_header(data: bytes, start: int, wire_length: int) -> tuple[Initial | None, int]:
    """The packet at `start` where it is an Initial, and where the next one starts (0: nothing more to read)."""
    first = data[start]
    (version,) = struct.unpack_from("!I", data, start + 1)
    if first & 0xC0 != 0xC0 or version not in _SALTS:
        return None, 0
    at = start + 5
    size = data[at]
    destination = data[at + 1 : at + 1 + size]
    at += 1 + size
    size_source = data[at]
    at += 1 + size_source
    if size > 20 or size_source > 20:
        return None, 0
    kind = first >> 4 & 3
    initial = kind == _initial_type(version)
    if kind == (_initial_type(version) + 3) % 4:
        return None, 0  # Retry: nothing follows
    if initial:
        token, at = _variable(data, at)
        at += token
    length, at = _variable(data, at)
    end = at + length
    if end > wire_length or length < 20:
        return None, 0
    if not initial:
        return None, end
    packet = data[start:end]
    return Initial(version, destination, data[start:at], at - start, packet, len(packet) < end - start), end


def _initial_type(version: int) -> int:
    return 1 if version == QUIC_V2 else 0


def _variable(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length integer (RFC 9000, 16)."""
    size = 1 << (data[at] >> 6)
    if at + size > len(data):
        raise IndexError
    return int.from_bytes(data[at : at + size], "big") & ((1 << (8 * size - 2)) - 1), at + size


def client_keys(version: int, destination: bytes) -> Keys:
    """RFC 9001, 5.2, from the first destination connection id of the client."""
    secret = _expand(_extract(_SALTS[version], destination), b"client in", 32)
    key, iv, protection = _LABELS_V2 if version == QUIC_V2 else _LABELS_V1
    return Keys(_expand(secret, key, 16), _expand(secret, iv, 12), _header_mask(_expand(secret, protection, 16)))


def open_initial(initial: Initial, keys: Keys) -> list[tuple[int, bytes]] | None:
    """The CRYPTO frames (offset, data) of one packet, or None where these are not its keys."""
    at, packet = initial.number_offset, initial.packet
    sample = packet[at + 4 : at + 20]
    if len(sample) < 16:
        return None
    mask = keys.mask(sample)
    first = packet[0] ^ (mask[0] & 0x0F)
    size = (first & 3) + 1
    number = bytes(a ^ b for a, b in zip(packet[at : at + size], mask[1:5], strict=False))
    nonce = (int.from_bytes(keys.iv, "big") ^ int.from_bytes(number, "big")).to_bytes(12, "big")
    sealed = packet[at + size :]
    if initial.cut:
        return _frames(_counter_mode(keys.key, nonce, sealed), cut=True)
    associated = bytes([first]) + initial.header[1:] + number
    plain = _open(keys.key, nonce, sealed, associated)
    return None if plain is None else _frames(plain, cut=False)


def _frames(plain: bytes, *, cut: bool) -> list[tuple[int, bytes]] | None:
    """CRYPTO among PADDING, PING, ACK and CONNECTION_CLOSE, the only frames an Initial may carry."""
    found: list[tuple[int, bytes]] = []
    at = 0
    try:
        while at < len(plain):
            kind = plain[at]
            at += 1
            if kind == 0:
                at = len(plain) - len(plain[at:].lstrip(b"\0"))
            elif kind == 1:
                continue
            elif kind in (2, 3):
                at = _skip_ack(plain, at, kind)
            elif kind in (6, 8):  # 8: CRYPTO in gQUIC; the others may not use it here
                offset, at = _variable(plain, at)
                length, at = _variable(plain, at)
                data = plain[at : at + length]
                if len(data) < length and not cut:
                    return None
                found.append((offset, data))
                at += length
            elif kind in (0x1C, 0x1D):
                break
            else:
                return None if cut else found
    except IndexError:
        return found if cut and found else None
    return found


def _skip_ack(plain: bytes, at: int, kind: int) -> int:
    _, at = _variable(plain, at)
    _, at = _variable(plain, at)
    ranges, at = _variable(plain, at)
    _, at = _variable(plain, at)
    for _ in range(2 * min(ranges, 256) + (3 if kind == 3 else 0)):
        _, at = _variable(plain, at)
    return at


# --- cryptography: imported when the first Initial arrives (7 MiB) -------------------------------------------------


def _extract(salt: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, material, "sha256")


def _expand(secret: bytes, label: bytes, length: int) -> bytes:
    """HKDF-Expand-Label (RFC 8446, 7.1) for at most one block of SHA-256."""
    full = b"tls13 " + label
    info = struct.pack("!HB", length, len(full)) + full + b"\0"
    return hmac.digest(secret, info + b"\x01", "sha256")[:length]


def _header_mask(key: bytes) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    encryptor: Any = Cipher(algorithms.AES(key), modes.ECB()).encryptor()  # noqa: S305 - RFC 9001, 5.4.3 asks for it

    def mask(sample: bytes) -> bytes:
        result: bytes = encryptor.update(sample)
        return result

    return mask


def _open(key: bytes, nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    if len(sealed) < TAG:
        return None
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag:
        return None


def _counter_mode(key: bytes, nonce: bytes, sealed: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(key), modes.CTR(nonce + b"\0\0\0\2")).decryptor()
    return decryptor.update(sealed)
