"""Patterns: the same as a regular expression says."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sniffer.identify.globs import Glob, GlobTable


@pytest.mark.parametrize(
    ("pattern", "text", "captured"),
    [
        ("ntp-g7g.amazon.com", "NTP-g7g.amazon.com", ""),
        ("*.ring.com", "es.ring.com", "es"),
        ("*.ring.com", "ring.com", None),
        ("avs-alexa-*.amazon.com", "avs-alexa-4-na.amazon.com", "4-na"),
        ("*(ZPS3)*", "Linux Sonos/1 (ZPS3)", "Linux Sonos/1 "),
        ("a*a", "a", None),
        ("*", "", ""),
        ("_googlecast._tcp:md=*", "_googlecast._tcp:md=Nest Mini", "Nest Mini"),
    ],
)
def test_what_fits(pattern: str, text: str, captured: str | None) -> None:
    assert Glob(pattern).match(text) == captured


@given(st.text("ab*.", max_size=8), st.text("ab.", max_size=10))
def test_as_a_regular_expression(pattern: str, text: str) -> None:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert (Glob(pattern).match(text) is not None) == bool(re.fullmatch(expression, text, re.DOTALL))


@given(st.lists(st.text("aB*.é", max_size=6), max_size=12), st.text("aBb.éİ", max_size=10))
def test_a_table_finds_what_each_pattern_finds(patterns: list[str], text: str) -> None:
    entries = [(Glob(f"*{pattern}"), number) for number, pattern in enumerate(patterns)]
    entries += [(Glob(f"{pattern}*"), -number) for number, pattern in enumerate(patterns)]
    expected = [(entry, glob.match(text)) for glob, entry in entries if glob.match(text) is not None]
    assert list(GlobTable(entries).fitting(text)) == expected
