"""Reads the fitted numbers from `rules/detect/evidence.yml`."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

from sniffer.detect.scoring.evidence import ITEMS, Weights
from sniffer.errors import RuleError
from sniffer.settings.yaml import built, read_text


def load_weights(path: Path) -> Weights:
    """The weights in a file; a folder means its `evidence.yml`. Raises RuleError."""
    if path.is_dir():
        path = path / "evidence.yml"
    return built(read_text(path, RuleError), path, RuleError, lambda document, _: _checked(document, path))


def _checked(document: Any, path: Path) -> Weights:
    if not isinstance(document, dict) or not isinstance(document.get("curves"), dict):
        raise RuleError("needs the keys 'intercept' and 'curves'", file=path)
    intercept: Any = document.get("intercept")
    if not _is_number(intercept):
        raise RuleError("'intercept' is not a number", file=path)
    known = {item.name for item in ITEMS}
    for name, points in document["curves"].items():
        if name not in known:
            raise RuleError(f"unknown evidence '{name}'", file=path)
        if not _is_curve(points):
            raise RuleError(f"'{name}' is not a list of points [number, log-odds] in order of the number", file=path)
    curves = {name: tuple((float(x), float(y)) for x, y in points) for name, points in document["curves"].items()}
    return Weights(float(intercept), curves, str(document.get("fitted", "")))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_curve(points: Any) -> bool:
    if not isinstance(points, list) or len(points) < 2:
        return False
    if not all(isinstance(point, list) and len(point) == 2 and all(map(_is_number, point)) for point in points):
        return False
    return all(one[0] < other[0] for one, other in pairwise(points))
