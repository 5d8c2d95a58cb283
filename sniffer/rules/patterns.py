"""Wildcards of rules. Host names come from the network, so that no name may make a rule slow: at worst the time grows
with the length of the name times the length of the pattern."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Token = str | None
#: One character, and any number of characters, in a list of wildcard tokens.
ONE: Token = ""
MANY: Token = None

TextTest = Callable[[str], bool]


def wildcard_tokens(text: str) -> list[Token]:
    r"""Return the tokens of Sigma's spelling: `*` any text, `?` one character; `\*`, `\?`, `\\` the characters."""
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
    """Return the test whether a text matches, whatever its case. It goes back to the last `*` only, which suffices."""
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
