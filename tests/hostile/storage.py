"""Faults of the place where the daemon keeps things, while it runs: the watch goes on, and the log reports the loss.

    python -m tests.hostile.storage [fault ...]

For each fault: one utterance before it, one during it, one after it was repaired (where it can be), then a restart.
Needs root.
"""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.app.test_full_disk import fill
from tests.capture.net import namespace
from tests.e2e.test_run import Process
from tests.hostile.floods import MAC, _sending, utterance

CONFIG = f"""
capture: {{interface: lan0}}
devices: [{{mac: "{MAC}", name: kitchen}}]
http: {{port: 0}}
store: {{path: state/sniffer.db}}
sinks: {{event_log: {{path: state/events.jsonl}}, evidence: {{folder: state/evidence}}}}
"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was judged before, during and after the fault, what the log said because of it, and what remained."""

    fault: str
    judged: tuple[int, int, int]
    said: tuple[str, ...]
    stored: int
    restarted: bool

    @property
    def held(self) -> bool:
        """Whether everything was judged and kept, and the daemon starts again."""
        return self.judged == (1, 1, 1) and self.stored == 3 and self.restarted

    def __str__(self) -> str:
        said = " / ".join(self.said)[:600]
        return (
            f"{self.fault:12} judged {self.judged}, {len(self.said)} lines said, {self.stored} stored, "
            f"{'starts again' if self.restarted else 'DOES NOT START AGAIN'}: {said}"
        )


def full(state: Path) -> None:
    """No room is left."""
    fill(state)


def removed(state: Path) -> None:
    """Everything in the folder is removed."""
    for entry in state.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def forbidden(state: Path) -> None:
    """The folder and all in it belong to another user."""
    for entry in (state, *state.rglob("*")):
        os.chown(entry, 12345, 12345)
        entry.chmod(0)


def overwritten(state: Path) -> None:
    """Random bytes stand in the middle of the store and of its log."""
    chance = random.Random(4)
    for path in (state / "sniffer.db", state / "sniffer.db-wal"):
        if path.exists() and path.stat().st_size:
            with path.open("r+b") as stream:
                for at in range(0, path.stat().st_size, 997):
                    stream.seek(at)
                    stream.write(chance.randbytes(40))


def cut(state: Path) -> None:
    """The store and the event log are cut to nothing."""
    for name in ("sniffer.db", "sniffer.db-wal", "events.jsonl"):
        if (state / name).exists():
            os.truncate(state / name, 0)


def _repair(state: Path, fault: str) -> None:
    if fault == "full":
        (state / "filler").unlink()
    elif fault == "forbidden":
        owner = state.parent.stat()
        for entry in (state, *state.rglob("*")):
            os.chown(entry, owner.st_uid, owner.st_gid)
            entry.chmod(0o700)


FAULTS: dict[str, Callable[[Path], None]] = {
    "full": full,
    "removed": removed,
    "forbidden": forbidden,
    "overwritten": overwritten,
    "cut": cut,
}


@contextmanager
def _file_system(place: Path) -> Iterator[Path]:
    state = place / "state"
    state.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "tmpfs", state], check=True)
    try:
        yield state
    finally:
        subprocess.run(["umount", "-l", state], check=True)


def _speak(daemon: Process, number: int) -> int:
    with _sending(utterance()):
        pass
    try:
        daemon.until(lambda: len(daemon.judged()) >= number, 60)
    except AssertionError:
        return 0
    return 1


def measure(name: str) -> Outcome:
    """One fault while one daemon runs."""
    with namespace(), tempfile.TemporaryDirectory(prefix="sniffer-state-") as folder:
        place = Path(folder)
        place.chmod(0o777)
        (place / "sniffer.yaml").write_text(CONFIG)
        with _file_system(place) as state:
            daemon = Process(place, "-c", "sniffer.yaml")
            try:
                daemon.until(lambda: daemon.get("/-/ready") == "capturing\n", 120)
                before = _speak(daemon, 1)
                known = len(daemon.said().splitlines())
                FAULTS[name](state)
                during = _speak(daemon, 2)
                said = tuple(daemon.said().splitlines()[known:])
                _repair(state, name)
                after = _speak(daemon, 3)
            finally:
                daemon.end()
            again = Process(place, "-c", "sniffer.yaml")
            try:
                again.until(lambda: again.get("/-/ready") == "capturing\n", 120)
                restarted = True
            except AssertionError:
                restarted = False
            finally:
                again.end()
            command = [sys.executable, "-m", "sniffer", "uploads", "-c", "sniffer.yaml", "--format", "jsonl"]
            env = {**os.environ, "PYTHONPATH": str(Path.cwd())}
            done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, env=env)
            stored = done.stdout
            return Outcome(name, (before, during, after), said, len(stored.splitlines()), restarted)


def main() -> int:
    """Try the faults that were named, or all."""
    failed = False
    for name in sys.argv[1:] or FAULTS:
        outcome = measure(name)
        print(outcome, flush=True)
        failed |= not outcome.held
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
