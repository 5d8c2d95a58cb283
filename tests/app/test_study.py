"""Many captures: the same results by one process, by several and by a cluster, each once, and none again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

from sniffer.app.study import Item, shard
from sniffer.cli.main import main
from sniffer.demo import CAPTURE
from sniffer.testing import House

SPEAKERS = ("68:db:f5:90:19:01", "68:db:f5:90:19:02")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three houses with two captures each, and one file that is no capture."""
    for number in range(3):
        house = tmp_path / "houses" / f"house-{number}"
        house.mkdir(parents=True)
        shutil.copy(CAPTURE, house / "first.pcap")
        made = House(seed=number)
        made.host("echo", mac=SPEAKERS[number % 2]).says(3.0).to("avs-alexa-4-na.amazon.com", at=2.0)
        (house / "second.pcap").write_bytes(made.pcap())
    (tmp_path / "houses" / "house-1" / "broken.pcap").write_bytes(b"no capture at all")
    return tmp_path


def analyze(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["analyze", *map(str, arguments)])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    return int(ended.value.code or 0), out, err


def content(results: Path) -> dict[str, bytes]:
    """All files of results."""
    files = (path for path in results.rglob("*") if path.is_file())
    return {str(path.relative_to(results)): path.read_bytes() for path in files}


@pytest.mark.slow
def test_results_are_written_once_and_not_again(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    call = (f"{folder}/houses/*", "--by-house", "--results", folder / "out", "--format", "jsonl")
    status, _, err = analyze(capsys, *call)
    assert status == 0
    assert err.count("broken.pcap") == 1 and "6 captures judged, 1 could not be read" in err
    found = content(folder / "out")
    houses = {name.split("/")[1] for name in found if name.startswith("records/")}
    assert houses == {"house=house-0", "house=house-1", "house=house-2"}
    rows = [json.loads(line) for name, body in found.items() if name.endswith(".jsonl") for line in body.splitlines()]
    assert {(row["house"], Path(row["capture"]).name) for row in rows if row["event_type"] == "upload"} == {
        (f"house-{number}", name) for number in range(3) for name in ("first.pcap", "second.pcap")
    }
    status, _, err = analyze(capsys, *call, "--jobs", 2)
    assert status == 0 and "0 captures judged, 6 judged before, 1 could not be read" in err
    assert content(folder / "out") == found
    analyze(capsys, *call[:-3], folder / "two", "--format", "jsonl", "--jobs", 2)
    assert content(folder / "two") == found


def test_another_configuration_and_another_capture_of_the_house_are_judged(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = (folder / "houses" / "house-0", "--by-house", "--results", folder / "out", "--format", "jsonl")
    analyze(capsys, *call)
    assert "2 captures judged;" in analyze(capsys, *call, "--device", f"{SPEAKERS[0]}=kitchen")[2]
    house = House(seed=9)
    house.host("new", mac="68:db:f5:90:19:09").says(2.0).to("avs-alexa-4-na.amazon.com", at=2.0)
    (folder / "houses" / "house-0" / "third.pcap").write_bytes(house.pcap())
    assert "3 captures judged;" in analyze(capsys, *call)[2]


@pytest.mark.slow
def test_parquet_is_read_by_house_and_day(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    analyze(capsys, f"{folder}/houses/*", "--by-house", "--results", folder / "out", "--format", "parquet")
    files = f"{folder}/out/records/**/*.parquet"
    query = f"select house, count(*) from read_parquet('{files}', hive_partitioning = true) where event_type = 'upload'"
    counted = duckdb.sql(f"{query} group by house order by house").fetchall()
    assert [house for house, _ in counted] == ["house-0", "house-1", "house-2"]
    frame = polars.scan_parquet(files, hive_partitioning=True).filter(polars.col("event_type") == "upload").collect()
    assert frame.height == sum(count for _, count in counted)
    assert frame["timestamp"].dtype == polars.Datetime("us", "UTC")


def test_lists_globs_and_stores_are_places(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fsspec")
    (folder / "list.txt").write_text(f"# mine\n{folder}/houses/house-0/*.pcap\n\nfile://{folder}/houses/house-2\n")
    status, out, err = analyze(capsys, f"@{folder}/list.txt", "--format", "jsonl")
    assert status == 0
    captures = {json.loads(line)["capture"] for line in out.splitlines()}
    assert {f"{folder}/houses/house-0/first.pcap", f"file://{folder}/houses/house-2/second.pcap"} <= captures
    assert "4 captures" in err
    status, _, err = analyze(capsys, f"file://{folder}/nothing", "--format", "jsonl")
    assert (status, err.count("\n")) == (3, 1)


def test_shares_of_a_job_array_are_whole_houses_and_all_of_them() -> None:
    items = [Item(f"{house}/{number}.pcap", f"house-{house}") for house in range(20) for number in range(3)]
    shares = [shard(items, number, 4) for number in range(1, 5)]
    assert sorted(chain(*shares), key=items.index) == items
    houses = [{item.house for item in share} for share in shares]
    assert sum(map(len, houses)) == 20 and all(houses)
    lone = [Item(f"{number}.pcap") for number in range(40)]
    assert sorted(chain(*(shard(lone, n, 3) for n in (1, 2, 3))), key=lone.index) == lone


@pytest.mark.parametrize(
    "wrong",
    [["--shard", "0/3"], ["--shard", "4/3"], ["--format", "parquet"], ["--results", "out"],
     ["--scheduler", "tcp://127.0.0.1:1"]],
)  # fmt: skip
def test_what_does_not_go_together_is_one_line(
    wrong: list[str], folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--scheduler" in wrong:
        pytest.importorskip("distributed")
        monkeypatch.setattr("sniffer.app.cluster.CONNECT_SECONDS", 1)
    status, _, err = analyze(capsys, folder / "houses", *wrong)
    assert (status, err.count("\n")) == (2, 1), err


class Workers:
    """A scheduler and workers of their own processes, as on a cluster."""

    def __init__(self, folder: Path, count: int) -> None:
        self._folder, self._environment = folder, {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self._scheduler_file = folder / "scheduler.json"
        self._processes = [self._start("scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1")]
        while not self._scheduler_file.exists():
            time.sleep(0.1)
        self.address = json.loads(self._scheduler_file.read_text())["address"]
        self.workers = [self.hire() for _ in range(count)]

    def hire(self) -> subprocess.Popen[bytes]:
        worker = self._start("worker", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--death-timeout", "60")
        self._processes.append(worker)
        return worker

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "distributed.cli.dask_" + kind, *options]
        command += ["--scheduler-file", str(self._scheduler_file)]
        with (self._folder / f"{kind}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self._folder, env=self._environment, stdout=log, stderr=log)

    def end(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_and_doubles_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    for number in range(3, 12):  # enough of them that workers are killed while they work
        shutil.copytree(folder / "houses" / "house-0", folder / "houses" / f"house-{number}")
    call = (f"{folder}/houses/*", "--by-house", "--format", "parquet", "--results")
    analyze(capsys, *call, folder / "here")
    cluster = Workers(folder, 2)
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < 3:
            time.sleep(1.0)
            if any((folder / "there").glob("surveys/*")):
                victim = cluster.workers.pop(0)
                victim.send_signal(signal.SIGKILL)
                killed.append(victim.pid)
                cluster.workers.append(cluster.hire())

    thread = threading.Thread(target=kill, daemon=True)
    thread.start()
    try:
        status, _, err = analyze(capsys, *call, folder / "there", "--scheduler", cluster.address)
        assert killed, "no worker was killed while it worked"
        assert status == 0 and "24 captures judged, 1 could not be read" in err
        assert content(folder / "there") == content(folder / "here")
        shown = (f"{folder}/houses/*", "--by-house", "--format", "jsonl")
        out: Any = analyze(capsys, *shown, "--scheduler", cluster.address)
        assert out[1] == analyze(capsys, *shown, "--jobs", 2)[1]
    finally:
        killed += [0, 0, 0]
        cluster.end()
