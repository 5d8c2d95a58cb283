"""`sniffer calibrate` against a living daemon, with a speaker that is spoken to on a real interface."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli import calibrate
from sniffer.errors import DaemonError, UsageError
from tests.e2e.test_run import MAC, Process, lan, speak

__all__ = ["lan"]
pytestmark = [pytest.mark.root, pytest.mark.slow]

CONFIG = """
capture: {{interface: lan0}}
devices: [{{mac: "{mac}", name: kitchen}}]
http:
  port: 0
  read_token: true
  tokens: [{{source: ear, secret: {{env: EAR_TOKEN}}, scopes: [read]}}]
"""


def test_two_commands_and_a_silence(lan: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sniffer.yaml").write_text(CONFIG.format(mac=MAC))
    (tmp_path / "token").write_text("t0p-secret-of-the-ear")
    daemon = Process(tmp_path, "-c", "sniffer.yaml")
    try:
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n")
        with (
            pytest.raises(UsageError, match="the daemon knows no device 'attic', only: kitchen"),
            calibrate.asked(daemon.url, "attic", lambda: "t0p-secret-of-the-ear"),
        ):
            pass
        lengths = iter((1.5, 1.9))
        monkeypatch.setattr(calibrate, "_POLL_SECONDS", 0.1)
        with calibrate.asked(daemon.url, "kitchen", lambda: "t0p-secret-of-the-ear") as uploads:
            lesson = calibrate.guided(
                calibrate.since_last(uploads), 0.2, lambda: speak(next(lengths), answer=20_000), commands=2
            )
        said = list(calibrate.learned("kitchen", lesson))
        assert said[0] == "kitchen: 2 of 2 spoken commands were heard"
        assert "  in pieces of 437 bytes (2 of 2 times)" in said
        assert "  to voice.example.com" in said
        assert any(line.startswith("  8.") and "kB a second" in line for line in said)
        assert "  in the silence: 0 times speech, 0 times something else" in said

        # Nobody is there to speak: say so, and wait for nothing.
        result = CliRunner().invoke(calibrate.command, ["kitchen", "--url", daemon.url])
        assert "a person has to speak" in str(result.exception)
    finally:
        assert daemon.end() == 0
    with (
        pytest.raises(DaemonError, match="cannot be reached"),
        calibrate.asked("http://127.0.0.1:1", "kitchen", lambda: ""),
    ):
        pass
