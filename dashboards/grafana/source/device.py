"""Device: who it is, what is usual for it, whom it talks to, and why it was judged as it was."""

from __future__ import annotations

from dashboards.grafana.source.panels import (
    ALERTED,
    BARS,
    HIDDEN_DOTS,
    LISTENING,
    TABLE,
    VERDICT_COLORS,
    Json,
    Panel,
    Query,
    bars,
    dashboard,
    dots,
    graph,
    happened,
    judged_queries,
    listening,
    over_time,
    page_address,
    reduced,
    said,
    series,
    table_of,
    variable,
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
                links=[
                    {
                        "title": "Its page in sniffer",
                        "url": "${page}/devices/${__data.fields.name}",
                        "targetBlank": True,
                    }
                ],
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
            bars(
                "Uploads in the time shown",
                "By their verdict of now.",
                judged_queries("uploads", "job", DEVICE),
                8,
                5,
                overrides=VERDICT_COLORS,
            ),
        ],
        [
            graph(
                "Baseline: seconds of speech a day",
                "How much speech leaves on a usual day. A day that stands out is worth a question.",
                judged_queries("speech_seconds", "job", DEVICE, window="$__interval", over_time=True),
                12,
                8,
                unit="s",
                decimals=0,
                interval="1d",
                custom=BARS,
                overrides=VERDICT_COLORS,
            ),
            graph(
                "Uploads over time",
                "When uploads were judged, and how. Red marks are alerts; each dot is an upload, with its reasons.",
                [
                    *judged_queries("uploads", "job", DEVICE, window="$__interval", over_time=True),
                    dots(f'verdict!="none", {DEVICE}'),
                ],
                12,
                8,
                decimals=0,
                interval="1m",
                custom=BARS,
                overrides=[*VERDICT_COLORS, HIDDEN_DOTS],
            ),
        ],
        [
            graph(
                "Chunk size of its audio",
                "The size of the audio packets in its last speech upload. It belongs to model and firmware: a step is "
                "an update, or something else that sends.",
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
            ),
            graph(
                "Chunks a second",
                "The pace of the audio packets in its last speech upload.",
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
            bars(
                "Why the verdicts",
                "The reason of each judged upload in the time shown. docs/wake.md says what each word means.",
                [Query(happened("reason", "verdict_reasons", DEVICE), "{{reason}}")],
                8,
                8,
            ),
            bars(
                "Which source explained",
                "Uploads that a wake event explains, by the source of the event and how they belong together.",
                [
                    Query(
                        happened("source, relation", "explained_uploads", DEVICE),
                        "{{source}}: {{relation}}",
                    )
                ],
                8,
                8,
                no_value="none",
            ),
            bars(
                "Alerts by rule",
                "Rules that raised an alert for this device in the time shown.",
                [Query(happened("rule, level", "alerts", DEVICE), "{{rule}} ({{level}})")],
                8,
                8,
                no_value="none",
            ),
        ],
        [
            graph(
                "Bytes sent, by class of upload",
                "What it sends over time: speech, stored sound (bulk), streams (media), and what it does by itself.",
                over_time("class", "upload_bytes", "{{class}}", DEVICE),
                24,
                8,
                unit="bytes",
                interval="1m",
                custom=BARS,
            ),
        ],
    ]
    choice = variable("device", "Device", 'label_values(sniffer_device_info{job=~"$job"}, device)')
    return dashboard(
        "sniffer-device",
        "Device",
        "One speaker: who it is, what is usual for it, whom it talks to, and why it was judged as it was.",
        rows,
        variables=[choice, page_address()],
        since="now-7d",
        annotations=[ALERTED],
    )
