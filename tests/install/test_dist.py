"""What `make dist` makes is installed where no checkout is, and works there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]


def run(*words: str | Path, cwd: Path, expect: int = 0, **environment: str) -> str:
    """Run a command with no input, and return what it writes."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | environment
    done = subprocess.run(
        words, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert done.returncode == expect, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that is built from it: both by pip, as a user without our tools builds them."""
    folder = tmp_path_factory.mktemp("dist")
    source = folder / "source"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode != 0:
        pytest.skip("needs the clone")
    for name in filter(None, tracked.stdout.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, source / name)
    done = subprocess.run([sys.executable, "-m", "build", "--outdir", folder, source], capture_output=True, text=True)
    if done.returncode != 0 and ("No module named build" in done.stderr or "hatchling" in done.stdout + done.stderr):
        pytest.skip("the build tools cannot be had here: `make dist` installs them")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    shutil.rmtree(source)
    return folder


@pytest.fixture(scope="module")
def program(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sniffer` of a fresh virtual environment that has the wheel, the daemon's extra, and nothing else."""
    folder = tmp_path_factory.mktemp("fresh")
    run(sys.executable, "-m", "venv", folder, cwd=folder)
    (wheel,) = dist.glob("*.whl")
    done = subprocess.run(
        [folder / "bin/pip", "install", "-q", "-c", ROOT / "constraints.txt", f"{wheel}[serve]"],
        capture_output=True, text=True, cwd=folder,
    )  # fmt: skip
    if done.returncode != 0:
        pytest.skip(f"pip cannot install what the wheel needs here: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin/sniffer"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    return folder


def package_of(program: Path) -> Path:
    return next((program.parents[1] / "lib").glob("python3*/site-packages/sniffer"))


def test_the_archives_hold_what_an_installation_needs(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"sniffer/py.typed", "sniffer/_data/rules/oui.tsv", "sniffer/demo/demo.pcap"} <= names
    assert any(name.startswith("sniffer/_data/dashboards/grafana/") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "tools/")) or "__pycache__" in name]
    compiled = [name for name in names if name.endswith(".so")]
    assert len(compiled) == (3 if "abi3" in wheel.name else 0)
    if shutil.which("cc") and (Path(sysconfig.get_path("include")) / "Python.h").is_file():
        assert "-cp311-abi3-" in wheel.name, "there is a compiler, and the wheel is pure"
    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "hatch_build.py", "rules/oui.tsv"} <= inside


def test_it_judges_the_demonstration_from_an_empty_folder(program: Path, empty: Path) -> None:
    assert run(program, "--version", cwd=empty).startswith("sniffer, version ")
    assert "5 uploads, 1 of them not asked for." in run(program, "demo", cwd=empty)
    demo = package_of(program) / "demo"
    shown = run(program, "analyze", demo / "demo.pcap", "--wake", demo / "demo.wake.jsonl", cwd=empty)
    assert "unexpected (99%)" in shown
    assert not list(empty.iterdir())


def test_the_compiled_pieces_are_used(program: Path, empty: Path) -> None:
    if not list(package_of(program).rglob("*.so")):
        pytest.skip("the wheel is pure: no C compiler here")
    code = "from sniffer.native import load; print(all(load(stage) for stage in ('capture', 'decode', 'detect')))"
    assert "True" in run(program.parent / "python", "-c", code, cwd=empty)


def test_rules_dashboards_and_configuration_are_found(program: Path, empty: Path) -> None:
    assert "all well formed" in run(program, "rules", "check", cwd=empty)
    assert len(run(program, "rules", "list", cwd=empty).splitlines()) > 20
    code = "from sniffer.resources import shipped; print(*sorted(p.name for p in shipped('dashboards').iterdir()))"
    assert run(program.parent / "python", "-c", code, cwd=empty).split() == sorted(
        path.name for path in (ROOT / "dashboards").iterdir() if path.is_dir() and path.name != "__pycache__"
    )
    (empty / "sniffer.yaml").write_text("http:\n  port: 9900\n")
    assert "9900" in run(program, "config", "check", "--effective", "sniffer.yaml", cwd=empty)


def test_the_daemon_reads_the_capture_and_leaves_no_file(program: Path, empty: Path, tmp_path: Path) -> None:
    demo = package_of(program) / "demo/demo.pcap"
    (tmp_path / "port.yaml").write_text("http: {port: 0}\n")
    shown = run(program, "run", "--exit", "-c", tmp_path / "port.yaml", "--capture", demo, cwd=empty, HOME=str(empty))
    assert shown.count("inconclusive") == 3
    assert not list(empty.iterdir())


#: What each shell's script hands over for `sniffer an<TAB>`: fish gives the word itself, the others its index.
@pytest.mark.parametrize(("shell", "current"), [("bash", "1"), ("zsh", "1"), ("fish", "an")])
def test_completion_answers(program: Path, empty: Path, shell: str, current: str) -> None:
    assert "sniffer" in run(program, cwd=empty, _SNIFFER_COMPLETE=f"{shell}_source")
    answer = run(program, cwd=empty, _SNIFFER_COMPLETE=f"{shell}_complete", COMP_WORDS="sniffer an", COMP_CWORD=current)
    assert "analyze" in answer


def test_a_missing_extra_names_a_command_that_works_from_here(program: Path, dist: Path, empty: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (empty / "sniffer.yaml").write_text("http: {port: 0}\nsinks:\n  mqtt: {host: 127.0.0.1}\n")
    demo = package_of(program) / "demo/demo.pcap"
    shown = run(program, "run", "-c", "sniffer.yaml", "--deliver", "--exit", "--capture", demo, cwd=empty, expect=2)
    assert f"-m pip install '{wheel}[mqtt]'" in shown


@pytest.mark.root
def test_the_debian_package_on_debian_13(dist: Path) -> None:
    """`.ci/deb` installs it, uses it, and removes it again, in a root of its own."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    from tools.debian import build
    from tools.make_packages import moment, write_share

    (wheel,) = dist.glob("*.whl")
    package = build(wheel, dist, moment(), write_share)
    done = subprocess.run([ROOT / ".ci/deb", package], capture_output=True, text=True)
    if done.returncode == 75:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert done.stdout.splitlines()[-1] == f"deb: {package.name} is good"
