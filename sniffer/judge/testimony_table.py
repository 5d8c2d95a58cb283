"""Reads the fitted numbers from `rules/judge/testimony.yml`."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from sniffer.errors import RuleError
from sniffer.judge.testimony import Curve, Row, Table
from sniffer.settings.yaml import built, read_text

#: No single number weighs more than this (log-odds): e to the 12 is 160 000 to one.
MOST_LOG_ODDS = 12.0


def load_table(path: Path) -> Table:
    """Return the table in a file; a folder means its `testimony.yml`. Raises RuleError."""
    if path.is_dir():
        path = path / "testimony.yml"
    return built(read_text(path, RuleError), path, RuleError, lambda document, _: _table(document, path))


def _table(document: Any, path: Path) -> Table:
    if not isinstance(document, dict) or not isinstance(document.get("rows"), list) or not document["rows"]:
        raise RuleError("needs the keys 'unheard' and 'rows'", file=path)
    unheard: Any = document.get("unheard")
    if not _is_number(unheard) or not 0.0 < unheard < 1.0:
        raise RuleError("'unheard' is not a number between 0 and 1", file=path)
    rows = tuple(_row(row, number, path) for number, row in enumerate(document["rows"], 1))
    if any((one.voice, one.snr_db) >= (other.voice, other.snr_db) for one, other in pairwise(rows)):
        raise RuleError("'rows' are not in order of 'voice', then 'snr_db'", file=path)
    return Table(float(unheard), rows, str(document.get("fitted", "")))


def _row(row: Any, number: int, path: Path) -> Row:
    if not isinstance(row, dict) or set(row) != {"voice", "snr_db", "room", "score"}:
        raise RuleError(f"row {number} needs exactly the keys voice, snr_db, room and score", file=path)
    numbers = [row["voice"], row["snr_db"], row["room"]]
    if not all(map(_is_number, numbers)) or abs(row["room"]) > MOST_LOG_ODDS:
        raise RuleError(f"row {number}: voice, snr_db and room are not numbers in their range", file=path)
    return Row(float(row["voice"]), float(row["snr_db"]), float(row["room"]), _curve(row["score"], number, path))


def _curve(points: Any, number: int, path: Path) -> Curve:
    """A higher score never speaks less for a request: a table that says so was not fitted by us."""
    shaped = isinstance(points, list) and len(points) >= 2
    if not shaped or not all(isinstance(p, list) and len(p) == 2 and all(map(_is_number, p)) for p in points):
        raise RuleError(f"row {number}: score is not a list of points [score, log-odds]", file=path)
    rising = all(one[0] < other[0] and one[1] <= other[1] for one, other in pairwise(points))
    if not rising or any(abs(y) > MOST_LOG_ODDS for _, y in points):
        raise RuleError(f"row {number}: the points of score do not rise, or are out of range", file=path)
    return tuple((float(x), float(y)) for x, y in points)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
