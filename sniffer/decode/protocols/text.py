"""Text that the network sent."""

from __future__ import annotations

#: What a parser reads: the bytes of one message.
Buffer = bytes | memoryview


def printable(raw: bytes) -> str:
    """Decode as UTF-8; bytes that are none, and characters that move a cursor or end a line, become a placeholder."""
    text = raw.decode("utf-8", "replace")
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)
