"""Verdicts: uploads, wake events and losses in, verdicts with reasons out. No I/O.

`Judge` is the way in; `Reason` lists the reasons of a verdict. docs/judge.md describes
how a verdict is reached. The way of an upload::

    engine, queue       what arrives and what is due, in the order of its own time
    sources, coverage   which sources were up, when microphones were muted, what was lost
    wakelog             the wake events of the last day
    correlation         which event explains which upload (matching): directly, as follow-up, arbitration or call
    verdict             the policies, in their order; policy holds the rules of the house
    probability         how probable it is that nobody asked
    learning, offsets   what was learned of sources and devices, and what was known at each time
    outages             sources that are up and do not respond
    state               all of it, saved and read
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sniffer.judge.engine import Judge
    from sniffer.judge.reasons import KIND, Reason
    from sniffer.judge.sources import SourceQuality

__all__ = ["KIND", "Judge", "Reason", "SourceQuality"]

#: Imported at first use: reading a configuration needs the settings of this package only.
_HOME = {
    "Judge": "sniffer.judge.engine",
    "KIND": "sniffer.judge.reasons",
    "Reason": "sniffer.judge.reasons",
    "SourceQuality": "sniffer.judge.sources",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
