"""The systemd unit: systemd itself reads it where it is installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sniffer.errors import UsageError
from sniffer.listener import unit


def test_systemd_accepts_it(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd is not installed")
    path = tmp_path / unit.NAME
    path.write_text(unit.unit_text([sys.executable, "-m", "sniffer", "listen"], {"SSL_CERT_FILE": "/a b/c"}))
    done = subprocess.run(["systemd-analyze", "verify", "--user", str(path)], capture_output=True, text=True)
    complaints = [line for line in done.stderr.splitlines() if unit.NAME in line]
    assert complaints == []


@pytest.mark.parametrize(
    ("word", "written"),
    [
        ("plain", "plain"),
        ("two words", '"two words"'),
        ("50%", '"50%%"'),
        ("$HOME", '"$$HOME"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("", '""'),
    ],
)
def test_words_reach_the_program_as_they_are(word: str, written: str) -> None:
    assert f"ExecStart={written}\n" in unit.unit_text([word], {})


def test_without_systemd_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if Path("/run/systemd/system").is_dir():
        pytest.skip("systemd runs here")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="--print shows the unit"):
        unit.install("text")
    assert list(tmp_path.iterdir()) == []


def test_the_microphone_can_call_back() -> None:
    """Found by trying: with memory that is never both writable and executable, sounddevice cannot open a microphone."""
    lines = unit.unit_text(["x"], {}).splitlines()
    assert not any(line.startswith("MemoryDenyWriteExecute") for line in lines)
    assert "NoNewPrivileges=yes" in lines
