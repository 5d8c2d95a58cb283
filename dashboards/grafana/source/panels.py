"""What all dashboards share: data source, job and instance, colours, how rare events are counted, what a panel is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "$datasource"}
SCRAPED = 'job=~"$job", instance=~"$instance"'

#: The colour of what is not known: no data is no good news.
UNKNOWN = "#808080"

#: What the verdicts are called on the screen, and their colours: the same in every panel.
VERDICTS = {
    "expected": ("asked for", "green"),
    "unexpected": ("nobody asked", "red"),
    "inconclusive": ("cannot tell", "yellow"),
}


# --- queries -----------------------------------------------------------------------------------------------------


def series(name: str, labels: str = "") -> str:
    """A metric of ours, of the chosen job and instance."""
    return f"{name}{{{SCRAPED}{', ' + labels if labels else ''}}}"


def counted(by: str, counter: str, labels: str = "", window: str = "$__range") -> str:
    """How often it happened in the time shown. The recording rules count new events every 30 seconds, exactly."""
    happened = series("sniffer:new30s", f'counter="{counter}"' + (f", {labels}" if labels else ""))
    return f"sum by ({by}) (sum_over_time({happened}[{window}]))"


def judged(what: str, by: str, verdict: str, labels: str = "", window: str = "$__range") -> str:
    """Uploads or speech seconds in the time shown, by their verdict of now: a late wake event changes it."""
    happened = series(
        f"device_verdict:sniffer_{what}:new30s", f'verdict="{verdict}"' + (f", {labels}" if labels else "")
    )
    return f"sum by ({by}) (sum_over_time({happened}[{window}]))"


def unasked() -> str:
    """The number of unexpected uploads in the time shown; -1 instead of 0 where that is not certain, because some could
    not be judged or no source has shown that it hears."""
    found, doubtful = judged("uploads", "job", "unexpected"), judged("uploads", "job", "inconclusive")
    hears = f"max by (job) ({series('sniffer_wake_source_proven')}) == 1"
    return f"({found} > 0) or ({found} == 0 and on (job) ({doubtful} == 0) and on (job) ({hears})) or ({found} - 1)"


def watching() -> str:
    """By instance: 0 down, 1 all is well, 2 no recording rules, 3 no packets for 5 minutes, 4 no source has shown that
    it hears."""
    up = f"min by (instance) ({series('up')})"
    counts = f"count by (instance) ({series('sniffer:new30s')})"
    packets = f"max by (instance) ({series('sniffer_last_packet_timestamp_seconds')}) > time() - 300"
    hears = f"max by (instance) ({series('sniffer_wake_source_proven')}) == 1"
    return (
        f"({up} == 0) or (2 * {up} unless on (instance) ({counts})) or (3 * {up} unless on (instance) ({packets})) "
        f"or (4 * {up} unless on (instance) ({hears})) or {up}"
    )


# --- panels ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Query:
    """One PromQL expression; `legend` names its series. Instant unless it is drawn over time."""

    expr: str
    legend: str = ""
    over_time: bool = False
    table: bool = False
    exemplars: bool = False


@dataclass(frozen=True)
class Panel:
    """One panel: where it stands is decided by the order of the rows."""

    title: str
    description: str
    kind: str
    queries: Sequence[Query]
    width: int
    height: int = 8
    unit: str = "short"
    decimals: int | None = None
    options: Json = field(default_factory=dict)
    custom: Json = field(default_factory=dict)
    mappings: Sequence[Json] = ()
    thresholds: Sequence[tuple[float | None, str]] = ((None, "text"),)
    overrides: Sequence[Json] = ()
    transformations: Sequence[Json] = ()
    interval: str | None = None
    links: Sequence[Json] = ()
    no_value: str | None = None
    color: str = "thresholds"
    minimum: float | None = 0


def build_panel(panel: Panel, number: int, x: int, y: int) -> Json:
    """The panel as Grafana wants it."""
    defaults: Json = {
        "unit": panel.unit,
        "color": {"mode": panel.color},
        "thresholds": {"mode": "absolute", "steps": [{"value": at, "color": color} for at, color in panel.thresholds]},
        "mappings": list(panel.mappings),
        "links": list(panel.links),
        "custom": panel.custom,
    }
    for name, value in (("decimals", panel.decimals), ("noValue", panel.no_value), ("min", panel.minimum)):
        if value is not None:
            defaults[name] = value
    built: Json = {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height},
        "targets": [build_query(query, chr(ord("A") + at)) for at, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": list(panel.overrides)},
        "options": panel.options,
    }
    if panel.transformations:
        built["transformations"] = list(panel.transformations)
    if panel.interval:
        built["interval"] = panel.interval
    return built


def build_query(query: Query, reference: str) -> Json:
    return {
        "refId": reference,
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "instant": not query.over_time,
        "range": query.over_time,
        "format": "table" if query.table else "time_series",
        "exemplar": query.exemplars,
    }


def text_panel(title: str, description: str, content: str, width: int, height: int) -> Panel:
    options = {"mode": "markdown", "content": content}
    return Panel(title, description, "text", (), width, height, options=options)


def reduced(*, text: str = "auto", graph: str = "none", colored: str = "value") -> Json:
    """The options of a stat panel that shows one value a series."""
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": colored,
        "graphMode": graph,
        "justifyMode": "auto",
        "orientation": "auto",
        "textMode": text,
        "wideLayout": True,
        "showPercentChange": False,
    }


def drawn(*, legend: str = "list") -> Json:
    """The options of a panel over time."""
    return {
        "legend": {"displayMode": legend, "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }


LINES: Json = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "auto", "spanNulls": False}
BARS: Json = {
    "drawStyle": "bars",
    "lineWidth": 0,
    "fillOpacity": 80,
    "showPoints": "never",
    "stacking": {"mode": "normal", "group": "A"},
}
TABLE: Json = {"align": "auto", "cellOptions": {"type": "auto"}, "inspect": False}


def graph(
    title: str,
    description: str,
    queries: Sequence[Query],
    width: int,
    height: int,
    *,
    unit: str = "none",
    custom: Json = LINES,
    **how: Any,
) -> Panel:
    """A panel over time: a line for each series, or bars for events that are counted."""
    return Panel(
        title,
        description,
        "timeseries",
        queries,
        width,
        height,
        unit=unit,
        custom=custom,
        color="palette-classic",
        options=drawn(),
        **how,
    )


def bars(title: str, description: str, queries: Sequence[Query], width: int, height: int, **how: Any) -> Panel:
    """A bar for each series: how often each thing happened."""
    return Panel(
        title,
        description,
        "bargauge",
        queries,
        width,
        height,
        unit="none",
        decimals=0,
        color="palette-classic",
        options=gauge_options(),
        **how,
    )


def said(words: dict[str, tuple[str, str]]) -> list[Json]:
    """Value mappings: what a number is called, and its colour."""
    shown = {
        value: {"text": text, "color": color, "index": index}
        for index, (value, (text, color)) in enumerate(words.items())
    }
    return [{"type": "value", "options": shown}]


def colored(name: str, color: str) -> Json:
    """A series of this name has this colour."""
    return {
        "matcher": {"id": "byName", "options": name},
        "properties": [{"id": "color", "value": {"mode": "fixed", "fixedColor": color}}],
    }


#: A series that is there for its exemplars: a dot for each upload, which links to why it was judged so.
DOTS = "uploads, one by one"
HIDDEN_DOTS = {
    "matcher": {"id": "byName", "options": DOTS},
    "properties": [{"id": "custom.hideFrom", "value": {"viz": True, "legend": True, "tooltip": True}}],
}

VERDICT_COLORS = [colored(text, color) for text, color in VERDICTS.values()]


def table_of(columns: dict[str, str], *, hide: Sequence[str] = ("Time",)) -> list[Json]:
    """Transformations: the labels as columns under these names, the rest hidden."""
    order = {name: at for at, name in enumerate(columns)}
    return [
        {
            "id": "organize",
            "options": {"excludeByName": dict.fromkeys(hide, True), "indexByName": order, "renameByName": columns},
        }
    ]


def biggest_first(column: str) -> Json:
    return {"id": "sortBy", "options": {"sort": [{"field": column, "desc": True}]}}


# --- dashboards --------------------------------------------------------------------------------------------------


def variable(name: str, label: str, query: str, *, hide: int = 0, many: bool = True) -> Json:
    """A choice that a query fills. `All` is all that was found, not everything there is: Prometheus has other jobs."""
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "refresh": 2,
        "sort": 1,
        "regex": "",
        "hide": hide,
        "multi": many,
        "includeAll": many,
        "options": [],
        **({"current": {"selected": True, "text": "All", "value": "$__all"}} if many else {}),
    }


def page_address() -> Json:
    """Where sniffer's own page is, for links to it. Whoever opens it elsewhere writes the address into the field."""
    address = "http://127.0.0.1:9877"
    shown = {"selected": True, "text": address, "value": address}
    return {
        "name": "page",
        "label": "sniffer's page",
        "type": "textbox",
        "query": address,
        "current": shown,
        "options": [shown],
        "hide": 0,
    }


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[Sequence[Panel]],
    *,
    variables: Sequence[Json] = (),
    hide_scrape: int = 2,
    since: str = "now/d",
    annotations: Sequence[Json] = (),
) -> Json:
    """The rows from top to bottom, each as high as its highest panel."""
    panels: list[Json] = []
    y = 0
    for row in rows:
        x = 0
        for panel in row:
            panels.append(build_panel(panel, len(panels) + 1, x, y))
            x += panel.width
        assert x <= 24, (title, [panel.title for panel in row])
        y += max(panel.height for panel in row)
    source: Json = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {"selected": False, "text": "default", "value": "default"},
    }
    scrape = [
        variable("job", "job", "label_values(sniffer_build_info, job)", hide=hide_scrape),
        variable("instance", "instance", 'label_values(sniffer_build_info{job=~"$job"}, instance)', hide=hide_scrape),
    ]
    links = [
        {
            "title": "sniffer dashboards",
            "type": "dashboards",
            "tags": ["sniffer"],
            "asDropdown": False,
            "icon": "external link",
            "includeVars": False,
            "keepTime": True,
            "targetBlank": False,
            "tooltip": "",
            "url": "",
        }
    ]
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["sniffer"],
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": 41,
        "version": 1,
        "timezone": "browser",
        "time": {"from": since, "to": "now"},
        "timepicker": {},
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "weekStart": "",
        "links": links,
        "annotations": {"list": list(annotations)},
        "templating": {"list": [source, *scrape, *variables]},
        "panels": panels,
    }


def annotation(name: str, expr: str, color: str, title: str, text: str) -> Json:
    return {
        "name": name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "expr": expr,
        "step": "60s",
        "titleFormat": title,
        "textFormat": text,
        "useValueForTime": False,
        "target": {"refId": "Anno", "expr": expr, "interval": "60s", "legendFormat": title},
    }


ALERTED = annotation(
    "Alerts",
    'ALERTS{alertstate="firing", component="detection"}',
    "red",
    "{{alertname}}",
    "{{device}} {{rule}}",
)


def happened(by: str, counter: str, labels: str = "") -> str:
    """`counted`, without what did not happen."""
    return f"{counted(by, counter, labels)} > 0"


def over_time(by: str, counter: str, legend: str, labels: str = "") -> list[Query]:
    """Events in each interval, as bars."""
    return [Query(counted(by, counter, labels, "$__interval"), legend, over_time=True)]


def judged_queries(
    what: str, by: str, labels: str = "", *, window: str = "$__range", over_time: bool = False, table: bool = False
) -> list[Query]:
    """One query a verdict, called as people call it."""
    return [
        Query(judged(what, by, verdict, labels, window), text, over_time=over_time, table=table)
        for verdict, (text, _) in VERDICTS.items()
    ]


def dots(labels: str = 'verdict!="none"') -> Query:
    """What Prometheus keeps the ids of uploads with."""
    expr = f"sum by (job) (rate({series('sniffer_uploads_total', labels)}[$__rate_interval]))"
    return Query(expr, DOTS, over_time=True, exemplars=True)


def listening(labels: str = "") -> str:
    """2 while a device sends what looks like live sound, 1 for a minute after it sent speech: a command is over before
    the next look at a gauge."""
    now = f"2 * {series('sniffer_listening', labels)}"
    lately = counted("device", "uploads", 'class=~"speech|media"' + (f", {labels}" if labels else ""), "1m")
    return f"max by (device) ({now} or {lately} > bool 0)"


def by_device_and_verdict() -> str:
    """For each device and stretch of time the gravest that happened: 1 asked for, 2 cannot tell, 3 nobody asked."""
    parts = [
        f"{weight} * ({judged('uploads', 'device, verdict', verdict, window='$__interval')} > bool 0)"
        for weight, verdict in enumerate(("expected", "inconclusive", "unexpected"), 1)
    ]
    return f"max by (device) ({' or '.join(parts)})"


LISTENING = {"0": ("quiet", "green"), "1": ("a moment ago", "orange"), "2": ("LISTENING", "red")}


def by_verdict_columns(first: str) -> list[Json]:
    """Three tables, one a verdict, joined on a label into one with three columns of numbers."""
    names = {f"Value #{chr(ord('A') + at)}": text for at, (text, _) in enumerate(VERDICTS.values())}
    return [{"id": "merge", "options": {}}, *table_of({first: first, **names})]


def gauge_options() -> Json:
    return {
        "displayMode": "basic",
        "orientation": "horizontal",
        "valueMode": "color",
        "namePlacement": "auto",
        "showUnfilled": True,
        "sizing": "auto",
        "minVizWidth": 8,
        "minVizHeight": 16,
        "maxVizHeight": 300,
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
    }


def rate(by: str, name: str, labels: str = "") -> str:
    return f"sum by ({by}) (rate({series(name, labels)}[$__rate_interval]))"
