"""The container image: what can be told without building it; and built, where that is asked for."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import struct
import subprocess
from fnmatch import fnmatch
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    """(instruction, the rest) for each line of the Dockerfile, continuations joined."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    text = re.sub(r"\\\n", " ", "\n".join(lines))
    return [
        (word.upper(), rest.strip()) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)
    ]


def the(name: str) -> str:
    """The one instruction of that name in the last stage."""
    stage = instructions()[max(i for i, (word, _) in enumerate(instructions()) if word == "FROM") :]
    (rest,) = [rest for word, rest in stage if word == name]
    return rest


KNOWN = {"ARG", "FROM", "WORKDIR", "RUN", "COPY", "LABEL", "USER", "VOLUME", "EXPOSE", "ENV", "HEALTHCHECK"}


def test_only_instructions_that_there_are() -> None:
    assert {word for word, _ in instructions()} <= KNOWN | {"ENTRYPOINT", "CMD"}
    assert instructions()[0] == ("ARG", "BASE=python:3.13-slim-bookworm")
    assert [rest for word, rest in instructions() if word == "FROM"] == ["${BASE} AS build", "${BASE}"]


def test_it_is_not_root_and_starts_sniffer() -> None:
    uid, gid = the("USER").split(":")
    assert int(uid) > 0
    assert int(gid) > 0
    assert json.loads(the("ENTRYPOINT")) == ["sniffer"]
    assert json.loads(the("CMD")) == ["--help"]


def test_health_is_asked_of_the_daemon_where_it_listens() -> None:
    from sniffer.web.settings import HttpSettings

    program = json.loads(the("HEALTHCHECK").partition("CMD ")[2])
    compile(program[2], "healthcheck", "exec")
    assert f":{HttpSettings().port}/-/healthy" in program[2]
    assert the("EXPOSE") == str(HttpSettings().port)


def test_everything_that_is_copied_exists_and_reaches_the_builder() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [rest.split()[:-1] for word, rest in instructions() if word == "COPY" and not rest.startswith("--from")]
    sources = [source for line in copied for source in line]
    assert {"sniffer", "rules", "dashboards", "pyproject.toml"} <= set(sources)
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in allowed), f"{source} is kept out by .dockerignore"


def test_what_pip_builds_from_is_there() -> None:
    """pyproject.toml names files; the image has to hold them when it builds."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    sources = [source for word, rest in instructions() if word == "COPY" for source in rest.split()[:-1]]
    hook = project["tool"]["hatch"]["build"]["targets"]["wheel"].get("hooks", {}).get("custom", {}).get("path")
    forced = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for needed in [project["project"]["readme"], *forced, *([hook] if hook else [])]:
        assert needed in sources


def capability_blob() -> bytes:
    """The attribute that the Dockerfile writes, by its own expression."""
    (line,) = [rest for word, rest in instructions() if word == "RUN" and "security.capability" in rest]
    expression = re.search(r"struct\.pack\(([^)]*)\)", line)
    assert expression is not None
    value: bytes = eval(f"struct.pack({expression[1]})", {"struct": struct})
    return value


def test_the_file_capability_is_permitted_and_not_effective() -> None:
    magic, permitted, inheritable, permitted_high, inheritable_high = struct.unpack("<5I", capability_blob())
    assert magic == 0x02000000, "revision 2, without the flag that makes it effective"
    assert (permitted, inheritable, permitted_high, inheritable_high) == (1 << 13, 0, 0, 0)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root (file capabilities)")
def test_setcap_reads_it_as_net_raw_permitted(tmp_path: Path) -> None:
    getcap = shutil.which("getcap") or shutil.which("getcap", path="/usr/sbin:/sbin")
    if getcap is None:
        pytest.skip("getcap is not installed")
    file = tmp_path / "program"
    file.write_bytes(b"")
    try:
        os.setxattr(file, "security.capability", capability_blob())
    except OSError as error:
        pytest.skip(f"this file system holds no capabilities: {error}")
    shown = subprocess.run([getcap, str(file)], check=True, capture_output=True, text=True).stdout
    assert shown.split()[-1] == "cap_net_raw=p"


def test_the_script_that_builds_it_is_bash() -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / "image")], check=True)
    assert shlex.split((ROOT / ".ci" / "image").read_text().splitlines()[0]) == ["#!/usr/bin/env", "bash"]


@pytest.mark.root
@pytest.mark.skipif(
    os.environ.get("SNIFFER_TEST_IMAGE") is None, reason="slow: set SNIFFER_TEST_IMAGE=1, or `make image`"
)
@pytest.mark.timeout(1800)
def test_it_builds_and_runs() -> None:
    base = {"BASE": os.environ.get("BASE", "debootstrap")}
    run = subprocess.run([ROOT / ".ci" / "image"], env=os.environ | base, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-2000:]
    assert run.stdout.splitlines()[-1].endswith("is good")
