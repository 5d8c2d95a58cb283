"""Make the Debian package from a wheel, its man pages and its completion, without Debian's build tools.

For Debian 13 and newer. Debian 12 has an older pydantic and numpy: install the wheel in a virtual environment there.
"""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from sniffer import __version__
from sniffer.cli.service import CONFIG, FIRST_CONFIG, SYSUSERS, UNIT, unit_text
from sniffer.extras import DEBIAN_INSTALLER, DEBIAN_PACKAGES

ROOT = Path(__file__).parents[1]
PACKAGE = "speaker-sniffer"
MAINTAINER = "The speaker-sniffer authors <speaker-sniffer@localhost>"
MODULES = Path("usr/lib/python3/dist-packages")
#: Where Debian's name or epoch differs from `python3-NAME` and 0.
NAMES = {"pyyaml": "python3-yaml", "tzdata": "tzdata"}
EPOCHS = {"numpy": "1:"}

COPYRIGHT = """\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: speaker-sniffer

Files: *
Copyright: The speaker-sniffer authors
License: Apache-2.0

License: Apache-2.0
 On Debian systems, the full text of the Apache License, Version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
"""
DESCRIPTION = """\
reports when a smart speaker sends what could be your voice
 sniffer finds uploads that are shaped like live sound in encrypted traffic,
 matches them with wake events, and reports those that were not asked for.
 .
 The service is installed, and not started: edit /etc/sniffer/sniffer.yaml,
 then run `systemctl enable --now sniffer`.
"""
#: A package without compiled modules starts slowly for every user who may not write them.
POSTINST = f"""\
#!/bin/sh
set -e
if [ "$1" = configure ]; then
  if command -v systemd-sysusers >/dev/null; then systemd-sysusers sniffer.conf; fi
  if command -v py3compile >/dev/null; then py3compile -p {PACKAGE}; fi
  if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    if [ -n "$2" ]; then systemctl try-restart sniffer || true; fi
  fi
fi
"""
PRERM = f"""\
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now sniffer || true; fi
if command -v py3clean >/dev/null; then py3clean -p {PACKAGE}; fi
"""
POSTRM = """\
#!/bin/sh
set -e
if [ "$1" = purge ]; then rm -rf /var/lib/private/sniffer /var/lib/sniffer /etc/sniffer; fi
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
"""


def build(wheel: Path, into: Path, moment: datetime, share: Callable[[Path], None]) -> Path:
    """Return the package of this wheel, in the folder `into`. The same wheel and moment give the same bytes.

    `share` writes what belongs below /usr/share; needs dpkg-deb.
    """
    target = architecture(wheel)
    made = into / f"{PACKAGE}_{__version__}_{target}.deb"
    with tempfile.TemporaryDirectory(prefix="sniffer-deb-") as folder:
        tree = Path(folder) / "tree"
        _fill(tree, wheel, moment, share)
        environment = os.environ | {"SOURCE_DATE_EPOCH": str(int(moment.timestamp()))}
        command = ["dpkg-deb", "--root-owner-group", "-Zxz", "--build", str(tree), str(made)]
        subprocess.run(command, check=True, env=environment)
    return made


def _fill(tree: Path, wheel: Path, moment: datetime, share: Callable[[Path], None]) -> None:
    """Write everything that the package installs, and its control files."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tree / MODULES)
    information = next((tree / MODULES).glob("*.dist-info"))
    (information / "RECORD").unlink()  # pip must neither update nor remove what belongs to dpkg
    _write(information / "INSTALLER", f"{DEBIAN_INSTALLER}\n")
    share(tree / "usr/share")
    _write(tree / "usr/bin/sniffer", "#!/usr/bin/python3\nfrom sniffer.cli.main import main\n\nmain()\n")
    _write(tree / "usr/lib/systemd/system" / UNIT, unit_text(Path("/usr/bin/sniffer"), CONFIG))
    _write(tree / "usr/lib/sysusers.d/sniffer.conf", f"{SYSUSERS}\n")
    _write(tree / CONFIG.relative_to("/"), FIRST_CONFIG)
    documents = tree / "usr/share/doc" / PACKAGE
    _write(documents / "copyright", COPYRIGHT)
    (documents / "changelog.gz").write_bytes(gzip.compress(changelog(moment).encode(), mtime=0))
    control = tree / "DEBIAN"
    size = sum(path.stat().st_size for path in tree.rglob("*") if path.is_file()) // 1024
    libraries = [path.read_bytes() for path in tree.rglob("*.so")]
    _write(control / "control", control_file(architecture(wheel), size, libraries))
    _write(control / "conffiles", f"{CONFIG}\n")
    scripts = {"postinst": POSTINST, "prerm": PRERM, "postrm": POSTRM}
    for name, text in scripts.items():
        _write(control / name, text)
    programs = {tree / "usr/bin/sniffer", *(control / name for name in scripts)}
    for path in (tree, *tree.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path in programs else 0o644)
        os.utime(path, (moment.timestamp(), moment.timestamp()))


def architecture(wheel: Path) -> str:
    """Return Debian's name of the machine that a wheel is for, `all` where it has no compiled file.

    Raises ValueError for a wheel whose platform has no name here.
    """
    platform = wheel.stem.rsplit("-", 1)[-1]
    if platform == "any":
        return "all"
    for ending, name in (("x86_64", "amd64"), ("aarch64", "arm64"), ("armv7l", "armhf")):
        if platform.endswith(ending):
            return name
    raise ValueError(f"{wheel.name}: no Debian architecture is known for {platform}")


def control_file(target: str, kibibytes: int, libraries: Iterable[bytes]) -> str:
    """Return the text of DEBIAN/control. `libraries` are the compiled files, for the C library that they need."""
    # The unit reloads with /bin/kill, which a small system lacks.
    needed = [f"python3 (>= {_project()['requires-python'].removeprefix('>=')})", *_needed("serve"), "procps"]
    if glibc := newest_glibc(libraries):
        needed.insert(0, f"libc6 (>= {glibc})")
    useful = [package for extra in ("mqtt", "notify", "homeassistant") for package in DEBIAN_PACKAGES[extra].split()]
    return (
        f"Package: {PACKAGE}\nVersion: {__version__}\nArchitecture: {target}\nSection: net\nPriority: optional\n"
        f"Maintainer: {MAINTAINER}\nInstalled-Size: {kibibytes}\nDepends: {', '.join(needed)}\n"
        f"Recommends: {', '.join([*useful, 'openssh-client'])}\nDescription: {DESCRIPTION}"
    )


def newest_glibc(libraries: Iterable[bytes]) -> str | None:
    """Return the newest version of the C library whose symbols these files use, None where they use none."""
    found = {
        tuple(int(number) for number in match[1].split(b"."))
        for library in libraries
        for match in re.finditer(rb"GLIBC_(\d+(?:\.\d+)+)\x00", library)
    }
    return ".".join(map(str, max(found))) if found else None


def _project() -> dict[str, Any]:
    project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project


def _needed(*extras: str) -> Iterator[str]:
    """Yield the core's requirements and those of these extras, as Debian writes them."""
    project = _project()
    words = [*project["dependencies"], *(word for extra in extras for word in project["optional-dependencies"][extra])]
    for requirement in map(Requirement, words):
        if requirement.marker is not None and not requirement.marker.evaluate({"sys_platform": "linux"}):
            continue
        lower = next((bound.version for bound in requirement.specifier if bound.operator == ">="), None)
        name = NAMES.get(requirement.name, f"python3-{requirement.name}")
        yield f"{name} (>= {EPOCHS.get(requirement.name, '')}{lower})" if lower else name


def changelog(moment: datetime) -> str:
    """Return Debian's changelog: one entry, which points to ours."""
    entry = f"{PACKAGE} ({__version__}) unstable; urgency=medium\n\n  * What changes for users is in CHANGELOG.md.\n"
    return f"{entry}\n -- {MAINTAINER}  {format_datetime(moment)}\n"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
