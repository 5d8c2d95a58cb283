"""Where the files that ship with the package are: rules and dashboards."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parent


def shipped(name: str) -> Path:
    """The folder `rules` or `dashboards`: inside the installed package, or beside it in a source tree.

    Raises FileNotFoundError where neither exists, which is a broken installation.
    """
    for folder in (_PACKAGE / "_data" / name, _PACKAGE.parent / name):
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}: not found beside or inside {_PACKAGE}; install the package again")
