"""DNS messages, as far as names and addresses go: for port 53 and, in the same format, for multicast DNS.

Written from RFC 1035, 2782 (SRV), 6762 (mDNS) and 9460 (SVCB/HTTPS). Bounded: a compression pointer must point
backwards, a name has at most 255 bytes, a message at most `MAX_RECORDS` records, and reading all its names takes at
most `MAX_STEPS` labels and pointers. A message that was cut, or that asks for more work, gives the records read so far.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from sniffer import native
from sniffer.decode.protocols.text import Buffer, printable
from sniffer.model import V4_MAPPED

MAX_QUESTIONS = 32
MAX_RECORDS = 256
MAX_NAME = 255
#: Labels and pointers that are read in one message. An answer of 20 records needs some 150, the largest seen 600.
MAX_STEPS = 1_024
MAX_LABELS = 128
MAX_TEXTS = 32
#: A message of at most this length, the most that UDP carries without an extension, makes no more work than expected.
USUAL_BYTES = 512

A, CNAME, PTR, TXT, AAAA, SRV, SVCB, HTTPS = 1, 5, 12, 16, 28, 33, 64, 65


class Question(NamedTuple):
    """A name that is asked for, in lower case."""

    name: str
    type: int


class Record(NamedTuple):
    """One resource record. `name` is in lower case, `label` its first label as it was written.

    `addresses` come from A and AAAA, and from the hints of SVCB and HTTPS; `target` from CNAME, PTR and SRV;
    `texts` are the strings of a TXT record. `ech` says that an HTTPS record offers Encrypted ClientHello.
    """

    name: str
    type: int
    ttl: int
    addresses: tuple[tuple[int, int], ...] = ()
    target: str | None = None
    texts: tuple[str, ...] = ()
    label: str = ""
    ech: bool = False


class Message(NamedTuple):
    """A DNS message; `records` holds answers, authorities and additional records; `answers` counts the first."""

    id: int
    response: bool
    code: int
    questions: tuple[Question, ...]
    records: tuple[Record, ...]
    answers: int
    whole: bool
    steps: int = 0


def parse(data: Buffer) -> Message | None:
    """The message, or None where this is not DNS. Never raises."""
    if len(data) < 12:
        return None
    return _parse(bytes(data))


def _parse(data: bytes) -> Message | None:
    """Read a message: the usual in the compiled piece, all else here."""
    if native.DECODE is not None:
        found: Message | None = native.DECODE.dns(data, Message, Question, Record)
        if found is not None:
            return found
    return _parse_python(data)


def _parse_python(data: bytes) -> Message | None:
    identity, flags, questions, *counts = struct.unpack_from("!6H", data)
    if (flags >> 11) & 0xF not in (0, 4, 5) or questions > MAX_QUESTIONS:
        return None  # neither a query nor a notify or update: not what lives on these ports
    asked: list[Question] = []
    records: list[Record] = []
    answers = counts[0]
    whole = True
    names = _Names(data)
    try:
        at = 12
        for _ in range(questions):
            name, _, at = names.read(at)
            kind, _ = struct.unpack_from("!HH", data, at)
            at += 4
            asked.append(Question(name, kind))
        for index in range(min(sum(counts), MAX_RECORDS)):
            record, at = _record(data, at, names)
            if record is not None:
                records.append(record)
            elif index < counts[0]:
                answers -= 1
    except (struct.error, IndexError, ValueError):
        whole = False
    if not asked and not records:
        return None
    response = bool(flags & 0x8000)
    kept = min(answers, len(records))
    return Message(identity, response, flags & 0xF, tuple(asked), tuple(records), kept, whole, names.steps)


def _record(data: bytes, at: int, names: _Names) -> tuple[Record | None, int]:
    name, label, at = names.read(at)
    kind, _, ttl, length = struct.unpack_from("!HHIH", data, at)
    at += 10
    end = at + length
    if end > len(data):
        raise ValueError("cut")
    if ttl > 0x7FFF_FFFF:
        ttl = 0  # RFC 2181, 8
    if kind == A and length == 4:
        return Record(name, kind, ttl, addresses=((0, V4_MAPPED | int.from_bytes(data[at:end], "big")),)), end
    if kind == AAAA and length == 16:
        return Record(name, kind, ttl, addresses=(_v6(data, at),)), end
    if kind in (CNAME, PTR):
        target, first, _ = names.read(at)
        return Record(name, kind, ttl, target=target, label=first), end
    if kind == SRV and length > 6:
        return Record(name, kind, ttl, target=names.read(at + 6)[0], label=label), end
    if kind == TXT:
        return Record(name, kind, ttl, texts=_texts(data, at, end), label=label), end
    if kind in (SVCB, HTTPS) and length > 2:
        addresses, ech = _parameters(data, names.read(at + 2)[2], end)
        return Record(name, kind, ttl, addresses=addresses, ech=ech), end
    return None, end


def _v6(data: bytes, at: int) -> tuple[int, int]:
    high, low = struct.unpack_from("!QQ", data, at)
    return high, low


class _Names:
    """The names of one message. What a pointer leads to is read once; the work is counted in `steps`."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._known: dict[int, tuple[list[str], int]] = {}  # what begins at an offset: labels from an index on
        self.steps = 0

    def read(self, at: int) -> tuple[str, str, int]:
        """Return the name at an offset in lower case, its first label as written, and where reading goes on.

        Raises ValueError or IndexError where there is no name, and where the message asks for too much work.
        """
        data = self._data
        labels: list[str] = []
        places: list[tuple[int, int]] = []
        size, after, limit = 0, -1, at  # a pointer must point before everything read so far: no loops
        while True:
            self.steps += 1
            if self.steps > MAX_STEPS:
                raise ValueError("too many labels and pointers")
            length = data[at]
            if length & 0xC0 == 0xC0:
                target = (length & 0x3F) << 8 | data[at + 1]
                if after < 0:
                    after = at + 2
                if target >= limit:
                    raise ValueError("pointer forwards")
                places.append((at, len(labels)))
                at = limit = target
                if (known := self._known.get(target)) is not None:
                    labels += known[0][known[1] :]
                    break
                continue
            if length & 0xC0:
                raise ValueError("label type")
            places.append((at, len(labels)))
            at += 1
            if length == 0:
                break
            size += length + 1
            if size > MAX_NAME or at + length > len(data):
                raise ValueError("name too long or cut")
            labels.append(printable(data[at : at + length]))
            at += length
        if len(labels) > MAX_LABELS or sum(map(len, labels)) > MAX_NAME:
            raise ValueError("name too long")
        for place, index in places:
            self._known[place] = labels, index
        return ".".join(labels).lower(), labels[0] if labels else "", after if after >= 0 else at


def _texts(data: bytes, at: int, end: int) -> tuple[str, ...]:
    texts: list[str] = []
    while at < end and len(texts) < MAX_TEXTS:
        length = data[at]
        at += 1
        if at + length > end:
            break
        if length:
            texts.append(printable(data[at : at + length]))
        at += length
    return tuple(texts)


def _parameters(data: bytes, at: int, end: int) -> tuple[tuple[tuple[int, int], ...], bool]:
    """Address hints of an SVCB or HTTPS record, and whether it offers Encrypted ClientHello (RFC 9460, 7.3; 9848)."""
    addresses: list[tuple[int, int]] = []
    ech = False
    while at + 4 <= end:
        key, length = struct.unpack_from("!HH", data, at)
        at += 4
        if at + length > end:
            break
        if key == 4:
            hints = (int.from_bytes(data[index : index + 4], "big") for index in range(at, at + length - 3, 4))
            addresses.extend((0, V4_MAPPED | hint) for hint in hints)
        elif key == 6:
            addresses.extend(_v6(data, index) for index in range(at, at + length - 15, 16))
        elif key == 5:
            ech = True
        at += length
    return tuple(addresses[:16]), ech
