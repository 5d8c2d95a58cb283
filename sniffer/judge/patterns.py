"""Text patterns of rules: wildcards that match in linear time, and regular expressions that cannot run away.

Host names come from strangers, so a rule must not become slow because somebody chose a name for it. Wildcards are
matched by hand, without backtracking. Regular expressions are searched in the first `MAX_TEXT` characters only, and a
pattern in which one repetition stands inside another, or which goes back to what it matched, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from re import _constants, _parser  # type: ignore[attr-defined]  # the parser of `re`: there is no public one
from typing import Any

#: A regular expression sees no more of a value than this. A host name has 253 characters at most.
MAX_TEXT = 256
MAX_PATTERN = 256
#: Repetitions in one pattern that may each match a long stretch: with n of them a search takes up to
#: MAX_TEXT^(n+1) steps.
MAX_REPETITIONS = 3
#: A repetition of at most so many is no repetition in this sense: `[0-9]{1,3}`.
_SHORT = 8

Token = str | None
#: One character, and any number of characters, in a list of wildcard tokens.
ONE: Token = ""
MANY: Token = None

TextTest = Callable[[str], bool]


def wildcard_tokens(text: str) -> list[Token]:
    r"""Sigma's spelling: `*` is any text, `?` one character; `\*`, `\?` and `\\` are the characters themselves."""
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char == "\\" and text[position + 1 : position + 2] in ("*", "?", "\\"):
            position += 1
            tokens.append(text[position].lower())
        else:
            tokens.append(MANY if char == "*" else ONE if char == "?" else char.lower())
        position += 1
    return tokens


def wildcard_test(tokens: Sequence[Token]) -> TextTest:
    """Does a text match, whatever its case? Goes back to the last `*` only, which is enough."""
    if all(tokens):
        literal = "".join(token for token in tokens if token)
        return lambda text: text.lower() == literal

    def test(text: str) -> bool:
        text = text.lower()
        at, position, star, resume = 0, 0, -1, 0
        while at < len(text):
            if position < len(tokens) and tokens[position] is MANY:
                star, resume = position, at
                position += 1
            elif position < len(tokens) and tokens[position] in (ONE, text[at]):
                at, position = at + 1, position + 1
            elif star >= 0:
                resume += 1
                at, position = resume, star + 1
            else:
                return False
        return all(token is MANY for token in tokens[position:])

    return test


def regex_test(pattern: str) -> TextTest:
    """Is a pattern found in a text? Case matters, as Sigma says. Raises ValueError with the reason for a refusal."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
        tree = _parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if _repetitions(tree, inside=False) > MAX_REPETITIONS:
        raise ValueError(
            f"more than {MAX_REPETITIONS} open repetitions (*, +): a stranger's host name could slow it down"
        )
    return lambda text: compiled.search(text[:MAX_TEXT]) is not None


def _repetitions(items: Iterable[Any], *, inside: bool) -> int:
    """How many long repetitions there are. Raises ValueError where one stands inside another, or might as well."""
    count = 0
    for operation, argument in items:
        if operation in (_constants.GROUPREF, _constants.GROUPREF_EXISTS):
            raise ValueError("references to a group (\\1) are not supported")
        if operation in (_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT):
            low, high, body = argument
            long = high > _SHORT and high != low
            if long and inside:
                raise ValueError("a repetition inside a repetition, such as (a+)+: it can take forever")
            count += long + _repetitions(body, inside=inside or high > _SHORT)
        elif operation is _constants.BRANCH:
            branches = argument[1]
            if inside and not _start_differently(branches):
                raise ValueError("repeated alternatives that begin alike, such as (a|ab)*: it can take forever")
            count += sum(_repetitions(branch, inside=inside) for branch in branches)
        else:
            count += sum(_repetitions(part, inside=inside) for part in _parts(argument))
    return count


def _parts(argument: Any) -> list[Any]:
    """The patterns inside a group, an atomic group or a look-around."""
    if isinstance(argument, _parser.SubPattern):
        return [argument]
    return [part for part in argument if isinstance(part, _parser.SubPattern)] if isinstance(argument, tuple) else []


def _start_differently(branches: Sequence[Any]) -> bool:
    firsts = [branch[0] if len(branch) else None for branch in branches]
    literals = [first[1] for first in firsts if first is not None and first[0] is _constants.LITERAL]
    return len(literals) == len(branches) == len(set(literals))
