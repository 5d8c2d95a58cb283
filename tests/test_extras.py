"""Without its extras the package still judges captures, and says what to install where an extra is missing."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from sniffer import extras
from sniffer.demo import CAPTURE

ROOT = Path(__file__).parents[1]
#: Imports fail as they do where the extra is not installed.
BLOCK = """
import importlib.abc, sys
blocked = set(sys.argv.pop(1).split(","))
class Block(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Block())
from sniffer.cli.main import main
main()
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCK, ",".join(extras.EXTRA_OF), *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=60, check=False,
    )  # fmt: skip


CORE = (["analyze", str(CAPTURE), "-q"], ["demo"], ["devices", str(CAPTURE)], ["rules", "list"])


@pytest.mark.parametrize("command", CORE)
def test_core_commands_need_no_extra(command: list[str]) -> None:
    done = run(*command)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["run", "listen", "page"])
def test_a_missing_extra_is_one_line_with_the_command_that_installs_it(command: str) -> None:
    done = run(command, *(["--capture", str(CAPTURE)] if command == "run" else []))
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert f"`sniffer {command}` needs the extra 'serve'. Install it with:  " in done.stderr
    assert "-m pip install" in done.stderr and "[serve]" in done.stderr


@pytest.mark.parametrize(
    ("installer", "module", "expected"),
    [
        (
            "debian",
            "paho.mqtt",
            "MQTT needs packages that are missing. Install them with:  apt-get install python3-paho-mqtt",
        ),
        (
            "debian",
            "pymicro_vad",
            "needs the extra 'listen', which Debian has no packages for: install sniffer from its wheel",
        ),
        ("uv", "paho.mqtt", f"Install it with:  uv pip install --python {sys.executable} "),
        ("pip", "paho.mqtt", f"Install it with:  {sys.executable} -m pip install "),
    ],
)
def test_the_command_is_that_of_the_program_that_installed_it(
    installer: str, module: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "_installer", lambda: installer)
    assert expected in extras.missing(module, "MQTT")


def test_the_documents_install_from_no_index() -> None:
    """The package is on no public index: a name there would be a stranger's."""
    named = [
        f"{path.name}: {line.strip()}"
        for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(rf"(pipx?|uv tool|uv pip) install [^#]*(?<![/_\w-]){extras.DISTRIBUTION}\b", line)
    ]
    assert named == []


def test_every_extra_that_is_named_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(extras.EXTRA_OF.values()) | set(extras.DEBIAN_PACKAGES) <= set(project["optional-dependencies"])
    assert project["name"] == extras.DISTRIBUTION
