"""Against a real mosquitto, which the tests start themselves."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.model import Trust, WakeKind
from sniffer.wake.adapters.mqtt import MqttFeed, matches
from sniffer.wake.settings import MqttSource
from tests.wake.ears import Heard, until

paho = pytest.importorskip("paho.mqtt.client", reason="the extra 'mqtt' is not installed")
MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="mosquitto is not installed")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    def __init__(self, folder: Path, port: int, *lines: str) -> None:
        self.port, self._process = port, None
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join((f"listener {port} 127.0.0.1", "user root", *lines)) + "\n")

    def start(self) -> None:
        assert MOSQUITTO
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

        def answers() -> bool:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        until(answers)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    it = Broker(tmp_path, free_port(), "allow_anonymous true")
    it.start()
    yield it
    it.stop()


def publish(port: int, topic: str, payload: str | bytes, retain: bool = False, **login: str) -> None:
    client = paho.Client(paho.CallbackAPIVersion.VERSION2)
    if login:
        client.username_pw_set(**login)
    client.connect("127.0.0.1", port)
    client.loop_start()
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def feed(port: int, password: str | None = None, **more: object) -> MqttFeed:
    values = {"type": "mqtt", "name": "broker", "host": "127.0.0.1", "port": port, **more}
    return MqttFeed(MqttSource.model_validate(values), password)


@needs_mosquitto
def test_our_own_format(broker: Broker) -> None:
    with Heard(feed(broker.port)) as heard:
        until(lambda: heard.up)
        now = time.time()
        publish(broker.port, "sniffer/wake", json.dumps({"timestamp": now - 2, "device": "kitchen"}))
        until(heard.wakes)
        (event,) = heard.wakes()
    assert (event.device, event.source, event.trust) == ("kitchen", "broker", Trust.INDEPENDENT)
    assert event.time_ns == pytest.approx((now - 2) * 1e9, abs=2e3)
    assert event.received_ns > event.time_ns
    assert heard.kinds() == [WakeKind.SOURCE_DOWN, WakeKind.SOURCE_UP, WakeKind.WAKE, WakeKind.SOURCE_DOWN]


@needs_mosquitto
@pytest.mark.parametrize(
    "payload",
    [b"", b"\xff\xfe", b"[1]", b"{", b'{"timestamp": 1}', b'{"source": "somebody-else"}', b"x" * 100_000],
)
def test_what_is_no_event_is_refused_and_harms_nobody(broker: Broker, payload: bytes) -> None:
    with Heard(feed(broker.port)) as heard:
        until(lambda: heard.up)
        publish(broker.port, "sniffer/wake", payload)
        publish(broker.port, "sniffer/wake", json.dumps({"device": "kitchen"}))
        until(heard.wakes)
    assert len(heard.wakes()) == 1
    assert heard.session.status().refused == 1


@needs_mosquitto
def test_an_answer_to_a_question(broker: Broker) -> None:
    with Heard(feed(broker.port)) as heard:
        until(lambda: heard.up)
        publish(broker.port, "sniffer/answer", json.dumps({"upload_id": "x", "answer": "perhaps"}))
        publish(broker.port, "sniffer/answer", json.dumps({"upload_id": "x", "answer": "yes"}))
        until(lambda: WakeKind.ANSWER in heard.kinds())
        (answer,) = [event for event in heard.events if event.kind is WakeKind.ANSWER]
    assert (answer.upload, str(answer.answer), answer.source) == ("x", "yes", "broker")
    assert heard.session.status().refused == 1


@needs_mosquitto
def test_hermes(broker: Broker) -> None:
    with Heard(feed(broker.port, hermes=True)) as heard:
        until(lambda: heard.up)
        said = {"modelId": "alexa", "siteId": "kitchen", "currentSensitivity": 0.5}
        publish(broker.port, "hermes/hotword/alexa/detected", json.dumps(said))
        publish(broker.port, "hermes/hotword/alexa/detected", json.dumps({"siteId": "default"}))
        until(lambda: len(heard.wakes()) == 2)
    assert [event.device for event in heard.wakes()] == ["kitchen", None]


@needs_mosquitto
def test_a_zigbee_button_and_a_mute_switch(broker: Broker) -> None:
    topics = [
        {"topic": "zigbee2mqtt/+/action", "equals": ["single"], "device_level": 1},
        {"topic": "zigbee2mqtt/switch", "field": "state.mic", "equals": ["OFF"], "kind": "mute", "device": "hall"},
    ]
    with Heard(feed(broker.port, topics=topics)) as heard:
        until(lambda: heard.up)
        publish(broker.port, "zigbee2mqtt/kitchen/action", "double")
        publish(broker.port, "zigbee2mqtt/kitchen/action", "single")
        publish(broker.port, "zigbee2mqtt/switch", json.dumps({"state": {"mic": "ON"}}))
        publish(broker.port, "zigbee2mqtt/switch", json.dumps({"state": {"mic": "OFF"}}))
        until(lambda: WakeKind.MUTE in heard.kinds())
    assert [(e.kind, e.device) for e in heard.events[2:4]] == [(WakeKind.WAKE, "kitchen"), (WakeKind.MUTE, "hall")]


@needs_mosquitto
def test_a_retained_message_tells_a_state_but_not_that_somebody_asked_now(broker: Broker) -> None:
    topics = [{"topic": "button"}, {"topic": "mic", "equals": ["off"], "kind": "mute"}]
    publish(broker.port, "button", "pressed", retain=True)
    publish(broker.port, "mic", "off", retain=True)
    publish(broker.port, "sniffer/wake", "{}", retain=True)
    with Heard(feed(broker.port, topics=topics)) as heard:
        until(lambda: WakeKind.MUTE in heard.kinds())
    assert heard.wakes() == []


@needs_mosquitto
def test_it_comes_back_when_the_broker_does(broker: Broker) -> None:
    with Heard(feed(broker.port)) as heard:
        until(lambda: heard.up)
        broker.stop()
        until(lambda: not heard.up)
        assert heard.session.status().problem
        broker.start()
        until(lambda: heard.up)
        publish(broker.port, "sniffer/wake", "{}")
        until(heard.wakes)
    down, up = WakeKind.SOURCE_DOWN, WakeKind.SOURCE_UP
    assert heard.kinds() == [down, up, down, up, WakeKind.WAKE, down]
    assert heard.waits[:2] == [1.0, 2.0][: len(heard.waits)] or heard.waits[0] == 1.0


@needs_mosquitto
def test_the_last_will_tells_others_that_nobody_listens(broker: Broker) -> None:
    with Heard(feed(broker.port)) as heard, Heard(
        feed(broker.port, name="watch", topic="", status_topic="watch", topics=[
            {"topic": "sniffer/wake/status", "equals": ["offline"], "kind": "source_down"},
            {"topic": "sniffer/wake/status", "equals": ["online"], "kind": "wake", "device": "online"},
        ])
    ) as watch:  # fmt: skip
        until(lambda: heard.up and watch.up)
        heard.session.stop()
        until(lambda: watch.kinds().count(WakeKind.SOURCE_DOWN) >= 2)


@needs_mosquitto
def test_user_and_password(tmp_path: Path) -> None:
    tool = shutil.which("mosquitto_passwd")
    if tool is None:
        pytest.skip("mosquitto_passwd is not installed")
    passwords = tmp_path / "passwords"
    subprocess.run([tool, "-c", "-b", str(passwords), "sniffer", "s3cret"], check=True, capture_output=True)
    broker = Broker(tmp_path, free_port(), "allow_anonymous false", f"password_file {passwords}")
    broker.start()
    try:
        with Heard(feed(broker.port, "s3cret", user="sniffer")) as heard:
            until(lambda: heard.up)
        with Heard(feed(broker.port, "wrong", user="sniffer")) as heard:
            until(lambda: heard.session.status().problem)
        assert not heard.up
        assert "refused" in (heard.session.status().problem or "")
        assert "wrong" not in (heard.session.status().problem or "")
    finally:
        broker.stop()


@needs_mosquitto
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # paho forgets a socket it cannot wrap
def test_tls(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True,
    )  # fmt: skip
    broker = Broker(tmp_path, free_port(), "allow_anonymous true", f"certfile {cert}", f"keyfile {key}")
    broker.start()
    try:
        with Heard(feed(broker.port, tls=True, ca_file=str(cert))) as heard:
            until(lambda: heard.up)
        with Heard(feed(broker.port, tls=True)) as heard:
            until(lambda: heard.session.status().problem)
        assert not heard.up
    finally:
        broker.stop()


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/c", False),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("a/#", "a/b/c", True),
        ("#", "a", True),
        ("+/b", "a/b", True),
        ("a", "a/b", False),
        ("a/b/c", "a/b", False),
    ],
)
def test_wildcards(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits
