"""Alertmanager's own API (v2, https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml) as a target.

Alertmanager holds alerts in memory only, so what is active is sent again and again, as Prometheus does it; each time
with its end, so that an alert is over even if we are killed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from sniffer.model import Record
from sniffer.model.clock import SECOND, timestamp
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.formats import alert_labels, notes_of
from sniffer.sinks.delivery.http import Sender
from sniffer.sinks.delivery.notice import NoticeOf
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import ConfiguredTarget
from sniffer.sinks.settings import AlertmanagerSettings


class Alertmanager(ConfiguredTarget):
    """A target of the outbox. `recent(name, since_ns)` gives the messages it took since then, the oldest first."""

    def __init__(
        self,
        settings: AlertmanagerSettings,
        read_secret: Callable[[Secret], str],
        notice_of: NoticeOf,
        recent: Callable[[str, int], Sequence[Message]],
    ) -> None:
        super().__init__(settings)
        self.address = settings.url
        self._url = settings.url.rstrip("/") + "/api/v2/alerts"
        self._token = read_secret(settings.token) if settings.token else None
        self._active_ns = round(settings.active_seconds * SECOND)
        self._resend_seconds = settings.resend_seconds
        self._notice_of, self._recent = notice_of, recent
        self._sender = Sender(self._url, settings.timeout, settings.ca, [self._token] if self._token else [])

    def send(self, message: Message, now_ns: int) -> None:
        """Deliver one message, and with it all that is active."""
        self._post(self._alerts([*self._told(now_ns), message], now_ns), now_ns)

    def idle(self, now_ns: int) -> float | None:
        """Send again what is active."""
        alerts = [alert for alert in self._alerts(self._told(now_ns), now_ns) if alert["endsAt"] > timestamp(now_ns)]
        if not alerts:
            return None
        self._post(alerts, now_ns)
        return self._resend_seconds

    def close(self) -> None:
        """Close its connections."""
        self._sender.close()

    def _told(self, now_ns: int) -> Sequence[Message]:
        return self._recent(self.name, now_ns - self._active_ns)

    def _alerts(self, messages: Sequence[Message], now_ns: int) -> list[dict[str, Any]]:
        """One alert for each set of labels: active while any of its alerts is, else over since its last resolution."""
        resolved = {m.record["id"]: m for m in messages if m.record["event_type"] == "resolved"}
        found: dict[str, dict[str, Any]] = {}
        for message in messages:
            record = message.record
            if record["event_type"] != "alert":
                continue
            over = resolved.get(record["id"])
            end = over.created_ns if over is not None else message.created_ns + self._active_ns
            self._add(found, record, min(end, now_ns) if over is not None else end)
        told = {m.record["id"] for m in messages if m.record["event_type"] == "alert"}
        for name, message in resolved.items():
            if name not in told:  # the alert itself is older than what is looked at
                self._add(found, message.record, min(message.created_ns, now_ns))
        return list(found.values())

    def _add(self, found: dict[str, dict[str, Any]], record: Record, end_ns: int) -> None:
        labels, notice = alert_labels(record), self._notice_of(record)
        key = json.dumps(labels, sort_keys=True)
        before = found.get(key)
        end = timestamp(end_ns)
        found[key] = {
            "labels": labels,
            "annotations": notes_of(record, notice),
            "generatorURL": notice.link or "",
            "startsAt": min(before["startsAt"], record["first"]) if before else record["first"],
            "endsAt": max(before["endsAt"], end) if before else end,
        }

    def _post(self, alerts: Sequence[dict[str, Any]], now_ns: int) -> None:
        headers = {"content-type": "application/json", "user-agent": "sniffer"}
        if self._token is not None:
            headers["authorization"] = f"Bearer {self._token}"
        self._sender.post(self._url, json.dumps(list(alerts)).encode(), headers, now_ns)
