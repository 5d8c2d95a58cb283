"""What raises an alert, what is silenced and until when, and where alerts go."""

from __future__ import annotations

from typing import Any

from sniffer.web.views.common import DAY_NS, Page, upload_of
from sniffer.web.words import plain

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
                "title": rule["title"],
                "description": rule["description"],
                "level": rule["level"],
                "alerts": LEVELS.index(rule["level"]) >= threshold,
                "fired": fired.get(rule["id"], 0),
                "triage": rule["triage"],
            }
            for rule in rules
        ],
        "exceptions": [
            {**one, "device": plain(one["device"] or words("rules.every_device")), "reason": plain(one["reason"], 300),
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
        "zone": page.backend.settings()["time_zone"] or "UTC",
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
            {"time": record["timestamp"], "summary": plain(record.get("summary") or record.get("title") or "", 300),
             "level": record["level"], "upload": upload_of(record)}
            for record in reversed(alerts[-MOST_ALERTS:])
        ],
        "devices": [plain(one["device"]["name"]) for one in page.backend.devices() if one["microphone"]][:300],
    }  # fmt: skip
