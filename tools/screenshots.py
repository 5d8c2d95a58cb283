"""Write docs/pictures/*.png from the demo evening in Chromium: `python tools/screenshots.py` (make screenshots)."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
PHONE, DESKTOP = (390, 844), (1200, 800)


def main() -> int:
    """Start the demo, photograph its views, stop it."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print("screenshots: chromium is not installed (make packages)", file=sys.stderr)
        return 3
    PICTURES.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "sniffer", "demo", "--open"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={"BROWSER": "true"}) as demo:
        assert demo.stdout is not None
        url = next(word for word in demo.stdout.readline().split() if word.startswith("http"))
        try:
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
                for name, (width, height) in (("desktop", DESKTOP), ("phone", PHONE)):
                    size = {"width": width, "height": height}
                    page = browser.new_page(viewport=size, locale="en-GB", timezone_id="Europe/Berlin")
                    page.goto(url)
                    link = page.locator(".uploads a").first.get_attribute("href")
                    for view, path in (("now", "/"), ("timeline", "/timeline"), ("upload", str(link))):
                        page.goto(url + path)
                        page.wait_for_timeout(500)
                        page.screenshot(path=PICTURES / f"{view}-{name}.png")
                browser.close()
        finally:
            demo.terminate()
    for path in PICTURES.glob("*.png"):
        Image.open(path).convert("RGB").quantize(96).save(path, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
