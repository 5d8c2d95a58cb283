"""What Home Assistant is shown of each device: discovery and states, as values (MQTT is in `sniffer.sinks.mqtt`).

Device-based discovery (https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload): one retained message
a device names all its entities, and ties it to the MAC address that other integrations know.
"""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from sniffer.model import Record
from sniffer.model.clock import SECOND, parse_timestamp

#: Uploads of today, open questions and alerts that are remembered of each device.
_REMEMBERED = 500
#: The verdicts, as the event entity of a device reports them and as they are counted today.
VERDICTS = ("expected", "unexpected", "inconclusive")
#: Seconds for which the mute switch mutes.
MUTE_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Shown:
    """What is the same for all devices: the topics, the version, the monitor's own id, whether Home Assistant may mute
    and answer, and the address of the page."""

    topic: str
    version: str
    monitor: str
    controls: bool = False
    page: str | None = None

    @property
    def monitor_id(self) -> str:
        """The identifier of the monitor's device."""
        return f"sniffer_monitor_{self.monitor}"

    def about(self) -> dict[str, Any]:
        """Say who publishes the entities."""
        return {"name": "sniffer", "sw_version": self.version}


class Controls(Protocol):
    """What Home Assistant may do where `controls` allow it. Each raises WakeError where it cannot be done."""

    def mute(self, device: str, seconds: float) -> None: ...

    def answer(self, upload: str, answer: str) -> None: ...

    def mutes(self) -> Iterable[tuple[str, int]]:
        """Devices without alerts (name or MAC, in lower case), and until when (ns)."""
        ...


class DeviceState:
    """One device, as its entities show it."""

    def __init__(self, device: Mapping[str, Any], zone: tzinfo | None = None) -> None:
        self.device, self._zone = dict(device), zone
        self.slug = slug(device)
        self._runs: set[str] = set()
        self._today: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._day = ""
        self._over_seconds, self._over = 0.0, dict.fromkeys(VERDICTS, 0)
        self._questions: dict[str, int] = {}
        self.muted_until_ns = self.muted_for_sure_ns = 0
        self._now_ns = 0
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
            self._over_seconds += seconds
            self._over[verdict] += 1

    def alert(self, alert_id: str, until_ns: int | None) -> None:
        """An alert was raised, or (None) resolved."""
        if until_ns is None:
            self._problems.pop(alert_id, None)
        elif len(self._problems) < _REMEMBERED:
            self._problems[alert_id] = until_ns

    def question(self, upload: str, until_ns: int | None) -> None:
        """A question about an upload was asked, or (None) answered."""
        if until_ns is None:
            self._questions.pop(upload, None)
        elif len(self._questions) < _REMEMBERED:
            self._questions[upload] = until_ns

    @property
    def open_question(self) -> str | None:
        """The id of the upload that was asked about last and waits for an answer."""
        return next(reversed(self._questions), None)

    def tick(self, now_ns: int) -> None:
        """A new day begins; problems, questions and mutes end."""
        self._now_ns = now_ns
        day = local_day(now_ns, self._zone)
        if day != self._day:
            self._day, self._over_seconds, self._over = day, 0.0, dict.fromkeys(VERDICTS, 0)
            self._today.clear()
        self._problems = {name: until for name, until in self._problems.items() if until > now_ns}
        self._questions = {name: until for name, until in self._questions.items() if until > now_ns}

    def state(self) -> dict[str, Any]:
        """The state that all its entities read."""
        last = self._last
        today = Counter(self._over) + Counter(verdict for _, verdict in self._today.values())
        return {
            "listening": "ON" if self._runs else "OFF",
            "problem": "ON" if self._problems else "OFF",
            "last_upload": last["timestamp"] if last else None,
            "last_verdict": last["verdict"] if last else None,
            "last_reason": last["reason"] if last else None,
            "last_id": last["id"] if last else None,
            "speech_today": round(self._over_seconds + sum(seconds for seconds, _ in self._today.values()), 1),
            **{f"{verdict}_today": today[verdict] for verdict in VERDICTS},
            "open_questions": len(self._questions),
            "muted": "ON" if self.muted_until_ns > self._now_ns else "OFF",
        }


class MonitorState:
    """The monitor itself, as its entities show it."""

    def __init__(self) -> None:
        self._stats: Record | None = None
        self._before = 0
        self._down: set[str] = set()

    def stats(self, record: Record) -> None:
        """What the monitor counted since it began, once a minute."""
        self._before = self._stats["packets"] if self._stats is not None else 0
        self._stats = record

    def source(self, name: str, up: bool) -> None:
        """A wake source went up or down."""
        (self._down.discard if up else self._down.add)(name[:64])
        if len(self._down) > _REMEMBERED:
            self._down.pop()

    def state(self) -> dict[str, Any]:
        """The state that all its entities read."""
        stats = self._stats or {}
        packets = stats.get("packets")
        return {
            "packets": None if packets is None else "ON" if packets > self._before else "OFF",
            "sources": "ON" if self._down else "OFF",
            "down": ", ".join(sorted(self._down)),
            "dropped": stats.get("dropped"),
            "watched": stats.get("watched"),
        }


def occurrence(record: Record) -> dict[str, Any]:
    """An upload as the event entity of its device reports it: the type is the verdict, the rest attributes."""
    return {
        "event_type": record["verdict"],
        "id": record["id"],
        "revision": record["revision"],
        "start": record["timestamp"],
        "seconds": record["upload"]["speech_seconds"],
        "host": record["service"]["host"] or record["dest_ip"],
        "reason": record["reason"],
        "confidence": record["confidence"],
    }


def discovery(state: DeviceState, shown: Shown) -> dict[str, Any]:
    """The discovery message of one device."""
    device, base = state.device, f"{shown.topic}/{state.slug}"
    about = {
        "identifiers": [f"sniffer_{state.slug}"],
        "name": device["name"],
        "manufacturer": device["vendor"],
        "model": device["model"],
        "connections": [["mac", device["mac"]]] if device["mac"] else None,
        "via_device": shown.monitor_id,
        "configuration_url": f"{shown.page}/devices/{device['mac'] or device['ip']}" if shown.page else None,
    }
    last = ", ".join(f"'{name}': value_json.last_{name}" for name in ("verdict", "reason", "id"))
    number = {"state_class": "total"}
    parts = {
        "listening": _entity(state, "binary_sensor", "listening", "Listening now", device_class="sound"),
        "problem": _entity(state, "binary_sensor", "problem", "Nobody asked", device_class="problem"),
        "upload": {
            "platform": "event",
            "unique_id": f"sniffer_{state.slug}_upload",
            "name": "Upload",
            "icon": "mdi:upload-network",
            "state_topic": f"{base}/upload",
            "event_types": list(VERDICTS),
        },
        "last_upload": _entity(
            state, "sensor", "last_upload", "Last upload", device_class="timestamp", icon="mdi:clock-outline",
            json_attributes_topic=f"{base}/state", json_attributes_template=f"{{{{ {{{last}}} | tojson }}}}",
        ),
        "speech_today": _entity(
            state, "sensor", "speech_today", "Speech today", device_class="duration", unit_of_measurement="s",
            state_class="total_increasing",
        ),
        "expected_today": _entity(
            state, "sensor", "expected_today", "Asked for today", icon="mdi:check-circle-outline", **number
        ),
        "unexpected_today": _entity(
            state, "sensor", "unexpected_today", "Unasked uploads today", icon="mdi:alert-circle-outline", **number
        ),
        "inconclusive_today": _entity(
            state, "sensor", "inconclusive_today", "Cannot tell today", icon="mdi:help-circle-outline", **number
        ),
        "open_questions": _entity(
            state, "sensor", "open_questions", "Open questions", icon="mdi:chat-question-outline",
            state_class="measurement",
        ),
    }  # fmt: skip
    if shown.controls:
        parts["muted"] = _entity(
            state, "switch", "muted", "Mute alerts for an hour", icon="mdi:bell-off-outline",
            command_topic=f"{base}/mute/set",
        )  # fmt: skip
        for answer, title in (("yes", "That was me"), ("no", "Nobody asked"), ("unsure", "I do not know")):
            parts[f"answer_{answer}"] = {
                "platform": "button",
                "unique_id": f"sniffer_{state.slug}_answer_{answer}",
                "name": f"Answer: {title}",
                "icon": "mdi:chat-processing-outline",
                "command_topic": f"{base}/answer/set",
                "payload_press": answer,
            }
    return {
        "device": {name: value for name, value in about.items() if value is not None},
        "origin": shown.about(),
        "availability_topic": f"{shown.topic}/status",
        "state_topic": f"{base}/state",
        "qos": 1,
        "components": parts,
    }


def monitor_discovery(shown: Shown) -> dict[str, Any]:
    """The discovery message of the monitor itself, under which Home Assistant shows the speakers."""
    state_topic = f"{shown.topic}/monitor/state"

    def part(platform: str, name: str, title: str, **more: str) -> dict[str, Any]:
        return {
            "platform": platform,
            "unique_id": f"{shown.monitor_id}_{name}",
            "name": title,
            "value_template": f"{{{{ value_json.{name} }}}}",
            "entity_category": "diagnostic",
            **more,
        }

    about = {
        "identifiers": [shown.monitor_id],
        "name": "sniffer",
        "model": "Smart speaker monitor",
        "sw_version": shown.version or None,
        "configuration_url": shown.page,
    }
    return {
        "device": {name: value for name, value in about.items() if value is not None},
        "origin": shown.about(),
        "availability_topic": f"{shown.topic}/status",
        "state_topic": state_topic,
        "qos": 1,
        "components": {
            "packets": part("binary_sensor", "packets", "Sees packets", device_class="connectivity"),
            "sources": part(
                "binary_sensor", "sources", "A wake source is down", device_class="problem",
                json_attributes_topic=state_topic, json_attributes_template="{{ {'down': value_json.down} | tojson }}",
            ),
            "dropped": part(
                "sensor", "dropped", "Packets lost", state_class="total_increasing", icon="mdi:package-down"
            ),
            "watched": part("sensor", "watched", "Watched devices", icon="mdi:speaker-wireless"),
        },
    }  # fmt: skip


def _entity(state: DeviceState, platform: str, name: str, title: str, **more: str) -> dict[str, Any]:
    return {
        "platform": platform,
        "unique_id": f"sniffer_{state.slug}_{name}",
        "name": title,
        "value_template": f"{{{{ value_json.{name} }}}}",
        **more,
    }


def slug(device: Mapping[str, Any]) -> str:
    """What a device is called in topics: its MAC, or a hash; never a name from the network."""
    if device["mac"]:
        return str(device["mac"]).replace(":", "")
    return hashlib.sha256(str(device["ip"] or device["name"]).encode(errors="replace")).hexdigest()[:12]


def local_day(time_ns: int, zone: tzinfo | None = None) -> str:
    """Return the date in a zone; the machine's, where there is none."""
    return datetime.fromtimestamp(time_ns / SECOND, UTC).astimezone(zone).date().isoformat()


def zone_of(name: str | None) -> tzinfo | None:
    """Return the zone of a configured name; None is the machine's."""
    return None if name is None else ZoneInfo(name)
