"""Wildcards against an independent matcher, and regular expressions that would take for ever."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.judge.patterns import regex_test, wildcard_test, wildcard_tokens

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


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*b",
        "((a{2,})+)+",
        "(a|ab)*c",
        "(a|a?)+b",
        "(?:x+x+)+y",
        r"(a)\1",
        "a*b*c*d*",
        "(",
        "a" * 300,
    ],
)
def test_what_could_run_away_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError):
        regex_test(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^avs-alexa-\d{1,2}-(na|eu|fe)\.amazon\.com$", "avs-alexa-4-na.amazon.com", True),
        (r"^(foo|bar)+$", "foobarfoo", True),
        (r"^[a-z]+\.[a-z]+\.", "one.two.three", True),
        ("Kitchen", "kitchen", False),
        ("(?i)Kitchen", "kitchen", True),
        ("(?=.*chen)kit", "kitchen", True),
    ],
)
def test_what_is_harmless_works(pattern: str, text: str, expected: bool) -> None:
    assert regex_test(pattern)(text) is expected


def test_the_worst_that_is_allowed_ends() -> None:
    test = regex_test("[a-z]+[a-z]+[a-z]+1")
    began = time.process_time()
    assert not test("a" * 10_000)
    assert time.process_time() - began < 20
