"""Compiles the small C files beside their Python twins, where that is possible; where not, the package is pure.

The results are the same either way (tests run both); only the speed differs. `SNIFFER_PURE_PYTHON=1` leaves them
out here, and ignores them at run time. The stable ABI is used, so that one build serves every later Python.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ModuleNotFoundError:  # `python hatch_build.py` compiles in place, and needs no build system

    class BuildHookInterface:  # type: ignore[no-redef]
        """Stands in for hatchling's class."""

        def __class_getitem__(cls, item: object) -> type:
            return cls


SOURCES = ("sniffer/capture/_native.c", "sniffer/decode/_native.c", "sniffer/detect/_native.c")
OLDEST = "cp311"


class CompileWherePossible(BuildHookInterface[Any]):
    """The hook that `[tool.hatch.build.targets.wheel.hooks.custom]` names."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if os.environ.get("SNIFFER_PURE_PYTHON") == "1" or sys.implementation.name != "cpython":
            return
        self._folder = Path(tempfile.mkdtemp(prefix="sniffer-build-"))
        built: dict[str, str] = {}
        for source in SOURCES:
            target = source.replace(".c", ".abi3.so")
            output = self._folder / target.replace("/", "-")
            if not compile_one(Path(self.root) / source, output):
                self.app.display_info("no working C compiler with Python's headers: building the pure package")
                return
            built[str(output)] = target
        if version == "editable":
            for output, target in built.items():
                place(Path(output), Path(self.root) / target)
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"{OLDEST}-abi3-{platform_tag()}"
        build_data["force_include"].update(built)

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if hasattr(self, "_folder"):
            shutil.rmtree(self._folder, ignore_errors=True)


def place(built: Path, target: Path) -> None:
    """Move a compiled file into place at once: a program that runs keeps the file that it has loaded."""
    half = target.with_suffix(".part")
    shutil.copyfile(built, half)
    half.replace(target)


def platform_tag() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")


def compile_one(source: Path, output: Path) -> bool:
    """Whether it could be compiled; nothing is said where not."""
    compiler = shlex.split(os.environ.get("CC") or "cc")
    include = sysconfig.get_path("include")
    command = [*compiler, "-O2", "-std=c11", "-ffp-contract=off", "-fPIC", "-shared", "-s", "-fvisibility=hidden"]
    command += [f"-I{include}"]
    command += [*shlex.split(os.environ.get("CFLAGS", "")), "-o", str(output), str(source)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=120, check=False)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0 and output.is_file()


if __name__ == "__main__":  # `python hatch_build.py`: compile in place, for development
    root = Path(__file__).resolve().parent
    for name in SOURCES:
        target = root / name.replace(".c", ".abi3.so")
        half = target.with_suffix(".new")
        if good := compile_one(root / name, half):
            place(half, target)
            half.unlink()
        sys.stdout.write(f"{target.relative_to(root)}: {'compiled' if good else 'cannot be compiled here'}\n")
