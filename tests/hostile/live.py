"""Attacks against the real daemon: each in a namespace of its own, over a veth pair, at the pace of the story.

    python -m tests.hostile.live [--jobs 4] [attack or kind ...]

A listener that misses nothing is up and has shown that it hears, so a sentence that nobody asked for is `unexpected`.
The outcome is read from the records that `sniffer run` prints and from its metrics. Needs root.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sniffer.testing import wire
from sniffer.testing.pcap import Frame
from tests.capture.net import ip, namespace, raw_socket
from tests.e2e.test_run import Process
from tests.hostile.attacks import ATTACKS
from tests.hostile.attacks.story import END, LAPTOP, MAC, ROUTER, Attack, Outcome, Story, verdicts

TOKEN = "t0p-secret-of-the-ear"
CONFIG = """
capture: {interface: lan0}
http: {port: 0, tokens: [{source: ear, secret: {env: EAR_TOKEN}}]}
store: {path: sniffer.db}
sinks: {event_log: null, evidence: null}
wake:
  sources:
    - {type: http, name: ear, miss_rate: 0.0001, hold_off: 0.5, heartbeat: 60, window: {before: 1, after: 1}}
"""
JUDGE = "judge: {max_skew: 1, call_setup: 1}\n"
#: Seconds between two signs of life of the listener.
ALIVE_EVERY = 4.0


@dataclass(frozen=True)
class Result:
    """One attack and what came of it; `failed` is empty where the promise held."""

    attack: Attack
    failed: str
    seen: str

    def __str__(self) -> str:
        return f"{'FAILED' if self.failed else 'held  '} {self.attack.name:32} {self.failed}  [{self.seen}]"


def run(attack: Attack) -> Result:
    """Let one attack happen, and judge its outcome."""
    with (
        namespace(prefix="hostile") as _,
        tempfile.TemporaryDirectory(prefix="hostile-") as folder,
        ExitStack() as stack,
    ):
        for end in ("lan0", "far0"):
            ip("link", "set", end, "mtu", "9000")
        if attack.on_router:
            ip("link", "set", "lan0", "address", ROUTER)
            ip("address", "add", "192.168.1.1/24", "dev", "lan0")
            Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
        place = Path(folder)
        place.chmod(0o777)
        (place / "sniffer.yaml").write_text(CONFIG + attack.sources + JUDGE + attack.config)
        daemon = Process(place, "-c", "sniffer.yaml")
        stack.callback(daemon.end)
        daemon.until(lambda: daemon.get("/-/ready") == "capturing\n", 120)
        outcome = _happen(attack, daemon)
        failed = attack.holds(outcome) if outcome.alive else "the daemon ended"
        return Result(attack, failed, verdicts(outcome))


def _happen(attack: Attack, daemon: Process) -> Outcome:
    story = attack.story(time.time_ns() + 3_000_000_000)
    frames = sorted(attack.forge(story), key=lambda frame: frame.time_ns)
    late = time.time_ns() - story.house.start_ns
    if late > 0:  # building took longer
        story = attack.story(time.time_ns() + 2_000_000_000 + 2 * late)
        frames = sorted(attack.forge(story), key=lambda frame: frame.time_ns)
    end = max(END, *(end + 3 for _, end in story.sentences), END)
    due = [(story.at(1.0 + ALIVE_EVERY * number), {"kind": "source_up"}) for number in range(round(end / ALIVE_EVERY))]
    due += [
        *((story.at(2.5), {"device": mac}) for mac in (MAC, LAPTOP)),
        *((story.at(at), dict(body)) for at, body in attack.events),
    ]
    due.sort(key=lambda item: item[0])
    _send(
        frames,
        _leaving(story) if attack.on_router else frozenset(),
        due,
        lambda body: daemon.post("/api/v1/wake", body, TOKEN),
    )
    while time.time_ns() < story.at(end):
        time.sleep(0.2)
    daemon.post("/api/v1/wake", {"kind": "source_up"}, TOKEN)
    outcome = _read(attack, story, daemon)
    patience = time.monotonic() + 25
    while outcome.alive and time.monotonic() < patience and (not story.sentences or attack.holds(outcome)):
        time.sleep(1)  # verdicts wait for silence
        if not story.sentences and time.monotonic() > patience - 15:
            break
        outcome = _read(attack, story, daemon)
    return outcome


def _leaving(story: Story) -> frozenset[int]:
    """The true frames of the router."""
    router = wire.mac_bytes(ROUTER)
    return frozenset(id(frame.data) for frame in story.frames if frame.data[6:12] == router)


def _send(
    frames: Iterable[Frame],
    leaving: Collection[int],
    due: list[tuple[int, dict[str, object]]],
    post: Callable[[object], int],
) -> None:
    """Send frames when they are due, and the listener's reports between them."""
    events = iter(due)
    following = next(events, None)
    with raw_socket("far0") as far, raw_socket("lan0") as near:
        for frame in frames:
            while following is not None and following[0] <= frame.time_ns:
                time.sleep(max(0.0, (following[0] - time.time_ns()) / 1e9))
                post(following[1])
                following = next(events, None)
            time.sleep(max(0.0, (frame.time_ns - time.time_ns()) / 1e9))
            (near if id(frame.data) in leaving else far).send(frame.data)
    while following is not None:
        time.sleep(max(0.0, (following[0] - time.time_ns()) / 1e9))
        post(following[1])
        following = next(events, None)


def _read(attack: Attack, story: Story, daemon: Process) -> Outcome:
    alive = daemon._process.poll() is None
    records = [record for kind in ("upload", "listening", "device", "loss", "wake") for record in daemon.records(kind)]
    return Outcome(story, records, daemon.said(), daemon.get("/metrics") if alive else "", alive)


def main() -> int:
    """Run the attacks that were named, by name or kind, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("attacks", nargs="*", default=[])
    parser.add_argument("--jobs", type=int, default=4)
    arguments = parser.parse_args()
    named = set(arguments.attacks)
    chosen = [attack for attack in ATTACKS.values() if not named or {attack.name, attack.kind} & named]
    failed, number = 0, count(1)
    with ThreadPoolExecutor(arguments.jobs) as pool:  # a namespace is a thread's
        for result in pool.map(run, chosen):
            print(f"{next(number):3}/{len(chosen)} {result}", flush=True)
            failed += bool(result.failed)
    print(f"{len(chosen)} attacks, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
