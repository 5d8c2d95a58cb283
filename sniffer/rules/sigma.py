"""A part of Sigma: a detection becomes one function from a record to true or false.

https://sigmahq.io/sigma-specification/ defines the terms; docs/rules.md lists those that are supported. No I/O: a
mistake is a `DetectionError` with its place inside the document; the reader of the file adds file and line.
"""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from sniffer.rules.patterns import MANY, wildcard_test, wildcard_tokens

Test = Callable[[Mapping[str, Any]], bool]
ValueTest = Callable[[Any], bool]
Location = tuple[str | int, ...]

MAX_CONDITION = 1000
MAX_DEPTH = 32


class DetectionError(Exception):
    """A mistake in a detection.

    `location` leads to it from the detection down; `key`: it is in the key, not in its value; `offset` counts
    characters from the start of the value.
    """

    def __init__(self, message: str, location: Location = (), *, key: bool = False, offset: int = 0) -> None:
        super().__init__(message)
        self.message, self.location, self.key, self.offset = message, location, key, offset


def compile_detection(detection: Mapping[str, Any], fields: Collection[str] | None = None) -> Test:
    """Return the test that a `detection` stands for. `fields` are those that a record has; None accepts any.

    Raises DetectionError.
    """
    condition = detection.get("condition")
    if not isinstance(condition, str) or not condition.strip():
        raise DetectionError("the condition must be text, such as 'selection and not filter'", ("condition",))
    if len(condition) > MAX_CONDITION:
        raise DetectionError(f"the condition is longer than {MAX_CONDITION} characters", ("condition",))
    selections = {
        str(name): _selection(value, (str(name),), fields) for name, value in detection.items() if name != "condition"
    }
    parser = _Condition(condition, selections)
    test = parser.parse()
    for name in selections:
        if name not in parser.used:
            raise DetectionError(f"the condition does not use '{name}'", (name,), key=True)
    return test


# --- selections ---------------------------------------------------------------------------------------------------


def _selection(value: Any, location: Location, fields: Collection[str] | None) -> Test:
    """Return the test of a selection: all lines of a mapping must hold, and one mapping of a list."""
    if isinstance(value, Mapping) and value:
        return _all([_line(str(key), wanted, (*location, str(key)), fields) for key, wanted in value.items()])
    if isinstance(value, list) and value:
        if all(isinstance(item, Mapping) for item in value):
            return _any([_selection(item, (*location, index), fields) for index, item in enumerate(value)])
        raise DetectionError("a list of words to search for is not supported: name the field", location)
    raise DetectionError("a selection is a mapping of fields to values, or a list of such", location)


def _line(key: str, wanted: Any, location: Location, fields: Collection[str] | None) -> Test:
    """Return the test of one line: `field|modifier: value or values`."""
    field, *modifiers = key.split("|")
    if fields is not None and field not in fields:
        raise DetectionError(f"no record has the field '{field}'{_did_you_mean(field, fields)}", location, key=True)
    every = "all" in modifiers
    operations = [name for name in modifiers if name != "all"]
    if len(operations) > 1 or len(modifiers) - len(operations) > 1:
        raise DetectionError(f"one modifier, and 'all', at most: '{key}'", location, key=True)
    operation = operations[0] if operations else ""
    if operation == "re":
        raise DetectionError(
            "regular expressions are not supported: use contains, startswith, endswith, or the wildcards * and ?",
            location,
            key=True,
        )
    if operation not in _OPERATIONS:
        raise DetectionError(
            f"no modifier '{operation}'{_did_you_mean(operation, _OPERATIONS)} (there are: {', '.join(MODIFIERS)})",
            location,
            key=True,
        )
    if every and not isinstance(wanted, list):
        raise DetectionError("'all' needs a list of values", location)
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values:
        raise DetectionError("an empty list matches nothing", location)
    tests: list[Test] = []
    for index, value in enumerate(values):
        place = (*location, index) if isinstance(wanted, list) else location
        try:
            tests.append(_OPERATIONS[operation](field, value))
        except ValueError as problem:
            raise DetectionError(str(problem), place) from None
    return _all(tests) if every else _any(tests)


def values_of(record: Mapping[str, Any], field: str) -> list[Any]:
    """Return the values of a record at `a.b.c`: all values of a list, none where a part is missing."""
    found: list[Any] = [record]
    for part in field.split("."):
        found = [item[part] for item in found if isinstance(item, Mapping) and part in item]
        found = [inner for item in found for inner in (item if isinstance(item, list) else [item])]
    return found


def _on_values(field: str, test: ValueTest) -> Test:
    return lambda record: any(test(value) for value in values_of(record, field))


def _equals(field: str, wanted: Any) -> Test:
    if wanted is None:
        return lambda record: all(value is None for value in values_of(record, field))
    if isinstance(wanted, bool):
        return _on_values(field, lambda value: value is wanted)
    if isinstance(wanted, int | float):
        return _on_values(field, lambda value: _is_number(value) and value == wanted)
    test = wildcard_test(wildcard_tokens(_text(wanted)))
    return _on_values(field, lambda value: isinstance(value, str) and test(value))


def _like(before: bool, after: bool) -> Callable[[str, Any], Test]:
    def build(field: str, wanted: Any) -> Test:
        tokens = wildcard_tokens(_text(wanted))
        test = wildcard_test([MANY] * before + tokens + [MANY] * after)
        return _on_values(field, lambda value: isinstance(value, str) and test(value))

    return build


def _compare(holds: Callable[[float, float], bool]) -> Callable[[str, Any], Test]:
    def build(field: str, wanted: Any) -> Test:
        if not _is_number(wanted):
            raise ValueError(f"a number is compared with a number, not with {wanted!r}")
        return _on_values(field, lambda value: _is_number(value) and holds(value, wanted))

    return build


def _cidr(field: str, wanted: Any) -> Test:
    try:
        network = ipaddress.ip_network(_text(wanted))
    except ValueError as problem:
        raise ValueError(f"not a network in CIDR notation: {problem}") from None

    def test(value: Any) -> bool:
        try:
            address = ipaddress.ip_address(value) if isinstance(value, str) else None
        except ValueError:
            return False
        return address is not None and address.version == network.version and address in network

    return _on_values(field, test)


def _exists(field: str, wanted: Any) -> Test:
    """Return the test whether a value is known (not null): our records always have all fields."""
    if not isinstance(wanted, bool):
        raise ValueError("'exists' is true or false")
    return lambda record: any(value is not None for value in values_of(record, field)) is wanted


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, not {value!r}; put it in quotes")
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_OPERATIONS: Mapping[str, Callable[[str, Any], Test]] = {
    "": _equals,
    "contains": _like(before=True, after=True),
    "startswith": _like(before=False, after=True),
    "endswith": _like(before=True, after=False),
    "gte": _compare(lambda value, bound: value >= bound),
    "gt": _compare(lambda value, bound: value > bound),
    "lte": _compare(lambda value, bound: value <= bound),
    "lt": _compare(lambda value, bound: value < bound),
    "cidr": _cidr,
    "exists": _exists,
}

#: All supported modifiers.
MODIFIERS: tuple[str, ...] = (*(name for name in _OPERATIONS if name), "all")


# --- conditions ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    offset: int


class _Condition:
    """A recursive-descent parser: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str, selections: Mapping[str, Test]) -> None:
        self._tokens = [_Token(found.group(), found.start()) for found in re.finditer(r"[()]|[^\s()]+", text)]
        self._end = len(text)
        self._position = 0
        self._selections = selections
        self.used: set[str] = set()

    def parse(self) -> Test:
        test = self._or(0)
        if self._position < len(self._tokens):
            token = self._tokens[self._position]
            hint = f" (write '{token.text.lower()}')" if token.text.lower() in ("and", "or", "not") else ""
            raise self._error(f"'{token.text}' is not expected here{hint}", token)
        return test

    def _or(self, depth: int) -> Test:
        parts = [self._and(depth)]
        while self._accept("or"):
            parts.append(self._and(depth))
        return _any(parts)

    def _and(self, depth: int) -> Test:
        parts = [self._not(depth)]
        while self._accept("and"):
            parts.append(self._not(depth))
        return _all(parts)

    def _not(self, depth: int) -> Test:
        if depth > MAX_DEPTH:
            raise DetectionError(f"nested deeper than {MAX_DEPTH}", ("condition",))
        if self._accept("not"):
            inner = self._not(depth + 1)
            return lambda record: not inner(record)
        if self._accept("("):
            inner = self._or(depth + 1)
            if not self._accept(")"):
                raise self._error("')' is missing", self._peek())
            return inner
        return self._term()

    def _term(self) -> Test:
        token = self._peek()
        if token is None or token.text in (")", "and", "or"):
            raise self._error("the name of a selection is missing", token)
        self._position += 1
        following = self._peek()
        if following is not None and following.text == "of":
            if token.text not in ("1", "any", "all"):
                raise self._error(f"'1 of', 'any of' or 'all of', not '{token.text} of'", token)
            self._position += 1
            return (_all if token.text == "all" else _any)(self._matching())
        if token.text not in self._selections:
            known = _did_you_mean(token.text, self._selections)
            raise self._error(f"there is no selection '{token.text}'{known}", token)
        self.used.add(token.text)
        return self._selections[token.text]

    def _matching(self) -> list[Test]:
        """Return the selections of `them` or `name_*`; names that begin with `_` match only such patterns."""
        token = self._peek()
        if token is None:
            raise self._error("after 'of' comes 'them' or a pattern such as filter_*", token)
        self._position += 1
        pattern = "*" if token.text == "them" else token.text
        names = [
            name
            for name in self._selections
            if fnmatchcase(name, pattern) and (pattern.startswith("_") or not name.startswith("_"))
        ]
        if not names:
            raise self._error(f"no selection is called '{token.text}'", token)
        self.used.update(names)
        return [self._selections[name] for name in names]

    def _accept(self, text: str) -> bool:
        token = self._peek()
        if token is None or token.text != text:
            return False
        self._position += 1
        return True

    def _peek(self) -> _Token | None:
        return self._tokens[self._position] if self._position < len(self._tokens) else None

    def _error(self, message: str, token: _Token | None) -> DetectionError:
        return DetectionError(message, ("condition",), offset=token.offset if token else self._end)


def _all(tests: Sequence[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: all(test(record) for test in tests)


def _any(tests: Sequence[Test]) -> Test:
    return tests[0] if len(tests) == 1 else lambda record: any(test(record) for test in tests)


def _did_you_mean(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, [word for word in known if word], n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
