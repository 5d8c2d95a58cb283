"""Patterns in which `*` stands for anything, in either case."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern. Most have one star or none, and need no regular expression."""

    pattern: str
    _first: str = field(init=False)
    _last: str = field(init=False)
    _rest: re.Pattern[str] | None = field(init=False)

    def __post_init__(self) -> None:
        parts = self.pattern.lower().split("*")
        object.__setattr__(self, "_first", parts[0])
        object.__setattr__(self, "_last", parts[-1] if len(parts) == 2 else "")
        several = "(.*)" + ".*".join(re.escape(part) for part in parts[1:])
        compiled = re.compile(re.escape(parts[0]) + several, re.DOTALL | re.IGNORECASE) if len(parts) > 2 else None
        object.__setattr__(self, "_rest", compiled)

    @property
    def literal(self) -> str | None:
        """The only text it fits, in lower case, or None where it has a star."""
        return None if "*" in self.pattern else self._first

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
