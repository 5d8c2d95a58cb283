"""The daemon on a living network: real packets in, verdicts out, whatever happens to the interface."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.testing import Frame, House
from tests.capture.net import add_pair, ip, namespace, raw_socket, why_not

REASON = why_not()
pytestmark = [pytest.mark.root, pytest.mark.skipif(REASON is not None, reason=str(REASON)), pytest.mark.slow]
ROOT = Path(__file__).parents[2]
MAC = "02:00:00:00:00:0a"


class Running:
    """`sniffer run` on lan0, its records as they come."""

    def __init__(self, folder: Path) -> None:
        config = folder / "sniffer.yaml"
        config.write_text(
            f"capture:\n  interface: lan0\nhttp:\n  port: 0\nstore:\n  path: {folder}/sniffer.db\n"
            f"sinks:\n  event_log: null\ndevices:\n  - {{mac: '{MAC}', name: kitchen}}\n"
        )
        command = [sys.executable, "-m", "sniffer", "run", "-c", str(config), "--format", "jsonl"]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
        )
        self.said: list[str] = []
        self._serving = threading.Event()
        self._records: queue.Queue[tuple[float, dict[str, Any]]] = queue.Queue()
        self._readers = [threading.Thread(target=self._read), threading.Thread(target=self._listen)]
        for reader in self._readers:
            reader.start()
        assert self._serving.wait(60), self.said

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._records.put((time.monotonic(), json.loads(line)))

    def _listen(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line.rstrip())
            if "capturing on" in line or "serving" in line:
                self._serving.set()

    def record(self, kind: str, seconds: float = 20) -> tuple[float, dict[str, Any]]:
        """The next record of that kind, and when it came."""
        end = time.monotonic() + seconds
        while True:
            left = end - time.monotonic()
            assert left > 0, f"no {kind} record: {self.said}"
            try:
                at, record = self._records.get(timeout=left)
            except queue.Empty:
                continue
            if record["event_type"] == kind:
                return at, record

    def waiting(self) -> bool:
        """Is there a record that nobody asked for yet?"""
        return not self._records.empty()

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(20)
        for reader in self._readers:
            reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return status


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    with namespace():
        daemon = Running(tmp_path)
        yield daemon
        if daemon.process.poll() is None:
            daemon.end()


def speech(seconds: float, seed: int) -> list[Frame]:
    house = House(seed=seed)
    house.host("kitchen", mac=MAC).says(seconds).to("voice.example.com", at=0.5)
    return list(house.frames())


def play(frames: list[Frame]) -> float:
    """Send frames at their own pace; when it began."""
    first_ns = frames[0].time_ns
    with raw_socket("far0") as raw:
        began = time.monotonic()
        for one in frames:
            wait = (one.time_ns - first_ns) / 1e9 - (time.monotonic() - began)
            if wait > 0:
                time.sleep(wait)
            raw.send(one.data)
    return began


def test_speech_is_heard_and_judged_before_and_after_the_interface_was_created_anew(running: Running) -> None:
    time.sleep(0.5)
    began = play(speech(2.5, seed=5))
    told, listening = running.record("listening")
    assert listening["device"]["name"] == "kitchen"
    assert told - began < 4
    _, upload = running.record("upload")
    assert (upload["device"]["name"], upload["upload"]["class"]) == ("kitchen", "speech")
    assert (upload["verdict"], upload["capture"]) == ("inconclusive", "lan0")

    ip("link", "del", "lan0")
    time.sleep(0.2)
    add_pair("lan0", "far0")
    _, loss = running.record("loss")
    assert (loss["interface"], loss["packets"]) == ("lan0", 0)

    play(speech(2.5, seed=6))
    _, upload = running.record("upload")
    assert upload["upload"]["class"] == "speech"

    assert running.end() == 0
    said = "\n".join(running.said)
    assert "Traceback" not in said
    assert "lan0: is up, after" in said
