"""Debian's Chromium against a daemon of ours; skipped where either is missing."""

import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PHONE, DESKTOP = {"width": 390, "height": 844}, {"width": 1440, "height": 900}
AXE_VERSION = "4.14.1"


@pytest.fixture(scope="module")  # Playwright keeps an event loop running, which other tests must not find
def chromium() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("chromium is not installed (make packages)")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Watched:
    """A page whose requests and errors are kept. `hosts` are all hosts that it asked."""

    def __init__(self, browser: Any, **context: Any) -> None:
        self.context = browser.new_context(**{"locale": "en-GB", "timezone_id": "Europe/Berlin", **context})
        self.page = self.context.new_page()
        self.errors: list[str] = []
        self.hosts: set[str] = set()
        self.page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        self.page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, url: str) -> Any:
        answer = self.page.goto(url)
        self.page.wait_for_load_state("load")
        return answer


@pytest.fixture
def browse(chromium: Any) -> Iterator[Callable[..., Watched]]:
    made: list[Watched] = []

    def new(viewport: dict[str, int] = DESKTOP, **context: Any) -> Watched:
        made.append(Watched(chromium, viewport=viewport, **context))
        return made[-1]

    yield new
    for one in made:
        one.context.close()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """axe-core's source, from the npm registry."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed")
    folder = tmp_path_factory.mktemp("axe")
    packed = subprocess.run([npm, "pack", f"axe-core@{AXE_VERSION}"], cwd=folder, capture_output=True, timeout=120)
    archive = next(iter(folder.glob("*.tgz")), None)
    if packed.returncode or archive is None:
        pytest.skip("axe-core cannot be had from the npm registry here")
    with tarfile.open(archive) as opened:
        member = opened.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode()


def violations(watched: Watched, axe: str) -> list[str]:
    """What axe-core finds against WCAG 2.2 AA, in words."""
    watched.page.evaluate(axe)  # evaluated by the debugger: the page's policy does not apply
    tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = watched.page.evaluate("tags => axe.run(document, {runOnly: tags})", tags)
    return [
        f"{one['id']}: {one['help']}: {[node['target'] for node in one['nodes'][:3]]}" for one in found["violations"]
    ]


def settings(folder: Path) -> dict[str, Any]:
    """The configuration of a daemon that serves a page on any port."""
    return {
        "http": {"port": 0},
        "store": {"path": str(folder / "store.db")},
        "sinks": {"event_log": None, "evidence": {"folder": str(folder / "evidence")}},
    }
