"""The documentation says what the program does: commands, settings, pages, metrics and links."""

import contextlib
import itertools
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from sniffer.cli.main import COMMANDS, cli
from sniffer.sinks.metrics import Metrics
from sniffer.testing import ManualClock
from sniffer.web.api import INDEX, build_app
from sniffer.web.settings import HttpSettings

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "dashboards").rglob("*.md")])


def test_what_is_made_from_the_code_is_up_to_date(tmp_path: Path) -> None:
    # In a process of its own: click remembers what a command was once called with.
    subprocess.run([sys.executable, ROOT / "tools" / "make_docs.py", tmp_path], check=True, timeout=60)
    for page in ("configuration.md", "commands.md"):
        written = (ROOT / "docs" / page).read_text()
        assert written == (tmp_path / page).read_text(), "run: python tools/make_docs.py"


def test_every_command_has_help_with_an_example() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    sections = dict(section.split("\n", 1) for section in re.split(r"^##+ sniffer ", text, flags=re.MULTILINE)[1:])
    assert set(COMMANDS) < set(sections)
    for name, section in sections.items():
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


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of what can be typed, in blocks and in sentences: from `sniffer` on."""
    text = page.read_text()
    typed = r"(?:\s{4,}|\$ |\s*Examples?:\s+)(?:.*\| |sudo |docker run .* |[A-Z_]+=\S+ )?(?:\S*/)?sniffer ([a-z].*)"
    lines = [found[1] for line in text.splitlines() if (found := re.match(typed, line))]
    lines += re.findall(r"`(?:sudo )?(?:\S*/)?sniffer ([a-z][^`\n]* [^`\n-][^`\n]*)`", text)
    for line in lines:
        words = shlex.split(line, comments=True)
        yield list(itertools.takewhile(lambda word: word not in ("|", ">", "&&"), words))


def test_every_command_line_can_be_typed() -> None:
    """Its options exist, take what they are given, and nothing that it needs is missing."""
    lines = [words for page in PAGES for words in command_lines(page) if "|" not in "".join(words)]
    assert len(lines) > 60
    for words in lines:  # `rules list|check|test` names three
        command: click.Command | None = cli
        while isinstance(command, click.Group):
            name, *words = words or ["--help"]
            command = None if name == "--help" else command.get_command(click.Context(command), name)
            assert command is not None, name
        with contextlib.suppress(click.exceptions.Exit):  # --help
            assert command.make_context(name, words)


def test_the_threat_model_names_tests_that_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", (ROOT / "docs" / "threat-model.md").read_text())
    assert named
    for test in named:
        assert (ROOT / test).exists(), test
