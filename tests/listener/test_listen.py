"""An ear of one's own, end to end: espeak-ng speaks, pymicro-wakeword hears, our own HTTP API takes the report."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import wave
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from click.testing import CliRunner

from sniffer.cli.listen import command as listen
from sniffer.cli.wake import command as wake
from sniffer.errors import UsageError, WakeError
from sniffer.listener.client import MAX_WAITING, RefusedError, Reporter, post
from sniffer.listener.ear import RATE, Ear, load_ear
from sniffer.listener.sound import StreamSound, WavSound
from sniffer.model import Record, WakeEvent
from sniffer.model.clock import SystemClock
from sniffer.records.build import wake_record
from sniffer.testing import ManualClock
from sniffer.wake.events import parse_event
from sniffer.web.api import build_app
from sniffer.web.auth import read_tokens
from sniffer.web.server import HttpServer
from sniffer.web.settings import HttpSettings, TokenSettings
from tests.wake.ears import until

S = 1_000_000_000
TOKEN = "a-long-enough-secret"


class Router:
    """The daemon's HTTP side: real API, real tokens, real server; events are kept instead of judged."""

    def __init__(self) -> None:
        self.events: list[WakeEvent] = []

    def wake(self, event: Mapping[str, Any], source: str) -> Record:
        parsed = parse_event({**event, "source": source}, SystemClock().now_ns())
        self.events.append(parsed)
        return wake_record(parsed).to_json()

    def unknown(self, device: str) -> str | None:
        return f"no device is called '{device}'" if device == "kitchn" else None


@pytest.fixture
def router() -> Iterator[tuple[Router, str]]:
    it = Router()
    tokens = read_tokens([TokenSettings.model_validate({"source": "shelf", "secret": {"env": "X"}})], lambda _: TOKEN)
    server = HttpServer(build_app(it, HttpSettings(), tokens, SystemClock()), "127.0.0.1", 0)  # type: ignore[arg-type]
    server.start()
    yield it, f"http://127.0.0.1:{server.port}"
    server.stop()


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return str(path)


def speech(text: str, voice: str = "en") -> bytes:
    """16 kHz, 16 bit, mono; a second of silence before and after."""
    espeak = shutil.which("espeak-ng")
    if espeak is None:
        pytest.skip("espeak-ng is not installed")
    spoken = subprocess.run([espeak, "-v", voice, "--stdout", text], capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(spoken)) as file:
        rate, frames = file.getframerate(), file.readframes(1 << 24)
    sound = np.frombuffer(frames[: len(frames) // 2 * 2], dtype="<i2").astype(float)
    places = np.arange(int(len(sound) * RATE / rate)) * rate / RATE
    silence = np.zeros(RATE)
    mixed = np.concatenate([silence, np.interp(places, np.arange(len(sound)), sound), silence])
    return mixed.astype("<i2").tobytes()


def wav(path: Path, sound: bytes, rate: int = RATE, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(sound)
    return path


@pytest.fixture(scope="module")
def alexa() -> bytes:
    pytest.importorskip("pymicro_wakeword", reason="the extra 'listen' is not installed")
    return speech("Alexa")


def test_the_word_is_heard_where_it_was_said(alexa: bytes) -> None:
    (word,) = load_ear(["alexa"]).hear(alexa)
    assert word.name == "Alexa"
    assert 1.3 <= word.sample / RATE <= 2.2


@pytest.mark.parametrize("text", ["a lexicon", "electric guitar", "what time is it"])
def test_another_word_is_not(alexa: bytes, text: str) -> None:
    assert list(load_ear(["alexa"]).hear(speech(text))) == []


def test_the_size_of_pieces_makes_no_difference(alexa: bytes) -> None:
    ear = load_ear(["alexa"])
    pieces = [alexa[place : place + 322] for place in range(0, len(alexa), 322)]
    words = [word for piece in pieces for word in ear.hear(piece)]
    (whole,) = load_ear(["alexa"]).hear(alexa)
    assert [word.name for word in words] == ["Alexa"]
    assert abs(words[0].sample - whole.sample) <= 480


def test_one_word_is_heard_once() -> None:
    class Always:
        wake_word = "yes"

        def process_streaming(self, features: object) -> bool:
            return True

    class Features:
        def process_streaming(self, sound: bytes) -> list[int]:
            return [0]

    words = list(Ear([Always()], Features()).hear(b"\0" * RATE * 2 * 4))
    assert [word.sample / RATE for word in words] == pytest.approx([0.01, 1.51, 3.01], abs=0.02)


def test_end_to_end(tmp_path: Path, alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    path = wav(tmp_path / "alexa.wav", alexa)
    result = CliRunner().invoke(
        listen, ["--input", str(path), "--url", url, "--token-file", token_file, "--device", "kitchen"],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0
    assert "Alexa  kitchen" in result.output
    (event,) = backend.events
    assert (event.source, event.device) == ("shelf", "kitchen")
    ago = (SystemClock().now_ns() - event.time_ns) / S
    assert 0.2 <= ago <= 10, "the file ended just now, and the word was said about a second before its end"


def test_a_stream_end_to_end(alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    arguments = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--token-file", token_file]
    done = subprocess.run(arguments, input=alexa, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"Alexa") == 1
    kinds = [str(event.kind) for event in backend.events]
    assert kinds.count("wake") == 1
    assert kinds[0] == "source_up"
    assert kinds[-1] == "source_down"


def test_it_ends_when_asked_to_and_says_so(alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    arguments = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--token-file", token_file]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(alexa)
        process.stdin.flush()
        until(lambda: any(str(event.kind) == "wake" for event in backend.events), 30)
        process.terminate()
        assert process.wait(20) == 0
    assert [str(event.kind) for event in backend.events][-1] == "source_down"


def test_nothing_is_reported_without_a_token(tmp_path: Path, alexa: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNIFFER_TOKEN", raising=False)
    path = str(wav(tmp_path / "a.wav", alexa))
    with pytest.raises(UsageError, match="a token is needed"):
        CliRunner().invoke(listen, ["--input", path], catch_exceptions=False)
    dry = CliRunner().invoke(listen, ["--input", path, "--dry-run"], catch_exceptions=False)
    assert dry.output.count("Alexa") == 1


@pytest.mark.parametrize(
    ("rate", "channels", "reason"), [(44_100, 1, "44100 Hz, 16 bit, 1 channels"), (16_000, 2, "2 channels")]
)
def test_a_wav_of_another_form(tmp_path: Path, rate: int, channels: int, reason: str) -> None:
    with pytest.raises(WakeError, match=reason):
        WavSound(wav(tmp_path / "a.wav", b"\0" * 400, rate, channels), ManualClock())


def test_what_is_no_wav(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFFxxxx")
    for name, reason in (("a.wav", "not a WAV file"), ("none.wav", "cannot be read: No such file or directory$")):
        with pytest.raises(WakeError, match=reason):
            WavSound(tmp_path / name, ManualClock())


@pytest.mark.parametrize("name", ["hal", "nothing.json", __file__])
def test_a_model_that_is_none(name: str) -> None:
    pytest.importorskip("pymicro_wakeword")
    with pytest.raises(WakeError, match=r"no such model|not a microWakeWord model"):
        load_ear([name])


def test_a_model_file_of_ones_own(alexa: bytes, tmp_path: Path) -> None:
    import pymicro_wakeword

    models = Path(pymicro_wakeword.__file__).parent / "models"
    for name in ("alexa.json", "alexa.tflite"):
        shutil.copy(models / name, tmp_path / name)
    assert len(list(load_ear([str(tmp_path / "alexa.json")]).hear(alexa))) == 1


def test_a_streams_time_stays_with_the_clock() -> None:
    clock = ManualClock(1000 * S)

    class Pausing:
        def __init__(self) -> None:
            self.left = 3

        def read(self, size: int) -> bytes:
            self.left -= 1
            clock.advance(10.0)
            return b"\0" * size if self.left >= 0 else b""

    sound, heard = StreamSound(Pausing(), clock), 0  # type: ignore[arg-type]
    for piece in sound.pieces():
        heard += len(piece) // 2
        assert sound.start_ns + heard * S // RATE == pytest.approx(clock.now_ns(), abs=S // 2)


# --- reporting --------------------------------------------------------------------------------------------------------


class Far:
    """A router far away: answers as told."""

    def __init__(self, *answers: int | Exception) -> None:
        self.answers, self.events = list(answers), []
        self.client = httpx.Client(transport=httpx.MockTransport(self._answer))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        now = self.answers.pop(0) if self.answers else 202
        if isinstance(now, Exception):
            raise now
        events = json.loads(request.content)
        if now == 400 and len(events) == 1 and events[0].get("device") != "bad":
            now = 202
        if now == 202:
            self.events += events
        warnings = [f"no device is called '{e['device']}'" for e in events if e.get("device") == "kitchn"]
        return httpx.Response(now, json={"accepted": [], "warnings": warnings, "error": "because"})


def reporter(far: Far, clock: ManualClock, **more: Any) -> Reporter:
    return Reporter("http://router:9877", "t", clock, client=far.client, **{"heartbeat": None, **more})


def word(clock: ManualClock, device: str = "kitchen") -> dict[str, Any]:
    return {"timestamp": clock.now_ns() / S, "device": device, "kind": "wake"}


def test_words_wait_for_the_router_and_keep_their_time() -> None:
    clock = ManualClock()
    far = Far(httpx.ConnectError("no route"), httpx.ReadTimeout("slow"), 503, 429, 401)
    it = reporter(far, clock)
    words = [word(clock)]
    it.add(words[0])
    pauses = []
    for _ in range(5):
        pauses.append(it.step())
        clock.advance(7)
    words.append(word(clock))
    it.add(words[1])
    it.step()
    assert pauses == [1, 2, 4, 8, 16]
    assert far.events == words
    assert (it.sent, it.lost) == (2, 0)


def test_one_bad_word_does_not_hold_up_the_others() -> None:
    clock = ManualClock()
    far = Far(400, 400, 400)
    it = reporter(far, clock)
    for device in ("kitchen", "bad", "hall"):
        it.add(word(clock, device))
    it.step()
    assert [event["device"] for event in far.events] == ["kitchen", "hall"]
    assert (it.sent, it.lost) == (2, 1)


def test_a_mistyped_device_is_told_once_where_it_was_mistyped(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    it = reporter(Far(), clock)
    for _ in range(2):
        it.add(word(clock, "kitchn"))
        it.step()
    assert caplog.messages == ["http://router:9877: no device is called 'kitchn'"]


def test_what_waits_is_bounded_and_grows_old() -> None:
    clock = ManualClock()
    far = Far(*[httpx.ConnectError("no route")] * 2)
    it = reporter(far, clock)
    for _ in range(MAX_WAITING + 5):
        it.add(word(clock))
    it.step()
    assert it.lost == 5
    clock.advance(25 * 3600)
    it.step()
    it.step()
    assert far.events == []
    assert it.lost == MAX_WAITING + 5


def test_it_says_that_it_lives_and_that_it_ends() -> None:
    clock, far = ManualClock(), Far()
    it = reporter(far, clock, heartbeat=20.0)
    assert it.step() == 20
    clock.advance(5)
    assert it.step() == 15
    clock.advance(15)
    it.step()
    it.step(ending=True)
    assert [event["kind"] for event in far.events] == ["source_up", "source_up", "source_down"]


def test_a_microphone_that_gives_nothing_is_no_ear() -> None:
    clock, far = ManualClock(), Far()
    it = reporter(far, clock, heartbeat=20.0)
    it.step()
    it.hearing(True)
    it.hearing(False)
    it.hearing(False)
    for _ in range(3):
        it.step()
        clock.advance(30)
    it.hearing(True)
    it.step()
    assert [event["kind"] for event in far.events] == ["source_up", "source_down", "source_up"]


def test_silence_that_is_no_room(alexa: bytes) -> None:
    ear = load_ear(["alexa"])
    list(ear.hear(b"\0" * RATE * 2 * 12))
    assert ear.flat_seconds == pytest.approx(12)
    list(ear.hear(np.random.default_rng(1).integers(-3, 3, RATE).astype("<i2").tobytes()))
    assert ear.flat_seconds == 0


def test_a_thread_sends_and_ends() -> None:
    far = Far()
    it = Reporter("http://router", "t", SystemClock(), client=far.client, heartbeat=60)
    it.start()
    it.add({"timestamp": SystemClock().now_ns() / S, "device": None, "kind": "wake"})
    until(lambda: it.sent == 1)
    assert it.close() == 0
    assert far.events[-1]["kind"] == "source_down"


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://x", "http://[::1"])
def test_an_address_that_is_none(url: str) -> None:
    with httpx.Client() as client, pytest.raises(WakeError, match="cannot be reached"):
        post(client, url, "t", [])


def test_the_reason_of_a_refusal_is_passed_on() -> None:
    far = Far(400)
    with pytest.raises(RefusedError, match="answered 400: because"):
        post(far.client, "http://router", "t", [{"device": "bad"}])


# --- sniffer wake -----------------------------------------------------------------------------------------------------


def test_sniffer_wake(router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    run = CliRunner().invoke(wake, ["kitchen", "--url", url, "--token-file", token_file], catch_exceptions=False)
    assert run.exit_code == 0
    assert run.output.split()[1:] == ["wake", "kitchen", "shelf"]
    CliRunner().invoke(wake, ["--kind", "mute", "--url", url, "--token-file", token_file], catch_exceptions=False)
    assert [(str(event.kind), event.device) for event in backend.events] == [("wake", "kitchen"), ("mute", None)]


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        (["--at", "yesterday"], WakeError, "--at 'yesterday' is neither"),
        (["--at", "2001-01-01T00:00:00Z"], WakeError, "h old"),
        (["--url", "http://127.0.0.1:9"], WakeError, "cannot be reached"),
        (["x" * 99], WakeError, "1 to 64"),
    ],
)
def test_sniffer_wake_says_what_is_wrong(
    token_file: str, arguments: list[str], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        CliRunner().invoke(wake, [*arguments, "--token-file", token_file], catch_exceptions=False)


def test_a_wrong_token(router: tuple[Router, str], tmp_path: Path) -> None:
    (tmp_path / "t").write_text("wrong")
    with pytest.raises(WakeError, match="answered 401"):
        CliRunner().invoke(
            wake, ["--url", router[1], "--token-file", str(tmp_path / "t")], catch_exceptions=False
        )  # fmt: skip
