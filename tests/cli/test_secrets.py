"""A secret that `sniffer setup` writes is read by the service, and by no other user."""

from __future__ import annotations

import grp
import os
from pathlib import Path

import pytest

from sniffer.cli import _secrets
from sniffer.cli.setup import says_something


def test_elsewhere_a_secret_is_for_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "hook.secret"
    assert _secrets.write_secret(path, "x\n") == "for its owner only"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root (changes a file's group)")
def test_in_the_folder_of_the_service_its_group_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = grp.getgrgid(1)
    monkeypatch.setattr(_secrets, "USER", other.gr_name)
    path = tmp_path / "router.key"
    path.write_text("x")
    path.chmod(0o600)
    assert _secrets.share_with_service(path, tmp_path) == "for root and the service only"
    assert (path.stat().st_mode & 0o777, path.stat().st_uid, path.stat().st_gid) == (0o640, 0, other.gr_gid)


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to the service")
def test_without_the_service_the_remedy_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_secrets, "USER", "no-such-group")
    path = tmp_path / "router.key"
    path.write_text("x")
    path.chmod(0o600)
    assert "`chgrp no-such-group`" in _secrets.share_with_service(path, tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "expected"), [("", False), ("# only\n\n  # comments\n", False), ("devices: []\n", True)]
)
def test_a_file_of_comments_is_no_configuration_to_keep(tmp_path: Path, text: str, expected: bool) -> None:
    path = tmp_path / "sniffer.yaml"
    assert not says_something(path)
    path.write_text(text)
    assert says_something(path) is expected
