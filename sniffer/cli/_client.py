"""The daemon's HTTP API, asked from the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sniffer.app.config import Config, read_secret
from sniffer.errors import ConfigError, UsageError
from sniffer.settings.base import Secret


def find_url(url: str | None, config: Config) -> str:
    """What was given, or what the configuration says, or the default."""
    if url is not None:
        return url.rstrip("/")
    return config.http.url


def find_token(token_file: Path | None, config: Config, scope: str) -> str:
    """From `--token-file`, `$SNIFFER_TOKEN`, or the first token of the configuration that may. Raises UsageError."""
    if token_file is not None:
        return read_secret(Secret(file=token_file))
    if os.environ.get("SNIFFER_TOKEN"):
        return read_secret(Secret(env="SNIFFER_TOKEN"))
    for token in config.http.tokens:
        if scope in token.scopes:
            try:
                return read_secret(token.secret)
            except ConfigError as error:
                raise UsageError(str(error)) from None
    raise UsageError(
        f"a token with the scope '{scope}' is needed: --token-file FILE, $SNIFFER_TOKEN, or -c with http.tokens"
    )


def post(url: str, path: str, body: Mapping[str, Any], token: str) -> Any:
    """What the daemon answers. Raises UsageError in one line; the token is never shown."""
    return _asked("POST", url, path, token, json=dict(body))


def get(url: str, path: str, query: Mapping[str, str], token: str | None = None) -> Any:
    """What the daemon answers. Raises UsageError in one line; the token is never shown."""
    return _asked("GET", url, path, token, params=dict(query))


def _asked(method: str, url: str, path: str, token: str | None, **what: Any) -> Any:
    import httpx

    from sniffer.listener.client import trouble

    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = httpx.request(method, f"{url}{path}", headers=headers, timeout=10, **what)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
        raise UsageError(f"{url}: not a URL") from None
    except httpx.HTTPError as error:
        raise UsageError(f"{url}: no daemon answers: {trouble(url, error)}; is `sniffer run` running?") from None
    try:
        value = answer.json()
    except ValueError:
        value = {}
    if answer.status_code >= 300:
        reason = value.get("error") if isinstance(value, dict) else None
        raise UsageError(f"the daemon refuses: {reason or f'HTTP {answer.status_code}'}")
    return value
