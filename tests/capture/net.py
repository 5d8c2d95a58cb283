"""A network namespace with a veth pair in it, for tests with real packets; needs root."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_IFF_RUNNING = 0x40


def why_not() -> str | None:
    """Why namespaces cannot be used here, or None."""
    if os.geteuid() != 0:
        return "needs root (network namespaces)"
    if not Path("/usr/sbin/ip").exists() and not Path("/sbin/ip").exists() and not Path("/bin/ip").exists():
        return "needs iproute2"
    try:
        with namespace(pair=("try0", "try1")):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces do not work here: {error}"


def ip(*arguments: str) -> None:
    """Run `ip` in the namespace of this thread."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


@contextmanager
def namespace(pair: tuple[str, str] = ("lan0", "far0"), prefix: str = "sniffer") -> Iterator[str]:
    """This thread lives in a fresh namespace, with a pair of connected interfaces, both up, and IPv6 silent."""
    name = f"{prefix}-{uuid.uuid4().hex[:8]}"
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    ip("netns", "add", name)
    try:
        there = os.open(f"/run/netns/{name}", os.O_RDONLY)
        try:
            _enter(there)
        finally:
            os.close(there)
        for setting in ("all", "default"):
            path = Path(f"/proc/sys/net/ipv6/conf/{setting}/disable_ipv6")  # of this thread's namespace
            if path.exists():
                path.write_text("1")
        ip("link", "set", "lo", "up")
        add_pair(*pair)
        yield name
    finally:
        _enter(home)
        os.close(home)
        _end_all_in(name)
        ip("netns", "del", name)


def _end_all_in(name: str) -> None:
    """End what still runs in a namespace: a `tcpdump` whose ssh connection is gone notices with its next packet."""
    found = subprocess.run(["ip", "netns", "pids", name], check=True, capture_output=True, text=True).stdout
    for pid in map(int, found.split()):
        if pid != os.getpid():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def add_pair(near: str, far: str) -> None:
    """Two interfaces, connected and up."""
    ip("link", "add", near, "type", "veth", "peer", "name", far)
    ip("link", "set", near, "up")
    ip("link", "set", far, "up")
    wait_until_running(near, far)


def wait_until_running(*interfaces: str) -> None:
    """The kernel lets packets through a moment after an interface came up, on a busy machine a long one."""
    end = time.monotonic() + 10
    for name in interfaces:
        while not _flags(name) & _IFF_RUNNING:
            assert time.monotonic() < end, f"{name} does not come up"
            time.sleep(0.002)


def _flags(interface: str) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, 0x8913, struct.pack("=16s24x", interface.encode()))  # SIOCGIFFLAGS
    return int(struct.unpack_from("=H", answer, 16)[0])


def raw_socket(interface: str) -> socket.socket:
    """A socket that sends frames as they are, and receives none."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    raw.bind((interface, 0))
    return raw


def transmit(interface: str, *frames: bytes) -> None:
    """Send frames as they are."""
    with raw_socket(interface) as raw:
        for data in frames:
            raw.send(data)


def _enter(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
