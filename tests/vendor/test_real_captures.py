"""Exports beside the uploads of real captures, and a million rows."""

import json
import random
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sniffer.model.clock import SECOND, parse_timestamp
from tests.vendor.writing import START, Said, first_generation, household, save_json, save_log, second_generation, times

pytestmark = pytest.mark.slow


def sniffer(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "sniffer", *map(str, words)], capture_output=True, text=True, timeout=590, check=True
    )
    return done.stdout


@pytest.fixture(scope="module")
def log(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("real") / "found.jsonl"
    folders = [shared_data / "cic" / name for name in ("echodot", "echospot")]
    path.write_text(sniffer("analyze", *folders, "--format", "jsonl"))
    return path


@pytest.mark.parametrize("generation", [first_generation, second_generation], ids=["first", "second"])
@pytest.mark.parametrize("offset", [0.0, 1.5, -47.0])
def test_real_uploads_beside_an_export(generation: Any, offset: float, log: Path, tmp_path: Path) -> None:
    chance = random.Random(round(offset))
    records = [json.loads(line) for line in log.read_text().splitlines()]
    uploads = [r for r in records if r["event_type"] == "upload" and r["upload"]["class"] == "speech"]
    assert len(uploads) >= 12
    of_device: dict[str, list[dict[str, Any]]] = {}
    for record in uploads:
        of_device.setdefault(record["device"]["name"], []).append(record)
    removed = {records[1]["id"] for records in of_device.values() if len(records) >= 5}
    said = [
        Said((parse_timestamp(r["timestamp"]) - START) / SECOND + offset + chance.uniform(0.5, 1.5),
             device=r["device"]["name"], serial=f"G0{r['device']['name']}")
        for r in uploads if r["id"] not in removed
    ]  # fmt: skip
    export = save_json(tmp_path / "a.json", generation(sorted(said, key=lambda one: -one.at)))
    lines = [json.loads(line) for line in sniffer("reconcile", export, "--log", log, "--format", "jsonl").splitlines()]
    by_category = {name: {line["upload"]["id"] for line in lines[1:] if line["category"] == name and line["upload"]}
                   for name in ("both", "not_in_record")}  # fmt: skip
    assert by_category["not_in_record"] == removed
    # Where no row names the device, three times must agree before it is taken for one.
    enough = {record["id"] for records in of_device.values() if len(records) >= 3 for record in records}
    assert by_category["both"] & enough == enough - removed


def test_a_million_rows_take_bounded_memory(tmp_path: Path) -> None:
    at = times(400, apart=60_000)
    log = save_log(tmp_path / "found.jsonl", household(at))
    chance = random.Random(1)
    with (tmp_path / "own.csv").open("w") as file:
        file.write("time,device,what\n")
        for time in at:
            file.write(f"{Said(time + 1).moment():%Y-%m-%dT%H:%M:%S}Z,Kitchen Echo,request\n")
        for _ in range(1_000_000):
            moment = datetime.fromtimestamp(START / SECOND + chance.uniform(0, at[-1]), UTC)
            file.write(f"{moment.isoformat()},Echo {chance.randrange(20)},request\n")
    # The peak that the kernel reports of a child includes what the test process had when it forked.
    say_peak = "atexit.register(lambda: print(pathlib.Path('/proc/self/status').read_text()))"
    code = f"import atexit, pathlib, runpy; {say_peak}; runpy.run_module('sniffer', run_name='__main__')"
    command = [sys.executable, "-c", code, "reconcile", str(tmp_path / "own.csv"), "--log", str(log)]
    out = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    assert "400 uploads shaped like speech" in out
    assert "1,000,400 rows" in out
    assert re.search(r"In both +400  100", out)
    (peak_kb,) = re.findall(r"VmHWM:\s+(\d+) kB", out)
    assert int(peak_kb) < 500_000
