"""Ways in which a source does not hear although it is connected: dead, muted, paused, renamed, mistyped, half set up.

In each of them speech leaves that nothing explains. The sources are configured to miss nothing, so a judge that
believes them accuses. The first tests show that a source that hears is believed: else the rest would prove nothing.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sniffer.judge import Judge
from sniffer.judge.settings import JudgeSettings
from sniffer.model import UploadClass, VerdictKind, WakeKind
from sniffer.wake.adapters import wyoming
from sniffer.wake.adapters.home_assistant import HomeAssistantFeed
from sniffer.wake.adapters.wyoming import WyomingFeed
from sniffer.wake.adapters.wyoming_messages import Messages, message
from sniffer.wake.settings import HttpSource, MqttSource, WyomingSource
from tests.judge.story import DEVICES, at, final, hand, hears, says, told
from tests.wake.adapters.test_home_assistant import House
from tests.wake.adapters.test_home_assistant import settings as house_settings
from tests.wake.adapters.test_wyoming import free_port
from tests.wake.scene import Scene

pytest.importorskip("websockets.sync.server", reason="the extra 'homeassistant' is not installed")
#: They wait for real sockets, a minute in all.
pytestmark = pytest.mark.slow

GOOD = {"miss_rate": 0.0001, "hold_off": 0.5}
WORD, RUN, PAUSE = message("detection", {"name": "alexa"}), message("run-satellite"), message("pause-satellite")
CONNECTED, GONE = message("satellite-connected"), message("satellite-disconnected")

# --- a Wyoming satellite that reports to us ---------------------------------------------------------------------------


class Reporting:
    """A satellite with our address as its --event-uri."""

    def __init__(self, **more: object) -> None:
        values = {"type": "wyoming", "name": "sat", "listen": "127.0.0.1", "port": free_port(), "devices": ["kitchen"]}
        self.settings = WyomingSource.model_validate(values | GOOD | more)
        self.scene = Scene(self.settings, WyomingFeed(self.settings))
        self._line: socket.socket | None = None

    def connect(self) -> None:
        self.leave()
        self._line = socket.create_connection(("127.0.0.1", self.settings.port))

    def say(self, *messages: bytes) -> None:
        assert self._line
        self._line.sendall(b"".join(messages))

    def leave(self) -> None:
        if self._line is not None:
            self._line.close()

    def hears(self) -> None:
        """Come up, and hear a word."""
        self.scene.until(lambda: self.scene.problem)
        self.connect()
        self.say(CONNECTED, RUN, WORD)
        self.scene.until(self.scene.heard)


@pytest.fixture
def satellite(request: pytest.FixtureRequest) -> Iterator[Reporting]:
    it = Reporting(**getattr(request, "param", {}))
    with it.scene:
        yield it
    it.leave()


def test_a_satellite_that_hears_is_believed(satellite: Reporting) -> None:
    satellite.hears()
    satellite.scene.later()
    verdict = satellite.scene.upload()
    assert (verdict.kind, verdict.listened) == (VerdictKind.UNEXPECTED, ("sat",))


def restarted(it: Reporting) -> None:
    it.leave()
    it.scene.until(lambda: not it.scene.up)
    it.connect()
    it.say(RUN)
    it.scene.until(lambda: it.scene.up)


def replaced_by_a_stranger(it: Reporting) -> None:
    it.leave()
    it.connect()


WAYS: dict[str, Callable[[Reporting], None]] = {
    "paused: its server went": lambda it: it.say(PAUSE, GONE),
    "paused": lambda it: it.say(PAUSE),
    "its server went": lambda it: it.say(GONE),
    "muted and unmuted, and not heard since": lambda it: it.say(PAUSE, GONE, CONNECTED, RUN),
    "its server is back, and it does not run yet": lambda it: it.say(PAUSE, GONE, CONNECTED),
    "killed": lambda it: it.leave(),
    "restarted, and not heard since": restarted,
    "gone, and somebody else connects": replaced_by_a_stranger,
    "it speaks something else": lambda it: it.say(b"GET / HTTP/1.1\r\n\r\n"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_satellite_that_hears_no_longer(satellite: Reporting, way: str) -> None:
    satellite.hears()
    satellite.scene.later(20)
    WAYS[way](satellite)
    satellite.scene.later()
    assert satellite.scene.upload().kind is VerdictKind.INCONCLUSIVE


def test_a_satellite_without_power(satellite: Reporting, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says no good-bye: its kernel acknowledges nothing any more, and the connection stands for seconds."""
    satellite.hears()
    satellite.scene.later()
    monkeypatch.setattr(wyoming, "_acknowledged", lambda client: False)
    assert satellite.scene.upload().kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("said", [b"", RUN, CONNECTED, CONNECTED + RUN], ids=["nothing", "run", "connected", "both"])
def test_a_satellite_that_never_heard(satellite: Reporting, said: bytes) -> None:
    satellite.scene.until(lambda: satellite.scene.problem)
    satellite.connect()
    satellite.say(said)
    satellite.scene.later()
    assert satellite.scene.upload().kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize(
    "satellite",
    [{"names": ["alexxa"]}, {"devices": ["kichen"]}, {"devices": ["hall"]}, {"devices": []}, {"vendor": "Amazom"}],
    ids=["misspelt word", "misspelt device", "another device", "no upload showed for whom", "misspelt vendor"],
    indirect=True,
)
def test_a_satellite_that_is_half_set_up(satellite: Reporting) -> None:
    satellite.scene.until(lambda: satellite.scene.problem)
    satellite.connect()
    satellite.say(RUN, WORD)
    satellite.scene.until(lambda: satellite.scene.up)
    satellite.scene.later()
    assert satellite.scene.upload().kind is VerdictKind.INCONCLUSIVE


# --- a service that we connect to -------------------------------------------------------------------------------------


class Remote:
    """A Wyoming service that describes itself as `info` says; `mute` makes it accept and answer no more."""

    def __init__(self, info: dict[str, Any]) -> None:
        self.info, self.answering = info, True
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lines: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        try:
            while True:
                line, _ = self._listener.accept()
                self._lines.append(line)
                threading.Thread(target=self._answer, args=(line,), daemon=True).start()
        except OSError:
            return

    def _answer(self, line: socket.socket) -> None:
        messages = Messages()
        try:
            while data := line.recv(4096):
                for kind, _ in messages.feed(data):
                    if kind == "describe" and self.answering:
                        line.sendall(message("info", self.info))
        except OSError:
            return

    def say(self, *messages: bytes) -> None:
        self._lines[-1].sendall(b"".join(messages))

    def close(self) -> None:
        self._listener.close()
        for line in self._lines:
            line.close()


def connecting(remote: Remote) -> Scene:
    values = {"type": "wyoming", "name": "svc", "host": "127.0.0.1", "port": remote.port, "devices": ["kitchen"]}
    settings = WyomingSource.model_validate(values | GOOD)
    return Scene(settings, WyomingFeed(settings))


def test_a_service_with_a_microphone_is_believed() -> None:
    remote = Remote({"mic": [{"name": "shelf"}]})
    with connecting(remote) as scene:
        scene.until(lambda: scene.up)
        remote.say(WORD)
        scene.until(scene.heard)
        scene.later()
        assert scene.upload().kind is VerdictKind.UNEXPECTED
    remote.close()


@pytest.mark.parametrize("way", ["answers no more", "pauses", "closes"])
def test_a_service_that_hears_no_longer(way: str) -> None:
    remote = Remote({"mic": [{"name": "shelf"}]})
    with connecting(remote) as scene:
        scene.until(lambda: scene.up)
        remote.say(WORD)
        scene.until(scene.heard)
        remote.answering = way != "answers no more"
        if way == "pauses":
            remote.say(PAUSE)
        if way == "closes":
            remote.close()
        scene.later()
        assert scene.upload().kind is VerdictKind.INCONCLUSIVE
    remote.close()


@pytest.mark.parametrize(
    ("info", "says"),
    [
        ({"wake": [{"name": "openwakeword"}]}, "no microphone"),
        ({"satellite": {"name": "kitchen"}, "mic": []}, "--event-uri"),
        ({"asr": [{"name": "whisper"}]}, "no microphone"),
        ({}, ""),
    ],
    ids=["wake service", "satellite", "speech-to-text", "nothing"],
)
def test_a_service_that_accepts_and_never_detects(info: dict[str, Any], says: str) -> None:
    remote = Remote(info)
    with connecting(remote) as scene:
        scene.until(lambda: scene.up if not says else says in scene.problem)
        scene.later()
        assert scene.upload().kind is VerdictKind.INCONCLUSIVE
    remote.close()


# --- Home Assistant ---------------------------------------------------------------------------------------------------

KITCHEN = "assist_satellite.kitchen"


@pytest.fixture
def house() -> Iterator[House]:
    it = House()
    it.start()
    yield it
    it.stop()


@pytest.fixture
def probe() -> Iterator[Remote]:
    """The satellite itself, for those that ask it whether it lives."""
    it = Remote({"satellite": {"name": "kitchen"}})
    yield it
    it.close()


def at_home(house: House, probe: Remote | None, **more: object) -> Scene:
    probes = {KITCHEN: f"tcp://127.0.0.1:{probe.port}"} if probe else {}
    values = {"satellites": {KITCHEN: "kitchen"}, "probes": probes, "window": {"before": 2, "after": 2}}
    settings = house_settings(house.port, **(values | GOOD | more))
    return Scene(settings, HomeAssistantFeed(settings, "long-lived"))


def listens(house: House, scene: Scene, entity: str = KITCHEN) -> None:
    before = scene.heard()
    house.changes(entity, "idle", "listening")
    scene.until(lambda: scene.heard() > before)
    house.changes(entity, "listening", "idle")


def test_a_satellite_of_home_assistant_that_hears_is_believed(house: House, probe: Remote) -> None:
    with at_home(house, probe) as scene:
        scene.until(lambda: scene.up)
        listens(house, scene)
        scene.later()
        assert scene.upload().kind is VerdictKind.UNEXPECTED


def test_without_a_probe_it_is_believed_once_it_is_heard_again(house: House) -> None:
    """Nothing shows that it lives but what it hears: its silence counts between two words."""
    with at_home(house, None) as scene:
        scene.until(lambda: scene.up)
        listens(house, scene)
        scene.later()
        assert scene.upload().kind is VerdictKind.INCONCLUSIVE
        listens(house, scene)
        scene.later(60)
        (again,) = scene.verdicts()
        assert (again.kind, again.revision) == (VerdictKind.UNEXPECTED, 1)


def unplugged(house: House, probe: Remote, scene: Scene) -> None:
    probe.close()


def hung(house: House, probe: Remote, scene: Scene) -> None:
    house.hang()


def restarts(house: House, probe: Remote, scene: Scene) -> None:
    house.stop()
    scene.until(lambda: not scene.up)
    house.start()
    scene.until(lambda: scene.up)


HOUSE_WAYS: dict[str, Callable[[House, Remote, Scene], None]] = {
    "unavailable": lambda house, probe, scene: house.changes(KITCHEN, "idle", "unavailable"),
    "unknown": lambda house, probe, scene: house.changes(KITCHEN, "idle", "unknown"),
    "renamed or removed": lambda house, probe, scene: house.changes(KITCHEN, "idle", None),
    "muted in Home Assistant": lambda house, probe, scene: house.changes("switch.kitchen_mute", "off", "on"),
    "killed, and shown as idle": unplugged,
    "Home Assistant hangs": hung,
    "Home Assistant restarted, and it was not heard since": restarts,
    "it came back, and was not heard since": lambda house, probe, scene: (
        house.changes(KITCHEN, "idle", "unavailable"),
        house.changes(KITCHEN, "unavailable", "idle"),
    )[0],
}


@pytest.mark.parametrize("way", HOUSE_WAYS)
def test_a_satellite_of_home_assistant_that_hears_no_longer(house: House, probe: Remote, way: str) -> None:
    house.registry = [
        {"ei": KITCHEN, "di": "d1", "pl": "wyoming"},
        {"ei": "switch.kitchen_mute", "di": "d1", "tk": "mute", "pl": "wyoming"},
        {"ei": "switch.hall_mute", "di": "d2", "tk": "mute", "pl": "wyoming"},
    ]
    house.states["switch.kitchen_mute"] = "off"
    with at_home(house, probe) as scene:
        scene.until(lambda: scene.up)
        listens(house, scene)
        scene.later(20)
        HOUSE_WAYS[way](house, probe, scene)
        scene.later()
        assert scene.upload().kind is VerdictKind.INCONCLUSIVE


def starting(house: House) -> None:
    house.state = "STARTING"


def deaf_pipeline(house: House) -> None:
    house.pipelines = [{"name": "Home", "stt_engine": None, "tts_engine": "tts.a"}]


def muted(house: House) -> None:
    house.registry = [
        {"ei": KITCHEN, "di": "d1", "pl": "esphome"},
        {"ei": "switch.kitchen_mute", "di": "d1", "pl": "esphome"},
    ]
    house.states["switch.kitchen_mute"] = "on"


STARTS: dict[str, tuple[Callable[[House], object], str]] = {
    "never heard": (lambda house: None, ""),
    "misspelt or not there yet": (lambda house: house.missing.add(KITCHEN), "no entity assist_satellite.kitchen"),
    "unavailable": (lambda house: house.states.update({KITCHEN: "unavailable"}), "is unavailable"),
    "unknown": (lambda house: house.states.update({KITCHEN: "unknown"}), "is unknown"),
    "Home Assistant is starting": (starting, "still starting"),
    "no speech-to-text": (deaf_pipeline, "speech-to-text"),
    "muted": (muted, "is muted"),
}


@pytest.mark.parametrize("way", STARTS)
def test_a_satellite_of_home_assistant_that_never_heard(house: House, probe: Remote, way: str) -> None:
    prepare, problem = STARTS[way]
    prepare(house)
    with at_home(house, probe) as scene:
        scene.until(lambda: problem in scene.problem if problem else scene.up)
        scene.later()
        assert scene.upload().kind is VerdictKind.INCONCLUSIVE


@pytest.mark.parametrize("way", ["missing", "unavailable"])
def test_a_camera_of_which_home_assistant_knows_nothing(house: House, way: str) -> None:
    if way == "missing":
        house.missing.add("camera.door")
    else:
        house.states["camera.door"] = "unavailable"
    views = [{"entity": "camera.door", "to": "streaming", "kind": "view_start", "device": "door"}]
    with at_home(house, None, satellites={}, entities=views) as scene:
        scene.until(lambda: "camera.door" in scene.problem)
        scene.later()
        assert scene.upload("door", UploadClass.MEDIA).kind is VerdictKind.INCONCLUSIVE


def test_the_satellite_of_another_room_vouches_for_its_own_room(house: House, probe: Remote) -> None:
    both = {KITCHEN: "kitchen", "assist_satellite.hall": "hall"}
    probes = dict.fromkeys(both, f"tcp://127.0.0.1:{probe.port}")
    with at_home(house, None, satellites=both, probes=probes) as scene:
        scene.until(lambda: scene.up)
        listens(house, scene, "assist_satellite.hall")
        scene.later()
        assert scene.upload("kitchen").kind is VerdictKind.INCONCLUSIVE


# --- heartbeats, brokers, and time ------------------------------------------------------------------------------------

HOUR = 3600.0


def last(source: Any, *items: Any, until: float) -> VerdictKind | None:
    """The last word on the last upload."""
    judge = Judge(JudgeSettings(), [source.spec()], DEVICES.__getitem__)
    hand(judge, items)
    words = final(judge.advance(at(until)))
    return words[max(words)].verdict.kind


def beats(start: float, end: float) -> list[Any]:
    return [told(WakeKind.SOURCE_UP, second) for second in range(int(start), int(end), 30)]


LISTENER = HttpSource.model_validate({"type": "http", "name": "ear", "heartbeat": 60, **GOOD})
RHASSPY = MqttSource.model_validate({"type": "mqtt", "name": "ear", "host": "127.0.0.1", "hermes": True, **GOOD})
SILENT = says(HOUR, answered=False)


def test_a_listener_with_heartbeats_that_heard_is_believed() -> None:
    assert last(LISTENER, *beats(0, 2 * HOUR), hears(60, "kitchen"), SILENT, until=2 * HOUR) is VerdictKind.UNEXPECTED


@pytest.mark.parametrize(
    "heard",
    [
        [],
        [hears(60, "hall")],
        [hears(60)],
        [hears(60, source="other")],
        [hears(60), says(60.5, "hall")],
        [hears(60, "kitchen"), told(WakeKind.SOURCE_DOWN, 1000.0), told(WakeKind.SOURCE_UP, 1001.0)],
    ],
    ids=["nothing", "another device", "no device", "another source", "another vendor's device", "before it went down"],
)
def test_a_listener_with_heartbeats_that_never_heard(heard: list[Any]) -> None:
    assert last(LISTENER, *beats(0, 2 * HOUR), *heard, SILENT, until=2 * HOUR) is VerdictKind.INCONCLUSIVE


def test_what_a_house_wide_word_showed_holds_for_that_vendor() -> None:
    asked = [hears(60), says(60.5, "bedroom")]
    assert last(LISTENER, *beats(0, 2 * HOUR), *asked, SILENT, until=2 * HOUR) is VerdictKind.UNEXPECTED


def test_what_was_heard_days_ago_says_nothing() -> None:
    late = says(30 * HOUR, answered=False)
    judge = Judge(JudgeSettings(), [LISTENER.spec()], DEVICES.__getitem__)
    hand(judge, [*beats(0, 31 * HOUR), hears(60, "kitchen"), late])
    (verdict,) = final(judge.advance(at(31 * HOUR))).values()
    assert (verdict.verdict.kind, verdict.verdict.reason) == (VerdictKind.INCONCLUSIVE, "wake_source_unproven")


def test_a_listener_that_fell_silent() -> None:
    """Heartbeats stop, and later a new one begins that has not heard yet."""
    signs = [*beats(0, HOUR - 300), *beats(HOUR - 100, 2 * HOUR)]
    assert last(LISTENER, *signs, hears(60, "kitchen"), SILENT, until=2 * HOUR) is VerdictKind.INCONCLUSIVE


def test_a_satellite_behind_a_broker_hears_between_two_words() -> None:
    """The broker lives; whether Rhasspy's satellite does shows only when it hears."""
    up, word = told(WakeKind.SOURCE_UP, 0.0), hears(60, "kitchen")
    assert last(RHASSPY, up, word, SILENT, until=2 * HOUR) is VerdictKind.INCONCLUSIVE
    again = hears(HOUR + 1000, "kitchen")
    assert last(RHASSPY, up, word, SILENT, again, until=2 * HOUR) is VerdictKind.UNEXPECTED
    broken = [told(WakeKind.SOURCE_DOWN, HOUR + 500), told(WakeKind.SOURCE_UP, HOUR + 501)]
    assert last(RHASSPY, up, word, SILENT, *broken, again, until=2 * HOUR) is VerdictKind.INCONCLUSIVE
