"""Wake events from Home Assistant, over its WebSocket API.

Home Assistant tells the steps of an Assist pipeline only to its client; what everybody can see is the satellite's
state, which changes to `listening` when its wake word was heard. Cloud integrations put the vendor's own history on the
event bus or into event entities: late, with the cloud's time, and as the vendor's word only.

https://developers.home-assistant.io/docs/api/websocket
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sniffer import extras
from sniffer.errors import CredentialsError, WakeError
from sniffer.model import Trust, WakeKind
from sniffer.wake.adapters.probe import answers
from sniffer.wake.adapters.satellites import RUNNING, UNAVAILABLE, UNKNOWN, Satellites
from sniffer.wake.events import parse_time
from sniffer.wake.session import Session
from sniffer.wake.settings import EntitySettings, HomeAssistantSource

#: The companion app fires this when a button of an actionable notification is pressed.
#: https://companion.home-assistant.io/docs/notifications/actionable-notifications
PRESSED = "mobile_app_notification_action"
LAST_CALLED = "alexa_media_last_called_event"
#: The entity registry of a large house fits into this many bytes.
MAX_MESSAGE = 16 << 20
#: Numbers of our commands, in the order in which they are sent: Home Assistant refuses a number that does not increase.
STATES, HISTORY, REGISTRY, PIPELINES, BUTTONS, CONFIG, ENTITIES = 1, 2, 3, 4, 5, 6, 7
#: From this number on, its configuration is asked for again and again.
FIRST_ROUTINE = 100
#: Commands that a user without administrator's rights may be refused.
_OPTIONAL = frozenset({BUTTONS, REGISTRY, PIPELINES})
#: What holds on until it is taken back.
_SWITCHES = frozenset({WakeKind.MUTE, WakeKind.UNMUTE, WakeKind.AWAY, WakeKind.HOME})
#: Seconds between questions whether it still runs, and how long to wait for an answer.
PING, ANSWER = 15.0, 10.0


class HomeAssistantFeed:
    """One Home Assistant."""

    def __init__(self, settings: HomeAssistantSource, token: str) -> None:
        self.name = settings.name
        self._settings, self._token = settings, token
        self._house = Satellites(settings)

    def run(self, session: Session) -> None:
        """Connect, authenticate, subscribe, and hand on what comes until the connection is gone."""
        try:
            from websockets.exceptions import WebSocketException
            from websockets.sync.client import connect
        except ImportError:
            raise WakeError(extras.missing("websockets", "Home Assistant")) from None
        url = websocket_url(self._settings.url)
        context = ssl.create_default_context(cafile=_path(self._settings)) if url.startswith("wss:") else None
        self._house = Satellites(self._settings)
        try:
            with connect(url, ssl=context, max_size=MAX_MESSAGE, open_timeout=ANSWER, close_timeout=1) as socket:
                self._greet(socket)
                self._subscribe(socket, session)
                self._listen(socket, session)
        except (WebSocketException, OSError, ssl.SSLError) as error:
            raise WakeError(f"{self._settings.url}: {' '.join(str(error).split()) or type(error).__name__}") from None

    def _greet(self, socket: Any) -> None:
        if self._receive(socket).get("type") != "auth_required":
            raise WakeError(f"{self._settings.url} does not speak Home Assistant's WebSocket API")
        socket.send(json.dumps({"type": "auth", "access_token": self._token}))
        answer = self._receive(socket)
        if answer.get("type") != "auth_ok":
            raise CredentialsError(
                f"{self._settings.url} refused the token: {str(answer.get('message', ''))[:100]}. It is tried again in "
                "an hour, or when the configuration is read again"
            )

    def _subscribe(self, socket: Any, session: Session) -> None:
        commands: dict[int, dict[str, Any]] = {
            BUTTONS: {"type": "subscribe_events", "event_type": PRESSED},
            CONFIG: {"type": "get_config"},
        }
        if self._settings.last_called:
            commands[HISTORY] = {"type": "subscribe_events", "event_type": LAST_CALLED}
        if self._house.configured:
            commands[STATES] = {"type": "subscribe_events", "event_type": "state_changed"}
        if self._settings.satellites:
            commands[REGISTRY] = {"type": "config/entity_registry/list_for_display"}
            commands[PIPELINES] = {"type": "assist_pipeline/pipeline/list"}
        self._ask(socket, commands, session)
        if self._house.configured:
            # How things stand at the beginning: `state_changed` tells of changes only.
            entities = sorted(self._house.wanted)
            self._ask(socket, {ENTITIES: {"type": "subscribe_entities", "entity_ids": entities}}, session)
            while not self._house.stands and not session.stopped:
                self._message(self._receive(socket), session)

    def _ask(self, socket: Any, commands: Mapping[int, Mapping[str, Any]], session: Session) -> None:
        """Send commands and wait for the results of all of them."""
        for number, command in sorted(commands.items()):
            socket.send(json.dumps({"id": number, **command}))
        waiting = set(commands)
        while waiting and not session.stopped:
            message = self._receive(socket)
            if message.get("type") == "result" and message.get("id") in waiting:
                if not message.get("success") and message.get("id") not in _OPTIONAL:
                    raise WakeError(f"{self._settings.url} refused to tell of events: does the token's user see them?")
                waiting.discard(message.get("id", 0))
            self._message(message, session)

    def _listen(self, socket: Any, session: Session) -> None:
        """Hand on what comes, and ask again and again whether Home Assistant and the satellites live."""
        number, since, waiting = FIRST_ROUTINE, session.clock.monotonic(), False
        self._probe()
        self._tell(session)
        while not session.stopped:
            now = session.clock.monotonic()
            if waiting and now - since >= ANSWER:
                raise WakeError(f"{self._settings.url} does not answer")
            if not waiting and (now - since >= PING or session.asked()):
                self._probe()
                number += 1
                socket.send(json.dumps({"id": number, "type": "get_config"}))
                since, waiting = session.clock.monotonic(), True
            try:
                message = _object(socket.recv(timeout=0.5))
            except TimeoutError:
                continue
            self._message(message, session)
            if message.get("id") == number and message.get("type") == "result":
                since, waiting = session.clock.monotonic(), False
                self._tell(session)

    def _probe(self) -> None:
        """Ask the satellites themselves whether they live."""
        for name, address in self._settings.probes.items():
            self._house.alive[name] = answers(address)

    def _tell(self, session: Session) -> None:
        """Report whether what is configured would be heard. Called once Home Assistant has just answered."""
        problem, unseen = self._house.problem, self._house.unseen
        if problem is not None:
            session.down(problem, own=True)
        elif unseen:
            session.up()
            session.doubt(
                f"nothing would show that {unseen[0]} is gone: its silence counts between two wake words only; give "
                "its address in `probes`"
            )
        else:
            session.doubt(None)
            session.alive()

    def _receive(self, socket: Any) -> Mapping[str, Any]:
        try:
            return _object(socket.recv(timeout=ANSWER))
        except TimeoutError:
            raise WakeError(f"{self._settings.url} does not answer") from None

    def _message(self, message: Mapping[str, Any], session: Session) -> None:
        if message.get("type") == "result":
            self._result(message.get("id"), message.get("result"))
            return
        event = message.get("event")
        if message.get("type") != "event" or not isinstance(event, Mapping):
            return
        if message.get("id") == ENTITIES:
            self._stands(event, session)
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

    def _result(self, number: object, result: object) -> None:
        if number == REGISTRY and isinstance(result, Mapping):
            self._house.registry(result.get("entities"))
        elif number == PIPELINES:
            self._house.pipelines(result)
        elif isinstance(number, int) and (number == CONFIG or number >= FIRST_ROUTINE) and isinstance(result, Mapping):
            self._house.running = result.get("state", RUNNING) == RUNNING

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
        if not isinstance(entity, str) or entity not in self._house.wanted:
            return
        state = new.get("state") if isinstance(new, Mapping) else None  # None: it was removed, or renamed
        before = old.get("state") if isinstance(old, Mapping) else None
        wrong = self._house.problem
        self._house.set(entity, state)
        if self._house.problem is not None:
            session.down(self._house.problem, own=True)
        elif wrong is not None:
            session.ask()
        if state == before:
            return  # only an attribute changed
        if not isinstance(new, Mapping) or not isinstance(state, str):
            return
        time_ns = parse_time(fired, "time_fired") if isinstance(fired, str) else None
        if entity in self._settings.satellites and state == "listening":
            session.event(time_ns, device=self._settings.satellites[entity] or None)
        for rule in self._settings.entities:
            if rule.entity == entity and _applies(rule, new, before):
                self._report(rule, _event_time(state, time_ns), session)

    def _report(self, rule: EntitySettings, time_ns: int | None, session: Session) -> None:
        vendor = rule.trust is Trust.SELF_REPORT
        source = self._settings.vendor_name if vendor else None
        session.event(time_ns, kind=WakeKind(rule.kind), device=rule.device, trust=rule.trust, source=source)

    def _stands(self, event: Mapping[str, Any], session: Session) -> None:
        """Take over how things stand at the beginning, and which entities appear later. Nothing has happened now, so a
        state tells of switches and of presence, never that somebody asks."""
        self._house.stands = True
        added = event.get("a")
        for entity, found in added.items() if isinstance(added, Mapping) else ():
            state = found.get("s") if isinstance(found, Mapping) else None
            self._house.set(str(entity), state)
            for rule in self._settings.entities:
                if rule.entity == entity and rule.to == state and WakeKind(rule.kind) in _SWITCHES:
                    session.event(None, kind=WakeKind(rule.kind), device=rule.device)
        removed = event.get("r")
        for entity in removed if isinstance(removed, list) else ():
            self._house.set(str(entity), None)


def _applies(rule: EntitySettings, new: Mapping[str, Any], before: object) -> bool:
    """Return whether a change of state is what a rule waits for."""
    state = new.get("state")
    if rule.to is not None and rule.to != "any":
        return rule.to == state
    if state in (UNAVAILABLE, UNKNOWN) or before in (UNAVAILABLE, None):
        return False  # it went, or came back as it was
    attributes = new.get("attributes")
    kind = attributes.get("event_type") if isinstance(attributes, Mapping) else None
    return rule.to == "any" or kind in rule.event_type


def _event_time(state: str, fired_ns: int | None) -> int | None:
    """Return the time of an event: the state itself if that is a time, as of event entities, else when it changed."""
    if len(state) < 19 or state[4:5] != "-":
        return fired_ns
    try:
        return parse_time(state)
    except WakeError:
        return fired_ns


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
