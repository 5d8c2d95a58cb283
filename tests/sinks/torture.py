"""Kill the daemon's outbox with -9 and its receiver at random moments, then count what arrived.

    python -m tests.sinks.torture --kills 500

A process that has everything imported forks a child for each life, so that a life can last a few milliseconds. The
child writes numbered alerts (each with its number in one transaction) and delivers them; the receiver is in this
process: it answers, refuses, breaks the connection before or after it has taken a message, and goes away.
"""

import argparse
import base64
import logging
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from standardwebhooks.webhooks import Webhook as Verifier

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


@dataclass
class Count:
    """What happened. `answered` counts by id how often a message was taken and the answer was sent."""

    kills: int = 0
    made: int = 0
    answered: Counter[str] = field(default_factory=Counter)
    unanswered: int = 0
    refused: int = 0
    outages: int = 0
    order: list[int] = field(default_factory=list)

    @property
    def arrived(self) -> set[int]:
        return set(self.order)

    @property
    def repeated(self) -> int:
        """Messages that were taken and answered more than once."""
        return sum(times - 1 for times in self.answered.values() if times > 1)


# --- the child: a store, an outbox, alerts ---------------------------------------------------------------------------


def alert(number: int) -> dict:
    return {
        "event_type": "alert",
        "id": f"alert-{number}",
        "number": number,
        "level": "high",
        "timestamp": "2026-11-22T18:00:00.000000Z",
        "summary": str(number),
    }


def live(path: str, port: int, most: int) -> None:
    """One life: write alerts up to `most` in all, deliver, and end when nothing waits."""
    from sniffer.model.clock import SystemClock
    from sniffer.settings.base import Secret
    from sniffer.sinks.delivery.outbox import Outbox
    from sniffer.sinks.delivery.queue import Messages
    from sniffer.sinks.delivery.webhook import Webhook
    from sniffer.sinks.settings import OutboxSettings, StoreSettings, WebhookSettings
    from sniffer.sinks.storage.store import Store
    from tests.sinks.builders import bare_notice

    store = Store(StoreSettings(path=Path(path)))
    settings = WebhookSettings(name="hook", url=f"http://127.0.0.1:{port}/", secret=Secret(env="KEY"), timeout=2)
    target = Webhook(settings, lambda secret: KEY, bare_notice)
    # On a busy machine more is written in a life than is delivered: what waits must not exceed the outbox, which would
    # drop the oldest and report their number.
    quick = OutboxSettings(backoff_seconds=0.005, max_backoff_seconds=0.02, max_messages=1_000_000)
    box = Outbox(store, SystemClock(), [target], settings=quick)
    box.start()
    number = store.state_get("number") or 0
    while number < most:
        with store.transaction():
            number += 1
            store.state_set("number", number)
            box.emit(alert(number))
        time.sleep(0.002)
    while Messages(store).count("hook")[0]:
        time.sleep(0.01)
    box.close()
    store.close()


def nursery(path: str, port: int) -> None:
    """Forks a child for each line `live MOST`, kills it on `kill`, waits for it on `wait`."""
    import os
    import signal

    import httpx  # noqa: F401 - imported once, before any child: a life of some milliseconds has no time for it

    import sniffer.sinks.delivery.webhook  # noqa: F401
    import tests.sinks.builders  # noqa: F401

    logging.disable()

    print("ready", flush=True)
    child = 0
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "live":
            child = os.fork()
            if child == 0:
                live(path, port, int(rest[0]))
                os._exit(0)
        else:
            if word == "kill":
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            print(status, flush=True)


# --- the receiver ----------------------------------------------------------------------------------------------------


class Receiver:
    """A server on a socket of our own, so that a connection can be broken at any point."""

    def __init__(
        self, chance: random.Random, count: Count, told: Callable[[dict, str], object] = lambda data, message_id: None
    ) -> None:
        self.faults = True
        self._chance, self._count, self._told = chance, count, told
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open = True
        self._verifier = Verifier(KEY)
        threading.Thread(target=self._serve, daemon=True).start()

    def go_away(self, seconds: float) -> None:
        """Nobody listens for a while."""
        self._count.outages += 1
        self._stop_listening()
        time.sleep(seconds)
        self._listener = socket.create_server(("127.0.0.1", self.port))

    def close(self) -> None:
        self._open = False
        self._stop_listening()

    def _stop_listening(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # ends the accept that another thread is in
        self._listener.close()

    def _serve(self) -> None:
        while self._open:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                time.sleep(0.001)
                continue
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            try:
                while self._one(connection, stream):
                    pass
            except (OSError, ValueError):
                pass

    def _one(self, connection: socket.socket, stream) -> bool:
        if not stream.readline():
            return False
        headers: dict[str, str] = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers["content-length"]))
        if len(body) < int(headers["content-length"]):
            return False
        fault = self._chance.random() if self.faults else 1.0
        if fault < 0.05:
            return False  # broken before it was taken
        if fault < 0.2:
            self._count.refused += 1
            connection.sendall(
                f"HTTP/1.1 {self._chance.choice([500, 503, 429])} No\r\ncontent-length: 0\r\n\r\n".encode()
            )
            return True
        data = self._verifier.verify(body, headers)["data"]
        self._count.order.append(data.get("number"))
        self._told(data, headers["webhook-id"])
        if fault < 0.25:
            self._count.unanswered += 1
            return False  # taken, and the answer is lost
        connection.sendall(b"HTTP/1.1 204 Yes\r\ncontent-length: 0\r\n\r\n")
        self._count.answered[headers["webhook-id"]] += 1
        return True


# --- the test --------------------------------------------------------------------------------------------------------


def torture(folder: Path, kills: int, seed: int = 0, alerts_a_life: int = 20) -> Count:
    """Kill so many times, then let it finish, and count."""
    chance, count = random.Random(seed), Count()
    receiver = Receiver(chance, count)
    command = [sys.executable, "-m", "tests.sinks.torture", "--nursery", str(folder / "sniffer.db"), str(receiver.port)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert process.stdin is not None
    assert process.stdout is not None

    def tell(line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line + "\n")
        process.stdin.flush()

    try:
        assert process.stdout.readline() == "ready\n"
        for life in range(1, kills + 1):
            tell(f"live {life * alerts_a_life}")
            if chance.random() < 0.1:
                receiver.go_away(chance.random() * 0.05)
            time.sleep(chance.choice([0.05, 0.1, 0.3]) * (0.5 + chance.random()))
            tell("kill")
            process.stdout.readline()
            count.kills += 1
        receiver.faults = False
        count.made = kills * alerts_a_life
        tell(f"live {count.made}")
        tell("wait")
        assert process.stdout.readline().strip() == "0"
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
        receiver.close()
    return count


def main() -> None:
    if sys.argv[1:2] == ["--nursery"]:
        nursery(sys.argv[2], int(sys.argv[3]))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        count = torture(Path(folder), asked.kills, asked.seed)
        lost = set(range(1, count.made + 1)) - count.arrived
        print(
            f"seed {asked.seed}: {count.kills} kills and {count.outages} outages in {time.monotonic() - began:.0f} s,"
        )
        print(f"{count.refused} refusals, {count.unanswered} answers that never arrived")
        print(f"{count.made} alerts under {len(count.answered)} ids: {len(lost)} lost,")
        print(f"{count.repeated} came again after they were answered (killed between sending and recording)")
        sys.exit(bool(lost) or count.repeated > count.kills or len(count.answered) != count.made)


if __name__ == "__main__":
    main()
