"""What is known of the clock of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from sniffer.diagnostics.clock_state import DRIFT_NS, UNKNOWN_NS, ClockState, doubt, read_clock_state


@pytest.mark.parametrize(
    ("synchronised", "kept", "doubt_ns", "said"),
    [
        (True, False, 0, ""),
        (None, False, 0, ""),  # a router or container that does not let its clock be asked: it is believed
        (False, True, DRIFT_NS, "within 15 minutes of their begin and end, quiet hours accuse no device"),
        (False, False, UNKNOWN_NS, "until it is, quiet hours accuse no device"),
    ],
)
def test_what_follows_from_it(synchronised: bool | None, kept: bool, doubt_ns: int, said: str) -> None:
    state = ClockState(synchronised, kept)
    assert state.doubt_ns == doubt_ns
    text = doubt(state)
    assert (text is None) == (said == "")
    assert said in (text or "")


def test_it_is_read_from_the_kernel_and_from_files(tmp_path: Path) -> None:
    bare = read_clock_state(tmp_path)
    assert not bare.kept
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("flags\t\t: fpu vme hypervisor lahf_lm\n")
    assert read_clock_state(tmp_path).kept
    (tmp_path / "proc/cpuinfo").write_text("Features : half thumb\n")
    assert not read_clock_state(tmp_path).kept
    (tmp_path / "sys/class/rtc/rtc0").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync").mkdir(parents=True)
    (tmp_path / "run/systemd/timesync/synchronized").touch()
    state = read_clock_state(tmp_path)
    assert state.kept
    assert state.synchronised is not False
