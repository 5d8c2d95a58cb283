"""What raises an alert, what is silenced and until when, and where alerts go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sniffer.model import Record
from sniffer.web.views.common import DAY_NS, Page, called, names_of, upload_of
from sniffer.web.words import Words, plain

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
LEVELS = ("informational", "low", "medium", "high", "critical")
#: Alerts that are listed.
MOST_ALERTS = 20


def context(page: Page) -> dict[str, Any]:
    """What `rules.html` shows."""
    words, now_ns = page.words, page.now_ns()
    state = page.backend.rules()
    alerts = page.backend.moments(("alert",), now_ns - 30 * DAY_NS, now_ns + DAY_NS, 5_000)
    fired: dict[str, int] = {}
    for record in alerts:
        for rule in record.get("rules") or ():
            fired[str(rule)] = fired.get(str(rule), 0) + int(record.get("count") or 1)
    threshold = LEVELS.index(state["alert_level"])
    rules = sorted(state["rules"], key=lambda rule: (-LEVELS.index(rule["level"]), rule["title"]))
    titles = {str(rule["id"]): words.rule(rule["id"], "title", rule["title"]) for rule in rules}
    names = names_of(page)
    changes = {
        (str(item.get("rule")), str(item.get("device") or "")): change["id"]
        for change in page.backend.changes()
        for item in change["set"].get("judge", {}).get("rules", {}).get("exceptions", ())
    }
    return {
        "level": state["alert_level"],
        "levels": LEVELS,
        "rules": [
            {
                "id": rule["id"],
                "title": titles[str(rule["id"])],
                "description": words.rule(rule["id"], "description", rule["description"]),
                "level": rule["level"],
                "alerts": LEVELS.index(rule["level"]) >= threshold,
                "fired": fired.get(rule["id"], 0),
                "triage": [
                    words.rule(rule["id"], f"triage.{number}", step) for number, step in enumerate(rule["triage"], 1)
                ],
            }
            for rule in rules
        ],
        "exceptions": [
            {**one, "title": titles.get(str(one["rule"]), str(one["rule"])),
             "device": plain(one["device"] or words("rules.every_device")), "reason": plain(one["reason"], 300),
             "change": changes.get((one["rule"], str(one["device"] or "")), "")}
            for one in state["exceptions"]
        ],
        "quiet_hours": [
            {
                "start": str(hours["start"])[:5],
                "end": str(hours["end"])[:5],
                "days": ", ".join(words(f"day.{DAYS.index(day)}") for day in hours["days"]),
                "devices": [plain(name) for name in hours["devices"]],
            }
            for hours in state["quiet_hours"]
        ],
        "zone": zone_of_quiet_hours(page),
        "mutes": [
            {"device": words("rules.every_device") if one["device"] == "all" else plain(one["device"]),
             "name": one["device"], "until_ns": one["until_ns"]}
            for one in state["mutes"]
        ],
        "targets": [
            {
                "name": plain(target["name"]),
                "kind": words.either(f"target.{target['kind']}", target["kind"]),
                "waiting": target["waiting"],
                "error": plain(target["error"] or "", 200),
                "tone": "alarm" if target["error"] else "good",
                "last_ns": target["last_ns"],
                "from_page": target["from_page"],
            }
            for target in page.backend.targets()
        ],
        "alerts": [
            {"time": record["timestamp"], "summary": plain(_summary(words, names, titles, record), 300),
             "level": record["level"], "upload": upload_of(record)}
            for record in reversed(alerts[-MOST_ALERTS:])
        ],
        "devices": [plain(one["device"]["name"]) for one in page.backend.devices() if one["microphone"]][:300],
    }  # fmt: skip


def _summary(words: Words, names: Mapping[str, str], titles: Mapping[str, str], record: Record) -> str:
    """An alert in the reader's language: the device and the rule that was broken; else the text that was sent."""
    title = titles.get(str(record.get("rule")))
    if title is None:
        return str(record.get("summary") or record.get("title") or "")
    device = called(words, names, record["device"]) if record.get("device") else ""
    number = int(record.get("count") or 1)
    return f"{device}: {title}".lstrip(": ") + (f" ({number}\N{MULTIPLICATION SIGN})" if number > 1 else "")


def zone_of_quiet_hours(page: Page) -> str:
    """The zone that quiet hours are read in: as set, else UTC; before there are any, the reader's."""
    if (name := page.backend.settings()["time_zone"]) is not None:
        return str(name)
    return "UTC" if page.backend.rules()["quiet_hours"] else page.words.zone_key or "UTC"
