"""The whole way, with the programs themselves: demo capture, `sniffer run`, Prometheus, Alertmanager, panels."""

import http.server
import json
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from sniffer.demo import CAPTURE, DEVICES, WAKE_EVENTS
from sniffer.resources import shipped
from sniffer.sinks.delivery.formats import alert_labels
from tests.conftest import ToolFinder
from tests.dashboards.live import Prometheus, free_port, prometheus
from tests.dashboards.test_grafana import QUERIES, VARIABLES, each_query, filled, shown
from tests.dashboards.test_grafana import check_panel as check

pytestmark = pytest.mark.slow


@contextmanager
def ended(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def receiver() -> Iterator[int]:
    """A webhook receiver that takes everything."""

    class Taker(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Prometheus, int, int]]:
    """Prometheus, which has scraped a daemon over the demo capture, and Alertmanager's port."""
    find = ToolFinder()
    binaries = [find("prometheus"), find("prometheus-alertmanager")]
    folder = tmp_path_factory.mktemp("house")
    page, alerts, peers = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        hook = stack.enter_context(receiver())
        config = {
            "devices": yaml.safe_load(DEVICES.read_text()),
            "http": {"port": page},
            "store": {"path": str(folder / "sniffer.db")},
            "sinks": {
                "event_log": None,
                "evidence": None,
                "webhooks": [{"name": "phone", "url": f"http://127.0.0.1:{hook}/"}],
            },
        }
        (folder / "sniffer.yaml").write_text(yaml.safe_dump(config))
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        command = [sys.executable, "-m", "sniffer", "run", "-c", folder / "sniffer.yaml"]
        replay = ["--capture", CAPTURE, "--wake", WAKE_EVENTS, "--deliver"]
        stack.enter_context(ended(subprocess.Popen([*command, *replay], **quiet)))
        routes = shipped("dashboards") / "provisioning" / "alertmanager" / "alertmanager.yml"
        listen = [f"--web.listen-address=127.0.0.1:{alerts}", f"--cluster.listen-address=127.0.0.1:{peers}"]
        manager = [binaries[1], f"--config.file={routes}", f"--storage.path={folder / 'alerts'}", *listen]
        stack.enter_context(ended(subprocess.Popen(manager, **quiet)))
        server = stack.enter_context(prometheus(binaries[0], folder, page, alerts))
        judged = "sum(sum_over_time(device_verdict:sniffer_uploads:new30s[1h])) == 3"
        server.wait(lambda: server.query(judged), "three judged uploads")
        server.wait(lambda: server.query('sniffer:new30s{counter="deliveries"}'), "a delivery")
        rates = (
            "rate(process_cpu_seconds_total[10s])",
            'rate(sniffer_uploads_total{device="kitchen", class="bulk"}[10s])',
        )
        for rate in rates:
            server.wait(lambda rate=rate: server.query_range(rate), rate)  # type: ignore[misc]
        yield server, alerts, page


@each_query
def test_every_panel_has_data(
    name: str, panel: dict[str, Any], target: dict[str, Any], house: tuple[Prometheus, int, int]
) -> None:
    # A replay sees no network and no changes, has no packets from elsewhere, and its listener testifies nothing.
    absent = ("sees_others", "sniffer_source_", "unheard_ratio")
    rare = target["expr"].endswith("> 0") or any(word in target["expr"] for word in absent)
    check(panel, target, house[0], may_be_empty=rare)


@pytest.mark.parametrize(("name", "variable"), [pair for pair in VARIABLES if pair[1]["type"] == "query"])
def test_no_variable_is_empty(name: str, variable: dict[str, Any], house: tuple[Prometheus, int, int]) -> None:
    selector, label = variable["query"]["query"].removeprefix("label_values(").removesuffix(")").rsplit(", ", 1)
    assert house[0].get(f"/api/v1/label/{label}/values", **{"match[]": filled(selector)})


def test_the_home_page_tells_the_story(house: tuple[Prometheus, int, int]) -> None:
    """Two requests and one upload that nobody asked for, from the kitchen."""
    server = house[0]
    assert shown(server, "home", "Nobody had asked") == {"uploads": 1}
    assert shown(server, "home", "Asked for") == {"uploads": 2}
    (row,) = server.query(filled(next(t["expr"] for _, p, t in QUERIES if p["title"] == "What to look at")))
    assert row["metric"] == {"device": "kitchen", "rule": "upload-outside-wake", "level": "high"}
    assert float(row["value"][1]) == 1


def test_a_point_leads_to_its_upload(house: tuple[Prometheus, int, int]) -> None:
    """From a query of the page to an exemplar, from there to the record."""
    server, _, page = house
    (target,) = [target for name, _, target in QUERIES if name == "home" and target["exemplar"]]
    asked = {"query": filled(target["expr"]), "start": str(time.time() - 600), "end": str(time.time() + 1)}
    found = server.get("/api/v1/query_exemplars", **asked)
    uploads = {one["labels"]["upload"] for series in found for one in series["exemplars"]}
    assert len(uploads) == 3
    source = yaml.safe_load((shipped("dashboards") / "provisioning/grafana/datasources/prometheus.yml").read_text())
    (link,) = source["datasources"][0]["jsonData"]["exemplarTraceIdDestinations"]
    assert link["name"] == "upload"
    path = link["url"].partition(":9877")[2].replace("$${__value.raw}", uploads.pop())
    with urllib.request.urlopen(f"http://127.0.0.1:{page}{path}", timeout=10) as answer:
        assert "How it left" in answer.read().decode()
    with urllib.request.urlopen(f"http://127.0.0.1:{page}{path}/record.json", timeout=10) as answer:
        assert json.loads(answer.read())["event_type"] == "upload"


def test_alertmanager_is_told(house: tuple[Prometheus, int, int]) -> None:
    server, port, _ = house

    def alerts() -> list[dict[str, Any]]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=10) as answer:
            found = json.loads(answer.read())
        return [alert for alert in found if alert["labels"]["alertname"] == "SnifferUnaskedUpload"]

    server.wait(alerts, "the alert reaches Alertmanager")
    (alert,) = alerts()
    assert alert["labels"]["device"] == "kitchen" and alert["labels"]["severity"] == "critical"
    assert alert["annotations"]["summary"] == "kitchen sent what could be your voice, and nobody had asked"
    assert [one["name"] for one in alert["receivers"]] == ["people"]
    runbook = Path(alert["annotations"]["runbook_url"])
    assert (shipped("dashboards") / "runbooks" / runbook.name).is_file()


def test_of_two_alerts_about_one_upload_the_sniffers_own_is_kept(house: tuple[Prometheus, int, int]) -> None:
    server, port, _ = house
    url = f"http://127.0.0.1:{port}/api/v2/alerts"
    labels = alert_labels({"event_type": "alert", "rule": "upload-outside-wake", "level": "high", "device": "kitchen"})
    body = json.dumps([{"labels": labels, "annotations": {"summary": "ours"}}]).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"}), timeout=10):
        pass

    def held_back() -> bool:
        with urllib.request.urlopen(url, timeout=10) as answer:
            found = {alert["labels"]["alertname"]: alert["status"] for alert in json.loads(answer.read())}
        ours, theirs = found.get("upload-outside-wake"), found.get("SnifferUnaskedUpload")
        return bool(ours and theirs and theirs["inhibitedBy"] and not ours["inhibitedBy"])

    server.wait(held_back, "the alert that Prometheus made is held back")
