"""Who is a speaker, and which service is it talking to. Facts in, devices and names out; no I/O but the rule loader
at the edge."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sniffer.identify.identifier import Identifier

__all__ = ["Identifier"]

#: Imported at first use: reading a configuration needs the settings of this package only.
_HOME = {"Identifier": "sniffer.identify.identifier"}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
