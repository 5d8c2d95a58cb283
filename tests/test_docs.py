"""The documentation says what the program does: commands, settings, pages, metrics and links."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from sniffer.cli import COMMANDS
from sniffer.sinks.metrics import Metrics
from sniffer.testing import ManualClock
from sniffer.web.api import INDEX, build_app
from sniffer.web.settings import HttpSettings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "dashboards").rglob("*.md")])


@pytest.fixture(scope="module")
def make_docs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_docs", ROOT / "tools" / "make_docs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration", "commands"])
def test_what_is_made_from_the_code_is_up_to_date(make_docs: ModuleType, page: str) -> None:
    written = (ROOT / "docs" / f"{page}.md").read_text()
    assert written == getattr(make_docs, page)(), "run: python tools/make_docs.py"


def test_every_command_has_help_with_an_example() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    for name in COMMANDS:
        section = text.split(f"## sniffer {name}\n")[1].split("\n## ")[0]
        assert re.search(rf"(Example|Examples):\s+(.*\n)*?.*sniffer {name}", section), name


def test_every_page_of_the_api_is_described() -> None:
    app = build_app(None, HttpSettings(), (), ManualClock())  # type: ignore[arg-type]
    text = (ROOT / "docs" / "http.md").read_text()
    for route in app.routes:
        path = route.path  # type: ignore[attr-defined]
        assert f" {path}`" in text, path
        assert path == "/" or path.replace("{identifier}", "ID") in INDEX


def test_every_metric_is_described() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    for family in Metrics("test", process=False).registry.collect():
        assert family.name in text, family.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_leads_nowhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"
