"""What the forms of the page do. Each takes the fields of a form and gives where to go then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from sniffer.errors import UsageError
from sniffer.model.clock import timestamp
from sniffer.web.refusal import Refusal
from sniffer.web.views import devices, rules, sources
from sniffer.web.views.common import Page

#: What the buttons of a question say, as an answer is recorded.
ANSWERS = {"asked": "yes", "unasked": "no", "unsure": "unsure"}
#: Uploads that one form may answer at once.
MOST_ANSWERS = 200
NAME = re.compile(r"[\w .:-]{1,64}")
#: How an answer came back, in its record.
WAY = "page"

Form = Mapping[str, str]
Shown = tuple[str, dict[str, Any]]


def answer(page: Page, request: Request, form: Form) -> str:
    """Answer one question, or several at once."""
    given = form.get("answer", "")
    if given not in ANSWERS:
        raise Refusal(400, "refused.bad_answer")
    identifiers = [text for text in form.get("id", "").split(",") if text][:MOST_ANSWERS]
    if not identifiers:
        raise UsageError(page.words("questions.none_chosen"))
    for identifier in identifiers:
        if page.backend.upload(identifier) is None:
            raise Refusal(404, "refused.no_upload")
        page.backend.answer(identifier, ANSWERS[given], WAY)
    return "answered"


def mute(page: Page, request: Request, form: Form) -> str:
    """No alerts for a device for some time; or again from now on."""
    device, seconds = form.get("device", ""), form.get("seconds", "")
    if seconds == "end":
        page.backend.mute({"device": device, "until": timestamp(page.now_ns())})
        return "unmuted"
    if not seconds.isdigit():
        raise UsageError("seconds: a whole number")
    page.backend.mute({"device": device, "seconds": int(seconds)})
    return "muted"


def device(page: Page, request: Request, form: Form) -> str:
    """Name a device, say what it is, watch it or not."""
    record = devices.find(page, request.path_params["host"])
    if record is None:
        raise Refusal(404, "refused.no_device")
    name = form.get("name", "").strip()
    item: dict[str, Any] = {
        "mac": str(record["host"]),
        "name": name,
        "kind": form.get("kind", "speaker")[:40] or "speaker",
        "watch": form.get("watch") == "yes",
    }
    _valid_name(page, name)
    page.backend.change({"devices": [item]}, "device", name)
    return "saved"


def first_devices(page: Page, request: Request, form: Form) -> str:
    """The first step of the set-up: watch the chosen devices, leave out speakers that were not chosen."""
    chosen = [host for host in form.get("watch", "").split(",") if host]
    configured = {str(one["mac"]) for one in page.backend.settings()["devices"]}
    items = []
    for record in page.backend.devices():
        host = str(record["host"])
        if host in configured:
            continue
        name = form.get(f"name-{host}", "").strip() or str(record["device"]["name"])
        kind = str(record["device"].get("kind") or "speaker")
        if host in chosen:
            _valid_name(page, name)
            kind = kind if record["microphone"] else "speaker"
            items.append({"mac": host, "name": name, "kind": kind, "watch": True})
        elif record["microphone"] and f"name-{host}" in form:
            items.append({"mac": host, "name": name, "kind": kind, "watch": False})
    if items:
        page.backend.change({"devices": items}, "devices", ", ".join(str(item["name"]) for item in items))
    return "saved"


def _valid_name(page: Page, name: str) -> None:
    if not NAME.fullmatch(name) or name.casefold() == "all":
        raise UsageError(page.words("device.bad_name"))


def source(page: Page, request: Request, form: Form) -> Shown:
    """Add a listener on another machine: its source, its token, and the command to run there."""
    name, where = form.get("name", "").strip(), form.get("device", "").strip()
    _valid_name(page, name)
    if any(name.casefold() == str(one["name"]).casefold() for one in page.backend.sources()):
        raise UsageError(page.words("sources.taken", name=name))
    path, token = page.backend.new_secret(name)
    item = {"type": "http", "name": name, "heartbeat": 60, **({"devices": [where]} if where else {})}
    page.backend.change(
        {
            "wake": {"sources": [item]},
            "http": {"tokens": [{"source": name, "secret": {"file": path}, "scopes": ["wake", "read"]}]},
        },
        "source",
        name,
    )
    base = f"{request.url.scheme}://{request.url.netloc}"
    return "added.html", sources.added(page, name, token, [where] if where else [], base)


def try_listeners(page: Page, request: Request, form: Form) -> str:
    """Ask the listeners about the wake word that a person has just said."""
    page.backend.ask_listeners()
    return "listeners_asked"


def target(page: Page, request: Request, form: Form) -> str:
    """Add a receiver of alerts."""
    item = {"name": form.get("name", "").strip(), "url": form.get("url", "").strip(), "format": form.get("format", "")}
    page.backend.change({"sinks": {"webhooks": [item]}}, "target", item["name"])
    return "saved"


def try_target(page: Page, request: Request, form: Form) -> str:
    """Send a test."""
    page.backend.test_target(form.get("target", ""))
    return "tested"


def level(page: Page, request: Request, form: Form) -> str:
    """From which level on rules raise an alert."""
    given = form.get("level", "")
    page.backend.change({"alerts": {"level": given}}, "level", given)
    return "saved"


def exception(page: Page, request: Request, form: Form) -> str:
    """Silence a rule for a device until a day."""
    item = {name: form.get(name, "").strip() for name in ("rule", "device", "expires", "reason")}
    if not all(item.values()):
        raise UsageError(page.words("rules.incomplete"))
    page.backend.change({"judge": {"rules": {"exceptions": [item]}}}, "exception", f"{item['rule']}, {item['device']}")
    return "saved"


def quiet_hours(page: Page, request: Request, form: Form) -> str:
    """Add hours in which nothing is expected to leave. The first ones set the zone that the page shows beside them."""
    item = {name: form.get(name, "") for name in ("start", "end")}
    judge: dict[str, Any] = {"quiet_hours": [item]}
    if page.backend.settings()["time_zone"] is None:
        judge["time_zone"] = rules.zone_of_quiet_hours(page)
    page.backend.change({"judge": judge}, "quiet_hours", f"{item['start']} - {item['end']}")
    return "saved"


def zone(page: Page, request: Request, form: Form) -> str:
    """The time zone in which quiet hours, the digest and this page are read."""
    name = form.get("zone", "")
    page.backend.change({"judge": {"time_zone": name}, "alerts": {"time_zone": name}}, "zone", name)
    return "saved"


def undo(page: Page, request: Request, form: Form) -> str:
    """Take a change back."""
    page.backend.undo(form.get("id", ""))
    return "undone"
