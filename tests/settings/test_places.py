"""Where state lies for a user, for root, by sudo and for the service."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import pytest

from sniffer.errors import ConfigError
from sniffer.settings import places
from sniffer.settings.places import make_state_folder, state_file, state_folder

NOBODY = pwd.getpwnam("nobody")


@pytest.mark.parametrize(
    ("uid", "environment", "folder"),
    [
        (0, {}, "/var/lib/sniffer"),
        (0, {"SUDO_UID": "0"}, "/var/lib/sniffer"),
        (0, {"SUDO_UID": "x"}, "/var/lib/sniffer"),
        (0, {"SUDO_UID": "4000000000"}, "/var/lib/sniffer"),
        (0, {"SUDO_UID": str(NOBODY.pw_uid)}, f"{NOBODY.pw_dir}/.local/state/sniffer"),
        (1000, {"HOME": "/tmp"}, "/tmp/.local/state/sniffer"),
        (1000, {"HOME": "/no/home"}, "/var/lib/sniffer"),
        (1000, {"HOME": "/tmp", "XDG_STATE_HOME": "/x"}, "/x/sniffer"),
        (1000, {"HOME": "/tmp", "XDG_STATE_HOME": "relative"}, "/tmp/.local/state/sniffer"),
        (1000, {"STATE_DIRECTORY": "/var/lib/sniffer:/y", "XDG_STATE_HOME": "/x"}, "/var/lib/sniffer"),
    ],
)
def test_the_folder(uid: int, environment: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert state_folder(environment) == Path(folder)


def test_the_store_of_the_service_is_read_where_the_user_has_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, mine = tmp_path / "system", {"XDG_STATE_HOME": str(tmp_path / "home")}
    monkeypatch.setattr(places, "SYSTEM", system)
    assert state_file("sniffer.db", mine) == tmp_path / "home/sniffer/sniffer.db"
    system.mkdir()
    (system / "sniffer.db").touch()
    assert state_file("sniffer.db", mine) == system / "sniffer.db"
    (tmp_path / "home/sniffer").mkdir(parents=True)
    (tmp_path / "home/sniffer/sniffer.db").touch()
    assert state_file("sniffer.db", mine) == tmp_path / "home/sniffer/sniffer.db"


def test_it_is_created_for_its_owner_only_and_no_other_folder_is(tmp_path: Path) -> None:
    mine = {"XDG_STATE_HOME": str(tmp_path / "home")}
    make_state_folder(tmp_path / "elsewhere", mine)
    assert not (tmp_path / "elsewhere").exists()
    make_state_folder(tmp_path / "home/sniffer", mine)
    assert stat.S_IMODE((tmp_path / "home/sniffer").stat().st_mode) == 0o700
    make_state_folder(tmp_path / "home/sniffer", mine)


def test_where_it_cannot_be_created_the_remedy_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").touch()
    with pytest.raises(ConfigError, match=r"set store\.path"):
        make_state_folder(tmp_path / "home/sniffer", {"XDG_STATE_HOME": str(tmp_path / "home")})
