"""Several processes give what one gives, in the same order."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.app.parallel import in_order
from sniffer.cli.analyze import command
from sniffer.errors import SnifferError


def _slow_first(number: int) -> int:
    time.sleep(0.05 if number == 0 else 0)
    return number * number


def _dies(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


@pytest.mark.parametrize("jobs", [1, 2, 7])
def test_results_come_in_the_order_of_the_items(jobs: int) -> None:
    assert list(in_order(_slow_first, range(20), jobs)) == [number * number for number in range(20)]


def test_nothing_to_do() -> None:
    assert list(in_order(_slow_first, [], 4)) == []


def test_a_process_that_dies_is_told_and_not_waited_for() -> None:
    with pytest.raises(SnifferError, match="a process ended before its work was done"):
        list(in_order(_dies, range(10), 2))


def test_analyze_says_the_same_with_several_jobs(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "captures"
    for name in ("speech_asked", "music", "metrics_flush"):
        (tmp_path / f"{name}.pcap").write_bytes((folder / f"{name}.pcap").read_bytes())
    (tmp_path / "bad.pcap").write_bytes(b"no capture at all")
    runs = [
        CliRunner().invoke(
            command,
            [str(tmp_path), "--device", "02:00:00:00:00:0a=kitchen", "--format", "jsonl", "--all", "-j", str(jobs)],
            standalone_mode=False,
        )
        for jobs in (1, 3)
    ]
    assert runs[0].return_value == 0
    assert runs[0].output == runs[1].output
    assert "is not a capture" in runs[0].output
    assert '"class": "speech"' in runs[0].output
