"""Where state lies if nothing else is configured: never in the folder where a program happens to be started.

For the service, where systemd says; for a user, in the XDG state folder; for root itself, in /var/lib/sniffer. Whoever
called sudo is the user: the daemon becomes that user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from sniffer.errors import ConfigError

SYSTEM = Path("/var/lib/sniffer")
NAME = "sniffer"


def state_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the folder for the state of this process."""
    if environment.get("STATE_DIRECTORY"):
        return Path(environment["STATE_DIRECTORY"].split(":")[0])
    if environment.get("XDG_STATE_HOME", "").startswith("/"):
        return Path(environment["XDG_STATE_HOME"]) / NAME
    home = _home(environment)
    return SYSTEM if home is None else home / ".local" / "state" / NAME


def state_file(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a file in the state folder: in that of the service, where only that one has it."""
    own = state_folder(environment) / name
    with contextlib.suppress(OSError):
        if not own.exists() and (SYSTEM / name).exists():
            return SYSTEM / name
    return own


def make_state_folder(folder: Path, environment: Mapping[str, str] = os.environ) -> None:
    """Create the state folder, if that is what `folder` is and it is missing, for the user who called sudo if there is
    one. Raises ConfigError."""
    if folder != state_folder(environment) or folder.is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    try:
        for one in reversed(missing):
            one.mkdir(mode=0o700)
            if os.geteuid() == 0 and (owner := _caller(environment)) is not None:
                os.chown(one, owner.pw_uid, owner.pw_gid)
    except OSError as error:
        raise ConfigError(f"{error.filename}: cannot be created: {error.strerror}; set store.path") from None


def _home(environment: Mapping[str, str]) -> Path | None:
    """The home folder of the user, or of whoever called sudo; None for root itself, and where there is none."""
    if os.geteuid() == 0:
        caller = _caller(environment)
        return Path(caller.pw_dir) if caller is not None else None
    home = environment.get("HOME", "")
    return Path(home) if home.startswith("/") and Path(home).is_dir() else None


def _caller(environment: Mapping[str, str]) -> pwd.struct_passwd | None:
    number = environment.get("SUDO_UID", "0")
    if not number.isdecimal() or number == "0":
        return None
    try:
        return pwd.getpwuid(int(number))
    except KeyError:
        return None
