"""The one privilege that capturing needs, held no longer and by no more of us than it must be.

`CAP_NET_RAW` may be *permitted* without being *effective*: that is what a file capability `+p` on an interpreter gives.
It is raised while a socket is opened, and lowered again. Capabilities belong to threads: `drop` has to be called before
others are started, and sockets are opened again (an interface was re-created) by the thread that called it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sniffer.errors import CaptureError, PrivilegeError

CAP_CHOWN, CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 0, 6, 7, 8
CAP_NET_ADMIN, CAP_NET_RAW = 12, 13

_PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 8, 23, 24, 38, 47
_PR_GET_NO_NEW_PRIVS = 39
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_LAST_CAPABILITY = 63

_PYTHON = shlex.quote(sys.executable or "python3")
_RAW = shlex.quote(f"{sys.executable or 'python3'}-raw")
REMEDY = (
    f"capturing needs the capability CAP_NET_RAW: run `sudo {_PYTHON} -m sniffer ...`; or give it to a copy of the "
    f'interpreter (`cp "$(readlink -f {_PYTHON})" {_RAW} && sudo setcap cap_net_raw+p {_RAW}`, then '
    f"`{_RAW} -m sniffer ...`); "
    "or, in a container, add `--cap-add NET_RAW --network host`; `sniffer demo` needs none of it"
)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The three sets of this thread, as bit masks."""

    effective: int
    permitted: int
    inheritable: int

    def may(self, capability: int) -> bool:
        """Is it effective, or can it be made so?"""
        return bool(self.permitted >> capability & 1)


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def capabilities() -> Capabilities:
    """What this thread holds."""
    data = (_Data * 2)()
    _check(_libc().capget(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), data), "capget")
    low, high = data
    return Capabilities(
        effective=low.effective | high.effective << 32,
        permitted=low.permitted | high.permitted << 32,
        inheritable=low.inheritable | high.inheritable << 32,
    )


def set_capabilities(wanted: Capabilities) -> None:
    """Hold exactly these. Raises CaptureError where more is asked for than is permitted."""
    data = (_Data * 2)()
    for half, shift in ((data[0], 0), (data[1], 32)):
        half.effective = wanted.effective >> shift & 0xFFFF_FFFF
        half.permitted = wanted.permitted >> shift & 0xFFFF_FFFF
        half.inheritable = wanted.inheritable >> shift & 0xFFFF_FFFF
    _check(_libc().capset(ctypes.byref(_Header(_CAPABILITY_VERSION_3, 0)), data), "capset")


def may_capture() -> bool:
    """Could a packet socket be opened by this thread?"""
    return capabilities().may(CAP_NET_RAW)


def remedy() -> str:
    """What to do where this thread may not capture."""
    if _prctl(_PR_GET_NO_NEW_PRIVS) == 1:
        return f"{REMEDY}; `no-new-privileges` is set here, which makes capabilities of files void: take it away"
    return REMEDY


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """With CAP_NET_RAW effective, and CAP_NET_ADMIN (for a larger buffer) where there is any. Raises PrivilegeError."""
    before = capabilities()
    if not before.may(CAP_NET_RAW):
        raise PrivilegeError(remedy())
    extra = before.permitted & (1 << CAP_NET_RAW | 1 << CAP_NET_ADMIN)
    set_capabilities(Capabilities(before.effective | extra, before.permitted, before.inheritable))
    try:
        yield
    finally:
        set_capabilities(before)


# --- giving the rest away -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Account:
    """Whom to become."""

    name: str
    uid: int
    gid: int


#: Whom root becomes where neither the configuration nor sudo names a user: the first that exists and reaches the files.
UNPRIVILEGED = ("sniffer", "nobody")


@contextlib.contextmanager
def acting_as(to: Account) -> Iterator[None]:
    """Open files with the rights of another account; as root only, and before there are threads."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(to.gid)
    os.seteuid(to.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def unprivileged(folders: Iterable[Path]) -> Account | None:
    """Return an account for a daemon that runs as root and was given none: the owner of the first folder if that is not
    root, else one of `UNPRIVILEGED`; None where none of them reaches all folders."""
    folders = list(folders)
    found: list[Account] = []
    with contextlib.suppress(OSError, KeyError, IndexError):
        owner = folders[0].stat().st_uid
        if owner:
            entry = pwd.getpwuid(owner)
            found.append(Account(entry.pw_name, entry.pw_uid, entry.pw_gid))
    for name in UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            found.append(Account(entry.pw_name, entry.pw_uid, entry.pw_gid))
    for candidate in found:
        with contextlib.suppress(OSError), acting_as(candidate):
            if all(os.access(folder, os.X_OK, effective_ids=True) for folder in folders):
                return candidate
    return None


def account(configured: str | None, environment: Mapping[str, str] = os.environ) -> Account | None:
    """Whom root should become: the configured user, else whoever called sudo; None where neither is given.

    Raises CaptureError where the configured user does not exist.
    """
    try:
        if configured is not None:
            entry = pwd.getpwnam(configured)
        elif environment.get("SUDO_UID", "0").isdecimal() and environment.get("SUDO_UID", "0") != "0":
            entry = pwd.getpwuid(int(environment["SUDO_UID"]))
        else:
            return None
    except KeyError:
        if configured is None:
            return None
        raise CaptureError(f"there is no user {configured!r} to change to: name another in capture.user") from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def drop(to: Account | None = None) -> None:
    """Keep nothing but CAP_NET_RAW, permitted and not effective, and never gain anything again.

    As root, become `to` as well. Raises CaptureError where the kernel refuses.
    """
    held = capabilities()
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)  # absent before Linux 4.3: nothing to clear
    if held.effective >> CAP_SETPCAP & 1:
        for capability in range(_LAST_CAPABILITY + 1):
            if _prctl(_PR_CAPBSET_READ, capability) == 1:
                _check(_prctl(_PR_CAPBSET_DROP, capability), "dropping the bounding set")
    if to is not None and os.geteuid() == 0:
        _check(_prctl(_PR_SET_KEEPCAPS, 1), "keeping CAP_NET_RAW")
        try:
            os.setgroups([])
            os.setresgid(to.gid, to.gid, to.gid)
            os.setresuid(to.uid, to.uid, to.uid)
        except OSError as error:
            raise CaptureError(f"cannot become the user '{to.name}': {error.strerror}") from None
    keep = held.permitted & 1 << CAP_NET_RAW
    set_capabilities(Capabilities(effective=0, permitted=keep, inheritable=0))
    _check(_prctl(_PR_SET_NO_NEW_PRIVS, 1), "no_new_privs")


def hand_over(path: Path, to: Account) -> None:
    """Give a file or folder of ours (the store, the event log) to whom we become; what is not there is passed over."""
    with contextlib.suppress(FileNotFoundError):
        os.chown(path, to.uid, to.gid, follow_symlinks=False)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(*arguments: int) -> int:
    words = [ctypes.c_ulong(argument) for argument in (*arguments, 0, 0, 0, 0)[:5]]
    return int(_libc().prctl(*words))


def _check(result: int, what: str) -> None:
    if result != 0:
        raise CaptureError(f"{what}: {os.strerror(ctypes.get_errno())}")
