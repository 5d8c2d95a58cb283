"""gQUIC, as it was before the standard and on some devices still is: the server name in its client hello.

A CHLO is a table of four-letter tags and where their values end (QUIC Crypto, Langley & Chang, 2013-2016); up to
version Q046 it travels in the clear, in Q050 inside an Initial packet.
"""

from __future__ import annotations

import struct

from sniffer.decode.protocols.text import Buffer, printable

_SEARCHED = 80
MAX_TAGS = 128


def server_name(data: Buffer) -> str | None:
    """The `SNI` of a CHLO that starts in the first bytes of `data`. Never raises."""
    raw = bytes(data)
    start = raw.find(b"CHLO", 0, _SEARCHED)
    if start < 0 or start + 8 > len(raw):
        return None
    (count,) = struct.unpack_from("<H", raw, start + 4)
    values = start + 8 + 8 * count
    before = 0
    if count > MAX_TAGS or values > len(raw):
        return None
    for index in range(count):
        tag, end = struct.unpack_from("<4sI", raw, start + 8 + 8 * index)
        if tag == b"SNI\0":
            name = raw[values + before : values + end]
            return printable(name).lower() if 0 < len(name) == end - before <= 255 else None
        before = end
    return None
