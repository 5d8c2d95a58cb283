"""What is held, what is given away; each in a process of its own, as capabilities cannot be taken back."""

from __future__ import annotations

import os
import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from sniffer.capture.live.privileges import account, capabilities, may_capture, raised
from sniffer.errors import CaptureError, PrivilegeError

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root (capabilities)")


def alone(code: str) -> str:
    """What the code prints, in a fresh interpreter."""
    program = f"import os, socket\nfrom sniffer.capture.live import privileges as p\nfrom pathlib import Path\n{code}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parents[3])
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


STATUS = "status = dict(l.split(':\\t') for l in Path('/proc/self/status').read_text().splitlines() if ':\\t' in l)\n"


def test_our_sets_are_those_that_the_kernel_shows() -> None:
    shown = dict(
        line.split(":\t") for line in Path("/proc/thread-self/status").read_text().splitlines() if ":\t" in line
    )
    held = capabilities()
    assert (held.effective, held.permitted, held.inheritable) == tuple(
        int(shown[name], 16) for name in ("CapEff", "CapPrm", "CapInh")
    )


@pytest.mark.root
@ROOT
def test_after_dropping_only_net_raw_is_left_and_not_effective() -> None:
    out = alone(
        "p.drop()\n"
        + STATUS
        + "print(*(status[n] for n in ('CapInh','CapPrm','CapEff','CapBnd','CapAmb','NoNewPrivs')))"
    )
    none, raw = "0" * 16, f"{1 << 13:016x}"
    assert out.split() == [none, raw, none, none, none, "1"]


@pytest.mark.root
@ROOT
def test_another_user_can_still_open_a_packet_socket_and_nothing_else() -> None:
    nobody = pwd.getpwnam("nobody")
    out = alone(
        f"p.drop(p.Account('nobody', {nobody.pw_uid}, {nobody.pw_gid}))\n"
        "print(os.getresuid(), os.getgroups())\n"
        "try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)\n"
        "except PermissionError: print('lowered')\n"
        "with p.raised(): socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()\n"
        "try: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)\n"
        "except PermissionError: print('lowered')\n"
        "try: Path('/etc/shadow').read_bytes()\n"
        "except PermissionError: print('unreadable')"
    )
    uid = nobody.pw_uid
    assert out.splitlines() == [f"({uid}, {uid}, {uid}) []", "lowered", "lowered", "unreadable"]


@pytest.mark.root
@ROOT
def test_without_the_privilege_the_message_says_what_to_do() -> None:
    out = alone(
        "p.set_capabilities(p.Capabilities(0, 0, 0))\n"
        "try:\n    with p.raised(): pass\n"
        "except p.PrivilegeError as e: print(e)"
    )
    for remedy in (f"sudo {sys.executable} -m sniffer", "setcap cap_net_raw+p", "--cap-add NET_RAW", "sniffer demo"):
        assert remedy in out
    assert "\n" not in out


@pytest.mark.root
@ROOT
def test_no_new_privileges_is_named_where_it_stands_in_the_way() -> None:
    out = alone("p.drop()\np.set_capabilities(p.Capabilities(0, 0, 0))\nprint(p.remedy())")
    assert "`no-new-privileges` is set here" in out


@pytest.mark.skipif(may_capture(), reason="this process may capture")
def test_a_user_without_the_privilege_is_told() -> None:
    with pytest.raises(PrivilegeError), raised():
        raise AssertionError


def test_whom_root_becomes() -> None:
    me = pwd.getpwuid(os.getuid())
    nobody = pwd.getpwnam("nobody")
    assert account(None, {}) is None
    assert account(None, {"SUDO_UID": "0"}) is None
    assert account(None, {"SUDO_UID": "no number"}) is None
    assert account(None, {"SUDO_UID": "4123456789"}) is None, "a user who does not exist"
    found = account(None, {"SUDO_UID": str(nobody.pw_uid)})
    assert found is not None
    assert (found.name, found.uid) == ("nobody", nobody.pw_uid)
    configured = account(me.pw_name, {"SUDO_UID": str(nobody.pw_uid)})
    assert configured is not None
    assert configured.uid == me.pw_uid
    with pytest.raises(CaptureError, match="no user 'nobody-at-all'"):
        account("nobody-at-all", {})
