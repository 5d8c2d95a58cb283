"""A report as one HTML file without a network: what was looked at, what was found, how, and with which limits."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from sniffer.model import Record
from sniffer.model.clock import SECOND, timestamp
from sniffer.web.assets import STATIC, Assets
from sniffer.web.render import Renderer
from sniffer.web.svg import Mark, lane
from sniffer.web.views.common import VERDICTS, by_device, count, summary_of
from sniffer.web.views.timeline import grid
from sniffer.web.views.upload import described
from sniffer.web.words import Words, plain

#: Uploads that are described one by one; of more, the table has all and the most telling are described.
MOST_DESCRIBED = 200


@dataclass(frozen=True, slots=True)
class Input:
    """One capture, or the store: its name, what it holds, and its SHA-256 so that a second person has the same.

    `problems` say what could not be read. `seconds` is its length where it is known.
    """

    name: str
    sha256: str | None
    bytes: int
    packets: int | None = None
    undecoded: int = 0
    devices: int | None = None
    watched: int | None = None
    problems: Sequence[str] = ()


def report(
    records: Iterable[Record],
    inputs: Sequence[Input],
    words: Words,
    *,
    version: str,
    made_ns: int,
    command: str,
    configuration: Input | None = None,
    wake: Sequence[Input] = (),
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> str:
    """The HTML of a report. `records` are uploads (the last revision counts), losses, devices and wake events."""
    uploads: dict[str, Record] = {}
    losses, devices, events = [], {}, 0
    for record in records:
        match record["event_type"]:
            case "upload":
                known = uploads.get(str(record["id"]))
                if known is None or known["revision"] <= record["revision"]:
                    uploads[str(record["id"])] = record
            case "loss":
                losses.append(record)
            case "device":
                devices[str(record["host"])] = record
            case "wake":
                events += record["kind"] == "wake"
    found = sorted(uploads.values(), key=lambda record: str(record["timestamp"]))
    judged = [record for record in found if record.get("verdict")]
    summaries = [summary_of(record) for record in judged]
    first = since_ns if since_ns is not None else min([one.time_ns for one in summaries], default=None)
    last = until_ns if until_ns is not None else max([one.time_ns for one in summaries], default=None)
    order = {"unexpected": 0, "inconclusive": 1, "expected": 2}
    told = sorted(judged, key=lambda record: order[str(record["verdict"])])[:MOST_DESCRIBED]
    told.sort(key=lambda record: str(record["timestamp"]))
    per_device = [
        {"name": plain(some[-1].device), "mac": plain(mac), "count": count(some)}
        for mac, some in sorted(by_device(summaries).items(), key=lambda pair: pair[1][0].device.casefold())
    ]
    values: dict[str, Any] = {
        "style": Markup((STATIC / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of ours
        "version": version,
        "made_ns": made_ns,
        "made": timestamp(made_ns),
        "command": plain(command, 500),
        "inputs": inputs,
        "configuration": configuration,
        "wake": wake,
        "events": events,
        "first_ns": first,
        "last_ns": last,
        "count": count(summaries),
        "per_device": per_device,
        "others": len(found) - len(judged),
        "uploads": [described(words, record) for record in told],
        "rest": len(judged) - len(told),
        "losses": [
            {"time": record["timestamp"], "end": record["end"], "packets": record["packets"],
             "interface": plain(record["interface"])}
            for record in losses[:100]
        ],
        "devices": [
            {"name": plain(record["device"]["name"]), "host": plain(record["host"]),
             "what": plain(" ".join(filter(None, (record["device"].get("vendor"), record["device"].get("model"))))),
             "sure": words.percent(float(record["device"].get("confidence") or 0)),
             "configured": record.get("configured"),
             "reasons": [plain(reason, 160) for reason in record["reasons"][:6]]}
            for record in devices.values() if record.get("microphone")
        ],
        "days": list(_days(words, summaries)),
        "zone": words.zone_name(words.local(first) if first is not None else None),
    }  # fmt: skip
    return Renderer(Assets()).html("report.html", words, values)


def _days(words: Words, summaries: Sequence[Any]) -> Iterable[dict[str, Any]]:
    """One picture a day that has uploads, a lane a device; a day with one busy hour is shown as that hour."""
    days: dict[datetime.date, list[Any]] = {}
    for one in summaries:
        days.setdefault(words.local(one.time_ns).date(), []).append(one)
    for day, some in sorted(days.items())[:60]:
        begin = int(datetime.datetime.combine(day, datetime.time(), words.zone).timestamp()) * SECOND
        end = begin + 86_400 * SECOND
        low, high = some[0].time_ns, some[-1].time_ns
        if high - low < 3_000 * SECOND:
            begin = low // (600 * SECOND) * 600 * SECOND
            end = begin + max(600 * SECOND, -(-(high + 10 * SECOND - begin) // (600 * SECOND)) * 600 * SECOND)
        lines = list(grid(words, begin, end))
        lanes = []
        for _, own in sorted(by_device(some).items(), key=lambda pair: pair[1][0].device.casefold()):
            order = [*VERDICTS]
            marks = [
                Mark(
                    (one.time_ns - begin) / (end - begin),
                    min(1.0, (one.time_ns + one.duration * SECOND - begin) / (end - begin)),
                    str(one.verdict),
                )
                for one in sorted(own, key=lambda one: order.index(str(one.verdict)))
            ]
            lanes.append({"name": plain(own[0].device), "picture": lane(marks, [share for share, _, _ in lines])})
        yield {"begin_ns": begin, "end_ns": end, "lanes": lanes, "grid": lines}
