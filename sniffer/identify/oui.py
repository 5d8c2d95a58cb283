"""Who made the network interface: the IEEE's assignments, compact (one line an organisation, its prefixes in hex).

24-, 28- and 36-bit prefixes; the longest wins. Locally administered addresses belong to nobody and are not looked up.
"""

from __future__ import annotations

import csv
import io
from array import array
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from sniffer.errors import RuleError

LOCAL_BIT = 1 << 41
_LENGTHS = (9, 7, 6)  # hex digits
_HEX_AND_SPACE = frozenset("0123456789abcdef \t\n\r\f\v")
MAX_TABLE_BYTES = 32 << 20


class OuiTable:
    """Prefix to organisation, over the text of a table: 50,000 prefixes in 2 MiB. Raises RuleError."""

    def __init__(self, text: str, file: str | Path = "oui.tsv") -> None:
        self._text = text
        self._lines = array("L")
        found = {length: (array("Q"), array("L")) for length in _LENGTHS}
        at = 0
        for number, line in enumerate(text.splitlines(keepends=True), 1):
            if line[0] not in "#\n":
                self._lines.append(at)
                _, separator, listed = line.partition("\t")
                owner = len(self._lines) - 1
                if not _HEX_AND_SPACE.issuperset(listed):
                    separator = ""
                for prefix in listed.split() if separator else ():
                    pair = found.get(len(prefix))
                    if pair is None:
                        separator = ""
                        break
                    pair[0].append(int(prefix, 16))
                    pair[1].append(owner)
                if not separator:
                    raise RuleError("not `organisation<TAB>prefix ...`", file=file, line=number)
            at += len(line)
        self._prefixes: dict[int, array[int]] = {}
        self._owners: dict[int, array[int]] = {}
        for length, (prefixes, owners) in found.items():
            order = sorted(range(len(prefixes)), key=prefixes.__getitem__)
            self._prefixes[length] = array("Q", map(prefixes.__getitem__, order))
            self._owners[length] = array("L", map(owners.__getitem__, order))

    def __len__(self) -> int:
        return sum(len(found) for found in self._prefixes.values())

    def items(self) -> Iterator[tuple[str, str]]:
        """(prefix in hex, organisation), all of them."""
        for length, prefixes in self._prefixes.items():
            for prefix, owner in zip(prefixes, self._owners[length], strict=True):
                yield f"{prefix:0{length}x}", self._name(owner)

    def lookup(self, key: int) -> str | None:
        """The organisation of a MAC address, or None: unknown, made from an IP address, or locally administered."""
        if key >> 48 or key & LOCAL_BIT:
            return None
        for length in _LENGTHS:
            prefix = key >> (48 - 4 * length)
            found = self._prefixes[length]
            at = bisect_left(found, prefix)
            if at < len(found) and found[at] == prefix:
                return self._name(self._owners[length][at])
        return None

    def _name(self, owner: int) -> str:
        start = self._lines[owner]
        return self._text[start : self._text.index("\t", start)]


EMPTY = OuiTable("")


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
