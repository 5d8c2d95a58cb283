"""Flows, runs, evidence, uploads: what could be somebody's voice, and why."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sniffer.detect.detector import Detector

__all__ = ["Detector"]

#: Imported at first use: reading a configuration needs the settings of this package only.
_HOME = {"Detector": "sniffer.detect.detector"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
