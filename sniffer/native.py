"""The compiled twins of hot loops in `capture`, `decode` and `detect`, where they were built (hatch_build.py)."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

#: What each compiled piece must call itself: an older one, left over from an update, is not used.
REVISIONS = {"capture": 2, "decode": 11, "detect": 3}


def load(stage: str) -> ModuleType | None:
    """Return the compiled module of a stage, or None where it is absent, of another revision, or switched off."""
    if os.environ.get("SNIFFER_PURE_PYTHON") == "1":
        return None
    try:
        module = importlib.import_module(f"sniffer.{stage}._native")
    except ImportError:
        return None
    return module if getattr(module, "REVISION", None) == REVISIONS[stage] else None


#: Each None where the pure Python twin is used.
CAPTURE = load("capture")
DECODE = load("decode")
DETECT = load("detect")
