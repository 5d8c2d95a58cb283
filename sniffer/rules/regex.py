"""Regular expressions in linear time: all the ways a text could match are followed at once, none is ever tried again.

Python's own engine goes back and tries again, which takes for ever for some patterns and texts; here the patterns come
from rule files and the texts from strangers. Thompson's construction instead (K. Thompson, CACM 11, 1968): a pattern
becomes a program of single characters and forks, and a search costs at most its length times the text's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from re import _constants as op  # type: ignore[attr-defined]  # how `re` spells what it has parsed:
from re import _parser  # type: ignore[attr-defined]  # there is no public name for either
from typing import Any

#: A pattern's text, its program (`[a-z]{100}` is 100 steps), and how much of a value is looked at.
MAX_PATTERN = 256
MAX_STEPS = 1000
MAX_TEXT = 256

CharTest = Callable[[str], bool]


@dataclass(slots=True)
class _Step:
    """One of: a character that must come (`char`), a place that must be here (`at`), a fork or jump (`to`), the end."""

    char: CharTest | None = None
    at: Any = None
    to: tuple[int, ...] = ()


def search_test(pattern: str) -> Callable[[str], bool]:
    """Is the pattern found in a text? Raises ValueError with the reason where the pattern is not supported."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        re.compile(pattern)
        tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    flags = tree.state.flags & ~re.UNICODE
    if flags & ~re.IGNORECASE:
        raise ValueError("of the flags only (?i) is supported")
    program = _Program(ignore_case=bool(flags & re.IGNORECASE))
    program.add(tree)
    steps = [*program.steps, _Step()]
    return lambda text: _search(steps, text[:MAX_TEXT])


def _search(steps: list[_Step], text: str) -> bool:
    end = len(steps) - 1
    current: set[int] = set()
    for position in range(len(text) + 1):
        _follow(steps, 0, text, position, current)
        if end in current:
            return True
        if position == len(text):
            return False
        char = text[position]
        following: set[int] = set()
        for index in current:
            test = steps[index].char
            if test is not None and test(char):
                _follow(steps, index + 1, text, position + 1, following)
        current = following
    return False


def _follow(steps: list[_Step], index: int, text: str, position: int, found: set[int]) -> None:
    """All steps that can be reached from here without another character."""
    waiting = [index]
    while waiting:
        index = waiting.pop()
        if index in found:
            continue
        found.add(index)
        step = steps[index]
        if step.to:
            waiting.extend(step.to)
        elif step.at is not None and _PLACES[step.at](text, position):
            waiting.append(index + 1)


class _Program:
    """Steps, added in the order in which they follow each other."""

    def __init__(self, *, ignore_case: bool) -> None:
        self.steps: list[_Step] = []
        self._ignore_case = ignore_case

    def add(self, items: Iterable[tuple[Any, Any]]) -> None:
        """A sequence, as `re` has parsed it."""
        for operation, argument in items:
            if operation in (op.MAX_REPEAT, op.MIN_REPEAT):
                self._repeat(*argument)
            elif operation is op.BRANCH:
                self._branch(argument[1])
            elif operation is op.SUBPATTERN:
                _, added, removed, inner = argument
                if added or removed:
                    raise ValueError("flags for a part of a pattern are not supported")
                self.add(inner)
            elif operation is op.AT and argument in _PLACES:
                self._append(_Step(at=argument))
            elif operation in (op.LITERAL, op.NOT_LITERAL, op.ANY, op.IN):
                self._append(_Step(char=self._one(operation, argument)))
            else:
                raise ValueError("look-around, references and possessive repetitions are not supported")

    def _append(self, step: _Step) -> int:
        if len(self.steps) >= MAX_STEPS:
            raise ValueError(f"the pattern is too large: its repetitions make more than {MAX_STEPS} steps")
        self.steps.append(step)
        return len(self.steps) - 1

    def _repeat(self, low: int, high: int, inner: Any) -> None:
        before = len(self.steps)
        for _ in range(low):
            self.add(inner)
            if len(self.steps) == before:  # nothing, however often it is repeated
                return
        if high is op.MAXREPEAT:
            fork = self._append(_Step())
            self.add(inner)
            self._append(_Step(to=(fork,)))
            self.steps[fork].to = (fork + 1, len(self.steps))
            return
        forks: list[int] = []
        for _ in range(high - low):
            forks.append(self._append(_Step()))
            self.add(inner)
        for fork in forks:
            self.steps[fork].to = (fork + 1, len(self.steps))

    def _branch(self, branches: Iterable[Any]) -> None:
        fork = self._append(_Step())
        starts, jumps = [], []
        for branch in branches:
            starts.append(len(self.steps))
            self.add(branch)
            jumps.append(self._append(_Step()))
        self.steps[fork].to = tuple(starts)
        for jump in jumps:
            self.steps[jump].to = (len(self.steps),)

    def _one(self, operation: Any, argument: Any) -> CharTest:
        """What one character must be. `re` itself is asked of classes such as \\d, so that they mean the same."""
        if operation is op.ANY:
            return lambda char: char != "\n"
        if operation is op.LITERAL:
            return self._cased(lambda char: ord(char) == argument)
        if operation is op.NOT_LITERAL:
            equal = self._cased(lambda char: ord(char) == argument)
            return lambda char: not equal(char)
        negated = argument[0][0] is op.NEGATE
        parts = [self._part(*item) for item in argument if item[0] is not op.NEGATE]
        return lambda char: any(part(char) for part in parts) is not negated

    def _part(self, operation: Any, argument: Any) -> CharTest:
        if operation is op.LITERAL:
            return self._cased(lambda char: ord(char) == argument)
        if operation is op.RANGE:
            low, high = argument
            return self._cased(lambda char: low <= ord(char) <= high)
        test = _CATEGORIES[argument]
        return lambda char: test.match(char) is not None

    def _cased(self, test: CharTest) -> CharTest:
        if not self._ignore_case:
            return test

        def either(char: str) -> bool:
            return any(test(one) for one in {char, char.lower(), char.upper()} if len(one) == 1)

        return either


_CATEGORIES = {
    op.CATEGORY_DIGIT: re.compile(r"\d"),
    op.CATEGORY_NOT_DIGIT: re.compile(r"\D"),
    op.CATEGORY_SPACE: re.compile(r"\s"),
    op.CATEGORY_NOT_SPACE: re.compile(r"\S"),
    op.CATEGORY_WORD: re.compile(r"\w"),
    op.CATEGORY_NOT_WORD: re.compile(r"\W"),
}


def _boundary(text: str, position: int) -> bool:
    before = position > 0 and _WORD.match(text[position - 1]) is not None
    after = position < len(text) and _WORD.match(text[position]) is not None
    return before is not after


_WORD = _CATEGORIES[op.CATEGORY_WORD]
_PLACES: dict[Any, Callable[[str, int], bool]] = {
    op.AT_BEGINNING: lambda text, position: position == 0,
    op.AT_BEGINNING_STRING: lambda text, position: position == 0,
    op.AT_END: lambda text, position: text[position:] in ("", "\n"),
    op.AT_END_STRING: lambda text, position: position == len(text),
    op.AT_BOUNDARY: _boundary,
    op.AT_NON_BOUNDARY: lambda text, position: not _boundary(text, position),
}
