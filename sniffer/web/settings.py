"""What can be set about the HTTP API."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from sniffer.settings.base import Secret, Section


class TokenSettings(Section):
    """A bearer token: whose it is (`source` names the wake source it speaks for) and what it may do."""

    source: Annotated[str, Field(min_length=1, max_length=64)]
    secret: Secret
    scopes: tuple[Literal["wake", "mute", "read"], ...] = ("wake",)


class TlsSettings(Section):
    """PEM files: the certificate (with those between it and the root), and its key without a password. Read at the
    start and at every `kill -HUP`, by whoever the daemon runs as."""

    certificate: Path
    key: Path


class HttpSettings(Section):
    """Loopback unless told otherwise; what changes state needs a token, even there. With `tls`, HTTPS is served.

    `read_token`: reading uploads, devices and the stream needs a token with the scope `read` too; `/metrics` and the
    health pages never do. `allowed_hosts`: names under which browsers may reach us (against DNS rebinding); addresses
    and `localhost` always work.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9877
    tls: TlsSettings | None = None
    read_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()

    @property
    def in_clear(self) -> bool:
        """Do tokens cross a network for everybody to read?"""
        if not (self.enabled and self.tokens) or self.tls is not None or self.host == "localhost":
            return False
        try:
            return not ip_address(self.host).is_loopback
        except ValueError:
            return True

    @property
    def url(self) -> str:
        """Where this machine finds it."""
        return self.url_at("127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host, self.port)  # noqa: S104

    def url_at(self, host: str, port: int) -> str:
        """An address and port of ours as a URL."""
        return f"http{'s' if self.tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    @model_validator(mode="after")
    def _one_token_a_source(self) -> HttpSettings:
        names = [token.source for token in self.tokens]
        if len(set(names)) != len(names):
            raise ValueError("two tokens speak for the same source")
        return self
