"""Home: is anything listening, what left the house today, and had anybody asked?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dashboards.grafana.source.panels import (
    ALERTED,
    BARS,
    HIDDEN_DOTS,
    LISTENING,
    TABLE,
    UNKNOWN,
    VERDICT_COLORS,
    Json,
    Panel,
    Query,
    biggest_first,
    by_device_and_verdict,
    by_verdict_columns,
    dashboard,
    dots,
    drawn,
    graph,
    happened,
    judged,
    judged_queries,
    listening,
    page_address,
    reduced,
    said,
    series,
    table_of,
    text_panel,
    unasked,
    watching,
)

READING = """\
**Green: asked for.** Somebody said the wake word, pressed a button, or began a call: a source you set up says so.

**Red: nobody asked.** A source that would have heard it was listening, and heard nothing. Most often the speaker \
misheard the television. Look at *What to look at*, then at what the vendor stored for that minute.

**Yellow: cannot tell.** No source was there to say. Nobody is accused, and nothing is hidden: add a source \
(docs/wake.md).

Seconds of speech are what the upload could hold, at most. `sniffer uploads` lists each one, `sniffer explain ID` \
says why.
"""


def tile(
    title: str,
    description: str,
    query: Query,
    thresholds: Sequence[tuple[float, str]],
    link: tuple[str, str],
    *,
    colored: str = "background",
    **how: Any,
) -> Panel:
    """One number, grey where it is not counted, with a link (its title, a path) to sniffer's page."""
    return Panel(
        title,
        description,
        "stat",
        [query],
        3,
        6,
        unit="none",
        decimals=0,
        thresholds=((None, UNKNOWN), *thresholds),
        options=reduced(colored=colored),
        links=[{"title": link[0], "url": f"${{page}}/{link[1]}", "targetBlank": True}],
        no_value="not counted",
        **how,
    )


def home() -> Json:
    rows = [
        [
            Panel(
                "Is anything listening now?",
                "Red: sends what looks like a live microphone at this moment. Orange: did so within the last "
                "minute, as after each spoken command.",
                "stat",
                [Query(listening(), "{{device}}")],
                8,
                6,
                mappings=said(LISTENING),
                thresholds=((None, "green"), (1, "orange"), (2, "red")),
                options=reduced(text="value_and_name", colored="background"),
                unit="none",
                no_value="no speaker known yet",
            ),
            tile(
                "Nobody had asked",
                "Uploads in the time shown that no request explains although a source that was known to hear would "
                "have reported one. Green only if every upload could be judged and a source hears now.",
                Query(unasked(), "uploads"),
                ((0, "green"), (1, "red")),
                ("These uploads", "timeline?verdict=unexpected"),
                mappings=said({"-1": ("not certain", "yellow")}),
                minimum=-1,
            ),
            tile(
                "Cannot tell",
                "Uploads in the time shown that no wake source could explain or rule out. A source that hears would.",
                Query(judged("uploads", "job", "inconclusive"), "uploads"),
                ((0, "text"), (1, "yellow")),
                ("These uploads", "timeline?verdict=inconclusive"),
            ),
            tile(
                "Asked for",
                "Uploads in the time shown that somebody asked for.",
                Query(judged("uploads", "job", "expected"), "uploads"),
                ((0, "green"),),
                ("These uploads", "timeline?verdict=expected"),
                colored="value",
            ),
            tile(
                "Open questions",
                "Was that you? One answer tells what no source could. They can be answered for a day.",
                Query(f"sum by (job) ({series('sniffer_open_questions')})", "questions"),
                ((0, "text"), (1, "blue")),
                ("Answer them", "questions"),
            ),
            Panel(
                "Is the monitor watching?",
                "Whether the monitor answers, sees packets (in the last 5 minutes), is counted by the recording rules, "
                "and has a source that has shown that it hears. If not, silence on this page means nothing: see "
                "Monitor health.",
                "stat",
                [Query(watching(), "{{instance}}")],
                4,
                6,
                mappings=said(
                    {
                        "0": ("DOWN", "red"),
                        "1": ("watching", "green"),
                        "2": ("no recording rules", "red"),
                        "3": ("no packets", "red"),
                        "4": ("nothing hears who asks", "yellow"),
                    }
                ),
                thresholds=((None, "red"), (1, "green"), (2, "red")),
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
                links=[
                    {"title": "More of this device", "url": "/d/sniffer-device?var-device=${__data.fields.device}"},
                    {
                        "title": "Its page in sniffer",
                        "url": "${page}/devices/${__data.fields.device}",
                        "targetBlank": True,
                    },
                ],
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
                no_value="no alert was counted",
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
            graph(
                "Uploads over time",
                "When uploads were judged, and how. Red marks are alerts; each dot is an upload, with its reasons.",
                [*judged_queries("uploads", "job", window="$__interval", over_time=True), dots()],
                24,
                8,
                decimals=0,
                interval="1m",
                custom=BARS,
                overrides=[*VERDICT_COLORS, HIDDEN_DOTS],
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
        variables=[page_address()],
        annotations=[ALERTED],
    )
