"""Dashboards: what dashboard-linter asks for, and that a real Prometheus has data for every panel."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dashboards.grafana import source
from sniffer.model import Drift, Listening, Service, WakeEvent, WakeKind
from sniffer.records.build import device_record, drift_record, listening_record, wake_record
from sniffer.resources import shipped
from sniffer.sinks.metrics import Metrics
from tests.conftest import ToolFinder
from tests.dashboards.live import STEP, Prometheus, metrics_page, prometheus
from tests.dashboards.test_prometheus import RECORDS, metric_names, names_in
from tests.sinks.builders import FLOW, KITCHEN, START, upload

pytestmark = pytest.mark.slow

FOLDER = shipped("dashboards") / "grafana"
FILES = sorted(FOLDER.glob("*.json"))
DASHBOARDS = {path.stem: json.loads(path.read_text()) for path in FILES}
PANELS = [(name, panel) for name, board in DASHBOARDS.items() for panel in board["panels"]]
QUERIES = [(name, panel, target) for name, panel in PANELS for target in panel["targets"]]
VARIABLES = [(name, one) for name, board in DASHBOARDS.items() for one in board["templating"]["list"]]

each_board = pytest.mark.parametrize("name", DASHBOARDS)
each_panel = pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{n}: {p['title']}" for n, p in PANELS])
each_query = pytest.mark.parametrize(
    ("name", "panel", "target"), QUERIES, ids=[f"{n}: {p['title']} {t['refId']}" for n, p, t in QUERIES]
)


# --- as written --------------------------------------------------------------------------------------------------


def test_the_files_are_what_the_script_makes() -> None:
    assert set(source.DASHBOARDS) == set(DASHBOARDS)
    for name in DASHBOARDS:
        assert (FOLDER / f"{name}.json").read_text() == source.rendered(name), "run python -m dashboards.grafana.source"


def test_uids_and_titles_are_unique() -> None:
    assert len({board["uid"] for board in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert len({board["title"] for board in DASHBOARDS.values()}) == len(DASHBOARDS)
    assert all(board["uid"].startswith("sniffer-") and len(board["uid"]) <= 40 for board in DASHBOARDS.values())


@each_board
def test_a_dashboard_as_the_linter_wants_it(name: str) -> None:
    board = DASHBOARDS[name]
    assert board["editable"] is False and board["description"] and "sniffer" in board["tags"]
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    titles = [panel["title"] for panel in board["panels"]]
    assert len(set(titles)) == len(titles)
    variables = {one["name"]: one for one in board["templating"]["list"]}
    source = variables["datasource"]
    assert (source["type"], source["query"], source["label"]) == ("datasource", "prometheus", "Data source")
    for scrape in ("job", "instance"):
        assert variables[scrape]["multi"] and variables[scrape]["includeAll"] and variables[scrape]["label"] == scrape
    for one in variables.values():
        if one["type"] == "query":
            assert one["refresh"] == 2, "on time change"
            assert one["datasource"]["uid"] == "$datasource"


@each_board
def test_panels_do_not_overlap(name: str) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARDS[name]["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and at["x"] + at["w"] <= 24, panel["title"]
        taken |= cells


@each_panel
def test_a_panel_as_the_linter_wants_it(name: str, panel: dict[str, Any]) -> None:
    assert panel["title"] and panel["description"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "$datasource"}
    if panel["type"] == "text":
        return
    assert panel["targets"] and panel["fieldConfig"]["defaults"]["unit"]
    assert all(target["datasource"]["uid"] == "$datasource" for target in panel["targets"])
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references)


@each_query
def test_a_query_as_the_linter_wants_it(name: str, panel: dict[str, Any], target: dict[str, Any]) -> None:
    expr = target["expr"]
    selectors = re.findall(r"\{([^}]*)\}", expr)
    assert selectors and all('job=~"$job"' in one and 'instance=~"$instance"' in one for one in selectors)
    assert all(window == "$__rate_interval" for window in re.findall(r"rate\([^)]*\[(.*?)\]", expr))
    for counter in re.findall(r"\w+_total\{[^}]*\}", expr):
        assert re.search(r"(rate|increase)\(" + re.escape(counter), expr), "a counter is read through a rate"
    asked = names_in(expr)
    assert asked and asked <= metric_names() | {rule["record"] for rule in RECORDS}
    variables = {one["name"] for one in DASHBOARDS[name]["templating"]["list"]}
    used = set(re.findall(r"\$\{?(\w+)", expr)) - {"__range", "__interval", "__rate_interval"}
    assert used <= variables


def test_every_metric_is_shown_somewhere_or_alerts() -> None:
    counters = "".join(rule["expr"] for rule in RECORDS)
    shown = counters + "".join(target["expr"] for _, _, target in QUERIES)
    shown += " ".join(f"sniffer_{counter}_total" for counter in re.findall(r'counter="(\w+)"', shown))
    ours = {name.removesuffix("_count").removesuffix("_sum") for name in metric_names() if name.startswith("sniffer_")}
    unseen = {name for name in ours if name not in shown and name.removeprefix("sniffer_") not in shown}
    assert unseen <= {"sniffer_upload_duration_seconds"}, unseen


# --- against a real Prometheus -----------------------------------------------------------------------------------


def happen(metrics: Metrics) -> None:
    """One of everything, as a house would bring it about."""
    metrics.emit(device_record(KITCHEN, "br-lan", START).to_json())
    for at, verdict in enumerate(("expected", "unexpected", "inconclusive")):
        metrics.emit(upload(verdict, at=at * 60) | {"reason": f"reason_{verdict}"})
    asked = upload("expected", at=600)
    asked["wake"] = {"seen": True, "relation": "direct", "source": "ear", "trust": "independent", "gap_seconds": 0.4}
    metrics.emit(asked)
    metrics.emit(upload("expected", at=60, revision=1))
    metrics.emit(
        listening_record(Listening(KITCHEN.key, FLOW, Service(), START, START, 3.0), KITCHEN, "br-lan").to_json()
    )
    metrics.emit(wake_record(WakeEvent(START, "ear", device="kitchen")).to_json())
    metrics.emit(wake_record(WakeEvent(START, "ear", WakeKind.SOURCE_UP)).to_json())
    metrics.emit(drift_record(Drift(KITCHEN.key, START, "chunk_bytes", 437.0, 1062.0), KITCHEN, "br-lan").to_json())
    metrics.emit({"event_type": "alert", "device": upload()["device"], "rule": "upload-outside-wake", "level": "high"})
    metrics.capturing("br-lan", True)
    metrics.packets("br-lan", 1000)
    metrics.dropped("br-lan", 1)
    metrics.decode_error("ipv4")
    metrics.last_packet("br-lan", time.time_ns())
    metrics.flows(3)
    metrics.sees_others("br-lan", True)
    metrics.identity_change("lost", 1)
    metrics.source_heard("ear", time.time_ns(), True)
    metrics.source_hearing("ear", 0.05, 0.01, 0.2)
    metrics.sender("router", 1.5, 2)
    metrics.emit({"event_type": "question", "upload_id": "u", "expires": "2100-01-01T00:00:00Z"})
    metrics.delivery("phone", "delivered")
    metrics.outbox("phone", 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    metrics = Metrics("1.2.3", ["kitchen"])
    binary = ToolFinder()("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with metrics_page(metrics.render) as page, prometheus(binary, folder, page) as running:
        happen(metrics)
        recorded = 'sum(sum_over_time(device_verdict:sniffer_uploads:new30s{verdict="expected"}[1h])) == 3'
        running.wait(lambda: running.query(recorded), "the recording rules have counted")
        metrics.packets("br-lan", 1000)
        rate = 'rate(sniffer_uploads_total{device="kitchen", class="bulk"}[10s])'
        running.wait(lambda: running.query_range(rate), rate)
        time.sleep(2 * STEP)
        yield running


def filled(text: str) -> str:
    """An expression with its variables as Grafana would fill them in."""
    values = {"__rate_interval": "10s", "__interval": "1m", "__range": "1h", "job": "sniffer"}
    for name, value in (values | {"instance": ".+", "device": "kitchen"}).items():
        text = re.sub(rf"\$\{{?{name}\b\}}?", value, text)
    assert "$" not in text.replace("$1", ""), text
    return text


def check_panel(
    panel: dict[str, Any], target: dict[str, Any], server: Prometheus, *, may_be_empty: bool = False
) -> None:
    """A query has data, and all the labels that its legend or its columns name."""
    ask = server.query_range if target["range"] else server.query
    found = ask(filled(target["expr"]))
    assert found or may_be_empty, "no data"
    wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
    for transformation in panel.get("transformations", []):
        columns = transformation["options"].get("renameByName", {})
        wanted |= {column for column in columns if not column.startswith(("Value", "Time"))}
    for one in found:
        assert all(one["metric"].get(label) for label in wanted), one["metric"]
        values = [value for _, value in one.get("values", [one.get("value")])]
        assert any(value != "NaN" for value in values)


def shown(server: Prometheus, dashboard: str, title: str) -> dict[str, float]:
    """What a panel of single values shows, by its legend."""
    (panel,) = [panel for panel in DASHBOARDS[dashboard]["panels"] if panel["title"] == title]
    return {
        target["legendFormat"]: float(one["value"][1])
        for target in panel["targets"]
        for one in server.query(filled(target["expr"]))
    }


@each_query
def test_every_panel_has_data_with_the_labels_it_names(
    name: str, panel: dict[str, Any], target: dict[str, Any], server: Prometheus
) -> None:
    check_panel(panel, target, server)


@pytest.mark.parametrize(
    ("name", "variable"), [pair for pair in VARIABLES if pair[1]["type"] == "query"], ids=lambda v: str(v)[:20]
)
def test_no_variable_is_empty(name: str, variable: dict[str, Any], server: Prometheus) -> None:
    matched = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert matched
    selector, label = filled(matched[1]), matched[2]
    assert server.get(f"/api/v1/label/{label}/values", **{"match[]": selector})


def test_counts_are_exact_and_as_judged_now(server: Prometheus) -> None:
    told = {"asked for": 3, "nobody asked": 0, "cannot tell": 1}
    assert shown(server, "device", "Uploads in the time shown") == told
    assert shown(server, "home", "Nobody had asked") == {"uploads": -1}, "one of them could not be judged"
    assert shown(server, "home", "Cannot tell") == {"uploads": 1}
    assert shown(server, "home", "Open questions") == {"questions": 1}
    assert set(shown(server, "home", "Is the monitor watching?").values()) == {1}


@each_board
def test_annotations_are_queries_that_run(name: str, server: Prometheus) -> None:
    for one in DASHBOARDS[name]["annotations"]["list"]:
        found = server.query_range(filled(one["expr"]))
        assert found and found[0]["metric"]["device"] == "kitchen"


def test_prometheus_serves_the_runbooks_it_links_to(server: Prometheus) -> None:
    (alert,) = server.query('ALERTS{alertname="SnifferUnaskedUpload", alertstate="firing"}')
    text, content_type = server.text(f"/consoles/{alert['metric']['alertname']}.md")
    assert text == (shipped("dashboards") / "runbooks" / "SnifferUnaskedUpload.md").read_text()
    assert content_type.startswith("text/plain")
    groups = server.get("/api/v1/rules")["groups"]
    assert all(rule["health"] == "ok" for group in groups for rule in group["rules"])


# --- what is not known is no good news ---


def home(server: Prometheus) -> dict[str, float | None]:
    """What the first row of Home shows; None where a tile has no data."""
    titles = ("Nobody had asked", "Cannot tell", "Is the monitor watching?")
    return {title: next(iter(shown(server, "home", title).values()), None) for title in titles}


def colour(title: str, value: float | None) -> str:
    """The background that a tile of Home has for a value, as Grafana decides it: mapping, else the last threshold that
    is not above it; no data is the base colour."""
    (panel,) = [panel for panel in DASHBOARDS["home"]["panels"] if panel["title"] == title]
    defaults = panel["fieldConfig"]["defaults"]
    mapped = {key: one["color"] for m in defaults["mappings"] for key, one in m["options"].items() if "color" in one}
    steps = defaults["thresholds"]["steps"]
    if value is None:
        return str(steps[0]["color"])
    if f"{value:g}" in mapped:
        return str(mapped[f"{value:g}"])
    return str([step["color"] for step in steps if step["value"] is None or step["value"] <= value][-1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("verdicts", "source", "rules", "expected"),
    [
        (["inconclusive"], None, True, {"Nobody had asked": -1, "Cannot tell": 1, "Is the monitor watching?": 4}),
        (["expected"], False, True, {"Nobody had asked": -1, "Cannot tell": 0, "Is the monitor watching?": 4}),
        (["expected"], True, True, {"Nobody had asked": 0, "Cannot tell": 0, "Is the monitor watching?": 1}),
        (["unexpected"], True, True, {"Nobody had asked": 1, "Cannot tell": 0, "Is the monitor watching?": 1}),
        (["unexpected"], True, False, {"Nobody had asked": None, "Cannot tell": None, "Is the monitor watching?": 2}),
    ],
    ids=["no wake source", "a source that never heard", "all is well", "unasked", "no recording rules"],
)
def test_home_shows_no_reassurance_that_is_not_known(
    tmp_path: Path, verdicts: list[str], source: bool | None, rules: bool, expected: dict[str, float | None]
) -> None:
    metrics = Metrics("1.2.3", ["kitchen"])
    with (
        metrics_page(metrics.render) as page,
        prometheus(ToolFinder()("prometheus"), tmp_path, page, rules=rules) as running,
    ):
        metrics.emit(device_record(KITCHEN, "br-lan", START).to_json())
        for verdict in verdicts:
            metrics.emit(upload(verdict))
        if source is not None:
            metrics.source_up("ear", True)
            metrics.source_heard("ear", START, source)
        metrics.last_packet("br-lan", time.time_ns())
        running.wait(lambda: home(running) == expected, str(expected))
        certain = expected["Nobody had asked"] == 0
        assert (colour("Nobody had asked", expected["Nobody had asked"]) == "green") is certain
        assert (colour("Is the monitor watching?", expected["Is the monitor watching?"]) == "green") is (
            rules and bool(source)
        )
