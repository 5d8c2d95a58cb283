"""Clocks that were set while capturing: noticed, reported, and nobody is accused beside them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sniffer.diagnostics.clock_steps import ClockSteps
from sniffer.testing import pcap_bytes, pcapng_bytes
from tests.captures.make import MAC
from tests.cli.test_analyze import Call, call
from tests.cli.test_unreadable import frames

__all__ = ["call"]

SECOND = 1_000_000_000


def steps(seconds: list[float], size: int = 97) -> list[float]:
    found = ClockSteps()
    times = np.array([round(moment * SECOND) for moment in seconds], dtype=np.int64)
    for first in range(0, len(times), size):
        found.add(times[first : first + size])
    found.finish()
    return [round((step.after_ns - step.before_ns) / SECOND) for step in found.steps]


def test_times_that_go_back_and_stay_back() -> None:
    assert steps([1000 + n / 10 for n in range(900)] + [500 + n / 10 for n in range(900)]) == [-590]
    assert steps([1000 + n / 10 for n in range(900)] + [1020 + n / 10 for n in range(20)]) == [-70]


def test_a_clock_that_was_not_set_at_first() -> None:
    assert steps([n / 10 for n in range(1, 50)] + [1.7e9 + n / 10 for n in range(50)]) == [1_699_999_995]


@pytest.mark.parametrize("size", [1, 64, 5_000])
def test_jitter_quiet_hours_and_swapped_blocks_are_no_steps(size: int) -> None:
    random = np.random.default_rng(3)
    assert steps((1000 + np.arange(2000) / 50 + random.random(2000) * 0.08).tolist(), size) == []
    assert steps([1000, 1001, 9000, 9001, 50_000], size) == []
    blocks = [np.arange(start, start + 64) / 5 for start in (64, 0, 192, 128, 320, 256, 384)]
    assert steps((1000 + np.concatenate(blocks)).tolist(), size) == []


@pytest.mark.parametrize("step", [7_200 * SECOND, -10_800 * SECOND, 1_700_000_000 * SECOND])
def test_nobody_is_accused_beside_a_step(call: Call, tmp_path: Path, step: int) -> None:
    whole = frames()
    border = whole[0].time_ns + 1_200_000_000
    path, wake = tmp_path / "set.pcap", tmp_path / "wake.jsonl"
    moved = [frame._replace(time_ns=frame.time_ns + (step if frame.time_ns > border else 0)) for frame in whole]
    path.write_bytes(pcap_bytes(moved))
    up = {"timestamp": 1, "kind": "source_up", "source": "ear", "miss_rate": 0.001}
    wake.write_text(json.dumps({**up, "timestamp": max(1, moved[0].time_ns // SECOND - 90_000)}) + "\n")
    status, out, err = call("analyze", path, "--wake", wake, "--device", f"{MAC}=kitchen", "--format", "jsonl")
    assert status == 0
    assert "the capturing clock was set" in err
    assert "unexpected" not in {json.loads(line)["verdict"] for line in out.splitlines()}


@pytest.mark.parametrize("start", [1, 946_684_800, 2**31, 2**32 - 600, 9_223_372_000])
def test_nobody_is_accused_by_a_clock_that_was_never_right(call: Call, tmp_path: Path, start: int) -> None:
    whole = frames()
    path, wake = tmp_path / "wrong.pcap", tmp_path / "wake.jsonl"
    moved = [frame._replace(time_ns=frame.time_ns - whole[0].time_ns + start * SECOND) for frame in whole]
    path.write_bytes(pcapng_bytes(moved))
    wake.write_text(json.dumps({"timestamp": 1, "kind": "source_up", "source": "ear", "miss_rate": 0.001}) + "\n")
    status, out, err = call("analyze", path, "--wake", wake, "--device", f"{MAC}=kitchen", "--format", "jsonl")
    assert status == 0
    assert "dated before 2010 or in the future" in err
    verdicts = {json.loads(line)["verdict"] for line in out.splitlines()}
    assert "inconclusive" in verdicts
    assert "unexpected" not in verdicts


@pytest.mark.parametrize("distance", [600, 3_600, 86_000])
def test_times_that_jump_to_and_fro_accuse_nobody(call: Call, tmp_path: Path, distance: int) -> None:
    path, wake = tmp_path / "jumps.pcap", tmp_path / "wake.jsonl"
    moved = [
        frame._replace(time_ns=frame.time_ns + (distance * SECOND if number % 2 else 0))
        for number, frame in enumerate(frames())
    ]
    path.write_bytes(pcap_bytes(moved))
    up = {"kind": "source_up", "source": "ear", "miss_rate": 0.001}
    wake.write_text(json.dumps({**up, "timestamp": moved[0].time_ns // SECOND - 90_000}) + "\n")
    status, out, err = call("analyze", path, "--wake", wake, "--device", f"{MAC}=kitchen", "--format", "jsonl")
    assert status == 0
    assert "the times jump back and forth between" in err
    assert err.count("clock was set") == 0
    assert '"unexpected"' not in out


def test_times_without_fractions_are_named_as_the_cause_of_finding_nothing(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "seconds.pcap"
    path.write_bytes(pcap_bytes([frame._replace(time_ns=frame.time_ns // SECOND * SECOND) for frame in frames()]))
    status, _, err = call("analyze", path, "--device", f"{MAC}=kitchen")
    assert status == 0
    assert "the times of all packets are whole seconds: uploads cannot be found without the fractions" in err
