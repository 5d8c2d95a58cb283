"""A real Prometheus over a metrics page, for as long as a test needs it."""

from __future__ import annotations

import http.server
import json
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sniffer.resources import shipped

#: In tests, a house's half minute is this long.
STEP = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Prometheus:
    """What a test asks of it."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"

    def get(self, path: str, **parameters: str) -> Any:
        """The `data` of an API answer. An error of Prometheus (a wrong expression) is an AssertionError."""
        url = f"{self._base}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.loads(answer.read())["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it is still starting
                raise
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def text(self, path: str) -> tuple[str, str]:
        with urllib.request.urlopen(self._base + path, timeout=10) as answer:
            return answer.read().decode(), answer.headers["content-type"]

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        return list(self.get("/api/v1/query", query=expr)["result"])

    def query_range(self, expr: str, seconds: int = 60) -> list[dict[str, Any]]:
        """The series of a query over the last seconds."""
        now = time.time()
        found = self.get("/api/v1/query_range", query=expr, start=str(now - seconds), end=str(now), step=str(STEP))
        return list(found["result"])

    def wait(self, holds: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Until it holds, or an AssertionError."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if holds():
                    return
            except OSError:
                pass
            time.sleep(0.5)
        raise AssertionError(f"never: {what}")


def quick_rules(folder: Path) -> list[str]:
    """The shipped rules, with half a minute as `STEP` seconds and nothing to wait for."""
    files = []
    for path in sorted((shipped("dashboards") / "prometheus").glob("*.rules.yml")):
        text = re.sub(r"\b(interval:|offset) 30s", rf"\1 {STEP}s", path.read_text())
        text = re.sub(r"(\n +for:) \w+", r"\1 0s", text)
        copy = folder / path.name
        copy.write_text(text)
        files.append(str(copy))
    return files


@contextmanager
def prometheus(
    binary: str, folder: Path, target: int, alertmanager: int | None = None, *, rules: bool = True
) -> Iterator[Prometheus]:
    """Prometheus on loopback, which scrapes a port as job `sniffer` and evaluates the shipped rules."""
    port = free_port()
    config: dict[str, Any] = {
        "global": {"scrape_interval": "1s", "evaluation_interval": f"{STEP}s"},
        "rule_files": quick_rules(folder) if rules else [],
        "scrape_configs": [
            {"job_name": "sniffer", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]},
            {"job_name": "prometheus", "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]},
        ],
    }
    if alertmanager is not None:
        targets = [{"targets": [f"127.0.0.1:{alertmanager}"]}]
        config["alerting"] = {"alertmanagers": [{"static_configs": targets}]}
    (folder / "prometheus.yml").write_text(json.dumps(config))
    process = subprocess.Popen(
        [
            binary,
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            f"--web.console.templates={shipped('dashboards') / 'runbooks'}",
            "--enable-feature=exemplar-storage",
            "--log.level=warn",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        server = Prometheus(port)
        server.wait(lambda: server.query('up{job="sniffer"} == 1'), "Prometheus scrapes the sniffer")
        yield server
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder / "data", ignore_errors=True)


@contextmanager
def metrics_page(render: Callable[[str], tuple[bytes, str]]) -> Iterator[int]:
    """A metrics page on loopback; its port."""

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body, content_type = render(self.headers.get("Accept", ""))
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
