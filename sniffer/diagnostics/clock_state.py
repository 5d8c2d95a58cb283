"""How right the clock of this machine can be: whether it is synchronised, and what it was set from at the start.

The kernel knows whether a time service keeps its clock (adjtimex(2): every NTP client but OpenNTPD tells it). Where
none does, a clock that runs on while the machine is off (a real-time clock, or that of the host of a virtual machine)
is off by its drift only. A board without one begins with the time at which it was switched off, or with that of its
newest file: such a time looks right, and may be wrong by days.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from sniffer.model.clock import SECOND

#: Of a clock that is not synchronised and runs on while the machine is off: 20 ppm for more than a year (ns).
DRIFT_NS = 900 * SECOND
#: Of a clock of which nothing is known: no time of day follows from it (ns).
UNKNOWN_NS = 86_400 * SECOND
#: What ends the doubt.
REMEDY = "start an NTP client"
#: What adjtimex returns where the clock is not synchronised.
_TIME_ERROR = 5
#: systemd-timesyncd makes this file when it has set the clock.
_SYNCHRONISED = Path("run/systemd/timesync/synchronized")
_REAL_TIME_CLOCK, _CPU = Path("sys/class/rtc/rtc0"), Path("proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class ClockState:
    """`synchronised` is None where the kernel does not answer; `kept` says that the clock ran on while the machine was
    off."""

    synchronised: bool | None
    kept: bool

    @property
    def doubt_ns(self) -> int:
        """By how much the clock may be off. Where the kernel does not answer, the clock is believed."""
        if self.synchronised is not False:
            return 0
        return DRIFT_NS if self.kept else UNKNOWN_NS


def read_clock_state(root: Path = Path("/")) -> ClockState:
    """Ask the kernel."""
    return ClockState(_synchronised(root), (root / _REAL_TIME_CLOCK).exists() or _is_guest(root))


def doubt(state: ClockState) -> str | None:
    """Say what follows for quiet hours; None where the clock is believed."""
    if not state.doubt_ns:
        return None
    if state.kept:
        return (
            f"the clock is not synchronised: within {DRIFT_NS // SECOND // 60} minutes of their begin and end, quiet "
            "hours accuse no device"
        )
    return (
        "the clock is not synchronised, and this machine has none that runs while it is off: until it is, quiet hours "
        "accuse no device, and uploads are judged by wake events alone"
    )


def _synchronised(root: Path) -> bool | None:
    buffer = ctypes.create_string_buffer(512)  # struct timex with modes 0: only asks
    result = ctypes.CDLL(None).adjtimex(buffer)
    if result < 0:
        return None
    return result != _TIME_ERROR or (root / _SYNCHRONISED).exists()


def _is_guest(root: Path) -> bool:
    """Whether this is a virtual machine, whose host gives it the time when it starts."""
    try:
        return any(" hypervisor" in line for line in (root / _CPU).read_text().splitlines() if "flags" in line)
    except OSError:
        return False
