"""The Debian package: what its control file says, and which bytes it is made of."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sniffer import __version__, extras
from tools import debian

MOMENT = datetime(2026, 11, 27, 12, tzinfo=UTC)


def fields(text: str) -> dict[str, str]:
    return dict(line.split(": ", 1) for line in text.splitlines() if not line.startswith(" "))


def test_what_the_daemon_imports_is_required_and_the_rest_recommended() -> None:
    found = fields(debian.control_file("amd64", 4000, [b"x\0GLIBC_2.4\0y\0GLIBC_2.34\0GLIBC_PRIVATE\0"]))
    needed = {word.split(" ")[0] for word in found["Depends"].split(", ")}
    assert found["Depends"].startswith("libc6 (>= 2.34), python3 (>= 3.11), python3-numpy (>= 1:1.26.4)")
    assert {"python3-yaml", "tzdata", *extras.DEBIAN_PACKAGES["serve"].split()} <= needed
    assert "python3-scapy" not in needed, "Linux captures without it"
    assert {"python3-paho-mqtt", "apprise", "python3-websockets"} <= set(found["Recommends"].split(", "))


def test_a_pure_package_needs_no_c_library() -> None:
    assert "libc6" not in debian.control_file("all", 4000, [])


@pytest.mark.parametrize(
    ("tags", "architecture"),
    [
        ("py3-none-any", "all"),
        ("cp311-abi3-linux_x86_64", "amd64"),
        ("cp311-abi3-manylinux_2_17_aarch64", "arm64"),
        ("cp311-abi3-linux_armv7l", "armhf"),
    ],
)
def test_the_architecture_is_that_of_the_wheel(tags: str, architecture: str) -> None:
    assert debian.architecture(Path(f"dist/speaker_sniffer-0.2.0-{tags}.whl")) == architecture


def test_an_unknown_machine_is_refused() -> None:
    with pytest.raises(ValueError, match="no Debian architecture is known for linux_riscv64"):
        debian.architecture(Path("dist/speaker_sniffer-0.2.0-cp311-abi3-linux_riscv64.whl"))


def small_wheel(folder: Path) -> Path:
    wheel = folder / f"speaker_sniffer-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("sniffer/__init__.py", "")
        archive.writestr(f"speaker_sniffer-{__version__}.dist-info/METADATA", "Name: speaker-sniffer\n")
        archive.writestr(f"speaker_sniffer-{__version__}.dist-info/RECORD", "")
    return wheel


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not installed")
def test_the_package_belongs_to_root_and_the_same_wheel_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    made = []
    for folder in folders:
        folder.mkdir()
        made.append(debian.build(small_wheel(tmp_path), folder, MOMENT, lambda share: share.mkdir(parents=True)))
    assert made[0].name == f"speaker-sniffer_{__version__}_all.deb"
    assert made[0].read_bytes() == made[1].read_bytes()
    content = subprocess.run(["dpkg-deb", "--fsys-tarfile", made[0]], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        entries = {entry.name.removeprefix("./"): entry for entry in archive.getmembers()}
        information = f"usr/lib/python3/dist-packages/speaker_sniffer-{__version__}.dist-info"
        installer = archive.extractfile(entries[f"{information}/INSTALLER"])
        assert installer is not None and installer.read().decode().strip() == extras.DEBIAN_INSTALLER
    assert f"{information}/RECORD" not in entries
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}
    assert {entry.mtime for entry in entries.values()} == {int(MOMENT.timestamp())}
    assert [name for name, entry in entries.items() if entry.isfile() and entry.mode & 0o111] == ["usr/bin/sniffer"]
    assert {"usr/lib/systemd/system/sniffer.service", "etc/sniffer/sniffer.yaml"} <= set(entries)
    assert {entry.mode for entry in entries.values() if entry.isfile()} == {0o644, 0o755}
