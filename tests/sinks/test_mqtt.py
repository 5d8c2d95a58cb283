"""Against mosquitto itself: what Home Assistant would find, and what happens when either side dies."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sniffer.errors import ConfigError
from sniffer.model import Device, Listening, Service
from sniffer.model.clock import SECOND, SystemClock, timestamp
from sniffer.model.mqtt import client_id
from sniffer.records.build import device_record, listening_record
from sniffer.settings.base import Secret
from sniffer.sinks.delivery.outbox import Outbox
from sniffer.sinks.delivery.queue import Message
from sniffer.sinks.delivery.target import UnansweredError
from sniffer.sinks.delivery.targets import RetainedTopics
from sniffer.sinks.homeassistant import DeviceState
from sniffer.sinks.mqtt import Mqtt
from sniffer.sinks.settings import MqttSettings, StoreSettings
from sniffer.sinks.storage.store import Store
from sniffer.testing import ManualClock
from tests.sinks.builders import FLOW, KITCHEN, START, upload
from tests.sinks.programs import free_port, running, until

pytestmark = pytest.mark.slow

paho = pytest.importorskip("paho.mqtt.client", reason="paho-mqtt is not installed")
SLUG = "68dbf5901964"
CONFIG = "homeassistant/device/sniffer_68dbf5901964/config"
STATE = f"sniffer/{SLUG}/state"
KITCHEN_FIELDS = device_record(KITCHEN, "br-lan", START).to_json()["device"]


class Watcher:
    """What a subscriber sees: the last retained message of each topic, and all others."""

    def __init__(self, port: int, user: str | None = None, password: str | None = None) -> None:
        self.topics: dict[str, str] = {}
        self.messages: list[tuple[str, str]] = []
        self.client = paho.Client(paho.CallbackAPIVersion.VERSION2)
        if user:
            self.client.username_pw_set(user, password)
        self.client.on_message = self._message
        self.client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _message(self, client: Any, data: Any, message: Any) -> None:
        self.topics[message.topic] = message.payload.decode()
        self.messages.append((message.topic, message.payload.decode()))

    def state(self) -> dict[str, Any]:
        return json.loads(self.topics.get(STATE, "{}"))

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def mosquitto(tool, folder: Path, port: int, more: str = "allow_anonymous true\n"):
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\n{more}")
    return running([tool("mosquitto"), "-c", "mosquitto.conf"], port, folder)


def mqtt(port: int, clock: Any = None, retained: Any = None, **options: Any) -> Mqtt:
    made = Mqtt(
        MqttSettings(host="127.0.0.1", port=port, timeout=5, **options),
        lambda secret: "pass",
        clock or ManualClock(START),
        "1.0",
        retained,
    )
    made.start()
    return made


def alert() -> dict[str, Any]:
    return {
        "event_type": "alert",
        "id": "alert-1",
        "level": "high",
        "device": upload()["device"],
        "timestamp": timestamp(START),
    }


@pytest.mark.timeout(120)
def test_home_assistant_finds_the_device_and_its_states(tool, tmp_path: Path) -> None:
    port, clock = free_port(), ManualClock(START)
    with mosquitto(tool, tmp_path, port):
        link, watcher = mqtt(port, clock), Watcher(port)
        link.show(device_record(KITCHEN, "br-lan", START).to_json())
        until(lambda: CONFIG in watcher.topics and watcher.topics.get("sniffer/status") == "online")
        found = json.loads(watcher.topics[CONFIG])
        assert found["device"]["connections"] == [["mac", "68:db:f5:90:19:64"]]
        assert found["device"]["name"] == "kitchen"
        assert found["availability_topic"] == "sniffer/status"
        assert found["state_topic"] == STATE
        assert {name: part["platform"] for name, part in found["components"].items()} == {
            "listening": "binary_sensor",
            "problem": "binary_sensor",
            "upload": "event",
            "last_upload": "sensor",
            "speech_today": "sensor",
            "expected_today": "sensor",
            "unexpected_today": "sensor",
            "inconclusive_today": "sensor",
            "open_questions": "sensor",
        }
        assert set(found) <= {"device", "origin", "components", "availability_topic", "state_topic", "qos"}
        assert set(found["device"]) <= {"identifiers", "connections", "name", "manufacturer", "model", "via_device"}
        monitor = f"homeassistant/device/{found['device']['via_device']}/config"
        until(lambda: monitor in watcher.topics)
        assert set(json.loads(watcher.topics[monitor])["components"]) == {"packets", "sources", "dropped", "watched"}
        ids = [part["unique_id"] for part in found["components"].values()]
        assert len(set(ids)) == len(ids)

        listening = Listening(KITCHEN.key, FLOW, Service(), START, START, 3.0)
        link.show(listening_record(listening, KITCHEN, "br-lan").to_json())
        until(lambda: watcher.state().get("listening") == "ON")
        link.show(upload())
        link.show(alert())
        until(lambda: watcher.state().get("problem") == "ON")
        state = watcher.state()
        assert (state["listening"], state["speech_today"], state["unexpected_today"]) == ("OFF", 3.4, 1)
        assert (state["last_upload"], state["last_verdict"]) == (upload()["timestamp"], "unexpected")

        told = [json.loads(body) for topic, body in watcher.messages if topic == f"sniffer/{SLUG}/upload"]
        assert [(each["event_type"], each["seconds"]) for each in told] == [("unexpected", 3.4)]

        link.show(upload("expected", revision=1))
        link.show(alert() | {"event_type": "resolved"})
        until(lambda: watcher.state().get("problem") == "OFF")
        assert (watcher.state()["unexpected_today"], watcher.state()["speech_today"]) == (0, 3.4)

        link.show(alert() | {"id": "alert-2"})
        until(lambda: watcher.state().get("problem") == "ON")
        clock.advance(3601)
        link.idle(clock.now_ns())
        until(lambda: watcher.state().get("problem") == "OFF")
        clock.advance(86_400)
        link.idle(clock.now_ns())
        until(lambda: watcher.state().get("speech_today") == 0)

        late = Watcher(port)  # Home Assistant restarts: everything it needs is retained
        until(lambda: CONFIG in late.topics and STATE in late.topics)
        link.close()
        until(lambda: late.topics["sniffer/status"] == "offline")
        late.close()
        watcher.close()


@pytest.mark.timeout(120)
def test_the_broker_dies_and_comes_back(tool, tmp_path: Path) -> None:
    port = free_port()
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        with mosquitto(tool, tmp_path, port):
            link = mqtt(port, SystemClock())
            box = Outbox(store, SystemClock(), [link])
            until(link._client.is_connected)
            box.emit(alert())
            assert box.step(link) == 0
        until(lambda: not link._client.is_connected())
        link.show(upload())
        box.emit(alert() | {"id": "alert-2"})
        link._settings = link._settings.model_copy(update={"timeout": 0.01})
        with pytest.raises(UnansweredError, match=r"not connected|no answer"):
            link.send(Message(1, "mqtt", "m", alert(), 0, 0, 0, 0), 0)
        with mosquitto(tool, tmp_path, port):  # without persistence: it has forgotten everything
            watcher = Watcher(port)
            until(link._client.is_connected)
            until(lambda: CONFIG in watcher.topics and watcher.state().get("last_verdict") == "unexpected")
            while box.step(link) == 0:
                pass
            until(lambda: any(topic == "sniffer/events/alert" for topic, _ in watcher.messages))
            told = [json.loads(body) for topic, body in watcher.messages if topic == "sniffer/events/alert"]
            assert [each["data"]["id"] for each in told] == ["alert-2"]
            watcher.close()
            box.close()


@pytest.mark.timeout(120)
def test_the_last_will_tells_that_we_were_killed(tool, tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tool, tmp_path, port):
        link, watcher = mqtt(port), Watcher(port)
        until(lambda: watcher.topics.get("sniffer/status") == "online")
        link._client.socket().shutdown(2)  # as a kill would: without a word
        until(lambda: ("sniffer/status", "offline") in watcher.messages)
        until(lambda: watcher.topics.get("sniffer/status") == "online")
        link.close()
        watcher.close()


@pytest.mark.timeout(120)
def test_user_and_password(tool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import subprocess

    port = free_port()
    subprocess.run(
        [tool("mosquitto_passwd"), "-b", "-c", str(tmp_path / "users"), "sniffer", "pass"], check=True, timeout=30,
        capture_output=True,
    )  # fmt: skip
    (tmp_path / "users").chmod(0o644)
    with mosquitto(tool, tmp_path, port, f"allow_anonymous false\npassword_file {tmp_path}/users\nuser root\n"):
        link = mqtt(port, username="sniffer", password=Secret(env="X"))
        until(link._client.is_connected)
        link.close()
        refused = mqtt(port, client_id="other")
        until(lambda: any("refuses us" in record.message for record in caplog.records))
        with pytest.raises(UnansweredError, match="Not authorized"):
            refused.send(Message(1, "mqtt", "m", alert(), 0, 0, 0, 0), 0)
        refused.close()


@pytest.mark.timeout(60)
def test_a_broker_that_is_not_there_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    link = mqtt(free_port())
    until(lambda: any("no answer from 127.0.0.1" in record.message for record in caplog.records))
    link._settings = link._settings.model_copy(update={"timeout": 0.01})
    with pytest.raises(UnansweredError, match="no answer"):
        link.send(Message(1, "mqtt", "m", alert(), 0, 0, 0, 0), 0)
    link.close()


@pytest.mark.timeout(120)
def test_what_is_no_longer_watched_is_withdrawn_also_after_a_restart(tool, tmp_path: Path) -> None:
    port = free_port()
    other = Device(key=0x0200_0000_0001, name="attic", microphone=True)
    kitchen, attic = (device_record(device, "br-lan", START).to_json() for device in (KITCHEN, other))
    attic_config = "homeassistant/device/sniffer_020000000001/config"
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store, mosquitto(tool, tmp_path, port):
        watcher = Watcher(port)
        link = mqtt(port, retained=RetainedTopics(store, "mqtt"))
        until(link._client.is_connected)
        link.watch([kitchen, attic])
        until(lambda: watcher.topics.get(CONFIG) and watcher.topics.get(attic_config))
        link.watch([kitchen])  # a reload without it
        until(lambda: watcher.topics[attic_config] == watcher.topics["sniffer/020000000001/state"] == "")
        link.show(attic)  # it is not watched: it does not come back
        link.watch([kitchen, attic])
        until(lambda: watcher.topics[attic_config])
        link.close()
        again = mqtt(port, retained=RetainedTopics(store, "mqtt"), topic="house")  # another prefix, and one less
        again.watch([kitchen])
        until(lambda: watcher.topics.get(f"house/{SLUG}/state"))
        until(lambda: watcher.topics[attic_config] == watcher.topics[STATE] == "")
        late = Watcher(port)
        until(lambda: CONFIG in late.topics)
        assert {topic for topic in late.topics if SLUG in topic or "0200" in topic} == {CONFIG, f"house/{SLUG}/state"}
        for one in (again, watcher, late):
            one.close()


@pytest.mark.timeout(120)
def test_a_connection_that_is_taken_over_is_named(tool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    with mosquitto(tool, tmp_path, port):
        first = mqtt(port, SystemClock(), client_id="same")
        first._client.reconnect_delay_set(1, 1)
        second = mqtt(port, SystemClock(), client_id="same")
        second._client.reconnect_delay_set(1, 1)
        until(lambda: any("another client with the id 'same'" in record.message for record in caplog.records), 30)
        first.close()
        second.close()


def test_two_installations_and_two_purposes_have_their_own_identity(tmp_path: Path) -> None:
    ids = set()
    for name in ("a.db", "b.db"):
        for _ in range(2):  # the same after a restart
            with Store(StoreSettings(path=tmp_path / name)) as store:
                ids |= {client_id(store.installation(), purpose) for purpose in ("sink mqtt", "source mqtt")}
    assert len(ids) == 4
    assert all(len(one) <= 23 and one.isascii() for one in ids)


def test_today_is_the_day_of_the_record_in_the_configured_zone() -> None:
    """23:30 in Auckland is the morning of the same day in UTC: midnight there counts."""
    zone, start = ZoneInfo("Pacific/Auckland"), 1_794_997_800 * SECOND
    state = DeviceState(KITCHEN_FIELDS, zone)
    before = upload() | {"id": "before", "timestamp": timestamp(start), "end": timestamp(start)}
    assert datetime.fromtimestamp(start / SECOND, zone).hour == 23
    state.uploads(before, start)
    assert state.state()["speech_today"] == 3.4
    after = start + 3600 * SECOND
    state.uploads(before | {"id": "late"}, after)  # replayed, or judged again, after midnight
    assert state.state()["speech_today"] == 0
    state.uploads(before | {"id": "after", "timestamp": timestamp(after), "end": timestamp(after)}, after)
    assert state.state()["speech_today"] == 3.4


def test_invented_devices_are_bounded_and_phones_are_not_shown() -> None:
    link = Mqtt(MqttSettings(host="127.0.0.1", max_devices=10), lambda secret: "", ManualClock(START))
    for number in range(100):
        device = Device(key=number + 1, name=f"echo-{number}", microphone=number % 2 == 0)
        link.show(device_record(device, "br-lan", START).to_json())
    assert len(link._devices) == 10
    assert all(state.device["name"] != "echo-1" for state in link._devices.values())
    link.close()


def test_a_password_without_a_user_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="without `username`"):
        MqttSettings(host="x", password=Secret(env="X"))


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        Mqtt(MqttSettings(host="x", ca=tmp_path / "missing.pem"), lambda secret: "", ManualClock())


class Asked:
    """A daemon that does what it is asked, later."""

    def __init__(self) -> None:
        self.muted: list[tuple[str, float]] = []
        self.answered: list[tuple[str, str]] = []
        self.windows: list[tuple[str, int]] = []

    def mute(self, device: str, seconds: float) -> None:
        self.muted.append((device, seconds))

    def answer(self, upload: str, answer: str) -> None:
        self.answered.append((upload, answer))

    def mutes(self) -> list[tuple[str, int]]:
        return self.windows


def question(upload_id: str = "u1") -> dict[str, Any]:
    expires = timestamp(START + 86_400 * SECOND)
    return {"event_type": "question", "device": upload()["device"], "upload_id": upload_id, "expires": expires}


@pytest.mark.timeout(120)
def test_home_assistant_mutes_and_answers(tool, tmp_path: Path) -> None:
    port, clock, daemon = free_port(), ManualClock(START), Asked()
    with mosquitto(tool, tmp_path, port):
        settings = MqttSettings(host="127.0.0.1", port=port, timeout=5, controls=True)
        link = Mqtt(settings, lambda secret: "", clock, "1.0", controls=daemon, page="http://192.168.1.1:9877")
        link.start()
        watcher = Watcher(port)
        link.show(device_record(KITCHEN, "br-lan", START).to_json())
        until(lambda: CONFIG in watcher.topics)
        found = json.loads(watcher.topics[CONFIG])
        assert found["device"]["configuration_url"] == "http://192.168.1.1:9877/devices/68:db:f5:90:19:64"
        parts = found["components"]
        watcher.client.publish(parts["muted"]["command_topic"], "ON")
        until(lambda: watcher.state().get("muted") == "ON")
        assert daemon.muted == [("68:db:f5:90:19:64", 3600)]
        clock.advance(20)  # by now the daemon would show it; it was ended there
        link.idle(clock.now_ns())
        until(lambda: watcher.state().get("muted") == "OFF")
        daemon.windows = [("kitchen", clock.now_ns() + 600 * SECOND)]
        link.idle(clock.now_ns())
        until(lambda: watcher.state().get("muted") == "ON")

        link.show(question())
        until(lambda: watcher.state().get("open_questions") == 1)
        watcher.client.publish(parts["answer_no"]["command_topic"], parts["answer_no"]["payload_press"])
        until(lambda: daemon.answered == [("u1", "no")])
        link.show({"event_type": "answer", "upload_id": "u1"})
        until(lambda: watcher.state().get("open_questions") == 0)
        watcher.client.publish(parts["answer_yes"]["command_topic"], "yes")  # nothing is asked
        watcher.client.publish("sniffer/nobody/mute/set", "ON")
        watcher.client.publish("sniffer/status", "offline", retain=True)
        until(lambda: watcher.topics["sniffer/status"] == "online")
        assert daemon.answered == [("u1", "no")]
        assert len(daemon.muted) == 1
        link.close()
        watcher.close()


@pytest.mark.timeout(120)
def test_the_monitor_and_names(tool, tmp_path: Path) -> None:
    port = free_port()
    with mosquitto(tool, tmp_path, port):
        link, watcher = mqtt(port), Watcher(port)
        renamed = device_record(KITCHEN, "br-lan", START).to_json()
        renamed["device"] = {**renamed["device"], "name": "pantry"}
        until(link._client.is_connected)
        link.watch([renamed])
        link.seed([upload()])  # a record of before the new name
        until(lambda: watcher.state().get("last_verdict") == "unexpected")
        assert json.loads(watcher.topics[CONFIG])["device"]["name"] == "pantry"

        def monitor() -> dict[str, Any]:
            return json.loads(watcher.topics.get("sniffer/monitor/state", "{}"))

        link.show({"event_type": "stats", "packets": 100, "dropped": 0, "watched": 1})
        link.show({"event_type": "wake", "kind": "source_down", "source": "ha"})
        until(lambda: (monitor().get("packets"), monitor().get("sources")) == ("ON", "ON"))
        assert monitor()["down"] == "ha"
        link.show({"event_type": "stats", "packets": 100, "dropped": 2, "watched": 1})
        link.show({"event_type": "wake", "kind": "source_up", "source": "ha"})
        until(lambda: (monitor().get("packets"), monitor().get("sources")) == ("OFF", "OFF"))
        link.close()
        watcher.close()


def test_controls_are_for_brokers_that_know_their_clients() -> None:
    assert not MqttSettings(host="h").may_control
    assert MqttSettings(host="h", username="u").may_control
    assert not MqttSettings(host="h", username="u", controls=False).may_control
