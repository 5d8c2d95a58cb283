"""docs/judge.md names every policy and every reason."""

from pathlib import Path

from sniffer.judge import KIND
from sniffer.judge.settings import ExplanationConfidence
from sniffer.judge.verdict import POLICIES

DOCS = (Path(__file__).parents[2] / "docs" / "judge.md").read_text(encoding="utf-8")


def test_policies_are_listed_in_their_order() -> None:
    rows = [line.split("`")[1] for line in DOCS.splitlines() if line.startswith("| `") and line.count("|") == 5]
    assert [name for name in rows if name in {policy.__name__ for policy in POLICIES}] == [
        policy.__name__ for policy in POLICIES
    ]


def test_every_reason_stands_beside_its_verdict() -> None:
    for reason, kind in KIND.items():
        if kind is not None:
            row = next(line for line in DOCS.splitlines() if line.startswith(f"| `{kind}` | `"))
            assert f"`{reason}`" in row, reason


def test_every_confidence_that_is_set_is_listed_with_its_value() -> None:
    for name, value in ExplanationConfidence():
        row = next(
            line for line in DOCS.splitlines() if line.startswith("| ") and f"`{name}`" in line and " | 0." in line
        )
        assert f"| {value:g} |" in row, name
