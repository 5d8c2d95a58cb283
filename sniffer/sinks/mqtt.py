"""MQTT: retained states for Home Assistant as they change, and alerts through the outbox.

The extra `mqtt` installs what it needs.
"""

from __future__ import annotations

import hashlib
import json
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from sniffer import extras
from sniffer.errors import ConfigError, DeliveryError, WakeError
from sniffer.model import Record
from sniffer.model.clock import SECOND, Clock, parse_timestamp
from sniffer.model.mqtt import TakeOvers, client_id
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import ConfiguredTarget, UnansweredError
from sniffer.sinks.homeassistant import (
    MUTE_SECONDS,
    Controls,
    DeviceState,
    MonitorState,
    Shown,
    discovery,
    monitor_discovery,
    occurrence,
    slug,
    zone_of,
)
from sniffer.sinks.settings import MqttSettings

if TYPE_CHECKING:
    from paho.mqtt.client import Client

log = logging.getLogger(__name__)

#: The daemon carries out what Home Assistant asks within this time; until then it is shown as done.
COMMAND_NS = 10 * SECOND


class Retained(Protocol):
    """The topics that a broker retains of ours, remembered across restarts."""

    installation: str

    def read(self) -> list[str]: ...

    def write(self, topics: Iterable[str]) -> None: ...


class Mqtt(ConfiguredTarget):
    """A target of the outbox (alerts), which shows the states of devices too. The broker may come and go: states are
    published again when it is back, and with them the discovery messages. `retained` remembers across restarts what the
    broker keeps of ours; days begin at midnight in `time_zone`."""

    def __init__(
        self,
        settings: MqttSettings,
        read_secret: Callable[[Secret], str],
        clock: Clock,
        version: str = "",
        retained: Retained | None = None,
        time_zone: str | None = None,
        controls: Controls | None = None,
        page: str | None = None,
    ) -> None:
        super().__init__(settings)
        self._controls = controls if settings.may_control else None
        self._settings = settings
        self._clock = clock
        self._retained, self._zone = retained, zone_of(time_zone)
        installation = retained.installation if retained is not None else socket.gethostname()
        monitor = hashlib.sha256(installation.encode()).hexdigest()[:12]
        self._shows = Shown(settings.topic, version, monitor, self._controls is not None, page)
        self._monitor = MonitorState()
        self._named: dict[str, dict[str, Any]] = {}
        self._client_id = settings.client_id or client_id(installation, f"sink {settings.name}")
        self._take_overs = TakeOvers()
        #: Slugs of the devices that are watched; None until that is known.
        self._watched: frozenset[str] | None = None
        self._kept = set(retained.read()) if retained is not None else set[str]()
        self._persisted = frozenset(self._kept)
        self.address = f"{settings.host}:{settings.port}/{settings.topic}"
        self._status = f"{settings.topic}/status"
        self._lock = threading.Lock()
        self._devices: dict[str, DeviceState] = {}
        self._shown: dict[str, str] = {}
        self._refused = ""
        self._up = threading.Event()
        self._client = self._make(read_secret)
        self._started = False

    def start(self) -> None:
        """Connect, and go on trying."""
        settings = self._settings
        self._client.connect_async(settings.host, settings.port or (8883 if settings.tls or settings.ca else 1883))
        self._client.loop_start()
        self._started = True

    # --- states ---

    def show(self, record: Record) -> None:
        """Publish what a record changes."""
        device = record.get("device")
        kind = record["event_type"]
        if kind in ("stats", "wake", "answer"):
            self._show_house(kind, record)
            return
        shown = ("device", "listening", "upload", "alert", "resolved", "question")
        if not isinstance(device, dict) or kind not in shown:
            return
        if kind == "device" and not (record["microphone"] or record["configured"]):
            return
        if self._watched is not None and slug(device) not in self._watched:
            return
        with self._lock:
            state = self._state(device)
            if state is None:
                return
            now_ns = self._clock.now_ns()
            if kind == "listening":
                state.listens(record)
            elif kind == "upload":
                state.uploads(record, now_ns)
                self._report(state, record)
            elif kind == "question":
                state.question(record["upload_id"], parse_timestamp(record["expires"]))
                state.tick(now_ns)
            elif kind == "alert":
                raised_ns = min(now_ns, parse_timestamp(record["timestamp"]))
                state.alert(record["id"], raised_ns + round(self._settings.problem_minutes * 60 * SECOND))
                state.tick(now_ns)
            elif kind == "resolved":
                state.alert(record["id"], None)
            self._publish(state)

    def _show_house(self, kind: str, record: Record) -> None:
        """What is about no single device: the monitor, its wake sources, and answers."""
        with self._lock:
            if kind == "stats":
                self._monitor.stats(record)
            elif kind == "wake" and record["kind"] in ("source_up", "source_down"):
                self._monitor.source(str(record["source"]), record["kind"] == "source_up")
            elif kind == "answer":
                for state in self._devices.values():
                    state.question(record["upload_id"], None)
                    self._publish(state)
            self._publish_topics(self._monitor_topics())

    def _report(self, state: DeviceState, record: Record) -> None:
        """An upload as an event: not retained, because it happens once."""
        if record["verdict"] is not None and self._client.is_connected():
            body = json.dumps(occurrence(record))
            self._client.publish(f"{self._settings.topic}/{state.slug}/upload", body, qos=1)

    def watch(self, records: Iterable[Record]) -> None:
        """Show exactly these devices. The entities of all others are withdrawn: removed, not watched, or under topics
        that an earlier configuration named."""
        with self._lock:
            devices = {slug(record["device"]): record["device"] for record in records}
            self._watched, self._named = frozenset(devices), {name: dict(one) for name, one in devices.items()}
            for name in [name for name in self._devices if name not in devices]:
                del self._devices[name]
            for device in devices.values():
                state = self._state(device)
                if state is not None:
                    self._publish(state)
            self._withdraw()
        self._persist()

    def _withdraw(self) -> None:
        """Clear what the broker retains of ours and is no longer shown."""
        if self._watched is None or not self._client.is_connected():
            return
        wanted = {topic for state in self._devices.values() for topic in self._topics(state)}
        wanted |= set(self._monitor_topics())
        for topic in sorted(self._kept - wanted):  # the entities first, if the prefix is Home Assistant's own
            self._client.publish(topic, b"", qos=1, retain=True)
            self._shown.pop(topic, None)
        self._kept &= wanted

    def _persist(self) -> None:
        """Remember what is retained. Never under our lock: the store has one too."""
        kept = frozenset(self._kept)
        if self._retained is not None and kept != self._persisted:
            self._retained.write(kept)
            self._persisted = kept

    def seed(self, records: Iterable[Record]) -> None:
        """What happened today before this process began, the oldest first: the sums of the day go on."""
        for record in records:
            self.show(record)

    def _state(self, device: dict[str, Any]) -> DeviceState | None:
        key = slug(device)
        device = self._named.get(key, device)  # records of before a new name have the old one
        state = self._devices.get(key)
        if state is None:
            if len(self._devices) >= self._settings.max_devices:
                return None
            state = self._devices[key] = DeviceState(device, self._zone)
            state.tick(self._clock.now_ns())
        else:
            state.device = dict(device)
        return state

    def _publish(self, state: DeviceState) -> None:
        """Publish what has changed. Without a broker nothing is queued: it is all shown when the broker is back."""
        if self._controls is not None and self._clock.now_ns() >= state.muted_for_sure_ns:
            names = {"all", str(state.device["name"]).casefold(), str(state.device["mac"]).casefold()}
            ends = [until for name, until in self._controls.mutes() if name.casefold() in names]
            state.muted_until_ns = max(ends, default=0)
        self._publish_topics(self._topics(state))

    def _publish_topics(self, topics: dict[str, dict[str, Any]]) -> None:
        if not self._client.is_connected():
            return
        for topic, value in sorted(topics.items()):  # the entities first, if the prefix is Home Assistant's own
            text = json.dumps(value)
            if self._shown.get(topic) != text:
                self._client.publish(topic, text, qos=1, retain=True)
                self._shown[topic] = text
                self._kept.add(topic)

    def _topics(self, state: DeviceState) -> dict[str, dict[str, Any]]:
        """What is retained of one device, by topic."""
        settings = self._settings
        topics = {f"{settings.topic}/{state.slug}/state": state.state()}
        if settings.discovery:
            topics[f"{settings.discovery}/device/sniffer_{state.slug}/config"] = discovery(state, self._shows)
        return topics

    def _monitor_topics(self) -> dict[str, dict[str, Any]]:
        """What is retained of the monitor itself, by topic."""
        settings = self._settings
        topics = {f"{settings.topic}/monitor/state": self._monitor.state()}
        if settings.discovery:
            topics[f"{settings.discovery}/device/{self._shows.monitor_id}/config"] = monitor_discovery(self._shows)
        return topics

    def _show_all(self, *, anew: bool = False) -> None:
        with self._lock:
            if anew:
                self._shown.clear()
            now_ns = self._clock.now_ns()
            self._publish_topics(self._monitor_topics())
            for state in self._devices.values():
                state.tick(now_ns)
                self._publish(state)
            if anew:
                self._withdraw()

    # --- alerts ---

    def send(self, message: Message, now_ns: int) -> None:
        """Publish one message and wait until the broker has it. Raises DeliveryError."""
        self._up.wait(min(5.0, self._settings.timeout))
        if not self._client.is_connected():
            raise UnansweredError(self._refused or "not connected to the broker")
        topic = f"{self._settings.topic}/events/{message.record['event_type']}"
        body = json.dumps({"id": message.id, "data": message.record})
        if len(body) > 200_000:
            raise DeliveryError("longer than a broker takes", permanent=True)
        sent = self._client.publish(topic, body, qos=1)
        try:
            sent.wait_for_publish(self._settings.timeout)
            published = sent.is_published()
        except (RuntimeError, ValueError):
            published = False
        if not published:
            raise UnansweredError("the broker did not confirm it")

    def idle(self, now_ns: int) -> float | None:
        """Let the day change, and problems end."""
        self._show_all()
        self._persist()
        return 30.0

    def close(self) -> None:
        """Say good-bye: without it the broker would publish our last will."""
        if not self._started:
            return
        self._started = False
        if self._client.is_connected():
            gone = self._client.publish(self._status, "offline", qos=1, retain=True)
            try:
                gone.wait_for_publish(2)
            except (RuntimeError, ValueError):
                log.debug("%s: the broker was gone first", self.name)
        self._client.disconnect()
        self._client.loop_stop()

    # --- the connection ---

    def _make(self, read_secret: Callable[[Secret], str]) -> Client:
        try:
            from paho.mqtt.client import Client
            from paho.mqtt.enums import CallbackAPIVersion
        except ImportError:
            raise ConfigError(extras.missing("paho", "sinks.mqtt")) from None
        settings = self._settings
        client = Client(CallbackAPIVersion.VERSION2, client_id=self._client_id)
        if settings.username is not None:
            client.username_pw_set(settings.username, read_secret(settings.password) if settings.password else None)
        if settings.tls or settings.ca:
            try:
                context = ssl.create_default_context(cafile=str(settings.ca) if settings.ca else None)
            except OSError as error:
                raise ConfigError(f"cannot be read: {error.strerror or 'not PEM'}", file=settings.ca) from None
            client.tls_set_context(context)
        client.will_set(self._status, "offline", qos=1, retain=True)
        client.reconnect_delay_set(1, 60)
        client.max_queued_messages_set(1000)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_message = self._heard
        return client

    def _connected(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            if self._refused != str(reason):
                log.error("%s: the broker refuses us: %s", self.name, reason)
            self._refused = str(reason)
            self._up.set()
            return
        self._refused = ""
        self._take_overs.connected(self._clock.monotonic())
        self._up.set()
        client.subscribe(self._status, qos=1)
        client.publish(self._status, "online", qos=1, retain=True)
        if self._settings.discovery:
            client.subscribe(f"{self._settings.discovery}/status", qos=1)
        if self._controls is not None:
            client.subscribe([(f"{self._settings.topic}/+/{what}/set", 1) for what in ("mute", "answer")])
        self._show_all(anew=True)

    def _unreachable(self, client: Client, data: Any) -> None:
        """Said once; paho goes on trying."""
        reason = f"no answer from {self._settings.host}"
        if self._refused != reason:
            log.warning("%s: %s; retrying", self.name, reason)
        self._refused = reason

    def _disconnected(self, client: Client, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self._up.clear()
        if not reason.is_failure or self._refused:
            return
        if self._take_overs.lost(self._clock.monotonic(), str(reason)):
            self._refused = f"another client with the id '{self._client_id}' takes the connection over"
            log.error("%s: %s: set `client_id` to one that no other client has", self.name, self._refused)
        else:
            log.warning("%s: the connection to the broker is lost", self.name)

    def _heard(self, client: Client, data: Any, message: Any) -> None:
        """Home Assistant has started, and wants everything again; or the last will of an older connection of ours came
        late, and says that we are gone."""
        if message.topic == self._status:
            if message.payload == b"offline" and self._started:
                client.publish(self._status, "online", qos=1, retain=True)
        elif message.topic.endswith("/set"):
            self._command(message.topic, bytes(message.payload[:20]).decode(errors="replace"), message.retain)
        elif message.payload == b"online":
            self._show_all(anew=True)

    def _command(self, topic: str, payload: str, retained: bool) -> None:
        """Mute a device, or answer the last question about it, as Home Assistant asks."""
        name, what, _ = topic.removeprefix(f"{self._settings.topic}/").split("/")
        with self._lock:
            state = self._devices.get(name)
            upload = state.open_question if state is not None else None
        if state is None or self._controls is None or retained:  # a retained command is one of another day
            return
        try:
            if what == "mute":
                seconds = MUTE_SECONDS if payload == "ON" else 0
                self._controls.mute(str(state.device["mac"] or state.device["name"]), seconds)
                now_ns = self._clock.now_ns()
                state.muted_until_ns = now_ns + round(seconds * SECOND)
                state.muted_for_sure_ns = now_ns + COMMAND_NS
            elif upload is not None:
                self._controls.answer(upload, payload)
            else:
                log.warning("%s: there is no open question about %s", self.name, state.device["name"])
        except WakeError as error:
            log.warning("%s: %s", self.name, error)
        self._show_all()
