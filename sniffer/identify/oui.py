"""Who made the network interface: the IEEE's assignments, compact (one line an organisation, its prefixes in hex).

24-, 28- and 36-bit prefixes; the longest wins. Locally administered addresses belong to nobody and are not looked up.
"""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sniffer.errors import RuleError
from sniffer.model import I64

LOCAL_BIT = 1 << 41
_LENGTHS = (9, 7, 6)  # hex digits
_DIGITS = 9
_PIECE = 1 << 16  # bytes
_TAB, _NEWLINE, _SPACE, _COMMENT = b"\t\n #"
#: The value of each character, 255 where it is no digit.
_HEX = np.full(256, 255, dtype=np.uint8)
_HEX[list(b"0123456789abcdef")] = range(16)
_HEX.setflags(write=False)
MAX_TABLE_BYTES = 32 << 20


class OuiTable:
    """Prefix to organisation, over the text of a table: 50,000 prefixes in 2 MiB. Raises RuleError."""

    def __init__(self, text: bytes, file: str | Path = "oui.tsv") -> None:
        self._data = text.replace(b"\r\n", b"\n") + b"\n"
        found, end = [], 0
        while end < len(self._data):  # in pieces: what each needs meanwhile is many times as large
            start, end = end, self._data.index(b"\n", min(end + _PIECE, len(self._data) - 1)) + 1
            found.append(_assigned(self._data, start, end, file))
        prefixes, lines = (np.concatenate(columns) for columns in zip(*found, strict=True))
        order = np.argsort(prefixes, kind="stable")
        self._prefixes, self._lines = prefixes[order], lines[order]

    def __len__(self) -> int:
        return len(self._prefixes)

    def items(self) -> Iterator[tuple[str, str]]:
        """(prefix in hex, organisation), all of them."""
        for prefix, line in zip(self._prefixes.tolist(), self._lines.tolist(), strict=True):
            yield f"{prefix >> 4:09x}"[: prefix & 15], self._name(line)

    def lookup(self, key: int) -> str | None:
        """The organisation of a MAC address, or None: unknown, made from an IP address, or locally administered."""
        if key >> 48 or key & LOCAL_BIT:
            return None
        for length in _LENGTHS:
            prefix = key >> (48 - 4 * length) << 4 * (_DIGITS + 1 - length) | length
            at = int(self._prefixes.searchsorted(prefix))
            if at < len(self._prefixes) and self._prefixes[at] == prefix:
                return self._name(int(self._lines[at]))
        return None

    def _name(self, line: int) -> str:
        return self._data[line : self._data.index(b"\t", line)].decode("utf-8", "replace")


def _assigned(data: bytes, start: int, end: int, file: str | Path) -> tuple[I64, I64]:
    """The prefixes in some lines of a table, and where their lines begin. A prefix is one number: its digits on the
    left of 36 bits, then how many they are. Raises RuleError."""
    letters = np.frombuffer(data, dtype=np.uint8, count=end - start, offset=start)
    # What lies between two separators is a word; those behind a TAB are prefixes.
    ends = np.flatnonzero((letters == _TAB) | (letters == _SPACE) | (letters == _NEWLINE))
    starts = np.append(0, ends[:-1] + 1)
    before = np.append(_NEWLINE, letters[ends[:-1]])
    lines = np.maximum.accumulate(np.where(before == _NEWLINE, starts, 0))
    listed = np.maximum.accumulate(np.where(before == _TAB, starts, 0)) > lines
    said = (letters[lines] != _COMMENT) & (ends > starts)
    words, names = np.flatnonzero(said & listed), np.flatnonzero(said & ~listed)
    first, length = starts[words], ends[words] - starts[words]
    wrong = ~np.isin(length, _LENGTHS)
    values = np.append(_HEX[letters], np.full(_DIGITS, 255, dtype=np.uint8))
    prefixes = np.zeros(len(words), dtype=np.int64)
    for place in range(_LENGTHS[-1]):
        digits = values[first + place]
        wrong |= digits > 15
        prefixes = prefixes << 4 | digits
    prefixes <<= 4 * (_DIGITS - _LENGTHS[-1])
    longer = np.flatnonzero(length > _LENGTHS[-1])  # few are
    for place in range(_LENGTHS[-1], _DIGITS):
        longer = longer[length[longer] > place]
        digits = values[first[longer] + place]
        wrong[longer] |= digits > 15
        prefixes[longer] |= digits.astype(np.int64) << 4 * (_DIGITS - 1 - place)
    bad = np.append(lines[words[wrong]], np.setdiff1d(lines[names], lines[words]))
    if len(bad):
        number = data.count(b"\n", 0, start + int(bad.min())) + 1
        raise RuleError("not `organisation<TAB>prefix ...`", file=file, line=number)
    return prefixes << 4 | length, start + lines[words]


EMPTY = OuiTable(b"")


def compact(assignments: Iterable[tuple[str, str]]) -> str:
    """The compact form of (prefix, organisation) pairs; the last one wins where a prefix comes twice."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for prefix, name in dict(assignments).items():
        by_name[name].append(prefix)
    lines = [f"{name}\t{' '.join(sorted(prefixes))}\n" for name, prefixes in sorted(by_name.items())]
    return "".join(["# IEEE assignments (MA-L, MA-M, MA-S): organisation, TAB, prefixes. Refresh it with\n",
                    "# `sniffer devices --refresh-oui FILE`.\n", *lines])  # fmt: skip


def read_assignments(text: str) -> Iterator[tuple[str, str]]:
    """(prefix, organisation) of a list as the IEEE publishes it (`oui.csv`, `mam.csv`, `oui36.csv`, `oui.txt`) or as
    Wireshark does (`manuf`)."""
    if text.startswith("Registry,"):
        for row in csv.DictReader(io.StringIO(text)):
            yield from _assignment(row.get("Assignment") or "", row.get("Organization Name") or "")
        return
    for line in text.splitlines():
        if "(base 16)" in line:
            prefix, _, name = line.partition("(base 16)")
            yield from _assignment(prefix, name)
        elif not line.startswith("#") and line.count("\t"):
            prefix, *names = line.split("\t")
            yield from _assignment(prefix, names[-1])


def _assignment(prefix: str, name: str) -> Iterator[tuple[str, str]]:
    digits, _, bits = prefix.strip().replace(":", "").replace("-", "").lower().partition("/")
    if bits.isdigit():
        digits = digits[: int(bits) // 4]
    cleaned = " ".join(name.split())
    if len(digits) in _LENGTHS and _is_hex(digits) and cleaned and cleaned.isprintable():
        yield digits, cleaned[:96]


def _is_hex(text: str) -> bool:
    return set(text) <= set("0123456789abcdef")
