"""The real daemon's HTTP server and wake sources under callers that do not behave, while a speaker speaks.

    python -m tests.hostile.doors [trick ...]

Each trick is a function that returns what is wrong, or nothing. Needs root (a namespace with a veth pair).
"""

from __future__ import annotations

import json
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sniffer.testing import House
from sniffer.web.links import PATH, SignedLink, sign
from tests.capture.net import namespace, raw_socket
from tests.e2e.test_run import Process
from tests.hostile.attacks.story import MAC

#: What `Process` hands to the daemon.
EAR, OTHER = "t0p-secret-of-the-ear", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CONFIG = f"""
capture: {{interface: lan0}}
devices: [{{mac: "{MAC}", name: kitchen}}]
http:
  port: 0
  public_url: http://127.0.0.1
  tokens:
    - {{source: ear, secret: {{env: EAR_TOKEN}}, scopes: [wake, answer, mute]}}
    - {{source: button, secret: {{env: HOOK_SECRET}}}}
store: {{path: sniffer.db}}
sinks: {{evidence: null}}
wake:
  sources:
    - {{type: http, name: ear, miss_rate: 0.0001, hold_off: 0.5, heartbeat: 60, window: {{before: 2, after: 2}}}}
    - {{type: http, name: button}}
judge: {{max_skew: 1, follow_up: {{gap: 1, unanswered_gap: 1}}}}
"""


@dataclass
class World:
    """A daemon that captures, and the folder in which it lives."""

    daemon: Process
    place: Path
    sentences: int = 0

    def speak(self) -> dict[str, Any]:
        """Let the speaker say something now; return how it was judged."""
        known = {record["id"] for record in self.daemon.judged()}
        say(self.sentences)
        self.sentences += 1
        self.post({"kind": "source_up"})
        return dict(self.daemon.until(lambda: [r for r in self.daemon.judged() if r["id"] not in known], 60)[0])

    def post(self, body: object, token: str = EAR, path: str = "/api/v1/wake") -> int:
        return self.daemon.post(path, body, token)

    def connect(self) -> socket.socket:
        parts = urlsplit(self.daemon.url)
        return socket.create_connection((parts.hostname, parts.port), timeout=10)

    def raw(self, data: bytes) -> bytes:
        """Send bytes, and return the first of the answer; nothing where the connection is closed."""
        with self.connect() as line:
            with suppress(ConnectionError, BrokenPipeError):
                line.sendall(data)
            with suppress(ConnectionError, TimeoutError):
                return line.recv(4096)
        return b""

    def log_of(self, action: Callable[[], object]) -> str:
        before = len(self.daemon.said())
        action()
        return self.daemon.said()[before:]


def say(number: int) -> None:
    """Two and a half seconds of speech on the one connection, at its own pace."""
    house = House(seed=20 + number, start_ns=time.time_ns())
    house.host("kitchen", mac=MAC).says(2.5, answer=300).to("voice.example.com", at=0.4)
    with raw_socket("far0") as line:
        for frame in house.frames():
            time.sleep(max(0.0, (frame.time_ns - time.time_ns()) / 1e9))
            line.send(frame.data)


def iso(seconds: float) -> str:
    """A time so many seconds from now."""
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


# --- wake events ------------------------------------------------------------------------------------------------------


def a_report_again(world: World) -> str:
    """The same report comes again while something else is said: it explains only what it explained."""
    report = {"device": "kitchen", "timestamp": iso(0.4)}
    if world.post(report) != 202:
        return "the report was refused"
    first = world.speak()
    time.sleep(5)
    for _ in range(10):
        world.post(report)
    second = world.speak()
    for _ in range(10):
        world.post(report)
    seen = first["verdict"], second["verdict"]
    return "" if seen == ("expected", "unexpected") else f"asked and repeated: {seen}, {second['reason']}"


def a_report_from_the_future(world: World) -> str:
    """More than a minute ahead is refused; less explains nothing now, and its source is no witness."""
    if world.post({"device": "kitchen", "timestamp": iso(90)}) != 400:
        return "a report from the future was taken"
    if world.post({"device": "kitchen", "timestamp": iso(25)}) != 202:
        return "a clock that is a little fast was refused"
    record = world.speak()
    return "" if record["verdict"] == "inconclusive" else f"{record['verdict']} ({record['reason']})"


def another_source(world: World) -> str:
    """A token speaks for its own source, whatever the body says."""
    if world.post({"device": "kitchen", "source": "ear"}, OTHER) != 202:
        return "refused"
    (wake,) = world.daemon.until(lambda: [r for r in world.daemon.records("wake") if r["source"] == "button"])
    del wake
    codes = [world.post({"source": "ear"}, "no-such-token-at-all"), world.post({"kind": "answer"}, OTHER)]
    codes.append(world.post({"upload_id": "x", "answer": "yes"}, OTHER, "/api/v1/answers"))
    return "" if codes == [401, 400, 403] else f"{codes}"


def impossible_testimony(world: World) -> str:
    """Scores beyond 1, no numbers, spans of hours, a hundred words."""
    span: dict[str, Any] = {"from": iso(-8), "to": iso(-1)}
    good = {**span, "scores": {"alexa": 0.1}, "voice": 0.4, "level_db": -38, "noise_db": -60, "seconds": 7.0}
    wrong: list[dict[str, Any]] = [
        {"scores": {"alexa": 2}},
        {"scores": {"alexa": -0.1}},
        {"scores": {"alexa": float("nan")}},
        {"scores": {"alexa": float("inf")}},
        {"scores": {"alexa": True}},
        {"scores": {str(number): 0.1 for number in range(100)}},
        {"scores": {"\u202ealexa": 0.1}},
        {"voice": 1e400},
        {"level_db": "loud"},
        {"from": iso(-8000)},
        {"to": iso(60)},
        {"from": iso(-1), "to": iso(-8)},
        {"seconds": 1e9},
        {"more": 1},
    ]
    taken = [
        str(change)
        for change in wrong
        if world.post({"kind": "testimony", "device": "kitchen", "testimony": {**good, **change}}) != 400
    ]
    if world.post({"kind": "testimony", "device": "kitchen", "testimony": good}) != 202:
        return "a possible testimony was refused"
    return f"taken: {taken}" if taken else ""


def a_flood_of_reports(world: World) -> str:
    """One token sends more events than any house has: it is limited, others are not."""
    codes = [world.post([{"device": "kitchen"}] * 200, OTHER) for _ in range(8)]
    if 429 not in codes:
        return f"1,600 events were taken: {codes}"
    return "" if world.post({"kind": "source_up"}) == 202 else "the other source is limited too"


def awkward_events(world: World) -> str:
    """Texts and numbers at the edges: each is refused or taken, none is an error of ours."""
    awkward: list[object] = [
        {"device": "\ud800"},
        {"device": "a" * 100_000},
        {"device": "\x1b[2J"},
        {"timestamp": 10**400},
        {"timestamp": "9" * 5_000},
        {"timestamp": "0001-01-01T00:00:00"},
        {"timestamp": "2026-02-30"},
        {"timestamp": -1},
        {"miss_rate": 1e308, "kind": "source_up"},
        {"kind": ["wake"]},
        {"vendor": {"a": 1}},
        [[]],
        ["x"],
        5,
        None,
        "text",
    ]
    codes = [(world.post(body), str(body)[:40]) for body in awkward]
    codes += [(world.post(b, EAR, "/api/v1/mute"), f"mute {b}"[:40]) for b in (
        {"device": "\ud800", "seconds": 5}, {"device": "kitchen", "seconds": 1e400},
        {"device": "kitchen", "until": "0001-01-01"}, {"device": "kitchen", "until": "9999-12-31"},
        {"device": "kitchen", "seconds": -5}, {"device": "kitchen", "seconds": float("nan")}, [], 7)]  # fmt: skip
    codes += [(world.post(b, EAR, "/api/v1/answers"), f"answer {b}"[:40]) for b in (
        {"upload_id": "\ud800", "answer": "yes"}, {"upload_id": 7, "answer": "yes"}, {"upload_id": "x", "answer": None},
        {"upload_id": "x" * 60_000, "answer": "yes"}, {"upload_id": "%", "answer": "no"}, [], {})]  # fmt: skip
    wrong = [item for item in codes if item[0] not in (400, 413)]
    return f"{wrong}" if wrong else ""


# --- signed links -----------------------------------------------------------------------------------------------------


def forged_links(world: World) -> str:
    """Links of another key, expired, changed, of another purpose, used twice, opened by a preview."""
    upload = world.speak()["id"]
    with sqlite3.connect(f"file:{world.place / 'sniffer.db'}?mode=ro", uri=True) as store:
        (text,) = store.execute("SELECT value FROM state WHERE name = 'links.key'").fetchone()
    key, now = bytes.fromhex(json.loads(text)), int(time.time())
    good = sign(key, SignedLink("answer-yes", upload, now + 600))
    wrong = {
        "other key": sign(bytes(32), SignedLink("answer-no", upload, now + 600)),
        "expired": sign(key, SignedLink("answer-no", upload, now - 1)),
        "no such purpose": sign(key, SignedLink("format-disk", upload, now + 600)),
        "no such upload": sign(key, SignedLink("answer-no", "nothing", now + 600)),
        "cut": good[:-2],
        "body of another": good.split(".")[0] + "." + sign(key, SignedLink("mute", MAC, now + 600)).split(".")[1],
        "long": "A" * 5_000,
        "surrogate": "%ED%A0%80.x",
        "empty": ".",
    }
    taken = [name for name, token in wrong.items() if _act(world, "POST", token) not in (400, 403, 404)]
    if taken:
        return f"followed: {taken}"
    preview = _act(world, "GET", good)
    codes = preview, _act(world, "POST", good), _act(world, "POST", good)
    if codes != (200, 200, 403):
        return f"preview, first and second use: {codes}"
    world.daemon.until(lambda: world.daemon.records("answer"), 10)
    taken = [record["upload_id"] for record in world.daemon.records("answer")]
    return "" if taken == [upload] else f"answers were taken: {taken}"


def _act(world: World, method: str, token: str) -> int:
    answer = world.raw(f"{method} {PATH}/{token} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode())
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


# --- HTTP as it should not be -----------------------------------------------------------------------------------------

_HEAD = b"POST /api/v1/wake HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + EAR.encode() + b"\r\n"
MALFORMED: dict[str, bytes] = {
    "both lengths": _HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "two lengths": _HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "negative length": _HEAD + b"Content-Length: -1\r\n\r\n{}",
    "length with sign": _HEAD + b"Content-Length: +2\r\n\r\n{}",
    "huge chunk": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFFFF\r\n" + b"x" * 70_000,
    "chunk that is no number": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "chunk extension": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n2;" + b"a" * 100_000 + b"\r\n{}\r\n0\r\n\r\n",
    "many chunks": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 80_000,
    "many trailers": _HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: y\r\n" * 50_000,
    "chunked twice": _HEAD + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": _HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
    "large body": _HEAD + b"Content-Length: 10000000\r\n\r\n" + b" " * 200_000,
    "deep": _HEAD + b"Content-Length: 60000\r\n\r\n" + b"[" * 60_000,
    "large number": _HEAD + b"Content-Length: 50000\r\n\r\n" + b"9" * 50_000,
    "large header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000 + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    "folded header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
    "zero in header": b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: localhost\n\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
    "other host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "old": b"GET /\r\n",
    "version 9": b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
    "version 2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": bytes.fromhex("160301020001000001fc0303") + bytes(500),
    "connect": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "absolute": b"GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "long path": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "zero in path": b"GET /api/v1/uploads/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "surrogate in path": b"GET /api/v1/uploads/%ED%A0%80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "surrogate in query": b"GET /api/v1/uploads?device=%ED%A0%80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "large limit": b"GET /api/v1/uploads?limit=" + b"9" * 4_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "far past": b"GET /api/v1/uploads?since=0001-01-01&until=9999-12-31T23:59:59 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "dots": b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "upgrade": b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n",
    "token of other bytes": b"POST /api/v1/wake HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xff\xfe\r\n"
    b"Content-Length: 2\r\n\r\n{}",
    "half a character": _HEAD + b'Content-Length: 14\r\n\r\n{"device":"\xc3"}',
    "many requests at once": b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n" * 2_000,
}


def malformed(world: World) -> str:
    """Each gets an answer below 500 or is disconnected, and leaves no traceback."""
    wrong = []

    def all_of_them() -> None:
        for name, data in MALFORMED.items():
            answer = world.raw(data)
            if answer[:9] in (b"HTTP/1.1 ", b"HTTP/1.0 ") and answer[9:10] != b"5":
                continue
            if answer:
                wrong.append(f"{name}: {answer[:60]!r}")

    log = world.log_of(all_of_them)
    if "Traceback" in log:
        wrong.append(log[:2_000])
    if world.daemon.get("/-/healthy") != "sniffer lives\n":
        wrong.append("it does not answer")
    return "; ".join(wrong)


@contextmanager
def held(world: World) -> Iterator[None]:
    """Half headers, drips, half bodies, readers that read nothing, streams that are not read."""
    halves = [b"", b"GET /metrics HTTP/1.1\r\nHost: loc", _HEAD + b"Content-Length: 500\r\n\r\n{"]
    unread = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 300
    stream = b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with ExitStack() as stack:
        for number in range(150):
            with suppress(OSError):
                line = stack.enter_context(world.connect())
                line.setblocking(False)
                with suppress(BlockingIOError):
                    line.send([*halves, unread, stream][number % 5])
        yield


def slow_callers(world: World) -> str:
    """While many connections are held, reports get through and what is said is judged."""
    with held(world):
        record = world.speak()
        healthy = world.daemon.get("/-/healthy")
    if record["verdict"] != "unexpected" or healthy != "sniffer lives\n":
        return f"{record['verdict']} ({record['reason']}), {healthy!r}"
    return ""


TRICKS: dict[str, Callable[[World], str]] = {
    trick.__name__: trick
    for trick in (
        awkward_events,
        another_source,
        impossible_testimony,
        malformed,
        slow_callers,
        a_report_again,  # old times make a source no witness for a while
        forged_links,
        a_report_from_the_future,
        a_flood_of_reports,
    )
}


@contextmanager
def watching() -> Iterator[World]:
    """A daemon in a namespace of its own."""
    with ExitStack() as stack:
        stack.enter_context(namespace(prefix="hostile"))
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hostile-")))
        place.chmod(0o777)
        (place / "sniffer.yaml").write_text(CONFIG)
        daemon = Process(place, "-c", "sniffer.yaml")
        stack.callback(daemon.end)
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n", 120)
        world = World(daemon, place)
        world.post({"device": "kitchen"})  # the listener shows that it hears
        time.sleep(6)  # longer than that explains anything
        yield world


def memory_mib(pid: int) -> float:
    """The largest resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> int:
    """Try the tricks that were named, or all, one after another on one daemon."""
    failed = 0
    with watching() as world:
        for name in sys.argv[1:] or TRICKS:
            began = time.monotonic()
            try:
                wrong = TRICKS[name](world)
            except (AssertionError, OSError, subprocess.SubprocessError) as error:
                wrong = f"{type(error).__name__}: {str(error)[-1_500:]}"
            print(f"{'FAILED' if wrong else 'held  '} {name:28} {time.monotonic() - began:5.1f} s  {wrong}", flush=True)
            failed += bool(wrong)
        print(f"{memory_mib(world.daemon._process.pid):.0f} MiB at most")
        log = world.daemon.said()
        if "Traceback" in log:
            print(log[log.index("Traceback") - 200 :][:3_000])
            failed += 1
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
