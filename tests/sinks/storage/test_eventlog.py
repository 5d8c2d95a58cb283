"""The event log: whole lines, rotated, for its owner only."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from sniffer.errors import StoreError
from sniffer.sinks.settings import EventLogSettings
from sniffer.sinks.storage.eventlog import EventLog
from tests.sinks.builders import upload


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_record_is_a_line_whatever_a_stranger_put_into_it(path: Path) -> None:
    record = upload(host='evil\r\n{"event_type": "upload"}\u2028\u202e\x1b[31m\ud800')
    log = EventLog(EventLogSettings(path=path))
    log.emit(record)
    log.emit(upload())
    log.close()
    assert path.read_bytes().isascii()
    assert path.read_bytes().count(b"\n") == 2
    assert lines(path) == [record, upload()]
    assert path.stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_cut_off_and_whole_ones_stay(path: Path) -> None:
    path.write_text('{"a": 1}\n{"b": 2}\n{"c": ')
    log = EventLog(EventLogSettings(path=path))
    log.emit({"d": 4})
    log.close()
    assert lines(path) == [{"a": 1}, {"b": 2}, {"d": 4}]
    path.write_text("x" * 200_000)
    EventLog(EventLogSettings(path=path)).close()
    assert path.read_text() == ""


def test_it_is_rotated_by_size_and_only_so_many_are_kept(path: Path) -> None:
    log = EventLog(EventLogSettings(path=path, max_bytes=1 << 16, keep=2))
    for number in range(400):
        log.emit({"number": number, "filler": "x" * 1000})
    log.close()
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["events.jsonl", "events.jsonl.1", "events.jsonl.2"]
    assert all(file.stat().st_size <= 1 << 16 and file.stat().st_mode & 0o777 == 0o600 for file in files)
    kept = [line["number"] for file in reversed(files) for line in lines(file)]
    assert kept == list(range(kept[0], 400))


def test_none_kept(path: Path) -> None:
    log = EventLog(EventLogSettings(path=path, max_bytes=1 << 16, keep=0))
    for number in range(100):
        log.emit({"number": number, "filler": "x" * 1000})
    log.close()
    assert [file.name for file in path.parent.iterdir()] == ["events.jsonl"]


def test_in_a_folder_that_cannot_be_written_the_newer_half_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    log = EventLog(EventLogSettings(path=path, max_bytes=1 << 16, keep=2))
    monkeypatch.setattr(Path, "replace", refused)
    for number in range(400):
        log.emit({"number": number, "filler": "x" * 1000})
    log.close()
    kept = [line["number"] for line in lines(path)]
    assert path.stat().st_size <= 1 << 16
    assert kept == list(range(kept[0], 400))
    assert len(kept) > 25


def test_a_file_that_was_moved_away_is_made_anew(path: Path) -> None:
    log = EventLog(EventLogSettings(path=path))
    log.emit({"a": 1})
    path.rename(path.with_suffix(".old"))
    log.emit({"b": 2})
    log.close()
    assert lines(path) == [{"b": 2}]


def test_a_full_disk_leaves_whole_lines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = EventLog(EventLogSettings(path=path))
    log.emit({"a": 1})
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda file, data: write(file, data[:3]))
        with pytest.raises(StoreError, match="No space left"):
            log.emit({"b": 2})
    log.emit({"c": 3})
    log.close()
    assert lines(path) == [{"a": 1}, {"b": 2}, {"c": 3}]


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be opened: No such file"):
        EventLog(EventLogSettings(path=tmp_path / "missing" / "events.jsonl"))


@pytest.mark.slow
def test_kill_9_leaves_whole_lines(path: Path) -> None:
    program = textwrap.dedent(f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parents[3])!r})
        from pathlib import Path
        from sniffer.sinks.storage.eventlog import EventLog
        from sniffer.sinks.settings import EventLogSettings
        log = EventLog(EventLogSettings(path=Path({str(path)!r}), max_bytes=1 << 20, keep=3))
        print("ready", flush=True)
        while True:
            log.emit({{"filler": "x" * 5000}})
    """)
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
    EventLog(EventLogSettings(path=path)).close()
    # Each line is whole; a file may be empty if its writer was killed just after it began it.
    written = [lines(file) for file in path.parent.iterdir()]
    assert any(written)
