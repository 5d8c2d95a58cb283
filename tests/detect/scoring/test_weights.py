"""A file of curves that is wrong is told with what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.detect.scoring.weights import load_weights
from sniffer.errors import RuleError


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- 1", "needs the keys"),
        ("intercept: 1\nweights: {pace: 1}", "needs the keys"),
        ("intercept: true\ncurves: {}", "'intercept' is not a number"),
        ("intercept: .nan\ncurves: {}", "'intercept' is not a number"),
        ("intercept: 1\ncurves: {pase: [[0, 0], [1, 1]]}", "unknown evidence 'pase'"),
        ("intercept: 1\ncurves: {pace: 3}", "'pace' is not a list of points"),
        ("intercept: 1\ncurves: {pace: [[0, 0]]}", "'pace' is not a list of points"),
        ("intercept: 1\ncurves: {pace: [[0, 0], [0, 1]]}", "'pace' is not a list of points"),
        ("intercept: 1\ncurves: {pace: [[0, 0], [1, x]]}", "'pace' is not a list of points"),
        ("intercept: 1\ncurves: {pace: [[0, 0], [1, .inf]]}", "'pace' is not a list of points"),
        ("intercept: [", "expected the node content"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "evidence.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RuleError, match=r"evidence\.yml") as error:
        load_weights(tmp_path)
    assert told in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="cannot be read"):
        load_weights(tmp_path / "no.yml")


def test_points_are_numbers(tmp_path: Path) -> None:
    path = tmp_path / "evidence.yml"
    path.write_text("fitted: here\nintercept: -5\ncurves: {pace: [[0, 0], [1, 2]]}", encoding="utf-8")
    weights = load_weights(path)
    assert (weights.intercept, weights.curves, weights.provenance) == (-5.0, {"pace": ((0.0, 0.0), (1.0, 2.0))}, "here")
