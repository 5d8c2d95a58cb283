"""`tcpdump` on a router, over the system's OpenSSH: its keys, its known hosts, its settings in ~/.ssh/config.

The remote command is one word list that any shell reads alike (sh, ash of BusyBox, csh of OPNsense and pfSense).
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import BinaryIO, cast

from sniffer.capture.remote.expression import filter_expression
from sniffer.capture.remote.feed import Connection, Keys, stream_blocks
from sniffer.capture.source_settings import SshSource
from sniffer.errors import CaptureError
from sniffer.model import FrameBlock

#: What OpenSSH and tcpdump say, and what to do about it.
COMPLAINTS = (
    (
        "HOST IDENTIFICATION HAS CHANGED",
        "its host key has changed: compare it on the router, then replace it in {known_hosts}",
    ),
    (
        "Host key verification failed",
        "its host key is not known: `ssh-keyscan -p {port} {host}` shows it; compare it on the router, then add it to "
        "{known_hosts}",
    ),
    ("not accessible", "the key {key} cannot be read by this user"),
    ("Load key", "the key {key} cannot be used: {line}"),
    ("Permission denied", "it does not accept the key: add the public key to the authorized keys of {user} there"),
    ("a password is required", "sudo asks for a password: allow `{command}` without one in sudoers (NOPASSWD)"),
    ("have permission", "{user} may not capture there: set `sudo: true`, or use root"),
    ("No such device", "there is no interface '{interface}': `ip link` on the router lists them"),
    ("doesn't exist", "there is no interface '{interface}': `ifconfig` on the router lists them"),
    ("No such file or directory", "`{command}` is not there: give its path as `command`, or install tcpdump"),
    ("not found", "`{command}` is not installed there (OpenWrt: `opkg install tcpdump-mini`)"),
    ("Connection refused", "nothing listens on port {port}: switch SSH on in the router's settings"),
    ("Could not resolve hostname", "its name cannot be resolved: give its address"),
    ("timed out", "it does not answer on port {port}"),
    ("not responding", "it does not answer any more"),
    ("No route to host", "it cannot be reached"),
    ("syntax error", "its tcpdump does not read the filter: {line}"),
)
#: What tcpdump prints where all is well.
USUAL = ("listening on", "data link type", "packets captured", "packets received", "packets dropped", "dropped privs")
_DROPPED = re.compile(rb"(\d+) packets dropped by kernel")
MAX_STDERR = 16384
#: OpenSSH asks so often (seconds) whether the other end lives, and gives it up after so many questions.
ALIVE_INTERVAL_SECONDS, ALIVE_COUNT = 5, 3
KEEP_ALIVE_SECONDS = float(ALIVE_INTERVAL_SECONDS * (ALIVE_COUNT + 1))


class SshFeed:
    """`tcpdump` over ssh. `program` is the client."""

    filters, overlaps, own_clock = True, True, True
    silence_seconds = None  # OpenSSH asks whether the other end lives
    alive_seconds = KEEP_ALIVE_SECONDS
    renew_seconds = None

    def __init__(self, settings: SshSource, program: str = "ssh") -> None:
        self.label = settings.label
        self._settings, self._program = settings, program

    def connect(self, keys: Keys) -> Connection:
        """Start the client. Raises CaptureError where there is none."""
        if shutil.which(self._program) is None:
            raise CaptureError("there is no `ssh` here: install the OpenSSH client")
        process = subprocess.Popen(  # noqa: S603
            self.command_line(keys), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        return SshConnection(process, self._settings)

    def command_line(self, keys: Keys) -> list[str]:
        """The client with its options, and the command for the router."""
        s = self._settings
        options = {
            "BatchMode": "yes", "ConnectTimeout": "10", "ServerAliveInterval": str(ALIVE_INTERVAL_SECONDS),
            "ServerAliveCountMax": str(ALIVE_COUNT),
            "StrictHostKeyChecking": "yes", "ControlPath": "none", "ForwardAgent": "no", "ForwardX11": "no",
            "ClearAllForwardings": "yes", "LogLevel": "ERROR",
        }  # fmt: skip
        if s.known_hosts is not None:
            options["UserKnownHostsFile"] = str(s.known_hosts)
        if s.key is not None:
            options["IdentitiesOnly"] = "yes"
        words = [self._program, "-T", "-p", str(s.port)]
        for name, value in options.items():
            words += ["-o", f"{name}={value}"]
        if s.key is not None:
            words += ["-i", str(s.key)]
        return [*words, "-l", s.user, "--", s.host, self.remote_command(keys)]

    def remote_command(self, keys: Keys) -> str:
        """What runs on the router. Our own connection is left out, or it would feed itself."""
        s = self._settings
        expression = filter_expression(keys, exclude=f"tcp port {s.port}")
        sudo = "sudo -n " if s.sudo else ""
        return f"{sudo}{s.command} -i {s.interface} -n -U -s {s.snap_length} -w - '{expression}'"

    def close(self) -> None:
        """Nothing is held between connections."""


class SshConnection:
    """A running client."""

    def __init__(self, process: subprocess.Popen[bytes], settings: SshSource) -> None:
        self._process, self._settings = process, settings
        self._dropped = 0
        self._closed = False

    def blocks(self) -> Iterator[FrameBlock]:
        assert self._process.stdout is not None
        try:
            yield from stream_blocks(cast("BinaryIO", self._process.stdout), self._settings.label)
        except CaptureError:
            if self._closed:
                return
            raise CaptureError(self._why() or "the router sent something else than packets") from None
        why = self._why()
        if why and not self._closed:
            raise CaptureError(why)

    def watch(self, keys: Keys) -> bool:
        return False

    def dropped(self) -> int:
        return self._dropped

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._process.terminate()

    def _why(self) -> str:
        """What the client and tcpdump said at their end, and what to do; empty where that is nothing."""
        assert self._process.stderr is not None
        said = self._process.stderr.read(MAX_STDERR)
        with contextlib.suppress(OSError):
            self._process.terminate()
        self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if (found := _DROPPED.search(said)) is not None:
            self._dropped = int(found[1])
        return explain(said.decode(errors="replace"), self._settings)


def explain(said: str, settings: SshSource) -> str:
    """Say in words what went wrong, by what OpenSSH or tcpdump printed; empty where that was no complaint."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    values = {
        "host": settings.host, "port": settings.port, "interface": settings.interface, "command": settings.command,
        "known_hosts": settings.known_hosts or "~/.ssh/known_hosts", "key": settings.key, "user": settings.user,
    }  # fmt: skip
    for mark, remedy in COMPLAINTS:
        for line in lines:
            if mark in line:
                return remedy.format(**values, line=_printable(line))
    rest = [line for line in lines if not any(word in line for word in USUAL)]
    return _printable(rest[-1]) if rest else ""


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)[:200]
