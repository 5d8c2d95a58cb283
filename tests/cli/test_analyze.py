"""`sniffer analyze`, as somebody calls it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sniffer.cli.main import main
from sniffer.demo import CAPTURE, WAKE_EVENTS
from sniffer.testing import House

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def quiet_house(tmp_path: Path) -> Path:
    """A capture in which nobody is recognised."""
    house = House(seed=1)
    house.host("pc", mac="00:16:3e:00:00:01").flushes(3000).to("www.example.org", at=1.0)
    path = tmp_path / "pc.pcap"
    path.write_bytes(house.pcap())
    return path


def test_a_table_for_people(call: Call) -> None:
    status, out, err = call("analyze", CAPTURE, "--wake", WAKE_EVENTS, "--device", "68:db:f5:00:00:01=kitchen")
    assert status == 0
    assert out.count("expected ") == 2 + out.count("unexpected (")
    assert "kitchen" in out and "no wake word was heard" in out
    assert "2 devices watched; 2 expected, 1 unexpected" in err


def test_lines_for_programs_and_nothing_else(call: Call) -> None:
    status, out, _ = call("analyze", CAPTURE, "--format", "jsonl", "--all")
    records = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert {record["event_type"] for record in records} == {"device", "listening", "upload"}


def test_the_exit_status_can_tell_of_unexpected_uploads(call: Call) -> None:
    assert call("analyze", CAPTURE, "--wake", WAKE_EVENTS, "--fail-on", "unexpected")[0] == 1
    assert call("analyze", CAPTURE, "--fail-on", "unexpected")[0] == 0


def test_results_go_to_a_file(call: Call, tmp_path: Path) -> None:
    status, out, _ = call("analyze", CAPTURE, "-o", tmp_path / "out.txt")
    assert (status, out) == (0, "")
    assert "echo-000001" in (tmp_path / "out.txt").read_text()
    assert call("analyze", CAPTURE, "-o", tmp_path / "no" / "out.txt")[0] == 2


def test_nobody_is_recognised(call: Call, quiet_house: Path) -> None:
    status, out, err = call("analyze", quiet_house)
    assert (status, out) == (0, "")
    assert "no device with a microphone was recognised" in err
    assert "00:16:3e:00:00:01" in err
    assert "--device" in err


def test_one_bad_file_does_not_stop_the_rest(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a-bad.pcap").write_bytes(b"not a capture at all")
    (tmp_path / "b-good.pcap").write_bytes(CAPTURE.read_bytes())
    (tmp_path / "notes.txt").write_text("not looked at")
    status, out, err = call("analyze", tmp_path)
    assert status == 0
    assert out.count("echo-000001") == 2
    assert err.count("a-bad.pcap") == 1
    assert "notes.txt" not in err
    assert call("analyze", tmp_path, "--strict")[0] == 3


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["/nonexistent.pcap"], 3, "/nonexistent.pcap"),
        ([str(CAPTURE), "--device", "kitchen"], 2, "expected MAC=NAME"),
        ([str(CAPTURE), "--device", "68:db:f5:00:00:01=a", "--device", "68:db:f5:00:00:01=b"], 2, "given twice"),
        ([str(CAPTURE), "--wake", "/nonexistent.jsonl"], 2, "/nonexistent.jsonl"),
        ([str(CAPTURE), "-c", "/nonexistent.yaml"], 2, "/nonexistent.yaml"),
        ([str(CAPTURE), "-"], 2, "stands alone"),
        ([], 2, "FILE"),
    ],
)
def test_a_wrong_call_is_one_clear_line(call: Call, arguments: list[str], status: int, says: str) -> None:
    found, out, err = call("analyze", *arguments)
    assert (found, out) == (status, "")
    assert says in err


def test_an_empty_folder_is_no_capture(call: Call, tmp_path: Path) -> None:
    status, _, err = call("analyze", tmp_path)
    assert status == 3
    assert "no capture in here" in err


def test_cutting_packets_at_96_bytes_changes_no_upload(call: Call, tmp_path: Path) -> None:
    house = House(seed=5)
    speaker = house.host("kitchen", mac="02:00:00:00:00:0a")
    speaker.says(3.0).to("voice.example.com", at=1.0)
    speaker.flushes(150_000).to("metrics.example.com", at=20.0)
    found = []
    for snap in (262_144, 96):
        (tmp_path / f"{snap}.pcap").write_bytes(house.pcap(snap=snap))
        name = tmp_path / f"{snap}.pcap"
        out = call("analyze", name, "--device", "02:00:00:00:00:0a=kitchen", "--format", "jsonl", "--all")[1]
        records = [json.loads(line) for line in out.splitlines()]
        found.append(
            [
                (r["timestamp"], r["end"], r["upload"]["class"], r["upload"]["bytes"], r["upload"]["packets"])
                for r in records
                if r["event_type"] == "upload"
            ]
        )
    assert found[0] == found[1] != []


def test_a_pipe_is_judged_while_it_flows() -> None:
    """The verdict comes out before the capture ends."""
    house = House(seed=5)
    speaker = house.host("kitchen", mac="02:00:00:00:00:0a")
    speaker.says(3.0).to("voice.example.com", at=1.0)
    speaker.flushes(2000).to("voice.example.com", at=30.0)
    process = subprocess.Popen(
        [sys.executable, "-m", "sniffer", "analyze", "-", "--device", "02:00:00:00:00:0a=kitchen", "--format", "jsonl"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(house.pcap())
    process.stdin.flush()
    began = time.monotonic()
    record = json.loads(process.stdout.readline())
    assert record["upload"]["class"] == "speech"
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    assert time.monotonic() - began < 30


def test_the_story_of_the_demo(call: Call) -> None:
    status, out, err = call("demo")
    assert (status, err) == (0, "")
    for verdict in ("EXPECTED", "UNEXPECTED", "NOT JUDGED"):
        assert verdict in out
    assert "kitchen (Echo) sent 4.4 s of possible speech at 2026-11-21 18:02 UTC" in out
    assert "1 of them not asked for" in out
    status, out, _ = call("demo", "--format", "jsonl")
    assert sum(json.loads(line)["event_type"] == "upload" for line in out.splitlines()) == 5


def test_wake_events_for_a_mistyped_device_are_told(call: Call, tmp_path: Path) -> None:
    """They explain nothing, and what they were meant to explain is called unexpected."""
    events = tmp_path / "asked.jsonl"
    lines = [
        {"timestamp": "2026-11-21T18:00:40Z", "device": name, "source": "me"}
        for name in ("kitchn", "68-DB-F5-00-00-01")
    ]
    events.write_text("".join(json.dumps(line) + "\n" for line in lines))
    for more in ((), (CAPTURE,)):
        _, _, err = call("analyze", CAPTURE, *more, "--wake", events, "--device", "68:db:f5:00:00:01=kitchen")
        (told,) = (line for line in err.splitlines() if "wake events" in line)
        assert told.endswith("'kitchn' explain nothing: no device is called so; did you mean 'kitchen'?")


def test_of_several_captures_each_row_names_its_own_in_the_order_of_time(call: Call, tmp_path: Path) -> None:
    for name, start in (("a-later", 1_700_100_000), ("b-first", 1_700_000_000)):
        house = House(seed=3, start_ns=start * 1_000_000_000)
        house.host("kitchen", mac="68:db:f5:00:00:11").says(3).to("voice.example.com", at=2, opened=True)
        (tmp_path / f"{name}.pcap").write_bytes(house.pcap())
    status, out, _ = call("analyze", "-q", tmp_path, "--device", "68:db:f5:00:00:11=kitchen")
    assert status == 0
    head, *rows = out.splitlines()
    assert head.startswith("time (") and " capture " in head
    assert [line.split()[2] for line in rows] == ["b-first.pcap", "a-later.pcap"]


def test_the_short_id_of_a_row_is_taken_by_explain(call: Call, tmp_path: Path) -> None:
    log = tmp_path / "found.jsonl"
    call("analyze", "-q", CAPTURE, "--format", "jsonl", "-o", log)
    _, out, _ = call("analyze", "-q", CAPTURE)
    head, *rows = out.splitlines()
    place = head.index("id  ")
    short = [line[place : place + 8] for line in rows]
    assert len(set(short)) == 3
    for number, line in zip(short, log.read_text().splitlines(), strict=True):
        status, out, _ = call("explain", number, "--log", log)
        assert status == 0
        assert f"Upload: {json.loads(line)['id']}" in out
