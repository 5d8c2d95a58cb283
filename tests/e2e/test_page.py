"""The page of real processes: the demo in a browser's reach, and a first start beyond this machine."""

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sniffer.demo import CAPTURE

pytestmark = pytest.mark.slow

HTML = {"Accept": "text/html"}


def test_the_demo_evening_is_shown_on_the_page() -> None:
    command = [sys.executable, "-m", "sniffer", "demo", "--open"]
    environment = {**os.environ, "BROWSER": "true", "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as demo:
        assert demo.stdout is not None
        line = demo.stdout.readline()
        url = next(word for word in line.split() if word.startswith("http://127.0.0.1:"))
        request = urllib.request.Request(url, headers=HTML)
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
        assert "nobody had asked" in text
        demo.send_signal(signal.SIGTERM)
        assert demo.wait(20) == 0


def test_the_first_start_beyond_this_machine_prints_a_link_that_works_once(tmp_path: Path) -> None:
    port = 20_000 + os.getpid() % 20_000
    (tmp_path / "sniffer.yaml").write_text(f"http: {{host: 0.0.0.0, port: {port}}}\nstore: {{path: {tmp_path}/s.db}}\n")
    command = [sys.executable, "-m", "sniffer", "run", "-c", "sniffer.yaml", "--capture", str(CAPTURE), "--store",
               str(tmp_path / "s.db"), "--format", "none"]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as daemon:
        assert daemon.stderr is not None
        link, end = None, time.monotonic() + 60
        while link is None and time.monotonic() < end:
            link = re.search(r"http://\S+/link/\S+", daemon.stderr.readline())
        assert link is not None
        path = link[0].partition(f":{port}")[2]
        base = f"http://127.0.0.1:{port}"
        for status in (303, 403):
            request = urllib.request.Request(base + path, data=b"", headers={"Origin": base}, method="POST")
            opener = urllib.request.build_opener(_Stay)
            with opener.open(request, timeout=10) as answer:
                assert answer.status == status
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
    assert not re.search(r"/link/", (tmp_path / "s.db").read_bytes().decode("latin-1"))


class _Stay(urllib.request.HTTPRedirectHandler, urllib.request.HTTPDefaultErrorHandler):
    """Redirects and refusals are answers."""

    def http_error_303(self, request, answer, code, message, headers):  # type: ignore[no-untyped-def]
        return answer

    def http_error_default(self, request, answer, code, message, headers):  # type: ignore[no-untyped-def]
        return answer
