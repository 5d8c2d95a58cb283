"""Wildcards against an independent matcher."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.rules.patterns import wildcard_test, wildcard_tokens

TEXT = st.text(alphabet="abAB.", max_size=12)
WILD = st.text(alphabet="abA.*?", max_size=8)


@given(WILD, TEXT)
def test_wildcards_agree_with_the_standard_library(pattern: str, text: str) -> None:
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    expected = re.fullmatch(expression, text, re.IGNORECASE) is not None
    assert wildcard_test(wildcard_tokens(pattern))(text) is expected


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        (r"a\?b", "a?b", True),
        (r"a\\*", "a\\anything", True),
        (r"C:\dir", "c:\\DIR", True),
        ("", "", True),
        ("", "x", False),
        ("*", "", True),
    ],
)
def test_a_backslash_takes_the_meaning_from_a_wildcard(pattern: str, text: str, expected: bool) -> None:
    assert wildcard_test(wildcard_tokens(pattern))(text) is expected


def test_many_wildcards_stay_fast() -> None:
    test = wildcard_test(wildcard_tokens("*a" * 50 + "b"))
    began = time.perf_counter()
    assert not test("a" * 2000)
    assert time.perf_counter() - began < 1
