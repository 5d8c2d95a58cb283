"""Who is on the network and why we think so; one device with its uploads, habits and settings."""

from __future__ import annotations

import contextlib
import math
from typing import Any
from urllib.parse import quote

from sniffer.model import Record, host_key, key_text
from sniffer.model.clock import SECOND
from sniffer.model.hosts import NAMED, SENDS_VOICE
from sniffer.web.svg import Mark, lane
from sniffer.web.views.common import DAY_NS, VERDICTS, Page, add_up, count, counts_by_device, day_of, device_link, row
from sniffer.web.views.timeline import grid
from sniffer.web.words import Words, plain

#: Kinds that a person can choose; what they mean for judging is in docs/devices.md.
KINDS = ("speaker", "display", "camera", "tv", "hub", "phone", "computer", "other")
MOST_DEVICES, MOST_UPLOADS = 500, 30
#: Days of history that one device shows.
DAYS = 7


def context(page: Page) -> dict[str, Any]:
    """What `devices.html` shows."""
    words = page.words
    begin, end = day_of(words, page.now_ns())
    today = counts_by_device(page.backend.counts(begin, end))
    settings = {str(device["mac"]): device for device in page.backend.settings()["devices"]}
    watched, candidates, others, left_out = [], [], [], []
    for record in page.backend.devices()[:MOST_DEVICES]:
        page.backend.step_aside()
        shown = described(words, record)
        configured = settings.get(shown["host"])
        sounds = any(reason.startswith(SENDS_VOICE) for reason in shown["reasons"])
        counted = add_up(today.get(shown["mac"], ()))
        shown |= {"seconds": counted.total, "number": counted.number, "uploads": counted.uploads}
        if configured is not None and not configured["watch"]:
            left_out.append(shown)
        elif record["microphone"]:
            watched.append(shown)
        elif sounds and configured is None:
            candidates.append(shown)
        else:
            others.append(shown)
    watched.sort(key=lambda one: (-one["uploads"]["unexpected"], -one["seconds"], one["name"].casefold()))
    others.sort(key=lambda one: (-one["score"], one["name"].casefold()))
    return {"watched": watched, "candidates": candidates, "others": others, "left_out": left_out}


def described(words: Words, record: Record) -> dict[str, Any]:
    device = record["device"]
    mac = str(device.get("mac") or device.get("ip") or record["host"])
    what = " ".join(plain(part, 40) for part in (device.get("vendor"), device.get("model")) if part)
    return {
        "mac": mac,
        "host": str(record["host"]),
        "name": plain(device["name"]),
        "link": device_link(mac),
        "what": what or words.either(f"kind.{device.get('kind')}", plain(device.get("kind") or "")),
        "kind": str(device.get("kind") or "unknown"),
        "kind_text": words.either(f"kind.{device.get('kind')}", plain(device.get("kind") or "")),
        "ip": plain(device.get("ip") or ""),
        "sure": words.percent(float(device.get("confidence") or 0)),
        "score": float(device.get("confidence") or 0),
        "configured": bool(record.get("configured")),
        "microphone": bool(record.get("microphone")),
        "reasons": [plain(reason, 160) for reason in (record.get("reasons") or ()) if reason != NAMED][:12],
    }


def find(page: Page, name: str) -> Record | None:
    """A device by its address or name."""
    wanted = name.casefold()
    with contextlib.suppress(ValueError):
        wanted = key_text(host_key(name)).casefold()
    for record in page.backend.devices():
        device = record["device"]
        known = (device.get("mac"), device.get("ip"), device.get("name"), record["host"])
        if wanted in {str(text).casefold() for text in known if text}:
            return record
    return None


def one(page: Page, record: Record) -> dict[str, Any]:
    """What `device.html` shows."""
    words = page.words
    shown = described(words, record)
    _, end = day_of(words, page.now_ns())
    begin = end - DAYS * DAY_NS
    uploads = list(page.backend.summaries(begin, end, shown["mac"]))
    judged = [upload for upload in uploads if upload.verdict in VERDICTS]
    settings = {str(device["mac"]): device for device in page.backend.settings()["devices"]}
    configured = settings.get(shown["host"], {})
    sources = [
        {"name": plain(source["name"]), "up": source["up"], "hears": source["hears"]}
        for source in page.backend.sources()
        if not source["devices"]
        or {name.casefold() for name in source["devices"]}
        & {str(record["device"]["name"]).casefold(), shown["mac"].casefold()}
    ]
    days = []
    for number in range(DAYS):
        first, last = day_of(words, end - 1 - number * DAY_NS)
        some = [upload for upload in uploads if first <= upload.time_ns < last]
        marks = [
            Mark(
                (upload.time_ns - first) / (last - first),
                min(1.0, (upload.time_ns + upload.duration * SECOND - first) / (last - first)),
                upload.verdict or "none",
            )
            for upload in _thinned(some)
        ]
        counted = count(some)
        days.append({"time_ns": first, "picture": lane(marks, [0.25, 0.5, 0.75]), "uploads": counted.uploads,
                     "number": counted.number, "seconds": counted.total})  # fmt: skip
    first, last = day_of(words, page.now_ns())
    grafana = page.backend.settings()["grafana"]
    return {
        **shown,
        "grafana": f"{grafana.rstrip('/')}/d/sniffer-device?var-device={quote(shown['name'], safe='')}"
        if grafana
        else "",
        "watch": configured.get("watch", True),
        "kinds": KINDS if shown["kind"] in KINDS else (shown["kind"], *KINDS),
        "days": days,
        "grid": list(grid(words, first, last)),
        "counted": count(uploads),
        "rows": [row(words, upload) for upload in reversed(judged[-MOST_UPLOADS:])],
        "habits": habits(words, page.backend.habits(shown["mac"])),
        "drifts": _drifts(page, shown["mac"], begin, end),
        "sources": sources,
    }


def _thinned(uploads: Any) -> list[Any]:
    """At most one upload of a verdict in five minutes: more cannot be distinguished on a lane."""
    kept = {}
    for upload in uploads:
        kept[(upload.time_ns // (300 * SECOND), upload.verdict)] = upload
    order = ("none", *VERDICTS)
    return sorted(kept.values(), key=lambda upload: order.index(upload.verdict or "none"))


def habits(words: Words, learned: Any) -> list[dict[str, str]]:
    """What is usual for a device, as `sniffer calibrate` shows it."""
    if not learned or not learned.get("speech"):
        return []
    found = [("speech", words.number(learned["speech"]))]
    # A usual value is kept as the mean of its logarithm.
    usual = {
        name: math.exp(min(60.0, float(learned[name]["mean"])))
        for name in ("rate", "opening", "pause")
        if (learned.get(name) or {}).get("times")
    }
    if "rate" in usual:
        found.append(("rate", words("habit.rate_value", value=words.size(usual["rate"]))))
    if "opening" in usual:
        found.append(("opening", words.size(usual["opening"])))
    if "pause" in usual:
        found.append(("pause", words("habit.pause_value", value=words.number(1000 * usual["pause"]))))
    chunks = sorted((learned.get("chunks") or {}).items(), key=lambda pair: -pair[1])[:3]
    if chunks:
        found.append(("chunks", ", ".join(f"{words.number(float(size))} {words('unit.bytes')}" for size, _ in chunks)))
    servers = sorted((learned.get("servers") or {}).items(), key=lambda pair: -pair[1])[:3]
    if servers:
        found.append(("servers", ", ".join(plain(server, 80) for server, _ in servers)))
    if learned.get("answered"):
        found.append(("answered", words.percent(float(learned["answered"]))))
    if learned.get("idle_hours"):
        found.append(("idle", words.size(float(learned.get("idle_bytes_per_hour") or 0))))
    return [{"what": words(f"habit.{name}"), "value": value} for name, value in found]


def _drifts(page: Page, mac: str, begin: int, end: int) -> list[dict[str, Any]]:
    words = page.words
    return [
        {
            "time": record["timestamp"],
            "what": words.either(f"drift.{record['what']}", str(record["what"]).replace("_", " ")),
            "before": words.size(float(record["before"])) if record["before"] else "",
            "after": words.size(float(record["after"])),
        }
        for record in page.backend.moments(("drift",), begin, end, 500)
        if (record["device"].get("mac") or record["device"].get("ip")) == mac
    ][-10:]
