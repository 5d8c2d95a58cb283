"""The systemd unit: what it says, what systemd says of it, and where the command writes it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli import service


def test_the_unit_names_the_program_and_the_configuration() -> None:
    done = CliRunner().invoke(service.command, ["print", "-c", "/etc/sniffer/home.yaml"])
    assert done.exit_code == 0
    assert (
        f"ExecStart={service.installed_program()} run -c /etc/sniffer/home.yaml --store ${{STATE_DIRECTORY}}"
        in done.output
    )
    assert "ExecReload=/bin/kill -HUP $MAINPID" in done.output


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_rates_it_as_well_confined(tmp_path: Path) -> None:
    unit = tmp_path / "sniffer.service"
    unit.write_text(service.unit_text(Path("/bin/true"), Path("/etc/sniffer/sniffer.yaml")))
    verify = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert "sniffer.service" not in verify.stderr, verify.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", unit], capture_output=True, text=True, check=False
    )
    found = re.search(r"Overall exposure level for sniffer.service: ([\d.]+)", rated.stdout)
    assert found, rated.stdout + rated.stderr
    assert float(found[1]) <= 2.0


def test_it_is_written_below_another_root(tmp_path: Path) -> None:
    done = CliRunner().invoke(service.command, ["install", "--root", str(tmp_path)])
    assert done.exit_code == 0, done.output
    unit = (tmp_path / "etc/systemd/system/sniffer.service").read_text()
    home = not any(service.installed_program().is_relative_to(folder) for folder in service.PUBLIC)
    program = Path("/opt/sniffer/bin/sniffer") if home else service.installed_program()
    assert f"ExecStart={program} run" in unit
    assert (tmp_path / "etc/sniffer/sniffer.yaml").read_text() == service.FIRST_CONFIG
    (tmp_path / "etc/sniffer/sniffer.yaml").write_text("devices: []\n")
    assert CliRunner().invoke(service.command, ["install", "--root", str(tmp_path)]).exit_code == 0
    assert (tmp_path / "etc/sniffer/sniffer.yaml").read_text() == "devices: []\n"  # a configuration is never replaced
    assert CliRunner().invoke(service.command, ["uninstall", "--root", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "etc/systemd/system/sniffer.service").exists()
    missing = CliRunner().invoke(service.command, ["uninstall", "--root", str(tmp_path)])
    assert "the service is not installed" in str(missing.exception)
