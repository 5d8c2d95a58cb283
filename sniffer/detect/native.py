"""The compiled twin of this stage's hot loop, where it was built (hatch_build.py)."""

from __future__ import annotations

import importlib
import os
from types import ModuleType

#: What the compiled piece must call itself: an older one, left over from an update, is not used.
REVISION = 2


def load() -> ModuleType | None:
    """The compiled module, or None where it is absent, of another revision, or not wanted."""
    if os.environ.get("SNIFFER_PURE_PYTHON") == "1":
        return None
    try:
        module = importlib.import_module("sniffer.detect._native")
    except ImportError:
        return None
    return module if getattr(module, "REVISION", None) == REVISION else None


NATIVE = load()
