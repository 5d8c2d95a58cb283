"""Real sound and real packets at once: a room, the real `sniffer listen`, a speaker's traffic, the real daemon."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.listener.sound import RATE, WIDTH
from tests.capture.net import namespace, why_not
from tests.e2e.test_run import MAC, Process, speak
from tests.listener.listening import room, speech

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(300)]

TOKEN = "t0p-secret-of-the-ear"
CONFIG = f"""
capture: {{interface: lan0}}
devices:
  - {{mac: "{MAC}", name: kitchen}}
http:
  port: 0
  tokens:
    - {{source: shelf, secret: {{env: EAR_TOKEN}}}}
wake:
  sources:
    - {{type: http, name: shelf, heartbeat: 60}}
"""


class Room:
    """Gives the sound of a room to `sniffer listen` at its own pace, and what is said in it."""

    def __init__(self, url: str, folder: Path) -> None:
        (folder / "token").write_text(TOKEN)
        words = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--heartbeat", "5"]
        self.log = folder / "listen.txt"
        self._out = self.log.open("w")
        self._process = subprocess.Popen(
            [*words, "--token-file", str(folder / "token")],
            stdin=subprocess.PIPE, stdout=self._out, stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )  # fmt: skip
        self._said = b""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._play)
        self._thread.start()

    def say(self, text: str, voice: str = "en") -> None:
        """Speak, and return when it is spoken."""
        with self._lock:
            self._said = speech(text, voice, noise=10)[RATE * WIDTH : -RATE * WIDTH]
        while self._said:
            time.sleep(0.02)

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        self._out.close()
        return self._process.wait(20)

    def _play(self) -> None:
        assert self._process.stdin
        began, played, piece = time.monotonic(), 0, RATE * WIDTH // 10
        noise = room(10)
        while not self._stop.is_set():
            with self._lock:
                part, self._said = self._said[:piece], self._said[piece:]
            at = played % (len(noise) - piece)
            self._process.stdin.write(part + noise[at : at + piece - len(part)])
            self._process.stdin.flush()
            played += piece
            self._stop.wait(max(0.0, played / (RATE * WIDTH) - (time.monotonic() - began)))
        self._process.stdin.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Process, Room]]:
    pytest.importorskip("pymicro_wakeword", reason="the extra 'listen' is not installed")
    if reason := why_not():
        pytest.skip(reason)
    with namespace():
        (tmp_path / "sniffer.yaml").write_text(CONFIG)
        daemon, place = Process(tmp_path, "-c", str(tmp_path / "sniffer.yaml")), None
        try:
            daemon.until(lambda: daemon.get("/-/ready") == "capturing\n")
            place = Room(daemon.url, tmp_path)
            daemon.until(lambda: 'sniffer_wake_source_up{source="shelf"} 1.0' in daemon.get("/metrics"))
            yield daemon, place
        finally:
            ends = [daemon.end() if place is None else place.end(), daemon.end()]
        assert ends == [0, 0]
        assert place is not None
        assert "Traceback" not in daemon.said() + place.log.read_text()


def judged(daemon: Process, number: int) -> dict[str, Any]:
    """The last judgement of the n-th upload, once it carries a testimony."""

    def found() -> dict[str, Any] | None:
        first = list(dict.fromkeys(record["id"] for record in daemon.judged()))
        if len(first) < number:
            return None
        last = [record for record in daemon.judged() if record["id"] == first[number - 1]][-1]
        return last if last["wake"] and last["wake"]["testimony"] else None

    upload: dict[str, Any] = daemon.until(found)
    return upload


def test_said_is_expected_faint_is_explained_and_a_silent_room_accuses(home: tuple[Process, Room]) -> None:
    """The example of README.md, with default settings: nothing is known of this listener yet."""
    daemon, place = home
    time.sleep(8)
    place.say("Alexa")
    speak(2.0)
    asked = judged(daemon, 1)
    assert (asked["upload"]["class"], asked["verdict"], asked["reason"]) == ("speech", "expected", "wake_event")

    time.sleep(15)  # longer than a dialogue may go on, and than what is asked about
    place.say("Alexa", "de+f1")  # a German accent: under the model's cut-off, and not nothing
    speak(2.0)
    faint = judged(daemon, 2)
    assert (faint["verdict"], faint["reason"]) == ("expected", "wake_word_faint")
    assert 0.1 < faint["wake"]["testimony"][0]["heard"]["scores"]["alexa"] < 0.9
    assert 0.9 <= faint["confidence"] <= 0.98

    time.sleep(15)
    speak(3.5, answer=300)
    unasked = judged(daemon, 3)
    assert unasked["upload"]["class"] == "speech"
    (said,) = unasked["wake"]["testimony"]
    heard = said["heard"]
    assert said["source"] == "shelf"
    assert said["weight"] < -2
    assert heard["scores"]["alexa"] < 0.02
    assert heard["voice"] == 0
    assert (unasked["verdict"], unasked["reason"]) == ("unexpected", "no_wake_event")
    assert unasked["confidence"] > 0.9
    (alert,) = daemon.until(lambda: daemon.records("alert"))
    assert alert["upload_id"] == unasked["id"]
