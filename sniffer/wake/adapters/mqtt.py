"""Wake events over MQTT: our own topic, Rhasspy's hotwords, and whatever a mapping says.

Our own connection has a last will on the status topic, so that others see whether we listen.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any

from sniffer import extras
from sniffer.errors import WakeError
from sniffer.model import WakeKind
from sniffer.model.mqtt import TakeOvers, client_id
from sniffer.wake.events import MAX_LINE, parse_json
from sniffer.wake.session import Session
from sniffer.wake.settings import MqttSource, TopicSettings

#: Rhasspy, and everything that speaks Hermes: a wake word was heard at a site.
HERMES = "hermes/hotword/+/detected"
KEEPALIVE = 30


class MqttFeed:
    """One broker."""

    def __init__(self, settings: MqttSource, password: str | None, installation: str = "") -> None:
        self.name = settings.name
        self._settings, self._password = settings, password
        self._client_id = settings.client_id or client_id(installation, f"source {settings.name}")
        self._take_overs = TakeOvers()

    def run(self, session: Session) -> None:
        """Connect, subscribe, and hand on what comes until the connection is gone."""
        try:
            from paho.mqtt import client as paho
            from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
        except ImportError:
            raise WakeError(extras.missing("paho", "MQTT")) from None
        settings = self._settings
        port = settings.port or (8883 if settings.tls else 1883)
        problem: list[str] = []
        client = paho.Client(CallbackAPIVersion.VERSION2, client_id=self._client_id)
        if settings.user is not None:
            client.username_pw_set(settings.user, self._password)
        if settings.tls:
            client.tls_set_context(_tls(settings))
        client.will_set(settings.status_topic, "offline", qos=1, retain=True)

        def connected(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            if reason.is_failure:
                problem.append(f"{settings.host}:{port} refused: {reason}")
                return
            client.subscribe([(topic, 1) for topic in self._subscriptions()])

        def subscribed(client: Any, userdata: Any, mid: Any, reasons: Any, properties: Any) -> None:
            if refused := [str(reason) for reason in reasons if reason.is_failure]:
                problem.append(f"{settings.host}:{port} refused the subscription: {refused[0]}")
                return
            client.publish(settings.status_topic, "online", qos=1, retain=True)
            self._take_overs.connected(session.clock.monotonic())
            session.up()

        def heard(client: Any, userdata: Any, message: Any) -> None:
            self._message(message.topic, bytes(message.payload), bool(message.retain), session)

        def gone(client: Any, userdata: Any, flags: Any, reason: Any, properties: Any) -> None:
            lost = str(reason) in ("Unspecified error", "Normal disconnection")
            if not session.stopped and self._take_overs.lost(session.clock.monotonic(), str(reason)):
                problem.append(
                    f"{settings.host}:{port}: another client with the id '{self._client_id}' takes the connection "
                    "over: set `client_id` to one that no other client has"
                )
                return
            problem.append(f"{settings.host}:{port}: {'the connection was lost' if lost else reason}")

        client.on_connect, client.on_subscribe = connected, subscribed
        client.on_message, client.on_disconnect = heard, gone
        try:
            client.connect(settings.host, port, KEEPALIVE)
            while not session.stopped and not problem:
                if client.loop(0.2) != MQTTErrorCode.MQTT_ERR_SUCCESS and not problem:
                    problem.append(f"{settings.host}:{port}: the connection was lost")
            if session.stopped and not problem:
                client.publish(settings.status_topic, "offline", qos=0, retain=True)
                client.disconnect()
                client.loop(0.2)
        except (OSError, ValueError) as error:
            raise WakeError(f"{settings.host}:{port}: {error}") from None
        finally:
            if (line := client.socket()) is not None:
                line.close()
        if problem and not session.stopped:
            raise WakeError(problem[0])

    def _subscriptions(self) -> list[str]:
        settings = self._settings
        own = [topic for topic in (settings.topic, settings.answer_topic) if topic]
        return [*own, *([HERMES] if settings.hermes else []), *(item.topic for item in settings.topics)]

    def _message(self, topic: str, payload: bytes, retained: bool, session: Session) -> None:
        """One message. A retained one is old: it tells a state (muted, away), never that somebody asked just now."""
        if len(payload) > MAX_LINE:
            session.refuse(f"{topic}: over {MAX_LINE} bytes")
            return
        try:
            if topic == self._settings.topic:
                if not retained:
                    session.mapping(parse_json(payload))
                return
            if topic == self._settings.answer_topic:
                said = parse_json(payload)
                if not retained and isinstance(said, Mapping):
                    session.answer(str(said.get("upload_id", "")), str(said.get("answer", "")))
                return
            if self._settings.hermes and matches(HERMES, topic):
                if not retained:
                    session.event(device=_site(parse_json(payload)))
                return
            for mapped in self._settings.topics:
                if matches(mapped.topic, topic) and says(mapped, payload):
                    if not (retained and mapped.kind is WakeKind.WAKE):
                        session.event(kind=mapped.kind, device=_device(mapped, topic))
                    return
        except WakeError as error:
            session.refuse(f"{topic}: {error}")


def matches(pattern: str, topic: str) -> bool:
    """MQTT's own wildcards: `+` is one level, `#` the rest."""
    wanted, given = pattern.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def says(mapped: TopicSettings, payload: bytes) -> bool:
    """Does a message mean what the mapping looks for?"""
    if mapped.field is None:
        text: object = payload.decode(errors="replace").strip()
    else:
        text = parse_json(payload)
        for part in mapped.field.split("."):
            text = text.get(part) if isinstance(text, Mapping) else None
        if text is None:
            return False
        text = text if isinstance(text, str) else json.dumps(text)
    return bool(text) if not mapped.equals else text in mapped.equals


def _site(message: object) -> str | None:
    """Hermes: the room in which the word was heard; `default` is where nobody named one."""
    site = message.get("siteId") if isinstance(message, Mapping) else None
    return site if isinstance(site, str) and 0 < len(site) <= 64 and site != "default" else None


def _device(mapped: TopicSettings, topic: str) -> str | None:
    if mapped.device_level is None:
        return mapped.device
    levels = topic.split("/")
    if mapped.device_level >= len(levels) or not 0 < len(levels[mapped.device_level]) <= 64:
        raise WakeError(f"the topic has no level {mapped.device_level} with a device's name")
    return levels[mapped.device_level]


def _tls(settings: MqttSource) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=str(settings.ca_file) if settings.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise WakeError(f"{settings.ca_file}: not usable as certificates: {error}") from None
