"""Wake events from Home Assistant, over its WebSocket API.

Whoever runs an Assist pipeline alone is told of its steps; what everybody can see is the satellite's state, which
changes to `listening` when its wake word was heard. Alexa Media Player puts the vendor's own history on the event
bus: late, with the cloud's time, and as the vendor's word only.

https://developers.home-assistant.io/docs/api/websocket
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sniffer import extras
from sniffer.errors import WakeError
from sniffer.model import Trust, WakeKind
from sniffer.wake.events import parse_time
from sniffer.wake.session import Session
from sniffer.wake.settings import HomeAssistantSource

#: The companion app fires this when a button of an actionable notification is pressed.
#: https://companion.home-assistant.io/docs/notifications/actionable-notifications
PRESSED = "mobile_app_notification_action"
LAST_CALLED = "alexa_media_last_called_event"
#: What Home Assistant says of an entity that it cannot reach.
UNAVAILABLE = "unavailable"
#: Messages are small; a state with long attributes may be larger.
MAX_MESSAGE = 1 << 20
#: The number of the one question whose answers are states, not events.
ENTITIES = 90
#: The number of the subscription to pressed buttons; users who are no administrators may be refused it.
BUTTONS = 91
#: What holds on until it is taken back.
_SWITCHES = frozenset({WakeKind.MUTE, WakeKind.UNMUTE, WakeKind.AWAY, WakeKind.HOME})
#: Seconds between signs of life, and how long to wait for an answer.
PING, ANSWER = 30.0, 10.0


class HomeAssistantFeed:
    """One Home Assistant."""

    def __init__(self, settings: HomeAssistantSource, token: str) -> None:
        self.name = settings.name
        self._settings, self._token = settings, token
        self._wanted = set(settings.satellites) | {entity.entity for entity in settings.entities}
        self._gone: set[str] = set()

    def run(self, session: Session) -> None:
        """Connect, authenticate, subscribe, and hand on what comes until the connection is gone."""
        try:
            from websockets.exceptions import WebSocketException
            from websockets.sync.client import connect
        except ImportError:
            raise WakeError(extras.missing("websockets", "Home Assistant")) from None
        url = websocket_url(self._settings.url)
        context = ssl.create_default_context(cafile=_path(self._settings)) if url.startswith("wss:") else None
        try:
            with connect(url, ssl=context, max_size=MAX_MESSAGE, open_timeout=ANSWER, close_timeout=1) as socket:
                self._greet(socket)
                self._gone.clear()
                self._subscribe(socket, session)
                if not self._gone:
                    session.up()
                self._listen(socket, session)
        except (WebSocketException, OSError, ssl.SSLError) as error:
            raise WakeError(f"{self._settings.url}: {' '.join(str(error).split()) or type(error).__name__}") from None

    def _greet(self, socket: Any) -> None:
        if self._receive(socket).get("type") != "auth_required":
            raise WakeError(f"{self._settings.url} does not speak Home Assistant's WebSocket API")
        socket.send(json.dumps({"type": "auth", "access_token": self._token}))
        answer = self._receive(socket)
        if answer.get("type") != "auth_ok":
            raise WakeError(f"{self._settings.url} refused the token: {str(answer.get('message', ''))[:100]}")

    def _subscribe(self, socket: Any, session: Session) -> None:
        events = ([LAST_CALLED] if self._settings.last_called else []) + (["state_changed"] if self._wanted else [])
        for number, event_type in enumerate(events, start=1):
            socket.send(json.dumps({"id": number, "type": "subscribe_events", "event_type": event_type}))
        socket.send(json.dumps({"id": BUTTONS, "type": "subscribe_events", "event_type": PRESSED}))
        waiting = {*range(1, len(events) + 1), BUTTONS}
        if self._wanted:
            # How things stand at the beginning: `state_changed` tells of changes only, `get_states` of everything.
            entities = sorted(self._wanted)
            socket.send(json.dumps({"id": ENTITIES, "type": "subscribe_entities", "entity_ids": entities}))
            waiting.add(ENTITIES)
        while waiting:
            message = self._receive(socket)
            if message.get("type") == "result":
                if not message.get("success") and message.get("id") not in (ENTITIES, BUTTONS):
                    raise WakeError(f"{self._settings.url} refused to tell of events: does the token's user see them?")
                waiting.discard(message.get("id", 0))
            else:
                self._message(message, session)

    def _listen(self, socket: Any, session: Session) -> None:
        number, waited, asked = 100, 0.0, False
        while not session.stopped:
            try:
                text = socket.recv(timeout=0.5)
            except TimeoutError:
                waited += 0.5
                if waited >= PING and not asked:
                    number += 1
                    socket.send(json.dumps({"id": number, "type": "ping"}))
                    asked = True
                if waited >= PING + ANSWER:
                    raise WakeError(f"{self._settings.url} does not answer") from None
                continue
            waited, asked = 0.0, False
            self._message(_object(text), session)

    def _receive(self, socket: Any) -> Mapping[str, Any]:
        try:
            return _object(socket.recv(timeout=ANSWER))
        except TimeoutError:
            raise WakeError(f"{self._settings.url} does not answer") from None

    def _message(self, message: Mapping[str, Any], session: Session) -> None:
        event = message.get("event")
        if message.get("type") != "event" or not isinstance(event, Mapping):
            return
        if message.get("id") == ENTITIES:
            self._stands(event.get("a"), session)
            return
        data = event.get("data")
        if not isinstance(data, Mapping):
            return
        try:
            if event.get("event_type") == LAST_CALLED:
                self._last_called(data, session)
            elif event.get("event_type") == PRESSED:
                self._pressed(data, session)
            elif event.get("event_type") == "state_changed":
                self._state(data, event.get("time_fired"), session)
        except WakeError as error:
            session.refuse(str(error))

    def _last_called(self, data: Mapping[str, Any], session: Session) -> None:
        """Alexa Media Player: which speaker was spoken to, when, as the cloud says (in milliseconds)."""
        said = data.get("timestamp")
        if not isinstance(said, int | float) or isinstance(said, bool):
            raise WakeError(f"{LAST_CALLED} without a timestamp")
        time_ns = parse_time(said / 1000 if said >= 1e11 else said)
        names = [data.get(key) for key in ("name", "serial", "serial_number", "last_called")]
        given = [name for name in names if isinstance(name, str) and 0 < len(name) <= 64]
        known = self._settings.devices_by_name
        device = next((known[name] for name in given if name in known), given[0] if given else None)
        session.event(time_ns, device=device, trust=Trust.SELF_REPORT, source=self._settings.vendor_name)

    def _pressed(self, data: Mapping[str, Any], session: Session) -> None:
        """Take the answer to a question: the button's `action` is `SNIFFER_`, the answer, and the upload's id."""
        prefix, _, rest = str(data.get("action", "")).partition("_")
        answer, _, upload = rest.partition("_")
        if prefix == "SNIFFER":  # else it is a button of another program
            session.answer(upload, answer.lower())

    def _state(self, data: Mapping[str, Any], fired: object, session: Session) -> None:
        entity, new, old = data.get("entity_id"), data.get("new_state"), data.get("old_state")
        if entity not in self._wanted or not isinstance(new, Mapping):
            return
        state = new.get("state")
        if isinstance(old, Mapping) and old.get("state") == state:
            return  # only an attribute changed
        if entity in self._settings.satellites:
            self._presence(str(entity), state, session)
        time_ns = parse_time(fired, "time_fired") if isinstance(fired, str) else None
        if entity in self._settings.satellites and state == "listening":
            session.event(time_ns, device=self._settings.satellites[entity] or None)
        for rule in self._settings.entities:
            if rule.entity == entity and rule.to == state:
                session.event(time_ns, kind=WakeKind(rule.kind), device=rule.device)

    def _stands(self, added: object, session: Session) -> None:
        """How things stand when we come: a satellite may be gone, a microphone switched off. Nothing has happened now,
        so a state tells of switches and of presence, never that somebody asks."""
        if not isinstance(added, Mapping):
            return
        for entity, found in added.items():
            state = found.get("s") if isinstance(found, Mapping) else None
            if entity in self._settings.satellites and state == UNAVAILABLE:
                self._presence(str(entity), state, session)
            for rule in self._settings.entities:
                if rule.entity == entity and rule.to == state and WakeKind(rule.kind) in _SWITCHES:
                    session.event(None, kind=WakeKind(rule.kind), device=rule.device)

    def _presence(self, satellite: str, state: object, session: Session) -> None:
        """An ear that has lost its power hears nothing, however well Home Assistant is: its silence accuses nobody."""
        if state == UNAVAILABLE:
            self._gone.add(satellite)
            session.down(f"{satellite} is {state}")
        elif satellite in self._gone:
            self._gone.remove(satellite)
            if not self._gone:
                session.up()


def websocket_url(url: str) -> str:
    """`http://host:8123` -> `ws://host:8123/api/websocket`."""
    parts = urlsplit(url)
    scheme = "wss" if parts.scheme == "https" else "ws"
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") + "/api/websocket", "", ""))


def _object(text: str | bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise WakeError("Home Assistant sent something that is not JSON") from None
    return value if isinstance(value, Mapping) else {}


def _path(settings: HomeAssistantSource) -> str | None:
    return str(settings.ca_file) if settings.ca_file else None
