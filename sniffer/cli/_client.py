"""How commands find the daemon's HTTP API: its address and a token, from options, the environment or `-c`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sniffer.errors import ConfigError, UsageError
from sniffer.settings.secrets import secret_in_file, secret_in_variable

if TYPE_CHECKING:
    from sniffer.app.config import Config

URL = "http://127.0.0.1:9877"
TOKEN_VARIABLE = "SNIFFER_TOKEN"  # noqa: S105 - the name of a variable

url_option = click.option(
    "--url", envvar="SNIFFER_URL", help=f"Where the daemon's HTTP API is (default: from -c, else {URL})."
)


def token_option(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return `--token-file`, for a token with this scope."""
    return click.option(
        "--token-file", type=click.Path(path_type=Path, dir_okay=False),
        help=f"A file that holds a token with the scope `{scope}` (default: ${TOKEN_VARIABLE}, else from -c).",
    )  # fmt: skip


def find_url(url: str | None, config_path: Path | None) -> str:
    """Return the address that was given, else the configuration's, else the default. Raises ConfigError."""
    if url is not None:
        return url.rstrip("/")
    return _config(config_path).http.url if config_path is not None else URL


def find_token(token_file: Path | None, config_path: Path | None, scope: str) -> str:
    """Return the token of `--token-file`, of `$SNIFFER_TOKEN`, or the configuration's first with this scope.

    It is never taken from the command line, which every user of the machine can see. Raises UsageError, ConfigError.
    """
    if token_file is not None:
        return secret_in_file(token_file)
    if os.environ.get(TOKEN_VARIABLE):
        return secret_in_variable(TOKEN_VARIABLE)
    for token in _config(config_path).http.tokens if config_path is not None else ():
        if scope in token.scopes:
            from sniffer.app.config import read_secret

            try:
                return read_secret(token.secret)
            except ConfigError as error:
                raise UsageError(str(error)) from None
    raise UsageError(
        f"a token with the scope '{scope}' is needed: --token-file FILE, ${TOKEN_VARIABLE}, or -c with http.tokens"
    )


def _config(config_path: Path | None) -> Config:
    from sniffer.cli._common import effective_config

    return effective_config(config_path, ())
