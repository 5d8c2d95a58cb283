"""Kill the whole daemon with -9 while speakers send, again and again, and count what reached the receiver.

    python -m tests.e2e.killed --kills 300

A house's packets pass by on a clock that runs faster than ours and never stops; each life of the daemon sees those
that pass while it lives. Every upload that passed in one life, with a moment to spare, must be told exactly once: its
verdict may come lives later.
"""

import argparse
import itertools
import logging
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from sniffer.model.clock import SECOND
from sniffer.testing import House, frame_block
from tests.app.test_daemon import Source
from tests.sinks.builders import bare_notice

START = 1_795_000_000 * SECOND
MAC = "68:db:f5:90:19:64"
#: Virtual seconds in one of ours; between two utterances; from the last packet of one until it is final.
SPEED, EVERY, SPARE = 20.0, 6.0, 4.0
#: How long the ear is waited for: many a verdict is due in the next life, or the one after.
HOLD_OFF = 10.0


class FastClock:
    """Virtual time, the same in all processes."""

    def __init__(self, zero: float) -> None:
        self._zero = zero

    def now_ns(self) -> int:
        return START + round((time.monotonic() - self._zero) * SPEED * SECOND)

    def monotonic(self) -> float:
        return time.monotonic() * SPEED


class Passing(Source):
    """The packets that pass while we live. Before the next are asked for, those before were judged and kept: until
    when that is so is written down, for whoever counts after the kill."""

    def __init__(self, frames, clock: FastClock, diary: int) -> None:
        self._last, self._diary = clock.now_ns(), diary
        super().__init__(clock, [frame for frame in frames if frame.time_ns > self._last])

    def poll(self, timeout: float):
        os.pwrite(self._diary, self._last.to_bytes(8, "little"), 0)
        time.sleep(timeout)
        now = self._last = self.clock.now_ns()
        passed = list(itertools.takewhile(lambda frame: frame.time_ns <= now, self.frames))
        self.frames = self.frames[len(passed) :]
        return [frame_block(passed, interface="br-lan")] if passed else []

    def complete_ns(self) -> int:
        return self._last


def live(folder: Path, port: int, zero: float, frames, rulebook) -> None:
    """One life of the daemon, until it is killed or told to end."""
    from sniffer.app.build import build_pipeline
    from sniffer.app.config import parse_config
    from sniffer.app.daemon import Daemon, Edges
    from sniffer.model import WakeSource
    from sniffer.model.clock import SystemClock
    from sniffer.sinks.delivery.outbox import Outbox
    from sniffer.sinks.delivery.targets import build_targets
    from sniffer.sinks.metrics import Metrics
    from sniffer.sinks.storage.store import Store
    from tests.sinks.torture import KEY

    config = parse_config(
        f"""
devices: [{{mac: "{MAC}", name: kitchen}}]
alerts: {{cooldown_minutes: 0, max_per_hour: 10000, digest: false}}
store: {{path: {folder}/sniffer.db}}
sinks:
  webhooks: [{{name: hook, url: "http://127.0.0.1:{port}/", secret: {{env: KEY}}, events: [alert], timeout: 2}}]
  outbox: {{backoff_seconds: 0.005, max_backoff_seconds: 0.02}}
""",
        "sniffer.yaml",
    )
    clock, store, metrics = FastClock(zero), Store(config.store), Metrics(process=False)
    targets = build_targets(config.sinks, lambda secret: KEY, bare_notice, store, SystemClock())
    outbox = Outbox(store, SystemClock(), targets, settings=config.sinks.outbox, metrics=metrics)
    names = ("identify", "detect", "judge", "history", "alerts")
    state = {name: store.state_get(f"stage.{name}") for name in names}
    ear = WakeSource("ear", miss_rate=0.0, measured=False, assumed_up=True, hold_off=HOLD_OFF)
    pipeline = build_pipeline(config, rulebook, [ear], "br-lan", offline=False, state=state)
    daemon = Daemon(
        source=Passing(frames, clock, os.open(folder / "diary", os.O_WRONLY | os.O_CREAT)),
        edges=Edges(pipeline, [outbox]),
        store=store,
        metrics=metrics,
        clock=clock,
        poll_timeout=0.01,
    )
    signal.signal(signal.SIGTERM, lambda number, frame: daemon.stop())
    outbox.start()
    print(f"{clock.now_ns()}", flush=True)
    daemon.run()
    while store.read("SELECT COUNT(*) FROM messages WHERE status = 'pending'") != [(0,)]:
        time.sleep(0.01)
    outbox.close()
    store.close()


def nursery(folder: Path, port: int, zero: float) -> None:
    """Forks one daemon after another from a process that has read everything."""
    import httpx  # noqa: F401 - imported once, before any child

    import sniffer.app.daemon
    import sniffer.sinks.delivery.webhook
    import sniffer.web.api  # noqa: F401
    from sniffer.app.build import load_rulebook
    from sniffer.app.config import Config

    logging.disable()
    rulebook = load_rulebook(Config())
    frames = pickle.loads((folder / "frames").read_bytes())
    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        if line == "live\n":
            child = os.fork()
            if child == 0:
                live(folder, port, zero, frames, rulebook)
                os._exit(0)
        else:
            os.kill(child, signal.SIGKILL if line == "kill\n" else signal.SIGTERM)
            print(os.waitpid(child, 0)[1], flush=True)


@dataclass
class Outcome:
    """What was said, in which lives, and what arrived: upload id -> the message ids under which it was told."""

    kills: int = 0
    said: list[tuple[int, int]] = field(default_factory=list)
    #: From when on, and until when what passed was judged and kept.
    lives: list[tuple[int, int]] = field(default_factory=list)
    told: dict[str, set[str]] = field(default_factory=dict)
    answered: Counter[str] = field(default_factory=Counter)

    def whole(self) -> list[tuple[int, int]]:
        """Utterances that passed in one life, with a moment to spare, and whose verdict was due before the end."""
        spare, due = round(SPARE * SECOND), self.lives[-1][1] - round((HOLD_OFF + 2 * SPARE) * SECOND)
        return [
            (start, end)
            for start, end in self.said
            if end <= due and any(born + SECOND <= start and end + spare <= kept for born, kept in self.lives)
        ]

    def lost(self) -> list[int]:
        """Those of them that nobody was told about."""
        starts = [start_of(upload) for upload in self.told]
        return [start for start, _ in self.whole() if not any(abs(start - other) < SECOND for other in starts)]

    def doubled(self) -> list[str]:
        """Uploads that were told under more than one id."""
        return [upload for upload, ids in self.told.items() if len(ids) > 1]


def start_of(upload: str) -> int:
    """When an upload began: its id says it to the millisecond."""
    from datetime import UTC, datetime

    moment = datetime.strptime(upload[:19], "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
    return round(moment.timestamp() * 1000) * 1_000_000


def torture(folder: Path, kills: int, seed: int = 0) -> Outcome:
    """So many lives, and a last one that ends in peace."""
    from tests.sinks.torture import Count, Receiver

    chance, outcome = random.Random(seed), Outcome()
    house = House(seed=seed, start_ns=START)
    host = house.host("kitchen", MAC)
    seconds = kills * 2 * SPEED + 120
    at = 40.0
    while at < seconds:
        length = chance.choice([2.0, 3.0, 4.0])
        host.says(length).to("voice.example.com", at=at)
        outcome.said.append((START + round(at * SECOND), START + round((at + length + 0.5) * SECOND)))
        at += EVERY + length
    (folder / "frames").write_bytes(pickle.dumps(list(house.frames())))
    count = Count()
    receiver = Receiver(
        chance, count, told=lambda data, name: outcome.told.setdefault(data["upload_id"], set()).add(name)
    )
    zero = time.monotonic() + 2
    command = [sys.executable, "-m", "tests.e2e.killed", "--nursery", str(folder), str(receiver.port), str(zero)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def ask(line: str) -> str:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()
        return process.stdout.readline().strip()

    try:
        assert process.stdout.readline() == "ready\n"
        time.sleep(max(0.0, zero - time.monotonic()))
        for life in range(kills + 1):
            if chance.random() < 0.1:
                receiver.go_away(chance.random() * 0.05)
            born = int(ask("live"))
            time.sleep(chance.uniform(0.4, 2.0) if life < kills else 1.0)
            if life == kills:
                receiver.faults = False
                time.sleep(1)
                assert ask("end") == "0"
            else:
                assert ask("kill") == "9"  # and not of its own
                outcome.kills += 1
            kept = int.from_bytes((folder / "diary").read_bytes(), "little")
            if kept > born:  # it lived for a turn
                outcome.lives.append((born, kept))
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        receiver.close()
    outcome.answered = count.answered
    return outcome


def main() -> None:
    if sys.argv[1:2] == ["--nursery"]:
        nursery(Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = torture(Path(folder), asked.kills, asked.seed)
    whole, again = len(outcome.whole()), sum(times - 1 for times in outcome.answered.values())
    print(f"seed {asked.seed}: {outcome.kills} kills, {len(outcome.said)} utterances, {whole} of them in one life:")
    print(f"{len(outcome.lost())} lost, {len(outcome.doubled())} under a second id, {again} again under their own")
    sys.exit(bool(outcome.lost() or outcome.doubled()))


if __name__ == "__main__":
    main()
