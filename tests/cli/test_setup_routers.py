"""`sniffer setup` with a router: what is asked, tried and written."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sniffer.app.config import load_config
from sniffer.capture.source_settings import FritzBoxSource, SshSource
from sniffer.cli.main import cli
from sniffer.errors import CaptureError
from tests.capture import net
from tests.capture.remote.box import Box, fritz_box
from tests.capture.remote.router import SPEAKER, Traffic, router, why_not

REASON = net.why_not() or why_not()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sniffer.cli.setup.has_terminal", lambda: True)


def setup(*arguments: str, answers: list[str]) -> Result:
    return CliRunner().invoke(cli, ["setup", *arguments], input="\n".join(answers) + "\n", catch_exceptions=False)


def box() -> Box:
    now = time.time()
    return Box(packets=[(now - 1 + n / 50, Traffic("x").packet(n)) for n in range(60)])


def test_a_fritz_box_is_asked_for_tried_and_written(tmp_path: Path) -> None:
    with fritz_box(box()) as it:
        answers = ["2", f"http://127.0.0.1:{it.port}", "monitor", it.password, "", "1", "kitchen", "", ""]
        result = setup("--seconds", "2", answers=answers)
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "sniffer.yaml")
    (source,) = config.capture.sources
    assert isinstance(source, FritzBoxSource) and source.interface == "1-lan"
    secret = tmp_path / "sniffer-fritzbox.secret"
    assert secret.read_text().strip() == it.password and secret.stat().st_mode & 0o777 == 0o600
    assert it.password not in (tmp_path / "sniffer.yaml").read_text()
    assert [(device.name, device.mac) for device in config.devices] == [("kitchen", SPEAKER)]


def test_where_nothing_arrives_nothing_is_written(tmp_path: Path) -> None:
    with fritz_box(box()) as it, pytest.raises(CaptureError, match="no packet arrived in 1 seconds"):
        setup("--router", "fritzbox", "--seconds", "1", answers=[f"http://127.0.0.1:{it.port}", "monitor", "wrong", ""])
    assert not (tmp_path / "sniffer.yaml").exists()


def test_a_wrong_answer_is_asked_for_again() -> None:
    with fritz_box(box()) as it:
        answers = ["ftp://box", "", "x", "", f"http://127.0.0.1:{it.port}", "", it.password, "", "", "", ""]
        result = setup("--router", "fritzbox", "--seconds", "2", answers=answers)
    assert "url: must start with http:// or https://" in result.output
    assert result.exit_code == 0


@pytest.mark.root
@pytest.mark.slow
@pytest.mark.skipif(REASON is not None, reason=str(REASON))
def test_a_router_over_ssh_is_tried_with_its_host_key_compared(tmp_path: Path) -> None:
    with net.namespace(pair=("lan0", "far0")), router(tmp_path) as there, Traffic("far0"):
        shutil.copy(there.key, tmp_path / "sniffer-router.key")
        shutil.copy(f"{there.key}.pub", tmp_path / "sniffer-router.key.pub")
        answers = ["127.0.0.1", str(there.port), "root", "lan0", "", "y", "", ""]
        result = setup("--router", "openwrt", "--seconds", "4", answers=answers)
    assert result.exit_code == 0, result.output
    assert "(ED25519)" in result.output
    (source,) = load_config(tmp_path / "sniffer.yaml").capture.sources
    assert isinstance(source, SshSource) and source.interface == "lan0"
