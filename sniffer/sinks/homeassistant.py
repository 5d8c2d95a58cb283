"""What Home Assistant is shown of each device: discovery and states, as values (MQTT is in `sniffer.sinks.mqtt`).

Device-based discovery (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload): one retained message
a device names all its entities, and ties it to the MAC address that other integrations know.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp

_REMEMBERED = 500


class DeviceState:
    """One device, as its entities show it."""

    def __init__(self, device: Mapping[str, Any], zone: tzinfo | None = None) -> None:
        self.device, self._zone = dict(device), zone
        self.slug = slug(device)
        self._runs: set[str] = set()
        self._today: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._day = ""
        self._over = [0.0, 0]
        self._last: Record | None = None
        self._problems: dict[str, int] = {}

    def listens(self, record: Record) -> None:
        """What could be a voice began or ended. Views and calls are no sound of a request."""
        if record["kind"] != "voice":
            return
        if not record["listening"]:
            self._runs.discard(record["start"])
        elif len(self._runs) < 64:
            self._runs.add(record["start"])

    def uploads(self, record: Record, now_ns: int) -> None:
        """An upload, new or judged again."""
        self._runs = {start for start in self._runs if not record["timestamp"] <= start <= record["end"]}
        if record["verdict"] is None:
            return
        self.tick(now_ns)
        if self._last is None or record["timestamp"] >= self._last["timestamp"]:
            self._last = record
        if local_day(parse_timestamp(record["timestamp"]), self._zone) != self._day:
            return
        self._today[record["id"]] = (float(record["upload"]["speech_seconds"]), record["verdict"])
        if len(self._today) > _REMEMBERED:
            seconds, verdict = self._today.popitem(last=False)[1]
            self._over[0] += seconds
            self._over[1] += verdict == "unexpected"

    def alert(self, alert_id: str, until_ns: int | None) -> None:
        """An alert was raised, or (None) resolved."""
        if until_ns is None:
            self._problems.pop(alert_id, None)
        elif len(self._problems) < _REMEMBERED:
            self._problems[alert_id] = until_ns

    def tick(self, now_ns: int) -> None:
        """A new day begins; problems end."""
        day = local_day(now_ns, self._zone)
        if day != self._day:
            self._day, self._over = day, [0.0, 0]
            self._today.clear()
        self._problems = {name: until for name, until in self._problems.items() if until > now_ns}

    def state(self) -> dict[str, Any]:
        """The state that all its entities read."""
        last = self._last
        return {
            "listening": "ON" if self._runs else "OFF",
            "problem": "ON" if self._problems else "OFF",
            "last_upload": last["timestamp"] if last else None,
            "last_verdict": last["verdict"] if last else None,
            "last_reason": last["reason"] if last else None,
            "last_id": last["id"] if last else None,
            "speech_today": round(self._over[0] + sum(seconds for seconds, _ in self._today.values()), 1),
            "unexpected_today": self._over[1] + sum(verdict == "unexpected" for _, verdict in self._today.values()),
        }


def discovery(state: DeviceState, topic: str, version: str) -> dict[str, Any]:
    """The discovery message of one device."""
    device = state.device
    about = {
        "identifiers": [f"sniffer_{state.slug}"],
        "name": device["name"],
        "manufacturer": device["vendor"],
        "model": device["model"],
        "connections": [["mac", device["mac"]]] if device["mac"] else None,
    }
    return {
        "device": {name: value for name, value in about.items() if value is not None},
        "origin": {"name": "sniffer", "sw_version": version},
        "availability_topic": f"{topic}/status",
        "state_topic": f"{topic}/{state.slug}/state",
        "qos": 1,
        "components": {
            "listening": _entity(state, "binary_sensor", "listening", "Listening now", device_class="sound"),
            "problem": _entity(state, "binary_sensor", "problem", "Nobody asked", device_class="problem"),
            "last_upload": _entity(
                state,
                "sensor",
                "last_upload",
                "Last upload",
                device_class="timestamp",
                json_attributes_topic=f"{topic}/{state.slug}/state",
            ),
            "speech_today": _entity(
                state,
                "sensor",
                "speech_today",
                "Speech today",
                device_class="duration",
                unit_of_measurement="s",
                state_class="total_increasing",
            ),
            "unexpected_today": _entity(
                state, "sensor", "unexpected_today", "Unasked uploads today", state_class="measurement"
            ),
        },
    }


def _entity(state: DeviceState, platform: str, name: str, title: str, **more: str) -> dict[str, Any]:
    return {
        "platform": platform,
        "unique_id": f"sniffer_{state.slug}_{name}",
        "name": title,
        "value_template": f"{{{{ value_json.{name} }}}}",
        **more,
    }


def slug(device: Mapping[str, Any]) -> str:
    """What a device is called in topics: its MAC, or a hash; never a name that a stranger chose."""
    if device["mac"]:
        return str(device["mac"]).replace(":", "")
    return hashlib.sha256(str(device["ip"] or device["name"]).encode(errors="replace")).hexdigest()[:12]


def local_day(time_ns: int, zone: tzinfo | None = None) -> str:
    """Return the date in a zone; the machine's, where there is none."""
    return datetime.fromtimestamp(time_ns / SECOND, UTC).astimezone(zone).date().isoformat()


def zone_of(name: str | None) -> tzinfo | None:
    """Return the zone of a configured name; None is the machine's."""
    return None if name is None else ZoneInfo(name)
