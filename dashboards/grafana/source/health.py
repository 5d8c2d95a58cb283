"""Monitor health: whether the monitor sees, hears and tells, and what it costs."""

from __future__ import annotations

from dashboards.grafana.source.panels import (
    BARS,
    LINES,
    UNKNOWN,
    Json,
    Panel,
    Query,
    bars,
    counted,
    dashboard,
    drawn,
    graph,
    happened,
    over_time,
    rate,
    reduced,
    said,
    series,
)


def health() -> Json:
    good, bad = (None, "green"), (1, "red")
    rows = [
        [
            Panel(
                "Up",
                "Whether the monitor answers Prometheus.",
                "stat",
                [Query(f"min by (instance) ({series('up')})", "{{instance}}")],
                3,
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
                3,
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
                "Interfaces",
                "Whether the interface that is watched is there and up.",
                "stat",
                [Query(f"min by (interface) ({series('sniffer_capture_up')})", "{{interface}}")],
                4,
                5,
                unit="none",
                mappings=said({"0": ("GONE", "red"), "1": ("up", "green")}),
                thresholds=((None, "red"), (1, "green")),
                options=reduced(colored="background"),
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
                3,
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
                3,
                5,
                unit="none",
                options=reduced(graph="area"),
            ),
        ],
        [
            graph(
                "Packets captured",
                "Packets a second that came through the kernel filter.",
                [Query(rate("interface", "sniffer_capture_packets_total"), "{{interface}}", over_time=True)],
                6,
                8,
                unit="pps",
            ),
            graph(
                "Packets dropped",
                "Packets a second that the kernel dropped before we read them (uploads near a loss are inconclusive), "
                "that receive offload merged (their sizes are lost, their bytes are not), and that came in fragments.",
                [
                    Query(rate("interface", "sniffer_capture_dropped_packets_total"), "{{interface}}", over_time=True),
                    Query(
                        rate("interface", "sniffer_capture_merged_packets_total"),
                        "{{interface}} merged",
                        over_time=True,
                    ),
                    Query(
                        rate("interface", "sniffer_capture_fragments_total"),
                        "{{interface}} fragments",
                        over_time=True,
                    ),
                ],
                6,
                8,
                unit="pps",
                no_value="none",
            ),
            graph(
                "Uploads that passed us by",
                "Bytes a second that watched devices sent and that were not seen, told from TCP's sequence numbers: "
                "flow offloading takes connections past the interface. `sniffer doctor` says which.",
                [Query(rate("interface", "sniffer_capture_hidden_bytes_total"), "{{interface}}", over_time=True)],
                6,
                8,
                unit="Bps",
                no_value="none",
            ),
            graph(
                "Packets that could not be decoded",
                "By the protocol that was wrong.",
                [Query(rate("protocol", "sniffer_decode_errors_total"), "{{protocol}}", over_time=True)],
                6,
                8,
                unit="pps",
                no_value="none",
            ),
        ],
        [
            Panel(
                "Wake sources",
                "Whether each source that reports requests is connected, and whether it has shown that it hears: only "
                "then its silence counts.",
                "state-timeline",
                [
                    Query(
                        f"min by (source) ({series('sniffer_wake_source_up')}) "
                        f"+ on (source) min by (source) ({series('sniffer_wake_source_proven')})",
                        "{{source}}",
                        over_time=True,
                    )
                ],
                6,
                8,
                unit="none",
                mappings=said(
                    {"0": ("down", "red"), "1": ("up, has not shown that it hears", "yellow"), "2": ("hears", "green")}
                ),
                thresholds=((None, "red"), (1, "yellow"), (2, "green")),
                custom={"fillOpacity": 80, "lineWidth": 0},
                options={"showValue": "auto", "mergeValues": True, "rowHeight": 0.7, "alignValue": "left", **drawn()},
                no_value="no source is configured",
            ),
            graph(
                "Wake events",
                "How often each source says that somebody asked. One that falls silent may have gone deaf.",
                over_time("source", "wake_events", "{{source}}"),
                6,
                8,
                interval="5m",
                custom=BARS,
                no_value="none",
            ),
            Panel(
                "Since each source heard last",
                "How long ago each source reported its last request. After a day its silence no longer counts.",
                "stat",
                [
                    Query(
                        f"time() - max by (source) ({series('sniffer_wake_source_last_heard_timestamp_seconds')})",
                        "{{source}}",
                    )
                ],
                6,
                8,
                unit="s",
                decimals=0,
                thresholds=((None, "green"), (43200, "yellow"), (86400, "red")),
                options=reduced(text="value_and_name"),
                no_value="no source has heard anything",
            ),
            bars(
                "Verdicts that changed later",
                "A late wake event re-judges an upload. Many of them: a source reports late.",
                [Query(happened("from, to", "verdict_changes"), "{{from}} to {{to}}")],
                6,
                8,
                no_value="none",
            ),
        ],
        [
            graph(
                "Deliveries",
                "Attempts to deliver, by receiver and outcome. `dead`, `dropped`, `gone` and `refused` are lost.",
                over_time("sink, outcome", "deliveries", "{{sink}} {{outcome}}"),
                8,
                8,
                interval="1m",
                custom=BARS,
                no_value="none",
            ),
            graph(
                "Messages waiting",
                "Messages in the outbox. They survive restarts, and leave when the receiver is back.",
                [Query(f"sum by (sink) ({series('sniffer_outbox_messages')})", "{{sink}}", over_time=True)],
                8,
                8,
                no_value="none",
            ),
            bars(
                "Habits that changed",
                "Devices whose audio no longer looks as learned, most often after an update.",
                [Query(happened("device, what", "drift"), "{{device}}: {{what}}")],
                8,
                8,
                thresholds=(good, bad),
                no_value="none",
            ),
        ],
        [
            Panel(
                "Does it see the others?",
                "Whether packets between other hosts arrive at each interface. Without them a speaker is not seen.",
                "stat",
                [Query(f"min by (interface) ({series('sniffer_capture_sees_others')})", "{{interface}}")],
                6,
                8,
                unit="none",
                mappings=said({"0": ("no", "red"), "1": ("yes", "green")}),
                thresholds=((None, UNKNOWN), (0, "red"), (1, "green")),
                options=reduced(colored="background"),
                no_value="not known yet",
            ),
            graph(
                "Packets that claim too much",
                "Lengths beyond their frame, and sequence numbers far ahead. Both are rare in honest traffic.",
                [Query(rate("kind", "sniffer_suspicious_packets_total"), "{{kind}}", over_time=True)],
                6,
                8,
                unit="pps",
                no_value="none",
            ),
            graph(
                "Names that were left out",
                "Identity packets that were not believed or not read, by reason.",
                [Query(rate("reason", "sniffer_identity_skipped_total"), "{{reason}}", over_time=True)],
                6,
                8,
                unit="pps",
                no_value="none",
            ),
            bars(
                "Hosts that changed",
                "Hosts that stopped looking like a speaker, were refused as one too many, or share an address.",
                [Query(happened("change", "identity_changes"), "{{change}}")],
                6,
                8,
                thresholds=(good, bad),
                no_value="none",
            ),
        ],
        [
            graph(
                "What each source misses",
                "Share of wake words that a source misses, and of requests that leave no trace in a listener, as "
                "learned. Move a listener that misses much nearer to the speaker.",
                [
                    Query(f"max by (source) ({series(f'sniffer_wake_source_{what}_ratio')})", legend, over_time=True)
                    for what, legend in (("missed", "{{source}}: missed"), ("unheard", "{{source}}: no trace"))
                ],
                6,
                8,
                unit="percentunit",
                no_value="no source is configured",
            ),
            graph(
                "Clocks of wake sources",
                "How late each clock is. Where nothing is drawn the clock is wrong, and the source's silence does not "
                "count.",
                [
                    Query(
                        f"max by (source) ({series('sniffer_wake_source_clock_offset_seconds')})",
                        "{{source}}",
                        over_time=True,
                    )
                ],
                6,
                8,
                unit="s",
                minimum=None,
                no_value="no source is configured",
            ),
            graph(
                "Clocks of senders of packets",
                "What is added to the times of packets that another machine sends (ssh, FRITZ!Box, TZSP ...).",
                [
                    Query(
                        f"max by (interface) ({series('sniffer_source_clock_offset_seconds')})",
                        "{{interface}}",
                        over_time=True,
                    )
                ],
                6,
                8,
                unit="s",
                minimum=None,
                no_value="all packets are captured here",
            ),
            Panel(
                "Senders connected anew",
                "How often the connection to another machine that sends packets was made anew. Uploads near such a gap "
                "are inconclusive.",
                "stat",
                [Query(f"max by (interface) ({series('sniffer_source_reconnects')})", "{{interface}}")],
                6,
                8,
                unit="none",
                decimals=0,
                thresholds=((None, "text"), (10, "yellow")),
                options=reduced(text="value_and_name"),
                no_value="all packets are captured here",
            ),
        ],
        [
            graph(
                "Memory",
                "Resident memory of the monitor. It is made to stay under 100 MiB.",
                [
                    Query(
                        f"max by (instance) ({series('process_resident_memory_bytes')})", "{{instance}}", over_time=True
                    )
                ],
                6,
                8,
                unit="bytes",
                custom={**LINES, "thresholdsStyle": {"mode": "dashed"}},
                thresholds=((None, "transparent"), (104857600, "orange")),
            ),
            graph(
                "CPU",
                "Share of one core.",
                [Query(rate("instance", "process_cpu_seconds_total"), "{{instance}}", over_time=True)],
                6,
                8,
                unit="percentunit",
            ),
            Panel(
                "Writes that failed",
                "Writes to the store that failed in the time shown, most often because the disk is full. Nothing is "
                "lost while the monitor runs.",
                "stat",
                [Query(counted("instance", "store_errors"), "{{instance}}")],
                6,
                8,
                unit="none",
                decimals=0,
                thresholds=((None, "green"), (1, "red")),
                options=reduced(),
                no_value="0",
            ),
            Panel(
                "How long uploads last",
                "Of judged uploads: half are shorter than the first, 95 of 100 shorter than the second.",
                "stat",
                [
                    Query(f"histogram_quantile({quantile}, {counted('le', 'upload_duration_seconds_bucket')})", name)
                    for quantile, name in ((0.5, "median"), (0.95, "95 %"))
                ],
                6,
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
