"""Reads the fitted numbers from `rules/detect/evidence.yml`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from sniffer.detect.evidence import ITEMS, Weights
from sniffer.errors import RuleError


def load_weights(path: Path) -> Weights:
    """The weights in a file; a folder means its `evidence.yml`. Raises RuleError."""
    if path.is_dir():
        path = path / "evidence.yml"
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RuleError(f"cannot be read: {error}", file=path) from None
    except yaml.YAMLError as error:
        raise RuleError(f"not YAML: {' '.join(str(error).split())}", file=path) from None
    return _checked(document, path)


def _checked(document: Any, path: Path) -> Weights:
    if not isinstance(document, dict) or not isinstance(document.get("weights"), dict):
        raise RuleError("needs the keys 'intercept' and 'weights'", file=path)
    known = {item.name for item in ITEMS}
    numbers = {"intercept": document.get("intercept"), **document["weights"]}
    for name, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise RuleError(f"'{name}' is not a number", file=path)
        if name != "intercept" and name not in known:
            raise RuleError(f"unknown evidence '{name}'", file=path)
    return Weights(
        float(numbers.pop("intercept")), {n: float(v) for n, v in numbers.items()}, str(document.get("fitted", ""))
    )
