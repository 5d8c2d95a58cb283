"""Who made the network interface: the IEEE's assignments, compact (one line an organisation, its prefixes in hex).

24-, 28- and 36-bit prefixes; the longest wins. Locally administered addresses belong to nobody and are not looked up.
"""

from __future__ import annotations

import csv
import io
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from sniffer.errors import RuleError

LOCAL_BIT = 1 << 41
_LENGTHS = (9, 7, 6)  # hex digits
MAX_TABLE_BYTES = 32 << 20


class OuiTable:
    """Prefix to organisation."""

    def __init__(self, prefixes: Mapping[str, str]) -> None:
        self._names = sorted(set(prefixes.values()))
        number = {name: index for index, name in enumerate(self._names)}
        self._prefixes: dict[int, list[int]] = {}
        self._owners: dict[int, list[int]] = {}
        for length in _LENGTHS:
            found = sorted((int(p, 16), number[name]) for p, name in prefixes.items() if len(p) == length)
            self._prefixes[length] = [prefix for prefix, _ in found]
            self._owners[length] = [owner for _, owner in found]

    def __len__(self) -> int:
        return sum(len(found) for found in self._prefixes.values())

    def items(self) -> Iterator[tuple[str, str]]:
        """(prefix in hex, organisation), all of them."""
        for length, prefixes in self._prefixes.items():
            for prefix, owner in zip(prefixes, self._owners[length], strict=True):
                yield f"{prefix:0{length}x}", self._names[owner]

    def lookup(self, key: int) -> str | None:
        """The organisation of a MAC address, or None: unknown, made from an IP address, or locally administered."""
        if key >> 48 or key & LOCAL_BIT:
            return None
        for length in _LENGTHS:
            prefix = key >> (48 - 4 * length)
            found = self._prefixes[length]
            at = bisect_left(found, prefix)
            if at < len(found) and found[at] == prefix:
                return self._names[self._owners[length][at]]
        return None


EMPTY = OuiTable({})


def parse_table(text: str, file: str | Path) -> OuiTable:
    """Our own compact form: `organisation<TAB>prefix prefix ...`. Raises RuleError."""
    prefixes: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line or line.startswith("#"):
            continue
        name, separator, listed = line.partition("\t")
        for prefix in listed.split(" "):
            if not separator or len(prefix) not in _LENGTHS or not _is_hex(prefix):
                raise RuleError("not `organisation<TAB>prefix ...`", file=file, line=number)
            prefixes[prefix] = name
    return OuiTable(prefixes)


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
