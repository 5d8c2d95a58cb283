"""Makes the Grafana dashboards: `python dashboards/grafana/build.py` writes home.json, device.json, health.json here.

The JSON is committed, so that nobody needs this to use them; a test says that the two agree. What all panels share
(data source, job and instance, colours, how rare events are counted) is said once, here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

SOURCE = {"type": "prometheus", "uid": "$datasource"}
SCRAPED = 'job=~"$job", instance=~"$instance"'

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


READING = """\
**Green: asked for.** Somebody said the wake word, pressed a button, or began a call: a source you set up says so.

**Red: nobody asked.** A source that would have heard it was listening, and heard nothing. Most often the speaker \
misheard the television. Look at *What to look at*, then at what the vendor stored for that minute.

**Yellow: cannot tell.** No source was there to say. Nobody is accused, and nothing is hidden: add a source \
(docs/wake.md).

Seconds of speech are what the upload could hold, at most. `sniffer uploads` lists each one, `sniffer explain ID` \
says why.
"""


def home() -> Json:
    rows = [
        [
            Panel(
                "Is anything listening now?",
                "Red: sends what looks like a live microphone at this moment. Orange: did so within the last "
                "minute, as after each spoken command.",
                "stat",
                [Query(listening(), "{{device}}")],
                12,
                6,
                mappings=said(LISTENING),
                thresholds=((None, "green"), (1, "orange"), (2, "red")),
                options=reduced(text="value_and_name", colored="background"),
                unit="none",
                no_value="no speaker known yet",
            ),
            Panel(
                "Nobody had asked",
                "Uploads in the time shown that no request explains although somebody would have heard one.",
                "stat",
                [Query(judged("uploads", "job", "unexpected"), "uploads")],
                4,
                6,
                thresholds=((None, "green"), (1, "red")),
                options=reduced(colored="background"),
                unit="none",
                decimals=0,
                no_value="0",
            ),
            Panel(
                "Asked for",
                "Uploads in the time shown that somebody asked for.",
                "stat",
                [Query(judged("uploads", "job", "expected"), "uploads")],
                4,
                6,
                thresholds=((None, "green"),),
                options=reduced(),
                unit="none",
                decimals=0,
                no_value="0",
            ),
            Panel(
                "Is the monitor watching?",
                "Whether the monitor answers. If not, silence on this page means nothing: see Monitor health.",
                "stat",
                [Query(f"min by (instance) ({series('up')})", "{{instance}}")],
                4,
                6,
                mappings=said({"0": ("DOWN", "red"), "1": ("watching", "green")}),
                thresholds=((None, "red"), (1, "green")),
                options=reduced(colored="background"),
                unit="none",
                no_value="DOWN",
                links=[{"title": "Monitor health", "url": "/d/sniffer-health"}],
            ),
        ],
        [
            Panel(
                "Seconds of speech that left, by device",
                "How many seconds of speech the uploads in the time shown could hold, as judged now.",
                "barchart",
                judged_queries("speech_seconds", "device", table=True),
                12,
                9,
                unit="s",
                decimals=0,
                color="palette-classic",
                overrides=VERDICT_COLORS,
                transformations=by_verdict_columns("device"),
                options={
                    "xField": "device",
                    "orientation": "horizontal",
                    "stacking": "normal",
                    "showValue": "auto",
                    "barWidth": 0.8,
                    "groupWidth": 0.7,
                    "barRadius": 0.1,
                    "fullHighlight": False,
                    "xTickLabelRotation": 0,
                    **drawn(),
                },
                custom={"fillOpacity": 80, "lineWidth": 0},
                links=[{"title": "More of this device", "url": "/d/sniffer-device?var-device=${__data.fields.device}"}],
            ),
            Panel(
                "What to look at",
                "Rules that raised an alert in the time shown, and how often. docs/rules.md says what each rule means; "
                "`sniffer uploads` lists the uploads.",
                "table",
                [Query(happened("device, rule, level", "alerts"), table=True)],
                12,
                9,
                unit="none",
                decimals=0,
                custom=TABLE,
                no_value="nothing",
                transformations=[
                    *table_of({"device": "device", "rule": "rule", "level": "level", "Value": "alerts"}),
                    biggest_first("alerts"),
                ],
                options={"showHeader": True, "cellHeight": "sm"},
                overrides=[
                    {
                        "matcher": {"id": "byName", "options": "level"},
                        "properties": [
                            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
                            {
                                "id": "mappings",
                                "value": said(
                                    {
                                        "critical": ("critical", "red"),
                                        "high": ("high", "orange"),
                                        "medium": ("medium", "yellow"),
                                        "low": ("low", "blue"),
                                    }
                                ),
                            },
                        ],
                    }
                ],
            ),
        ],
        [
            Panel(
                "Uploads over time",
                "When uploads were judged, and how. Red marks are alerts; each dot is an upload and links to its reasons.",
                "timeseries",
                [*judged_queries("uploads", "job", window="$__interval", over_time=True), dots()],
                24,
                8,
                unit="none",
                decimals=0,
                interval="1m",
                custom=BARS,
                color="palette-classic",
                overrides=[*VERDICT_COLORS, HIDDEN_DOTS],
                options=drawn(),
            ),
        ],
        [
            Panel(
                "Who sent speech, and had anybody asked?",
                "Each device over time: green where somebody had asked, red where nobody had, yellow where nobody can "
                "tell, as it was judged then.",
                "state-timeline",
                [Query(by_device_and_verdict(), "{{device}}", over_time=True)],
                14,
                8,
                unit="none",
                interval="1m",
                mappings=said(
                    {
                        "0": ("quiet", "transparent"),
                        "1": ("asked for", "green"),
                        "2": ("cannot tell", "yellow"),
                        "3": ("nobody asked", "red"),
                    }
                ),
                thresholds=((None, "transparent"), (1, "green"), (2, "yellow"), (3, "red")),
                custom={"fillOpacity": 90, "lineWidth": 0},
                options={"showValue": "never", "mergeValues": True, "rowHeight": 0.8, "alignValue": "left", **drawn()},
            ),
            text_panel("How to read this page", "What the colours mean.", READING, 10, 8),
        ],
    ]
    return dashboard(
        "sniffer-home",
        "Home",
        "Is a speaker listening, what left the house today, and had anybody asked for it?",
        rows,
        annotations=[ALERTED],
    )


DEVICE = 'device=~"$device"'


def device() -> Json:
    rows = [
        [
            Panel(
                "Who it is",
                "What the device was recognised as, or what the configuration says it is.",
                "table",
                [Query(f"max by (device, vendor, model) ({series('sniffer_device_info', DEVICE)})", table=True)],
                12,
                5,
                unit="none",
                custom=TABLE,
                transformations=table_of(
                    {"device": "name", "vendor": "vendor", "model": "model"}, hide=("Time", "Value")
                ),
                options={"showHeader": True, "cellHeight": "sm"},
            ),
            Panel(
                "Listening now",
                "Whether it sends what looks like a live microphone at this moment.",
                "stat",
                [Query(listening(DEVICE), "{{device}}")],
                4,
                5,
                mappings=said(LISTENING),
                thresholds=((None, "green"), (1, "orange"), (2, "red")),
                options=reduced(colored="background"),
                unit="none",
            ),
            Panel(
                "Uploads in the time shown",
                "By their verdict of now.",
                "bargauge",
                judged_queries("uploads", "job", DEVICE),
                8,
                5,
                unit="none",
                decimals=0,
                color="palette-classic",
                overrides=VERDICT_COLORS,
                options=gauge_options(),
            ),
        ],
        [
            Panel(
                "Baseline: seconds of speech a day",
                "How much speech leaves on a usual day. A day that stands out is worth a question.",
                "timeseries",
                judged_queries("speech_seconds", "job", DEVICE, window="$__interval", over_time=True),
                12,
                8,
                unit="s",
                decimals=0,
                interval="1d",
                custom=BARS,
                color="palette-classic",
                overrides=VERDICT_COLORS,
                options=drawn(),
            ),
            Panel(
                "Uploads over time",
                "When uploads were judged, and how. Red marks are alerts; each dot is an upload and links to its reasons.",
                "timeseries",
                [
                    *judged_queries("uploads", "job", DEVICE, window="$__interval", over_time=True),
                    dots(f'verdict!="none", {DEVICE}'),
                ],
                12,
                8,
                unit="none",
                decimals=0,
                interval="1m",
                custom=BARS,
                color="palette-classic",
                overrides=[*VERDICT_COLORS, HIDDEN_DOTS],
                options=drawn(),
            ),
        ],
        [
            Panel(
                "Chunk size of its audio",
                "The size of the audio packets in its last speech upload. It belongs to model and firmware: a step is "
                "an update, or something else that sends.",
                "timeseries",
                [
                    Query(
                        f"max by (device) ({series('sniffer_speech_chunk_bytes', DEVICE)})",
                        "{{device}}",
                        over_time=True,
                    )
                ],
                8,
                7,
                unit="bytes",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
            ),
            Panel(
                "Chunks a second",
                "The pace of the audio packets in its last speech upload.",
                "timeseries",
                [
                    Query(
                        f"max by (device) ({series('sniffer_speech_chunks_per_second', DEVICE)})",
                        "{{device}}",
                        over_time=True,
                    )
                ],
                8,
                7,
                unit="pps",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
            ),
            Panel(
                "Whom it sends to: bytes by role",
                "Bytes of uploads in the time shown, by what the other side is for the vendor. `unknown` has no name, "
                "or one in no list.",
                "piechart",
                [Query(happened("role", "service_bytes", DEVICE), "{{role}}")],
                8,
                7,
                unit="bytes",
                color="palette-classic",
                options={
                    "pieType": "donut",
                    "displayLabels": ["percent"],
                    "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
                    "legend": {
                        "displayMode": "table",
                        "placement": "right",
                        "showLegend": True,
                        "values": ["value"],
                        "calcs": [],
                    },
                    "tooltip": {"mode": "single", "sort": "none"},
                },
            ),
        ],
        [
            Panel(
                "Why the verdicts",
                "The reason of each judged upload in the time shown. docs/wake.md says what each word means.",
                "bargauge",
                [Query(happened("reason", "verdict_reasons", DEVICE), "{{reason}}")],
                8,
                8,
                unit="none",
                decimals=0,
                color="palette-classic",
                options=gauge_options(),
            ),
            Panel(
                "Which source explained",
                "Uploads that a wake event explains, by the source of the event and how they belong together.",
                "bargauge",
                [
                    Query(
                        happened("source, relation", "explained_uploads", DEVICE),
                        "{{source}}: {{relation}}",
                    )
                ],
                8,
                8,
                unit="none",
                decimals=0,
                color="palette-classic",
                no_value="none",
                options=gauge_options(),
            ),
            Panel(
                "Alerts by rule",
                "Rules that raised an alert for this device in the time shown.",
                "bargauge",
                [Query(happened("rule, level", "alerts", DEVICE), "{{rule}} ({{level}})")],
                8,
                8,
                unit="none",
                decimals=0,
                color="palette-classic",
                no_value="none",
                options=gauge_options(),
            ),
        ],
        [
            Panel(
                "Bytes sent, by class of upload",
                "What it sends over time: speech, stored sound (bulk), streams (media), and what it does by itself.",
                "timeseries",
                over_time("class", "upload_bytes", "{{class}}", DEVICE),
                24,
                8,
                unit="bytes",
                interval="1m",
                custom=BARS,
                color="palette-classic",
                options=drawn(),
            ),
        ],
    ]
    choice = variable("device", "Device", 'label_values(sniffer_device_info{job=~"$job"}, device)')
    return dashboard(
        "sniffer-device",
        "Device",
        "One speaker: who it is, what is usual for it, whom it talks to, and why it was judged as it was.",
        rows,
        variables=[choice],
        since="now-7d",
        annotations=[ALERTED],
    )


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


def health() -> Json:
    good, bad = (None, "green"), (1, "red")
    rows = [
        [
            Panel(
                "Up",
                "Whether the monitor answers Prometheus.",
                "stat",
                [Query(f"min by (instance) ({series('up')})", "{{instance}}")],
                4,
                5,
                unit="none",
                mappings=said({"0": ("DOWN", "red"), "1": ("up", "green")}),
                thresholds=((None, "red"), (1, "green")),
                options=reduced(colored="background"),
                no_value="DOWN",
            ),
            Panel(
                "Version",
                "The version that runs.",
                "stat",
                [Query(f"max by (version) ({series('sniffer_build_info')})", "{{version}}")],
                4,
                5,
                unit="none",
                options=reduced(text="name"),
            ),
            Panel(
                "Running for",
                "Time since the monitor was started.",
                "stat",
                [Query(f"time() - max by (instance) ({series('process_start_time_seconds')})", "{{instance}}")],
                4,
                5,
                unit="s",
                decimals=0,
                options=reduced(),
            ),
            Panel(
                "Last packet",
                "How long ago the last packet was captured. More than a few minutes: the capture is stalled.",
                "stat",
                [
                    Query(
                        f"time() - max by (interface) ({series('sniffer_last_packet_timestamp_seconds')})",
                        "{{interface}}",
                    )
                ],
                4,
                5,
                unit="s",
                decimals=0,
                thresholds=((None, "green"), (60, "yellow"), (300, "red")),
                options=reduced(colored="background"),
                minimum=None,
            ),
            Panel(
                "Configuration",
                "Whether the configuration could be read the last time it was loaded.",
                "stat",
                [Query(f"min by (instance) ({series('sniffer_config_last_reload_successful')})", "{{instance}}")],
                4,
                5,
                unit="none",
                mappings=said({"0": ("WRONG", "red"), "1": ("good", "green")}),
                thresholds=((None, "red"), (1, "green")),
                options=reduced(colored="background"),
            ),
            Panel(
                "Flows",
                "Connections of watched devices that are being followed.",
                "stat",
                [Query(f"sum by (instance) ({series('sniffer_flows')})", "{{instance}}")],
                4,
                5,
                unit="none",
                options=reduced(graph="area"),
            ),
        ],
        [
            Panel(
                "Packets captured",
                "Packets a second that came through the kernel filter.",
                "timeseries",
                [Query(rate("interface", "sniffer_capture_packets_total"), "{{interface}}", over_time=True)],
                8,
                8,
                unit="pps",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
            ),
            Panel(
                "Packets dropped",
                "Packets a second that the kernel dropped before we read them. Uploads near a loss are inconclusive.",
                "timeseries",
                [Query(rate("interface", "sniffer_capture_dropped_packets_total"), "{{interface}}", over_time=True)],
                8,
                8,
                unit="pps",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
                no_value="none",
            ),
            Panel(
                "Packets that could not be decoded",
                "By the protocol that was wrong.",
                "timeseries",
                [Query(rate("protocol", "sniffer_decode_errors_total"), "{{protocol}}", over_time=True)],
                8,
                8,
                unit="pps",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
                no_value="none",
            ),
        ],
        [
            Panel(
                "Wake sources",
                "Whether each source that tells when somebody asked is connected and hears.",
                "state-timeline",
                [Query(f"min by (source) ({series('sniffer_wake_source_up')})", "{{source}}", over_time=True)],
                8,
                8,
                unit="none",
                mappings=said({"0": ("down", "red"), "1": ("up", "green")}),
                thresholds=((None, "red"), (1, "green")),
                custom={"fillOpacity": 80, "lineWidth": 0},
                options={"showValue": "auto", "mergeValues": True, "rowHeight": 0.7, "alignValue": "left", **drawn()},
                no_value="no source is configured",
            ),
            Panel(
                "Wake events",
                "How often each source says that somebody asked. One that falls silent may have gone deaf.",
                "timeseries",
                over_time("source", "wake_events", "{{source}}"),
                8,
                8,
                unit="none",
                interval="5m",
                custom=BARS,
                color="palette-classic",
                options=drawn(),
                no_value="none",
            ),
            Panel(
                "Verdicts that changed later",
                "A late wake event re-judges an upload. Many of them: a source reports late.",
                "bargauge",
                [Query(counted("from, to", "verdict_changes"), "{{from}} to {{to}}")],
                8,
                8,
                unit="none",
                decimals=0,
                color="palette-classic",
                options=gauge_options(),
                no_value="none",
            ),
        ],
        [
            Panel(
                "Deliveries",
                "Attempts to deliver, by receiver and outcome. `dead`, `dropped`, `gone` and `refused` are lost.",
                "timeseries",
                over_time("sink, outcome", "deliveries", "{{sink}} {{outcome}}"),
                8,
                8,
                unit="none",
                interval="1m",
                custom=BARS,
                color="palette-classic",
                options=drawn(),
                no_value="none",
            ),
            Panel(
                "Messages waiting",
                "Messages in the outbox. They survive restarts, and leave when the receiver is back.",
                "timeseries",
                [Query(f"sum by (sink) ({series('sniffer_outbox_messages')})", "{{sink}}", over_time=True)],
                8,
                8,
                unit="none",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
                no_value="none",
            ),
            Panel(
                "Habits that changed",
                "Devices whose audio no longer looks as learned, most often after an update.",
                "bargauge",
                [Query(counted("device, what", "drift"), "{{device}}: {{what}}")],
                8,
                8,
                unit="none",
                decimals=0,
                color="palette-classic",
                thresholds=(good, bad),
                options=gauge_options(),
                no_value="none",
            ),
        ],
        [
            Panel(
                "Memory",
                "Resident memory of the monitor. It is made to stay under 100 MiB.",
                "timeseries",
                [
                    Query(
                        f"max by (instance) ({series('process_resident_memory_bytes')})", "{{instance}}", over_time=True
                    )
                ],
                8,
                8,
                unit="bytes",
                custom={**LINES, "thresholdsStyle": {"mode": "dashed"}},
                thresholds=((None, "transparent"), (104857600, "orange")),
                color="palette-classic",
                options=drawn(),
            ),
            Panel(
                "CPU",
                "Share of one core.",
                "timeseries",
                [Query(rate("instance", "process_cpu_seconds_total"), "{{instance}}", over_time=True)],
                8,
                8,
                unit="percentunit",
                custom=LINES,
                color="palette-classic",
                options=drawn(),
            ),
            Panel(
                "How long uploads last",
                "Of judged uploads: half are shorter than the first, 95 of 100 shorter than the second.",
                "stat",
                [
                    Query(f"histogram_quantile({quantile}, {counted('le', 'upload_duration_seconds_bucket')})", name)
                    for quantile, name in ((0.5, "median"), (0.95, "95 %"))
                ],
                8,
                8,
                unit="s",
                decimals=1,
                options=reduced(),
                no_value="no uploads yet",
            ),
        ],
    ]
    return dashboard(
        "sniffer-health",
        "Monitor health",
        "Whether the monitor sees, hears and tells: capture, wake sources, deliveries, and what it costs.",
        rows,
        hide_scrape=0,
        since="now-24h",
    )


DASHBOARDS = {"home": home, "device": device, "health": health}


def rendered(name: str) -> str:
    """The text of one dashboard's file."""
    return json.dumps(DASHBOARDS[name](), indent=1) + "\n"


if __name__ == "__main__":
    for name in DASHBOARDS:
        Path(__file__).with_name(f"{name}.json").write_text(rendered(name))
