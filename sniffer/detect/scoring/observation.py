"""What is observed of one run: its shape, where it went, what came back, and what is known of its device."""

from __future__ import annotations

from dataclasses import dataclass

from sniffer.detect.features.pacing import Shape
from sniffer.detect.profiles.profile import DeviceProfile
from sniffer.model import Service

#: Seconds of the paced part from which on it says how fast a run goes on.
LEAST_PACE_S = 0.2
#: `Observation.pieces` of a run in which this device speaks as before.
OWN_PIECES = 0.5


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything that may be said of one run."""

    shape: Shape
    service: Service
    datagrams: bool
    opened_before: float | None  # seconds from the opening of the connection to the start of the run, where seen
    down_body: int  # bytes that came back during the body
    down_after: int  # ... and after it
    down_total: int = 0
    opening: int | None = None  # bytes of the half second with which the run opened; None where that was not seen
    repeats: int = 0  # segments that were repeated during the body
    server: str = ""  # whom it went to: a name, or an address and port
    profile: DeviceProfile | None = None
    pieces: float | None = None  # `DeviceProfile.pieces`
    final: bool = True
    silent: bool = False  # the other side was seen to take what was sent, and sent nothing back so far
    lines: bool = True  # whether what is known of the line counts


def opens(seen: Observation) -> bool:
    """The connection had just been opened."""
    return seen.opened_before is not None and seen.opened_before <= 2


def beyond_pace(seen: Observation) -> float | None:
    """The bytes with which a run opened beyond what its pace and one write, which fits by chance, bring; None if not
    known."""
    shape = seen.shape
    if seen.opening is None or shape.body < LEAST_PACE_S or shape.rate <= 0:
        return None
    return seen.opening - shape.rate / max(shape.writes_per_second, 1.0) - 0.5 * shape.rate


def opening_ratio(seen: Observation) -> float | None:
    """How many times faster than its pace a run opened, without one write, which fits by chance; None if not known."""
    shape = seen.shape
    if seen.opening is None or shape.body < LEAST_PACE_S or shape.rate <= 0:
        return None
    one_write = shape.rate / max(shape.writes_per_second, 1.0)
    return max(0.0, seen.opening - one_write) / (0.5 * shape.rate)
