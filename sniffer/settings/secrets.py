"""Reads secrets from files and environment variables, where the configuration or an option says they are."""

from __future__ import annotations

import os
from pathlib import Path

from sniffer.errors import ConfigError

#: More than this is no secret.
MAX_BYTES = 4096


def secret_in_variable(name: str) -> str:
    """Return the value of an environment variable, without surrounding white space. Raises ConfigError."""
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"the environment variable {name} is empty or not set")
    return value


def secret_in_file(path: Path) -> str:
    """Return what is in a file, without surrounding white space. Raises ConfigError; the message never shows it."""
    try:
        with path.open("rb") as stream:
            value = stream.read(MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"the secret cannot be read: {reason}", file=path) from None
    if not value:
        raise ConfigError("the secret is empty", file=path)
    return value
