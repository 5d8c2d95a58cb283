"""What a host says by SSDP, the discovery of UPnP: an announcement or an answer tells what it is, a search what it
looks for."""

from __future__ import annotations

from collections.abc import Iterator

from sniffer.decode.protocols.text import Buffer, printable

MAX_LINES = 64


def facts(data: Buffer) -> Iterator[tuple[str, str]]:
    """(kind, value) pairs: `ssdp.type` and `ssdp.server` of one who offers, `ssdp.search` and `user_agent` of one who
    looks."""
    lines = bytes(data[:2048]).split(b"\n", MAX_LINES)
    start = lines[0].strip().upper()
    offers = start.startswith((b"NOTIFY ", b"HTTP/1.")) and b"ssdp:byebye" not in bytes(data[:2048])
    if not offers and not start.startswith(b"M-SEARCH "):
        return
    for line in lines[1:MAX_LINES]:
        name, colon, raw = line.partition(b":")
        value = printable(raw.strip())
        if not colon or not value:
            continue
        match name.strip().upper():
            case b"NT" | b"ST" if not value.startswith("uuid:"):
                yield ("ssdp.type" if offers else "ssdp.search"), value
            case b"SERVER" if offers:
                yield "ssdp.server", value
            case b"USER-AGENT":
                yield "user_agent", value
            case header if offers and header.startswith(b"X-") and len(value) <= 64:
                yield "ssdp.header", f"{printable(header).lower()}={value}"
