"""Files that hold a secret: for their owner only, and for the service where they lie in its folder."""

from __future__ import annotations

import grp
import os
from pathlib import Path

from sniffer.cli._common import write_whole
from sniffer.cli.service import CONFIG, USER
from sniffer.errors import UsageError


def write_secret(path: Path, text: str) -> str:
    """Write a secret, and return who can read it, in words. Raises UsageError."""
    write_whole(path, text, 0o600)
    return share_with_service(path)


def share_with_service(path: Path, folder: Path = CONFIG.parent) -> str:
    """Let the service's group read a secret in its folder, and return who can read it, in words.

    Changes nothing for other folders, for users other than root, and where the service is not installed.
    """
    if os.geteuid() == 0 and path.absolute().is_relative_to(folder):
        try:
            group = grp.getgrnam(USER).gr_gid
        except KeyError:
            return f"for its owner only; the service is not installed: `chgrp {USER}` and `chmod 640` once it is"
        try:
            os.chown(path, 0, group, follow_symlinks=False)
            path.chmod(0o640)
        except OSError as error:
            raise UsageError(f"{path}: cannot be given to the service: {error.strerror}") from None
        return "for root and the service only"
    return "for its owner only"
