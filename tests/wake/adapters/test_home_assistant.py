"""Against a small server of ours that speaks Home Assistant's documented WebSocket API."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sniffer.model import Trust, WakeKind
from sniffer.wake.adapters.home_assistant import HomeAssistantFeed, websocket_url
from sniffer.wake.settings import HomeAssistantSource
from tests.wake.ears import Heard, until

server = pytest.importorskip("websockets.sync.server", reason="the extra 'homeassistant' is not installed")


class House:
    """auth_required, auth, auth_ok or auth_invalid; subscribe_events and its result; events; ping and pong."""

    def __init__(self, token: str = "long-lived") -> None:
        self.token, self.port = token, 0
        self.subscriptions: dict[str, int] = {}
        self.states: dict[str, str] = {}
        self.missing: set[str] = set()
        self.registry: list[dict[str, str]] = []
        self.pipelines = [{"name": "Home", "stt_engine": "stt.a", "tts_engine": "tts.a"}]
        self.state = "RUNNING"
        self.knows_entities = True
        self.greetings = 0
        self._hung = False
        self._socket: Any = None
        self._server: Any = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._server = server.serve(self._serve, "127.0.0.1", self.port)
        self.port = self._server.socket.getsockname()[1]
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        if self._socket is not None:
            self._socket.close()
        assert self._thread
        self._thread.join(5)
        self._server.socket.close()
        self.subscriptions.clear()

    def _serve(self, socket: Any) -> None:
        assert socket.request.path == "/api/websocket"
        self.greetings += 1
        socket.send(json.dumps({"type": "auth_required", "ha_version": "2026.11.0"}))
        if json.loads(socket.recv()) != {"type": "auth", "access_token": self.token}:
            socket.send(json.dumps({"type": "auth_invalid", "message": "Invalid access token or password"}))
            return
        socket.send(json.dumps({"type": "auth_ok", "ha_version": "2026.11.0"}))
        self._socket = socket
        last = 0
        for text in socket:
            if self._hung:
                continue
            asked = json.loads(text)
            if asked["id"] <= last:
                error = {"code": "id_reuse", "message": "Identifier values have to increase."}
                socket.send(json.dumps({"id": asked["id"], "type": "result", "success": False, "error": error}))
                continue
            last = asked["id"]
            if asked["type"] == "subscribe_events":
                self.subscriptions[asked["event_type"]] = asked["id"]
                socket.send(json.dumps({"id": asked["id"], "type": "result", "success": True, "result": None}))
            elif asked["type"] == "subscribe_entities":
                socket.send(json.dumps({"id": asked["id"], "type": "result", "success": self.knows_entities}))
                if self.knows_entities:
                    known = [entity for entity in asked["entity_ids"] if entity not in self.missing]
                    now = {entity: {"s": self.states.get(entity, "idle"), "a": {}} for entity in known}
                    socket.send(json.dumps({"id": asked["id"], "type": "event", "event": {"a": now}}))
            else:
                result: dict[str, object] = {
                    "get_config": {"version": "2026.11.0", "state": self.state},
                    "config/entity_registry/list_for_display": {"entities": self.registry},
                    "assist_pipeline/pipeline/list": {"pipelines": self.pipelines},
                }
                answer = {"id": asked["id"], "type": "result", "success": asked["type"] in result}
                socket.send(json.dumps(answer | {"result": result.get(asked["type"])}))

    def hang(self) -> None:
        """Answer no more."""
        self._hung = True

    def fire(self, event_type: str, data: object, fired: str | None = None) -> None:
        event = {"event_type": event_type, "data": data, "origin": "LOCAL"}
        event |= {"time_fired": fired} if fired else {}
        self._socket.send(json.dumps({"id": self.subscriptions[event_type], "type": "event", "event": event}))

    def changes(self, entity: str, old: str | None, new: str | None, **attributes: object) -> None:
        self.fire("state_changed", {
            "entity_id": entity, "old_state": {"state": old} if old else None,
            "new_state": {"state": new, "attributes": attributes} if new else None,
        })  # fmt: skip


@pytest.fixture
def house() -> Iterator[House]:
    it = House()
    it.start()
    yield it
    it.stop()


def feed(house: House, token: str = "long-lived", **more: object) -> HomeAssistantFeed:
    return HomeAssistantFeed(settings(house.port, **more), token)


def settings(port: int, **more: object) -> HomeAssistantSource:
    values = {"type": "home_assistant", "name": "ha", "url": f"http://127.0.0.1:{port}", "token": {"env": "HA"}}
    return HomeAssistantSource.model_validate(values | more)


def test_a_satellite_hears_its_wake_word(house: House) -> None:
    with Heard(feed(house, satellites={"assist_satellite.kitchen": "kitchen", "assist_satellite.hall": ""})) as heard:
        until(lambda: heard.up)
        house.changes("assist_satellite.kitchen", "idle", "listening")
        house.changes("assist_satellite.kitchen", "listening", "processing")
        house.changes("assist_satellite.kitchen", "listening", "listening")
        house.changes("assist_satellite.somewhere", "idle", "listening")
        house.changes("assist_satellite.hall", None, "listening")
        until(lambda: len(heard.wakes()) == 2)
    assert [(event.device, event.trust) for event in heard.wakes()] == [
        ("kitchen", Trust.INDEPENDENT),
        (None, Trust.INDEPENDENT),
    ]


def test_the_vendors_history_is_late_and_only_the_vendors_word(house: House) -> None:
    asked = time.time() - 42
    with Heard(feed(house, devices_by_name={"Kitchen Echo": "kitchen"})) as heard:
        until(lambda: heard.up)
        said = {"name": "Kitchen Echo", "serial": "G0911", "timestamp": round(asked * 1000), "summary": "what time"}
        house.fire("alexa_media_last_called_event", said)
        until(heard.wakes)
    (event,) = heard.wakes()
    assert (event.device, event.source, event.trust) == ("kitchen", "ha-vendor", Trust.SELF_REPORT)
    assert event.time_ns == pytest.approx(asked * 1e9, abs=2e6)
    assert event.received_ns - event.time_ns > 41e9


def test_entities_tell_of_mute_and_who_watches(house: House) -> None:
    entities = [
        {"entity": "switch.echo_mic", "to": "off", "kind": "mute", "device": "kitchen"},
        {"entity": "camera.door", "to": "streaming", "kind": "view_start", "device": "door"},
    ]
    with Heard(feed(house, entities=entities)) as heard:
        until(lambda: heard.up)
        house.changes("switch.echo_mic", "on", "off")
        house.changes("camera.door", "idle", "streaming")
        until(lambda: WakeKind.VIEW_START in heard.kinds())
    assert [(event.kind, event.device) for event in heard.events[2:4]] == [
        (WakeKind.MUTE, "kitchen"),
        (WakeKind.VIEW_START, "door"),
    ]


def test_a_pressed_button_answers_a_question(house: House) -> None:
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: heard.up)
        for action in ("OTHER_APP", "SNIFFER_", "SNIFFER_MAYBE_x", "SNIFFER_NO_20261122T180405.120-1a2b3c4d"):
            house.fire("mobile_app_notification_action", {"action": action})
        until(lambda: WakeKind.ANSWER in heard.kinds())
        (answer,) = [event for event in heard.events if event.kind is WakeKind.ANSWER]
    assert (answer.upload, str(answer.answer)) == ("20261122T180405.120-1a2b3c4d", "no")
    assert answer.trust is Trust.PERSON
    assert heard.session.status().refused == 2


def test_a_wrong_token_is_said_and_never_shown(house: House) -> None:
    with Heard(feed(house, token="secret-thing")) as heard:
        until(lambda: heard.session.status().problem)
    problem = heard.session.status().problem or ""
    assert "refused the token" in problem
    assert "secret-thing" not in problem


def test_it_comes_back_when_home_assistant_does(house: House) -> None:
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: heard.up)
        house.stop()
        until(lambda: not heard.up)
        house.start()
        until(lambda: heard.up)
        house.changes("assist_satellite.a", "idle", "listening")
        until(heard.wakes)
    down, up = WakeKind.SOURCE_DOWN, WakeKind.SOURCE_UP
    assert heard.kinds() == [down, up, down, up, WakeKind.WAKE, down]


def test_a_satellite_that_is_gone_is_no_witness(house: House) -> None:
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen", "assist_satellite.b": "hall"})) as heard:
        until(lambda: heard.up)
        house.changes("assist_satellite.a", "idle", "unavailable")
        house.changes("assist_satellite.b", "idle", "unavailable")
        until(lambda: not heard.up)
        house.changes("assist_satellite.b", "unavailable", "idle")
        house.changes("assist_satellite.a", "unavailable", "idle")
        until(lambda: heard.up)
    assert heard.session.status().attempts == 1


@pytest.mark.parametrize("data", [None, [], {}, {"timestamp": "soon"}, {"timestamp": 1e300}, {"timestamp": 5}])
def test_nonsense_harms_nobody(house: House, data: object) -> None:
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: heard.up)
        house.fire("alexa_media_last_called_event", data)
        house.fire("state_changed", data)
        house.changes("assist_satellite.a", "idle", "listening")
        until(heard.wakes)
    assert len(heard.wakes()) == 1
    assert heard.session.status().attempts == 1


def test_without_satellites_its_silence_means_nothing() -> None:
    own, vendor = settings(1).specs()
    assert own.hears == frozenset()
    assert (vendor.name, vendor.trust, vendor.hears) == ("ha-vendor", Trust.SELF_REPORT, frozenset({"wake"}))
    assert settings(1, satellites={"assist_satellite.a": ""}, last_called=False).specs()[0].hears == {"wake"}


@pytest.mark.parametrize(
    ("url", "socket"),
    [
        ("http://ha.local:8123", "ws://ha.local:8123/api/websocket"),
        ("https://example.org/ha/", "wss://example.org/ha/api/websocket"),
    ],
)
def test_the_address(url: str, socket: str) -> None:
    assert websocket_url(url) == socket


def test_how_things_stand_when_we_come(house: House) -> None:
    house.states = {"assist_satellite.a": "unavailable", "switch.echo_mic": "off", "camera.door": "streaming"}
    entities = [
        {"entity": "switch.echo_mic", "to": "off", "kind": "mute", "device": "kitchen"},
        {"entity": "camera.door", "to": "streaming", "kind": "view_start", "device": "door"},
    ]
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"}, entities=entities)) as heard:
        until(lambda: WakeKind.MUTE in heard.kinds())
        until(lambda: not heard.up)
        house.changes("assist_satellite.a", "unavailable", "idle")
        until(lambda: heard.up)
    assert WakeKind.VIEW_START not in heard.kinds()
    assert heard.session.status().attempts == 1


def test_a_home_assistant_that_cannot_say_how_things_stand(house: House) -> None:
    house.knows_entities = False
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: "refused" in (heard.session.status().problem or ""))
        assert not heard.up


def test_event_entities_and_the_vendors_word(house: House) -> None:
    """The state of an event entity is the time of its last event; its attributes say what it was."""
    house.states = {"event.button": "unknown", "event.echo": "2026-11-27T08:00:00+00:00", "conversation.ha": "unknown"}
    entities = [
        {"entity": "event.button", "event_type": ["single"], "device": "kitchen"},
        {"entity": "event.echo", "to": "any", "device": "kitchen", "trust": "self_report"},
        {"entity": "conversation.ha", "to": "any"},
    ]
    now = time.strftime("%Y-%m-%dT%H:%M:%S.250+00:00", time.gmtime())
    with Heard(feed(house, entities=entities, last_called=False)) as heard:
        until(lambda: heard.up)
        house.changes("event.button", "unknown", now, event_type="double")
        house.changes("event.button", now, "unavailable")
        house.changes("event.button", "unavailable", now, event_type="single")  # it came back as it was
        house.changes("event.button", now.replace(".250", ".100"), now, event_type="single")
        house.changes("event.echo", "2026-11-27T08:00:00+00:00", now, event_type="voice")
        house.changes("conversation.ha", "unknown", now)
        until(lambda: len(heard.wakes()) == 3)
    assert [(event.source, event.device, event.trust) for event in heard.wakes()] == [
        ("ha", "kitchen", Trust.INDEPENDENT),
        ("ha-vendor", "kitchen", Trust.SELF_REPORT),
        ("ha", None, Trust.INDEPENDENT),
    ]
    assert all(event.time_ns % 1_000_000_000 == 250_000_000 for event in heard.wakes())
    assert [spec.name for spec in settings(1, entities=entities, last_called=False).specs()] == ["ha", "ha-vendor"]


@pytest.mark.parametrize("wrong", [{}, {"to": "on", "event_type": ["x"]}])
def test_an_entity_says_what_counts(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="either `to`"):
        settings(1, entities=[{"entity": "event.a", **wrong}])


def test_a_refused_token_is_not_tried_again_at_once(house: House) -> None:
    with Heard(feed(house, token="wrong")) as heard:
        until(lambda: heard.waits)
    assert heard.waits[0] == 3600.0


def test_the_satellites_are_gone_and_the_vendor_is_not(house: House) -> None:
    house.missing.add("assist_satellite.a")
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: "no entity" in (heard.session.status().problem or ""))
        assert not heard.up


@pytest.mark.parametrize("wrong", ["no probe", "unavailable"])
def test_a_source_that_gives_no_sign_of_life_is_not_asked_for_one_without_end(house: House, wrong: str) -> None:
    """An upload asks each source for a sign of life. One that has none to give has answered with its next message."""
    with Heard(feed(house, satellites={"assist_satellite.a": "kitchen"})) as heard:
        until(lambda: heard.up)
        if wrong == "unavailable":
            house.changes("assist_satellite.a", "idle", "unavailable")
            until(lambda: not heard.up)
        heard.session.ask()
        until(lambda: not heard.session.asked())
