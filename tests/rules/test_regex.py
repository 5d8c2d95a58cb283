"""Our regular expressions say what `re` says, and cannot be made slow."""

import re
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sniffer.rules.regex import MAX_STEPS, MAX_TEXT, search_test

ATOMS = st.sampled_from(
    [
        "a",
        "b",
        "A",
        ".",
        r"\.",
        "[ab]",
        "[^a]",
        "[a-c_]",
        r"\d",
        r"\D",
        r"\w",
        r"[\W\d]",
        r"\s",
        "^",
        "$",
        r"\b",
        r"\B",
        r"\Z",
    ]
)
REPEATS = st.sampled_from(["*", "+", "?", "*?", "{2}", "{1,3}", "{0,2}", "{2,}"])


def repeated(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds("(?:{}){}".format, inner, REPEATS)


PATTERNS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}|)".format, inner),
        repeated(inner),
    ),
    max_leaves=8,
)
TEXTS = st.text(alphabet="abcAB1_. \n\u00e9", max_size=10)


@settings(max_examples=600, deadline=None)
@given(pattern=PATTERNS, flag=st.sampled_from(["", "(?i)"]), texts=st.lists(TEXTS, min_size=1, max_size=4))
def test_it_says_what_re_says(pattern: str, flag: str, texts: list[str]) -> None:
    try:
        expected = re.compile(flag + pattern)
        test = search_test(flag + pattern)
    except (re.error, ValueError):
        assume(False)
    for text in texts:
        if text == "" and r"\B" in pattern:
            continue  # Python itself changed its mind in 3.14: there \B matches the empty text, as it does here
        assert test(text) is (expected.search(text) is not None), (flag + pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        (r"^avs-alexa-\d{1,2}-(na|eu|fe)\.amazon\.com$", "avs-alexa-4-na.amazon.com", True),
        (r"^avs-alexa-\d{1,2}-(na|eu|fe)\.amazon\.com$", "avs-alexa-4-us.amazon.com", False),
        (r"^(foo|bar)+$", "foobarfoo", True),
        ("Kitchen", "kitchen", False),
        ("(?i)Kitchen", "kitchen", True),
        ("", "", True),
        ("a{3}", "aa", False),
    ],
)
def test_a_pattern_is_found(pattern: str, text: str, expected: bool) -> None:
    assert search_test(pattern)(text) is expected


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a?)+b",
        "(?:(?:(?:a?){0,8})?){0,8}$",
        "(a*)*(a*)*(a*)*b",
        "(?:.{1,9}){8}c",
        "(a|aa)*b",
        "(.*)*(.*)*x",
    ],
)
def test_what_takes_re_for_ever_takes_no_time(pattern: str) -> None:
    test = search_test(pattern)
    began = time.process_time()
    test("a" * 100_000)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression"),
        ("a" * 300, "longer than"),
        (r"(a)\1", "not supported"),
        ("(?=a)b", "not supported"),
        ("(?<!a)b", "not supported"),
        ("a*+b", "not supported"),
        ("(?i:a)b", "flags for a part"),
        ("(?m)^a", r"only \(\?i\)"),
        ("(?:a{50}){50}", f"more than {MAX_STEPS}"),
        ("a{99999}", f"more than {MAX_STEPS}"),
        ("(?:(?:a{9}){9}){9}{9}", "not a regular expression"),
    ],
)
def test_what_is_not_supported_says_so(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search_test(pattern)


@pytest.mark.parametrize("pattern", ["(?:){4000000000}", "(?:a{0}){4000000000}", "(?:(?:){4000000000}b?){2}", "(?:)*"])
def test_nothing_repeated_is_nothing(pattern: str) -> None:
    assert search_test(pattern)("x")


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    assert search_test("b$")("a" * (MAX_TEXT - 1) + "b" + "c" * 1000)
    assert not search_test("c")("a" * MAX_TEXT + "c")
