"""The house has few rooms: which stage may import what."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sniffer"
STAGES = ("capture", "decode", "identify", "detect", "judge", "wake", "sinks")
SHARED = {"model", "errors", "clock", "documents"}


def imports(path: Path) -> set[str]:
    """The parts of `sniffer` that a module imports: `detect` for `sniffer.detect.runs`."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [node.module or ""] if node.module != "sniffer" else [f"sniffer.{a.name}" for a in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name.startswith("sniffer.")}
    return found


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_imports_only_the_shared_words_and_itself(stage: str) -> None:
    files = sorted((PACKAGE / stage).rglob("*.py"))
    assert files
    for path in files:
        assert imports(path) <= SHARED | {stage}, path


def test_nothing_imports_the_command_line() -> None:
    for path in PACKAGE.rglob("*.py"):
        if path.name not in ("__main__.py", "cli.py"):
            assert "cli" not in imports(path), path


def test_the_command_table_is_the_folder_of_commands() -> None:
    from sniffer.cli import COMMANDS

    modules = {path.stem for path in (PACKAGE / "commands").glob("*.py")} - {"__init__"}
    public = {name for name in modules if not name.startswith("_")}
    assert public == {module for module, _ in COMMANDS.values()}
