"""The body of a webhook: one function per format, and their table.

Host names and device names come from the network. In each format they are data: anything that the receiver would read
as a mention, a link or an emphasis is escaped. Links and buttons are built from the configuration alone.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sniffer.model import Record
from sniffer.records.schemas import schema_id
from sniffer.sinks.delivery.notice import Action, Notice
from sniffer.sinks.delivery.queue import Message


@dataclass(frozen=True, slots=True)
class Request:
    """What is posted, and where."""

    url: str
    body: bytes
    content_type: str = "application/json"


Make = Callable[[Message, Notice, str], Request]

#: Buttons that ntfy shows at most.
MAX_NTFY_ACTIONS = 3
#: Discord's colours and ntfy's priorities by level.
_COLOURS = {"critical": 0xB00020, "high": 0xE53935, "medium": 0xFB8C00, "low": 0xFDD835}
_PRIORITIES = {"critical": 5, "high": 4, "medium": 3, "low": 2, "informational": 1}
_TAGS = {"alert": "rotating_light", "resolved": "white_check_mark", "digest": "newspaper"}
_TITLES = {"alert": "Alert", "resolved": "Resolved", "digest": "Daily digest", "upload": "Upload"}


def standard(message: Message, notice: Notice, url: str) -> Request:
    """Standard Webhooks: the type, the time, and the whole record."""
    body = {
        "type": f"sniffer.{message.record['event_type']}",
        "timestamp": message.record["timestamp"],
        "summary": plain(notice.headline),
        "link": notice.link,
        "actions": [action.to_json() for action in notice.actions],
        "data": message.record,
    }
    return Request(url, _json(body))


def cloudevents(message: Message, notice: Notice, url: str) -> Request:
    """CloudEvents 1.0, structured mode."""
    body = {
        "specversion": "1.0",
        "id": message.id,
        "source": "/sniffer",
        "type": f"sniffer.{message.record['event_type']}",
        "time": message.record["timestamp"],
        "subject": device_name(message.record) or "house",
        "datacontenttype": "application/json",
        "dataschema": schema_id(str(message.record["event_type"])),
        "data": message.record,
    }
    return Request(url, _json(body), "application/cloudevents+json")


def alertmanager(message: Message, notice: Notice, url: str) -> Request:
    """What Alertmanager's own webhook receivers expect (version 4)."""
    record = message.record
    labels, notes = alert_labels(record), notes_of(record, notice)
    resolved = record["event_type"] == "resolved"
    started = record.get("first") or record["timestamp"]
    alert = {
        "status": "resolved" if resolved else "firing",
        "labels": labels,
        "annotations": notes,
        "startsAt": started,
        "endsAt": record["timestamp"] if resolved else "0001-01-01T00:00:00Z",
        "generatorURL": notice.link or "",
        "fingerprint": hashlib.sha256(_json(labels)).hexdigest()[:16],
    }
    body = {
        "version": "4",
        "groupKey": str(record.get("dedup_key") or message.id),
        "truncatedAlerts": 0,
        "status": alert["status"],
        "receiver": message.target,
        "groupLabels": {"alertname": labels["alertname"]},
        "commonLabels": labels,
        "commonAnnotations": notes,
        "externalURL": "",
        "alerts": [alert],
    }
    return Request(url, _json(body))


def slack(message: Message, notice: Notice, url: str) -> Request:
    """Slack: plain text, so that nothing in it can mention, link or format; the links are a block of their own.

    They are links and not buttons: a button needs an app that answers Slack.
    """
    text = _no_entities(plain(notice.headline))
    title, details = title_of(message.record), details_of(message.record, notice)
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": title[:150], "emoji": False}},
        {"type": "section", "text": {"type": "plain_text", "text": plain(notice.headline)[:2900], "emoji": False}},
    ]
    if details:
        blocks.append(
            {"type": "section", "text": {"type": "plain_text", "text": "\n".join(details)[:2900], "emoji": False}}
        )
    if notice.ways_on:
        links = " · ".join(f"<{_no_entities(action.url)}|{action.label}>" for action in notice.ways_on)
        blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": links[:2900]}]})
    return Request(url, _json({"text": text[:2900], "mrkdwn": False, "blocks": blocks}))


def discord(message: Message, notice: Notice, url: str) -> Request:
    """Discord: mentions are switched off, and its markup is escaped; the links are a field of their own."""
    embed = {
        "title": _no_markup(title_of(message.record))[:250],
        "description": _no_markup("\n".join([plain(notice.headline), *details_of(message.record, notice)]))[:4000],
        "color": _COLOURS.get(str(message.record.get("level")), 0x43A047),
        "timestamp": message.record["timestamp"],
    }
    if notice.link:
        embed["url"] = notice.link
    if notice.ways_on:
        links = " · ".join(f"[{action.label}]({action.url})" for action in notice.ways_on)
        embed["fields"] = [{"name": "What now?", "value": links[:1000]}]
    return Request(url, _json({"embeds": [embed], "allowed_mentions": {"parse": []}}))


def ntfy(message: Message, notice: Notice, url: str) -> Request:
    """ntfy: published as JSON to the server, with the topic that ends the URL; text, never Markdown."""
    server, _, topic = url.rstrip("/").rpartition("/")
    record = message.record
    text = "\n".join([plain(notice.headline), *details_of(record, notice)])
    body: dict[str, Any] = {
        "topic": topic,
        "title": title_of(record)[:200],
        "message": text.encode()[:3800].decode(errors="ignore"),
        "priority": _PRIORITIES.get(str(record.get("level")), 3),
        "tags": [_TAGS.get(record["event_type"], "loudspeaker")],
        "markdown": False,
    }
    if notice.link:
        body["click"] = notice.link
    if notice.ways_on:
        body["actions"] = [_ntfy_action(action) for action in notice.ways_on[:MAX_NTFY_ACTIONS]]
    return Request(server + "/", _json(body))


def _ntfy_action(action: Action) -> dict[str, Any]:
    """Return a button: `view` opens a page, `http` acts in the background and clears the notification."""
    if action.method == "GET":
        return {"action": "view", "label": action.label, "url": action.url}
    return {"action": "http", "label": action.label, "url": action.url, "method": "POST", "clear": True}


FORMATS: Mapping[str, Make] = {
    "standard": standard,
    "alertmanager": alertmanager,
    "cloudevents": cloudevents,
    "slack": slack,
    "discord": discord,
    "ntfy": ntfy,
}


# --- what the formats share ---


def device_name(record: Record) -> str | None:
    """The device a record is about."""
    device = record.get("device")
    name = device.get("name") if isinstance(device, Mapping) else device
    return plain(str(name)) if name else None


def title_of(record: Record) -> str:
    """A few words: what, which device, how bad."""
    if record.get("kind") in ("test", "health") and record.get("title"):  # about the program, not about a device
        return plain(str(record["title"]))
    title = _TITLES.get(record["event_type"], str(record["event_type"]).capitalize())
    parts = [title, device_name(record), record.get("level") if record["event_type"] == "alert" else None]
    return " · ".join(str(part) for part in parts if part)


def details_of(record: Record, notice: Notice) -> list[str]:
    """Return why, how sure, and what to do, one line each; the command for more where there is no link."""
    lines: list[str] = []
    if record.get("text") and record["text"] != record.get("summary"):
        lines += [plain(line) for line in str(record["text"]).splitlines()[:30]]
    if record.get("confidence") is not None:
        lines.append(f"How sure: {100 * float(record['confidence']):.0f} %")
    lines += [f"What to do: {plain(str(step))}" for step in record.get("triage") or ()]
    if record.get("upload_id") and not notice.link:
        lines.append(f"More: sniffer explain {plain(str(record['upload_id']))}")
    return lines


def alert_labels(record: Record) -> dict[str, str]:
    """What makes an alert the same alert: the rule and the device, never an id or a host name."""
    labels = {
        "alertname": str(record.get("rule") or record["event_type"]),
        "device": device_name(record) or "all",
        "severity": str(record.get("level") or "informational"),
        "job": "sniffer",
    }
    return labels


def notes_of(record: Record, notice: Notice) -> dict[str, str]:
    """Return the annotations that a person reads."""
    notes = {"summary": plain(notice.headline), "description": "\n".join(details_of(record, notice))}
    notes |= {action.label.lower().replace(" ", "_"): action.url for action in notice.ways_on}
    if record.get("upload_id"):
        notes["upload"] = str(record["upload_id"])
    return {name: text for name, text in notes.items() if text}


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]+")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+|~@-])")


def plain(text: str) -> str:
    """One line without control characters, direction marks or lone surrogates."""
    return _CONTROL.sub(" ", text).strip()


def _no_entities(text: str) -> str:
    """Return a text without the characters that Slack reads as markup."""
    for character, escape in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(character, escape)
    return text


def _no_markup(text: str) -> str:
    return "\n".join(_MARKUP.sub(r"\\\1", line) for line in text.split("\n")).replace("://", ":\u200b//")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
