"""Against Home Assistant itself: what it makes of our discovery, our wake source at its API, the blueprint.

SNIFFER_HOME_ASSISTANT names a folder that `make_home_assistant.sh` made; without it these tests are skipped.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sniffer.model.clock import SystemClock
from sniffer.records.build import device_record
from sniffer.sinks.mqtt import Mqtt
from sniffer.sinks.settings import MqttSettings
from sniffer.wake.adapters.home_assistant import HomeAssistantFeed
from sniffer.wake.settings import HomeAssistantSource
from tests.sinks.builders import KITCHEN, upload
from tests.sinks.programs import free_port
from tests.sinks.test_mqtt import Asked, mosquitto, question
from tests.wake.ears import Heard, until

ROOT = Path(os.environ.get("SNIFFER_HOME_ASSISTANT", "/nonexistent"))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.root,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (ROOT / "opt" / "ha" / "bin" / "hass").exists(),
        reason="SNIFFER_HOME_ASSISTANT names no folder with Home Assistant (tests/neighbours/make_home_assistant.sh)",
    ),
]
CONFIG = """
homeassistant: {{name: test, country: DE}}
http: {{server_host: 127.0.0.1, server_port: {port}}}
api:
websocket_api:
config:
onboarding:
automation: []
"""


class HomeAssistant:
    """A fresh one, on loopback. It confirms its HTTP settings only for five minutes: long enough."""

    def __init__(self) -> None:
        self.port, self.token = free_port(), ""
        self.url = f"http://127.0.0.1:{self.port}"
        folder = ROOT / "sniffer-test"
        shutil.rmtree(folder, ignore_errors=True)
        blueprints = folder / "blueprints" / "automation" / "sniffer"
        blueprints.mkdir(parents=True)
        shutil.copy(Path(__file__).parents[2] / "homeassistant" / "blueprints" / "ask.yaml", blueprints)
        (folder / "configuration.yaml").write_text(CONFIG.format(port=self.port))
        self._process = subprocess.Popen(
            ["chroot", str(ROOT), "/opt/ha/bin/hass", "-c", "/sniffer-test"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def onboard(self) -> None:
        until(self._answers, 180)
        client = {"client_id": self.url + "/"}
        user = {"name": "a", "username": "a", "password": "abcdefgh", "language": "en"}
        code = self.post("/api/onboarding/users", client | user)["auth_code"]
        form = urllib.parse.urlencode({"grant_type": "authorization_code", "code": code, **client}).encode()
        self.token = self._send("/auth/token", form, "application/x-www-form-urlencoded")["access_token"]

    def _answers(self) -> bool:
        try:
            urllib.request.urlopen(self.url + "/api/", timeout=5)
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False
        return True

    def _send(self, path: str, data: bytes | None, kind: str = "application/json", method: str | None = None) -> Any:
        headers = {"Content-Type": kind, **({"Authorization": f"Bearer {self.token}"} if self.token else {})}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request, timeout=200) as answer:
            return json.loads(answer.read() or b"null")

    def post(self, path: str, body: object) -> Any:
        return self._send(path, json.dumps(body).encode())

    def states(self) -> dict[str, dict[str, Any]]:
        return {state["entity_id"]: state for state in self._send("/api/states", None)}

    def set(self, entity: str, state: str, **attributes: object) -> None:
        self.post(f"/api/states/{entity}", {"state": state, "attributes": attributes})

    def remove(self, entity: str) -> None:
        self._send(f"/api/states/{entity}", None, method="DELETE")

    def add_broker(self, port: int) -> None:
        flow = self.post("/api/config/config_entries/flow", {"handler": "mqtt"})
        other = {"set_client_cert": False, "set_ca_cert": "off", "tls_insecure": False}
        body = {"broker": "127.0.0.1", "port": port, "protocol": "5", "other_settings": other}
        made = self.post(f"/api/config/config_entries/flow/{flow['flow_id']}", body)
        assert made["type"] == "create_entry", made

    def command(self, command: dict[str, Any]) -> Any:
        from websockets.sync.client import connect

        with connect(self.url.replace("http", "ws") + "/api/websocket", max_size=1 << 24) as line:
            line.recv()
            line.send(json.dumps({"type": "auth", "access_token": self.token}))
            line.recv()
            line.send(json.dumps({"id": 1, **command}))
            return json.loads(line.recv())["result"]

    def end(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def home() -> Iterator[HomeAssistant]:
    pytest.importorskip("websockets", reason="the extra 'homeassistant' is not installed")
    it = HomeAssistant()
    try:
        it.onboard()
        yield it
    finally:
        it.end()


def source(home: HomeAssistant, token: str | None = None, **more: object) -> HomeAssistantFeed:
    values = {"type": "home_assistant", "name": "ha", "url": home.url, "token": {"env": "X"}}
    return HomeAssistantFeed(HomeAssistantSource.model_validate(values | more), token or home.token)


def test_what_it_finds_of_a_speaker_and_the_monitor(home: HomeAssistant, tool: Any, tmp_path: Path) -> None:
    port, daemon, clock = free_port(), Asked(), SystemClock()
    with mosquitto(tool, tmp_path, port):
        home.add_broker(port)
        settings = MqttSettings(host="127.0.0.1", port=port, controls=True)
        link = Mqtt(settings, lambda secret: "", clock, "1.0", controls=daemon, page="http://192.168.1.1:9877")
        link.start()
        until(link._client.is_connected)
        record = device_record(KITCHEN, "br-lan", clock.now_ns()).to_json()
        link.watch([record])
        link.show({"event_type": "stats", "packets": 100, "dropped": 0, "watched": 1})
        until(lambda: "event.kitchen_upload" in home.states(), 60)
        link.show(question() | {"expires": "2100-01-01T00:00:00Z"})

        def state(entity: str) -> str:
            return str(home.states()[entity]["state"])

        def told() -> bool:
            """An event is not retained: one that comes before Home Assistant has subscribed is not seen."""
            link.show(upload("inconclusive"))
            time.sleep(1)
            return bool(home.states()["event.kitchen_upload"]["attributes"].get("event_type") == "inconclusive")

        until(told, 60)
        until(lambda: state("sensor.kitchen_open_questions") == "1", 30)
        assert state("binary_sensor.sniffer_sees_packets") == "on"
        assert state("binary_sensor.kitchen_listening_now") == "off"
        mute = "switch.kitchen_mute_alerts_for_an_hour"
        home.post("/api/services/switch/turn_on", {"entity_id": mute})
        until(lambda: state(mute) == "on", 30)
        assert daemon.muted == [("68:db:f5:90:19:64", 3600)]
        home.post("/api/services/button/press", {"entity_id": "button.kitchen_answer_that_was_me"})
        until(lambda: daemon.answered == [("u1", "yes")], 30)
        link.watch([])
        until(lambda: not any(entity.partition(".")[2].startswith("kitchen") for entity in home.states()), 30)
        link.close()


def test_entities_appear_change_and_go(home: HomeAssistant) -> None:
    entities = [{"entity": "event.fake", "event_type": ["single"], "device": "kitchen"}]
    with Heard(source(home, entities=entities)) as heard:
        until(lambda: "no entity event.fake" in (heard.session.status().problem or ""))
        home.set("event.fake", "unknown")
        until(lambda: heard.up, 30)
        home.set("event.fake", datetime.now(UTC).isoformat(), event_type="double")
        time.sleep(0.01)
        home.set("event.fake", datetime.now(UTC).isoformat(), event_type="single")
        until(heard.wakes)
        home.remove("event.fake")
        until(lambda: not heard.up)
    assert [event.device for event in heard.wakes()] == ["kitchen"]


def test_a_satellite_that_is_not_there_and_a_pipeline_that_is_not_whole(home: HomeAssistant) -> None:
    """A fresh Home Assistant has a pipeline without speech-to-text, with which no satellite ever listens."""
    with Heard(source(home, satellites={"assist_satellite.kitchen": "kitchen"})) as heard:
        until(lambda: "no entity assist_satellite.kitchen" in (heard.session.status().problem or ""))
        assert not heard.up
        home.set("assist_satellite.kitchen", "idle")
        until(lambda: "speech-to-text" in (heard.session.status().problem or ""), 30)
        assert not heard.up
        home.set("assist_satellite.kitchen", "listening")
        until(heard.wakes)  # what is heard all the same still explains
        home.set("assist_satellite.kitchen", "unavailable")
        until(lambda: "is unavailable" in (heard.session.status().problem or ""), 30)


def test_a_wrong_token_is_tried_once(home: HomeAssistant) -> None:
    with Heard(source(home, token="wrong")) as heard:
        until(lambda: heard.waits)
    assert heard.waits[0] == 3600


def test_the_blueprint_is_accepted(home: HomeAssistant) -> None:
    (found,) = home.command({"type": "blueprint/list", "domain": "automation"}).values()
    assert "error" not in found
    assert set(found["metadata"]["input"]) == {"upload", "mute", "phone", "also_unasked"}
