"""Captures that lie, through the real command line: one line each on standard error, and the rest is judged."""

import json
import resource
import shutil
from pathlib import Path

import pytest

from sniffer.cli import main as cli
from sniffer.demo import CAPTURE
from tests.captures.hostile import Case, cases

pytestmark = pytest.mark.slow

CASES = list(cases())
#: Some alone, each of which costs the start of a command; more in a folder. All are in test_hostile.py.
ALONE = [case for case in CASES if case.expect == 3][::9] + [case for case in CASES if case.expect != 3][::90]
TOGETHER = [case for case in CASES if case.expect == 3] + [case for case in CASES if case.expect != 3][::4]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.name)
def test_one_bad_file(case: Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.pcap"
    path.write_bytes(case.data)
    status = run("analyze", str(path), "--format", "jsonl", "-q")
    said = capsys.readouterr()
    assert status == case.expect if case.expect is not None else status in (0, 3)
    assert said.out == ""
    assert "Traceback" not in said.err and "\x1b" not in said.err
    if status == 3:
        assert said.err.count("\n") == 1 and str(path) in said.err


def test_in_a_folder_the_rest_is_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for case in TOGETHER:
        (tmp_path / f"{case.name}.pcap").write_bytes(case.data)
    shutil.copy(CAPTURE, tmp_path / "zz-good.pcap")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert run("analyze", str(tmp_path), "--format", "jsonl", "-q") == 0
    said = capsys.readouterr()
    uploads = [json.loads(line) for line in said.out.splitlines()]
    assert [u["upload"]["class"] for u in uploads if u["capture"].endswith("zz-good.pcap")] == ["speech"] * 3
    assert "Traceback" not in said.err
    bad = [case.name for case in TOGETHER if case.expect == 3]
    assert all(said.err.count(f"/{name}.pcap: ") == 1 for name in bad)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024, "memory grew by over 100 MiB"


def test_strict_makes_one_bad_file_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.pcap").write_bytes(b"no capture")
    shutil.copy(CAPTURE, tmp_path / "good.pcap")
    assert run("analyze", str(tmp_path), "-q") == 0
    assert run("analyze", str(tmp_path), "-q", "--strict") == 3
    assert "bad.pcap" in capsys.readouterr().err
