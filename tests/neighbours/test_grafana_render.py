"""The tiles of Home, drawn by Grafana's own components in Chromium: no reassurance where nothing is known.

npm installs @grafana/ui once, into build/grafana. The queries behind the tiles are tested against a real Prometheus in
tests/dashboards/test_grafana.py.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.resources import shipped

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HERE, ROOT = Path(__file__).parent, Path(__file__).parents[2]
PACKAGES = ["@grafana/ui@13.2.3", "@grafana/data@13.2.3", "react@18", "react-dom@18", "rxjs@7", "esbuild@0.28"]
HOME = json.loads((shipped("dashboards") / "grafana" / "home.json").read_text())
PANELS = {panel["title"]: panel for panel in HOME["panels"]}
GREEN, RED, YELLOW, GREY = "#73BF69", "#F2495C", "#FADE2A", "#808080"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The components and our page in one script."""
    npm, cache = shutil.which("npm"), ROOT / "build" / "grafana"
    if npm is None:
        pytest.skip("npm is not installed")
    if not (cache / "node_modules" / "@grafana" / "ui" / "package.json").is_file():
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_text('{"name": "render", "private": true}')
        command = [npm, "install", "--no-audit", "--no-fund", "--legacy-peer-deps", *PACKAGES]
        done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=600)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install @grafana/ui here: {done.stderr[-200:]}")
    shutil.copy(HERE / "grafana" / "page.jsx", cache / "page.jsx")
    script = tmp_path_factory.mktemp("grafana") / "page.js"
    loaders = [f"--loader:.{kind}=dataurl" for kind in ("woff2", "ttf")]
    command = ["node_modules/.bin/esbuild", "page.jsx", "--bundle", "--format=iife", f"--outfile={script}", *loaders]
    command += ["--loader:.svg=text", '--define:process.env.NODE_ENV="production"', "--log-level=error"]
    subprocess.run(command, cwd=cache, check=True, timeout=300)
    return script


@pytest.fixture(scope="module")
def draw(bundle: Path) -> Iterator[Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed (make packages)")
    if sys.version_info < (3, 12):
        asyncio.set_child_watcher(asyncio.ThreadedChildWatcher())
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1100, "height": 900})
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(str(error)))
        body = '<!doctype html><body style="background: #111"><div id="root"></div></body>'
        page.route("http://grafana.test/", lambda route: route.fulfill(body=body, content_type="text/html"))

        def tiles(title: str, values: list[float | None]) -> tuple[list[tuple[str, str]], str]:
            """What Grafana makes of values (None: no data): text and colour of each, and all that is on the screen."""
            page.goto("http://grafana.test/")
            page.add_script_tag(path=str(bundle))
            found = page.evaluate(
                "(tiles) => window.draw(tiles)", [{"panel": PANELS[title], "value": value} for value in values]
            )
            assert not errors
            return [(one["text"], one["color"]) for (one,) in found], page.inner_text("#root")

        yield tiles
        browser.close()


def test_nobody_had_asked_is_green_only_if_that_is_certain(draw: Any) -> None:
    found, screen = draw("Nobody had asked", [None, -1, 0, 2])
    assert found == [("not counted", GREY), ("not certain", YELLOW), ("0", GREEN), ("2", RED)]
    assert all(text in screen for text, _ in found), "what Grafana computed is what it draws"


def test_what_cannot_be_told_and_what_is_asked_have_tiles(draw: Any) -> None:
    assert draw("Cannot tell", [None, 3])[0] == [("not counted", GREY), ("3", YELLOW)]
    assert draw("Open questions", [None])[0] == [("not counted", GREY)]
    assert draw("Asked for", [None, 2])[0] == [("not counted", GREY), ("2", GREEN)]


def test_the_monitor_says_what_it_lacks(draw: Any) -> None:
    found, screen = draw("Is the monitor watching?", [None, 0, 1, 2, 3, 4])
    assert found == [
        ("DOWN", RED), ("DOWN", RED), ("watching", GREEN), ("no recording rules", RED), ("no packets", RED),
        ("nothing hears who asks", YELLOW),
    ]  # fmt: skip
    assert "no recording rules" in screen
