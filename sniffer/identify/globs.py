"""Patterns in which `*` stands for anything, in either case."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern. Most have one star or none, and need no regular expression."""

    pattern: str
    _first: str = field(init=False)
    _last: str = field(init=False)
    _rest: re.Pattern[str] | None = field(init=False)
    _end: str = field(init=False)

    def __post_init__(self) -> None:
        parts = self.pattern.lower().split("*")
        object.__setattr__(self, "_first", parts[0])
        object.__setattr__(self, "_last", parts[-1] if len(parts) == 2 else "")
        object.__setattr__(self, "_end", parts[-1] if len(parts) > 1 else "")
        several = "(.*)" + ".*".join(re.escape(part) for part in parts[1:])
        compiled = re.compile(re.escape(parts[0]) + several, re.DOTALL | re.IGNORECASE) if len(parts) > 2 else None
        object.__setattr__(self, "_rest", compiled)

    @property
    def literal(self) -> str | None:
        """The only text it fits, in lower case, or None where it has a star."""
        return None if "*" in self.pattern else self._first

    @property
    def ends(self) -> tuple[str, str]:
        """What stands before its first star and behind its last one, in lower case."""
        return self._first, self._end

    @property
    def weight(self) -> int:
        """How much it says: its characters beside the stars."""
        return len(self.pattern.replace("*", ""))

    def match(self, text: str) -> str | None:
        """What the first star stands for (empty where there is none), or None where the text does not fit."""
        if self._rest is not None:
            found = self._rest.fullmatch(text)
            return found.group(1) if found else None
        low = text.lower()
        if "*" not in self.pattern:
            return "" if low == self._first else None
        fits = (
            len(low) >= len(self._first) + len(self._last) and low.startswith(self._first) and low.endswith(self._last)
        )
        # lower() may change the length of a stranger's text: then nothing is captured, and the text still fits
        same = len(low) == len(text)
        return (text[len(self._first) : len(text) - len(self._last)] if same else "") if fits else None


Entry = TypeVar("Entry")


class GlobTable(Generic[Entry]):
    """Patterns with stars, found by their beginning or end: most texts fit none, and then none is tried."""

    def __init__(self, entries: Sequence[tuple[Glob, Entry]]) -> None:
        self._entries = tuple(entries)
        self._heads: dict[int, dict[str, list[int]]] = {}
        self._tails: dict[int, dict[str, list[int]]] = {}
        self._others: list[int] = []
        for number, (glob, _) in enumerate(self._entries):
            head, tail = glob.ends
            if not head and not tail:
                self._others.append(number)
                continue
            table, part = (self._heads, head) if len(head) > len(tail) else (self._tails, tail)
            table.setdefault(len(part), {}).setdefault(part, []).append(number)

    def fitting(self, text: str) -> Iterator[tuple[Entry, str]]:
        """Yield the entries whose pattern fits, in their order, each with what its first star stands for."""
        for number in self._candidates(text):
            glob, entry = self._entries[number]
            captured = glob.match(text)
            if captured is not None:
                yield entry, captured

    def _candidates(self, text: str) -> Sequence[int]:
        if not text.isascii():  # upper and lower case may differ in length
            return range(len(self._entries))
        low, found = text.lower(), list(self._others)
        for size, heads in self._heads.items():
            found += heads.get(low[:size], ())
        for size, tails in self._tails.items():
            found += tails.get(low[-size:], ())
        return sorted(found)
