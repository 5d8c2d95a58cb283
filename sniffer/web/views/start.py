"""The first start: which devices are speakers, what hears who asks, where alerts go; and what was changed here."""

from __future__ import annotations

import zoneinfo
from typing import Any

from sniffer.web.views.common import Page, ears
from sniffer.web.views.devices import described
from sniffer.web.words import plain

STEPS = ("devices", "listener", "alerts", "done")
#: Devices that the first step offers.
MOST_OFFERED = 60


def context(page: Page) -> dict[str, Any]:
    """What `start.html` shows."""
    words, backend = page.words, page.backend
    step = page.query.get("step", "")
    named = {str(device["mac"]) for device in backend.settings()["devices"]}
    offered = [described(words, record) for record in backend.devices()]
    offered.sort(key=lambda one: (not one["microphone"], -one["score"], one["name"].casefold()))
    settings = backend.settings()
    listening = ears(backend.sources())
    return {
        "step": step if step in STEPS else "devices",
        "steps": STEPS,
        "offered": [{**one, "named": one["host"] in named} for one in offered[:MOST_OFFERED]],
        "ears": [plain(source["name"]) for source in listening],
        "targets": [plain(target["name"]) for target in backend.targets()],
        "file": settings["file"],
        "overlay": settings["overlay"],
        "zone": settings["time_zone"] or words.zone_key,
        "zone_set": settings["time_zone"] is not None,
        "zones": sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc"))
        if (step == "done") else [],
        "changes": [
            {**change, "text": words.either(f"change.{change['what']}", change["what"]),
             "about": plain(change["about"], 80), "problem": plain(change["problem"] or "", 300)}
            for change in backend.changes()
        ],
        "next": STEPS[min(STEPS.index(step if step in STEPS else "devices") + 1, len(STEPS) - 1)],
    }  # fmt: skip
