"""docs/install.md: its Compose file is one, and gives the container no more than the image needs."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")


def compose() -> str:
    (found,) = re.findall(r"```yaml\n(services:.*?)```", TEXT, re.S)
    return str(found)


def test_the_container_has_no_privilege_and_no_network_of_the_host() -> None:
    service: dict[str, Any] = yaml.safe_load(compose())["services"]["sniffer"]
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "network_mode" not in service
    assert service["read_only"] is True
    user = re.search(r"^USER (.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    assert user is not None and service["user"] == user[1]
    assert service["image"].startswith("localhost/"), "a name without a registry is a stranger's"


@pytest.mark.skipif(shutil.which("docker-compose") is None, reason="docker-compose is not installed")
def test_docker_compose_reads_it(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text(compose())
    words = ["docker-compose", "-f", "compose.yaml", "config", "-q"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_extra_and_script_that_is_named_exists() -> None:
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    rows = re.findall(r"^\| (`[a-z`, ]+`) \| (?!a )", TEXT.split("| extra | for |")[1].split("\n\n")[0], re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert named and named <= set(extras), named - set(extras)
    for script in re.findall(r"`(\.ci/\w+|tests/[\w/]+\.py)`", TEXT):
        assert (ROOT / script).is_file(), script
