"""Which room of the package may import which."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "sniffer"
#: What every room may import: the values that rooms exchange, the tree of errors, the compiled pieces.
COMMON = {"model", "errors", "native", "extras"}
#: What each room may import besides. No arrow upwards: a room imports only rooms of the rows above its own.
ROOMS: dict[str, set[str]] = {
    "settings": set(),
    "capture": {"settings"},
    "decode": set(),
    "identify": {"settings"},
    "detect": {"settings"},
    "judge": {"settings"},
    "records": set(),
    "rules": {"settings", "judge", "records"},
    "explain": {"judge", "records"},
    "alerts": {"settings", "judge", "records", "rules", "explain"},
    "diagnostics": set(),
    "wake": {"settings"},
    "vendor": {"judge"},
    "sinks": {"settings", "records"},
    "web": {"settings"},
    "listener": {"settings", "wake", "web"},
    "demo": set(),
    "testing": {"demo"},
    "app": {
        "settings", "capture", "decode", "identify", "detect", "judge", "rules", "records", "explain", "alerts",
        "diagnostics", "wake", "sinks", "web", "resources", "__version__",
    },
    "evaluation": {"settings", "capture", "decode", "identify", "detect", "judge", "listener", "app", "resources"},
    "cli": {
        "settings", "capture", "decode", "identify", "judge", "rules", "records", "explain", "diagnostics", "wake",
        "listener", "vendor", "sinks", "web", "app", "evaluation", "demo", "resources", "__version__",
    },
}  # fmt: skip


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


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_its_row_allows(room: str) -> None:
    files = sorted((PACKAGE / room).rglob("*.py"))
    assert files
    for path in files:
        assert imports(path) <= ROOMS[room] | COMMON | {room}, path


def test_every_room_has_a_row() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert rooms == set(ROOMS) | {"model"}


def test_the_model_imports_nothing_of_ours() -> None:
    for path in (PACKAGE / "model").rglob("*.py"):
        assert imports(path) <= COMMON, path


def test_the_command_table_is_the_folder_of_commands() -> None:
    from sniffer.cli.main import COMMANDS

    modules = {path.stem for path in (PACKAGE / "cli").glob("*.py")} - {"__init__", "main"}
    public = {name for name in modules if not name.startswith("_")}
    assert public == {module for module, _ in COMMANDS.values()}


def test_a_file_is_under_400_lines_or_its_docstring_says_why_not() -> None:
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            assert "over 400 lines" in " ".join((ast.get_docstring(ast.parse(text)) or "").split()), path
