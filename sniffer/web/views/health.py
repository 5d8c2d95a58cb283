"""How sniffer itself is: checks with their remedies, numbers, deliveries, the last log lines."""

from __future__ import annotations

from typing import Any

from sniffer.model import Record
from sniffer.web.views.common import DAY_NS, Page
from sniffer.web.views.now import alerts_line, capture_line, ears_line
from sniffer.web.words import Words, plain

TONES = {"ok": "good", "warning": "attention", "fail": "alarm", "skipped": "idle"}
MOST_LOG_LINES, MOST_LOSSES = 100, 20
#: A sender's clock that differs by less is right: packets need as long to come here.
SAME_SECONDS = 0.5


def capture(words: Words, source: Record) -> dict[str, Any]:
    """A source of packets in words."""
    offset, clock = source["clock_offset_seconds"], ""
    if source["remote"] and source["own_clock"]:
        if offset is None:
            clock = words("health.clock_unknown")
        elif abs(offset) < SAME_SECONDS:
            clock = words("health.clock_same")
        else:
            side = "behind" if offset > 0 else "ahead"
            clock = words(f"health.clock_{side}", duration=words.duration(abs(offset)))
    return {
        "name": plain(source["name"]),
        "up": source["up"],
        "state": words(f"health.{'up' if source['up'] else 'sender_down' if source['remote'] else 'down'}"),
        "since_ns": source["since_ns"],
        "last_packet_ns": source["last_packet_ns"],
        "packets": words.number(source["packets"]),
        "dropped": words.number(source["dropped"]),
        "clock": clock or words("health.clock_ours"),
        "reconnects": words.number(source["reconnects"]) if source["remote"] else "",
        "problem": plain(source["problem"], 300),
    }


def context(page: Page) -> dict[str, Any]:
    """What `health.html` shows."""
    words, backend = page.words, page.backend
    state = backend.state()
    now_ns = state["now_ns"]
    numbers = [
        ("packets", words.number(state["packets"])),
        ("dropped", words.number(state["dropped"])),
        ("decode_errors", words.number(state["decode_errors"])),
        ("flows", words.number(state["open_flows"])),
        ("devices", words.number(state["devices"])),
        ("watched", words.number(state["watched"])),
        ("memory", words.size(state["memory_bytes"])),
        ("store", words("health.of", used=words.size(state["store_bytes"]), most=words.size(state["store_max_bytes"]))),
        ("uptime", words.duration(state["uptime_seconds"])),
        ("version", backend.about()["version"]),
    ]
    losses = backend.moments(("loss",), now_ns - 7 * DAY_NS, now_ns + DAY_NS, 10_000)
    monitor = [*capture_line(words, state), ears_line(words, backend.sources()), alerts_line(words, backend.targets())]
    return {
        "monitor": monitor,
        "captures": [] if state["replayed"] else [capture(words, source) for source in state["captures"]],
        "checks": [
            {"name": words.either(f"check.{check['name']}", check["name"]), "tone": TONES[check["status"]],
             "message": plain(check["message"], 400), "remedy": plain(check["remedy"] or "", 400)}
            for check in backend.checks()
        ],
        "numbers": [{"what": words(f"health.{name}"), "value": value} for name, value in numbers],
        "losses": [
            {"time": record["timestamp"], "end": record["end"], "packets": record["packets"],
             "interface": plain(record["interface"])}
            for record in reversed(losses[-MOST_LOSSES:])
        ],
        "log": list(backend.log_lines())[:MOST_LOG_LINES],
    }  # fmt: skip
