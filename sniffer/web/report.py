"""A report as one HTML file without a network: what was looked at, what was found, how, and with which limits."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from sniffer.model import Record
from sniffer.model.clock import SECOND, timestamp
from sniffer.model.summaries import UploadSummary
from sniffer.web.assets import STATIC, Assets
from sniffer.web.render import Renderer
from sniffer.web.svg import Mark, lane
from sniffer.web.views.common import VERDICTS, by_device, count, summary_of
from sniffer.web.views.timeline import grid
from sniffer.web.views.upload import described
from sniffer.web.words import Words, plain

#: Uploads that are described one by one; of more, the table has all and the most telling are described.
MOST_DESCRIBED = 200
MOST_LOSSES = 100
#: The most telling first.
ORDER = ("unexpected", "inconclusive", "expected")


@dataclass(frozen=True, slots=True)
class Input:
    """One capture, or the store: its name, what it holds, and its SHA-256 so that a second person has the same.

    `problems` say what could not be read; `first_ns` and `last_ns` are the times of its first and last packet, where
    they are known.
    """

    name: str
    sha256: str | None
    bytes: int
    packets: int | None = None
    undecoded: int = 0
    devices: int | None = None
    watched: int | None = None
    problems: Sequence[str] = ()
    first_ns: int | None = None
    last_ns: int | None = None


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
    summaries: dict[str, UploadSummary] = {}
    others: set[str] = set()
    # Whole records are held of as many as are described, of each verdict: a year in the store is more than memory.
    held: dict[str, dict[str, Record]] = {verdict: {} for verdict in ORDER}
    losses: list[Record] = []
    devices: dict[str, Record] = {}
    events = 0
    for record in records:
        match record["event_type"]:
            case "upload":
                identifier, verdict = str(record["id"]), record.get("verdict")
                for pool in held.values():
                    pool.pop(identifier, None)
                summaries.pop(identifier, None)
                if verdict not in held:
                    others.add(identifier)
                    continue
                others.discard(identifier)
                summaries[identifier] = summary_of(record)
                if len(held[str(verdict)]) < MOST_DESCRIBED:
                    held[str(verdict)][identifier] = record
            case "loss" if len(losses) < MOST_LOSSES:
                losses.append(record)
            case "device":
                devices[str(record["host"])] = record
            case "wake":
                events += record["kind"] == "wake"
    judged = sorted(summaries.values(), key=lambda one: one.time_ns)
    told = [record for verdict in ORDER for record in held[verdict].values()][:MOST_DESCRIBED]
    told.sort(key=lambda record: str(record["timestamp"]))
    first = since_ns if since_ns is not None else min([one.first_ns for one in inputs if one.first_ns], default=None)
    last = until_ns if until_ns is not None else max([one.last_ns for one in inputs if one.last_ns], default=None)
    per_device = [
        {"name": plain(some[-1].device), "mac": plain(mac), "count": count(some)}
        for mac, some in sorted(by_device(judged).items(), key=lambda pair: pair[1][0].device.casefold())
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
        "count": count(judged),
        "per_device": per_device,
        "others": len(others),
        "uploads": [{**described(words, record), "asked": asked(words, record)} for record in told],
        "rest": len(judged) - len(told),
        "losses": [
            {"time": record["timestamp"], "end": record["end"], "packets": record["packets"],
             "interface": plain(record["interface"])}
            for record in losses
        ],
        "devices": [
            {"name": plain(record["device"]["name"]), "host": plain(record["host"]),
             "what": plain(" ".join(filter(None, (record["device"].get("vendor"), record["device"].get("model"))))),
             "sure": words.percent(float(record["device"].get("confidence") or 0)),
             "configured": record.get("configured"),
             "reasons": [plain(reason, 160) for reason in record["reasons"][:6]]}
            for record in devices.values() if record.get("microphone")
        ],
        "days": list(_days(words, judged)),
        "zone": words.zone_name(words.local(first) if first is not None else None),
    }  # fmt: skip
    return Renderer(Assets()).html("report.html", words, values)


def asked(words: Words, record: Record) -> str:
    """Who says that it was asked for, and when; empty where no event explains it."""
    wake = record.get("wake") or {}
    gap = wake.get("gap_seconds")
    if not wake.get("seen") or gap is None:
        return ""
    key = "upload.before" if gap >= 0 else "upload.after"
    return words("report.asked", source=plain(wake.get("source") or "?"),
                 when=words(key, duration=words.duration(abs(float(gap)))))  # fmt: skip


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
