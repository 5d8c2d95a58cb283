"""A systemd user unit for the listener: it starts at boot, restarts for ever, and can do little else."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sniffer.errors import UsageError

#: The unit's name.
NAME = "sniffer-listen.service"

_UNIT = """\
[Unit]
Description=Listens for wake words and reports them to sniffer
After=network-online.target sound.target

[Service]
ExecStart={command}
{environment}Restart=always
RestartSec=5
# At most a fifth of a core and 150 MiB, whatever happens.
CPUQuota=20%
MemoryMax=150M
TasksMax=32
# It reads the microphone and its token, and talks to the daemon.
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
# MemoryDenyWriteExecute is left out: the microphone calls Python back, which needs such memory (cffi).
SystemCallArchitectures=native
SystemCallFilter=@system-service
UMask=0077

[Install]
WantedBy=default.target
"""


def unit_text(command: Sequence[str], environment: dict[str, str]) -> str:
    """Return the unit that runs a command with these variables."""
    lines = "".join(f"Environment={_quoted(f'{name}={value}', expands=False)}\n" for name, value in environment.items())
    return _UNIT.format(command=" ".join(map(_quoted, command)), environment=lines)


def install(text: str) -> Path:
    """Write the unit, enable and start it; return its path. Raises UsageError where there is no systemd."""
    if not Path("/run/systemd/system").is_dir():
        raise UsageError("systemd does not run here: --print shows the unit, for whatever starts services here")
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "systemd" / "user"
    path = folder / NAME
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
    for words in (["daemon-reload"], ["enable", NAME], ["restart", NAME]):
        _systemctl(words)
    return path


def _systemctl(words: Sequence[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603
            ["systemctl", "--user", *words],  # noqa: S607
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"systemctl --user {' '.join(words)}: {error}") from None
    if done.returncode:
        reason = " ".join(done.stderr.split()) or f"exit status {done.returncode}"
        raise UsageError(f"systemctl --user {' '.join(words)}: {reason}")


def _quoted(word: str, expands: bool = True) -> str:
    """Quote a word for a unit file: systemd expands %, splits at blanks, and in commands (`expands`) expands $."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    if expands:
        escaped = escaped.replace("$", "$$")
    return f'"{escaped}"' if escaped != word or not word or set(word) & set(" \t'") else word
