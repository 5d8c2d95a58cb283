"""A router in a network namespace: a real sshd, a real tcpdump, a LAN with a speaker in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.l2 import Ether

from sniffer.capture.remote.source import RemoteSource
from sniffer.capture.source_settings import SshSource
from sniffer.decode import decode
from sniffer.model import Loss, Selection
from tests.capture.net import raw_socket

SPEAKER, OTHER, GATEWAY = "02:00:00:00:00:0a", "02:00:00:00:00:0b", "02:00:00:00:00:01"

#: Writes what tcpdump captured with stamps that are ahead by the seconds in SHIFT.
SHIFTED = """#!{python}
import os, struct, subprocess, sys
child = subprocess.Popen(["tcpdump", *sys.argv[1:]], stdout=subprocess.PIPE)
source, out = child.stdout, sys.stdout.buffer
out.write(source.read(24)); out.flush()
while len(head := source.read(16)) == 16:
    seconds, fraction, captured, wire = struct.unpack("=IIII", head)
    out.write(struct.pack("=IIII", seconds + {shift}, fraction, captured, wire) + source.read(captured)); out.flush()
"""


def why_not() -> str | None:
    for program in ("/usr/sbin/sshd", "/usr/bin/ssh", "/usr/bin/ssh-keygen"):
        if not Path(program).exists():
            return f"needs {program} (openssh-server, openssh-client)"
    return None if Path("/usr/bin/tcpdump").exists() or Path("/usr/sbin/tcpdump").exists() else "needs tcpdump"


@dataclass
class Router:
    """An sshd on loopback, with the key that it lets in."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def key(self) -> Path:
        return self.folder / "key"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    def settings(self, **changes: object) -> SshSource:
        values = {
            "type": "ssh", "host": "127.0.0.1", "port": self.port, "key": self.key, "known_hosts": self.known_hosts,
            "interface": "lan0", "name": "router",
        }  # fmt: skip
        return SshSource.model_validate({**values, **changes})

    def stop(self) -> None:
        """Kill the server and every session of it, as where the router loses its power."""
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout.split()
        for child in children:
            inner = subprocess.run(["ps", "-o", "pid=", "--ppid", child], capture_output=True, text=True, check=False)
            for pid in (*inner.stdout.split(), child):
                subprocess.run(["kill", "-9", pid], check=False, capture_output=True)
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        self.process = _serve(self.folder, self.port)

    def shifted_tcpdump(self, seconds: int) -> Path:
        """A tcpdump whose clock is ahead."""
        path = self.folder / f"tcpdump{seconds}"
        path.write_text(SHIFTED.format(python=sys.executable, shift=seconds))
        path.chmod(0o755)
        return path


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    Path("/run/sshd").mkdir(exist_ok=True)
    process = subprocess.Popen(
        ["/usr/sbin/sshd", "-D", "-e", "-f", str(folder / "sshd_config")], stderr=subprocess.DEVNULL
    )
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            break
    return process


@contextmanager
def router(folder: Path, port: int = 2222) -> Iterator[Router]:
    """A router in this thread's namespace."""
    for name in ("host", "key", "other_host", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "key.pub").read_text())
    public = (folder / "host.pub").read_text().split()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public[0]} {public[1]}\n")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"StrictModes no\nPermitRootLogin yes\nPasswordAuthentication no\nUsePAM no\nPidFile {folder}/pid\n"
    )
    folder.chmod(0o755)
    it = Router(folder, port, _serve(folder, port))
    try:
        yield it
    finally:
        it.stop()


@dataclass
class Traffic:
    """Numbered datagrams of a speaker, sent into an interface until the end."""

    interface: str
    mac: str = SPEAKER
    interval: float = 0.02
    sent: int = 0
    _end: threading.Event = field(default_factory=threading.Event)

    def packet(self, number: int) -> bytes:
        layers = Ether(src=self.mac, dst=GATEWAY) / IP(src="192.168.7.10", dst="52.94.233.109")
        return bytes(layers / TCP(sport=4000, dport=443, seq=number, flags="A") / bytes(20))

    def run(self) -> None:
        with raw_socket(self.interface) as raw:
            while not self._end.wait(self.interval):
                raw.send(self.packet(self.sent))
                self.sent += 1

    def __enter__(self) -> Traffic:
        self._thread = threading.Thread(target=self.run)
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._end.set()
        self._thread.join()


@dataclass
class Seen:
    """What a source handed out: numbers of packets with their times, and what was said beside."""

    numbers: list[int] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    macs: set[int] = field(default_factory=set)
    events: list[str] = field(default_factory=list)
    losses: list[Loss] = field(default_factory=list)

    def take(self, source: RemoteSource, until: Callable[[Seen], bool], seconds: float = 20.0) -> Seen:
        """Poll until something has happened."""
        end = time.monotonic() + seconds
        while not until(self):
            assert time.monotonic() < end, (self.events, self.numbers[-3:], self.losses)
            for block in source.poll(0.1):
                batch = decode(block, Selection())[0]
                mine = batch.src_port == 4000
                self.numbers += batch.tcp_seq[mine].tolist()
                self.times += batch.time_ns[mine].tolist()
                self.macs |= set(batch.eth_src.tolist())
            self.events += source.events()
            self.losses += source.losses()
        return self


def number(mac: str) -> int:
    return int(mac.replace(":", ""), 16)


__all__ = ["IP", "TCP", "UDP", "Ether"]
