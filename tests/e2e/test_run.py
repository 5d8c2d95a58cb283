"""The daemon as it is used: a real process on a real interface, a real receiver, real signals."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sniffer.demo import CAPTURE, WAKE_EVENTS
from sniffer.testing import House
from tests.capture.net import namespace, why_not
from tests.sinks.receiver import Receiver, receiver

pytestmark = [pytest.mark.root, pytest.mark.slow]

MAC = "02:00:00:00:00:0a"
CONFIG = """
capture: {{interface: lan0}}
devices:
  - {{mac: "{mac}", name: {name}}}
http:
  port: 0
  tokens:
    - {{source: ear, secret: {{env: EAR_TOKEN}}}}
wake:
  sources:
    - {{type: http, name: ear, miss_rate: 0.0001, hold_off: 0.5, heartbeat: 60, window: {{before: 1, after: 1}}}}
judge: {{max_skew: 1}}
sinks:
  webhooks:
    - {{name: phone, url: "{url}", secret: {{env: HOOK_SECRET}}}}
"""


class Process:
    """`sniffer run`, with what it says."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._log = (folder / "stderr").open("w+")
        self._out = (folder / "stdout").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "sniffer", "run", "--format", "jsonl", *arguments],
            cwd=folder,
            stdout=self._out,
            stderr=self._log,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "EAR_TOKEN": "t0p-secret-of-the-ear",
                "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            },
        )

    def said(self) -> str:
        return Path(self._log.name).read_text()

    def records(self, event_type: str) -> list[dict[str, Any]]:
        lines = Path(self._out.name).read_text().splitlines()
        return [record for line in lines if (record := json.loads(line))["event_type"] == event_type]

    def judged(self) -> list[dict[str, Any]]:
        return [record for record in self.records("upload") if record["verdict"] is not None]

    def until(self, what: Callable[[], object], seconds: float = 40) -> Any:
        """The first true answer."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := what():
                return found
            assert self._process.poll() is None, self.said()
            time.sleep(0.05)
        raise AssertionError(f"not within {seconds} s; {self.records('upload')}; it said: {self.said()}")

    @property
    def url(self) -> str:
        found = self.until(lambda: re.search(r"serving (http://\S+)", self.said()))
        return str(found.group(1))

    def get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(self.url + path, timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:  # not ready yet
            with error:
                return str(error.read().decode())

    def post(self, path: str, body: object, token: str) -> int:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Authorization": f"Bearer {token}"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def end(self) -> int:
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(20)
        finally:
            self._process.kill()
            self._log.close()
            self._out.close()


@pytest.fixture
def lan() -> Iterator[None]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with namespace():
        yield


@pytest.fixture
def hook(lan: None) -> Iterator[Receiver]:
    with receiver() as told:
        yield told


def speak(seconds: float, answer: int = 30_000) -> None:
    """A speaker sends speech, now and at the pace of speech."""
    house = House(seed=4, start_ns=time.time_ns())
    house.host("kitchen", mac=MAC).says(seconds, answer=answer).to("voice.example.com", at=0.5)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as out:
        out.bind(("far0", 0))
        for frame in house.frames():
            time.sleep(max(0.0, (frame.time_ns - time.time_ns()) / 1e9))
            out.send(frame.data[:1514])


def test_from_packets_to_somebody_who_is_told(hook: Receiver, tmp_path: Path) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text(CONFIG.format(mac=MAC, name="kitchen", url=hook.url))
    daemon = Process(tmp_path, "-c", str(config))
    try:
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n")
        heard = {"device": "kitchen"}  # the source shows that it hears
        assert daemon.post("/api/v1/wake", heard, "t0p-secret-of-the-ear") == 202
        time.sleep(5)  # longer than a word explains anything
        speak(2.0, answer=300)
        assert daemon.post("/api/v1/wake", {"kind": "source_up"}, "t0p-secret-of-the-ear") == 202
        (upload,) = daemon.until(daemon.judged)
        assert (upload["device"]["name"], upload["upload"]["class"]) == ("kitchen", "speech")
        assert (upload["verdict"], upload["reason"]) == ("unexpected", "no_wake_event")
        assert daemon.records("listening")
        daemon.until(lambda: hook.requests)
        assert hook.requests[0].headers["webhook-signature"].startswith("v1,")
        assert "kitchen" in hook.requests[0].body.decode()
        stored = json.loads(daemon.get("/api/v1/uploads"))
        assert upload["id"] in [record["id"] for record in stored]
        metrics = daemon.get("/metrics")
        assert 'sniffer_uploads_total{class="speech",device="kitchen",verdict="unexpected"} 1.0' in metrics
        assert 'sniffer_deliveries_total{outcome="delivered",sink="phone"} 1.0' in metrics

        # A wrong configuration changes nothing, however late that is found; a right one is in force without a restart.
        config.write_text("captur: {}")
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: "did you mean 'capture'?" in daemon.said())
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = f"port: {taken.getsockname()[1]}"
            config.write_text(CONFIG.format(mac=MAC, name="pantry", url=hook.url).replace("port: 0", port))
            daemon.signal(signal.SIGHUP)
            daemon.until(lambda: "cannot listen on" in daemon.said())
        assert daemon.get("/-/ready") == "capturing\n"
        assert "kitchen" in daemon.get("/api/v1/devices")
        config.write_text(CONFIG.format(mac=MAC, name="pantry", url=hook.url))
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: "in force" in daemon.said())

        # Somebody asks, with the right token; nobody else may say so.
        assert daemon.post("/api/v1/wake", {"device": "pantry"}, "wrong") == 401
        assert daemon.post("/api/v1/wake", {"device": "pantry"}, "t0p-secret-of-the-ear") == 202
        speak(1.5)
        second = daemon.until(lambda: daemon.judged()[1:])[0]
        assert (second["device"]["name"], second["verdict"]) == ("pantry", "expected")
        assert "t0p-secret-of-the-ear" not in daemon.said() + daemon.get("/metrics")
    finally:
        assert daemon.end() == 0
    assert "Traceback" not in daemon.said()


def test_an_exchanged_token_and_another_address_need_no_restart(lan: None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config, token = tmp_path / "sniffer.yaml", tmp_path / "token"
    text = f"""
capture: {{interface: lan0}}
http: {{host: 127.0.0.1, port: {port}, tokens: [{{source: ear, secret: {{file: {token}}}}}]}}
wake: {{sources: [{{type: http, name: ear}}]}}
"""
    config.write_text(text)
    token.write_text("old-token-of-the-ear")
    daemon = Process(tmp_path, "-c", str(config))
    try:
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n")
        assert daemon.post("/api/v1/wake", {}, "old-token-of-the-ear") == 202
        token.write_text("new-token-of-the-ear")
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: "in force" in daemon.said())
        assert [daemon.post("/api/v1/wake", {}, word) for word in ("old-token-of-the-ear", "new-token-of-the-ear")] == [
            401,
            202,
        ]
        config.write_text(text.replace("127.0.0.1", "192.0.2.1"))
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: "cannot listen on 192.0.2.1" in daemon.said())
        assert daemon.post("/api/v1/wake", {}, "new-token-of-the-ear") == 202
        config.write_text(text.replace("127.0.0.1", "0.0.0.0"))
        daemon.signal(signal.SIGHUP)
        daemon.until(lambda: daemon.said().count("in force") == 2)
        assert daemon.post("/api/v1/wake", {}, "new-token-of-the-ear") == 202
        assert "tokens cross the network in clear" in daemon.said()
    finally:
        assert daemon.end() == 0


def test_it_keeps_no_privilege_but_to_capture(lan: None, tmp_path: Path) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text("capture: {interface: lan0}\nhttp: {port: 0}\n")
    daemon = Process(tmp_path, "-c", str(config))
    try:
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n")
        status = Path(f"/proc/{daemon._process.pid}/status").read_text()
        held = {name: int(value, 16) for name, value in re.findall(r"Cap(Prm|Eff|Bnd):\s+([0-9a-f]+)", status)}
        assert held == {"Prm": 1 << 13, "Eff": 0, "Bnd": 0}  # CAP_NET_RAW is 13
        assert "NoNewPrivs:\t1" in status
        resident = int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
        assert resident < 100 * 1024
    finally:
        assert daemon.end() == 0


def test_a_capture_goes_through_the_same_daemon(tmp_path: Path) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text("http: {port: 0}\n")
    daemon = Process(tmp_path, "-c", str(config), "--capture", str(CAPTURE), "--wake", str(WAKE_EVENTS))
    try:
        daemon.until(lambda: "the capture has ended" in daemon.said())
        assert sorted(record["verdict"] or "-" for record in daemon.records("upload")) == [
            "-",
            "-",
            "expected",
            "expected",
            "unexpected",
        ]
        assert 'verdict="unexpected"} 1.0' in daemon.get("/metrics")
    finally:
        assert daemon.end() == 0


REPLAYED = """
http: {{port: 0}}
sinks: {{webhooks: [{{name: phone, url: "{url}"}}]}}
wake: {{sources: [{{type: file, name: ear, path: heard.jsonl, heartbeat: 86400}}]}}
"""


@pytest.mark.parametrize("deliver", [False, True])
def test_a_capture_is_told_to_nobody_and_kept_nowhere_unless_asked(
    hook: Receiver, tmp_path: Path, deliver: bool
) -> None:
    """And what an ear hears now says nothing of a time that is over."""
    (tmp_path / "sniffer.yaml").write_text(REPLAYED.format(url=hook.url))
    before = {"sniffer.yaml", "heard.jsonl", "stdout", "stderr"}
    (tmp_path / "heard.jsonl").touch()
    more = ["--deliver", "--wake", str(WAKE_EVENTS)] if deliver else []
    daemon = Process(tmp_path, "-c", "sniffer.yaml", "--capture", str(CAPTURE), *more)
    try:
        daemon.until(lambda: "the capture has ended" in daemon.said())
        if deliver:
            daemon.until(lambda: hook.requests)
        else:
            assert {record["reason"] for record in daemon.judged()} == {"wake_source_down"}
            assert "no notifications are sent for this capture; --deliver sends them to phone" in daemon.said()
    finally:
        assert daemon.end() == 0
    assert {path.name for path in tmp_path.iterdir()} == before
    assert bool(hook.requests) is deliver


def test_a_missing_interface_is_one_clear_line(lan: None, tmp_path: Path) -> None:
    daemon = Process(tmp_path, "-i", "nowhere0")
    assert daemon._process.wait(30) == 3
    assert "nowhere0" in daemon.said()
    assert daemon.said().count("\n") == 1
    daemon.end()
