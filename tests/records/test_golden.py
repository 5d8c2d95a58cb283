"""The records of the named captures, in full: whatever changes them is seen here."""

import pytest

from tests.captures.golden import GOLDEN, NAMES, golden, text_of


@pytest.mark.parametrize("name", NAMES)
def test_the_records_of_a_capture_are_as_they_were(name: str) -> None:
    kept = (GOLDEN / f"{name}.json").read_text(encoding="utf-8")
    assert text_of(golden(name)) == kept, "if this is meant: python -m tests.captures.golden"


def test_there_is_no_golden_record_of_a_capture_that_is_gone() -> None:
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(NAMES)
