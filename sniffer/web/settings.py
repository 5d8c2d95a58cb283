"""What can be set about the HTTP API."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, field_validator, model_validator

from sniffer.settings.base import Secret, Section


class TokenSettings(Section):
    """A bearer token: whose it is (`source` names the wake source it speaks for) and what it may do."""

    source: Annotated[str, Field(min_length=1, max_length=64)]
    secret: Secret
    scopes: tuple[Literal["wake", "mute", "read", "answer"], ...] = ("wake",)


class TlsSettings(Section):
    """PEM files: the certificate (with those between it and the root), and its key without a password. Read at the
    start and at every `kill -HUP`, by the user that the daemon runs as."""

    certificate: Path
    key: Path


#: Characters of a public URL: none that Slack or Discord would read as the end of a link.
PLAIN_URL = re.compile(r"[A-Za-z0-9.:/\[\]_~%-]+")


class PageSettings(Section):
    """The page for people. On loopback everybody may open it, and change things as long as no `password` is set; from
    elsewhere a password or a one-time link (`sniffer page --link`) is needed. Who signs in with `look_password` may
    look and change nothing. A secret is the password itself or its scrypt hash. `grafana` is the address of Grafana,
    where the pages of devices link to their dashboards.
    """

    enabled: bool = True
    password: Secret | None = None
    look_password: Secret | None = None
    grafana: Annotated[str, Field(pattern=r"^https?://[^\s\"'<>]+$")] | None = None


def _public_url(text: str) -> str:
    """Return the URL without a slash at its end. Raises ValueError."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must start with http:// or https:// and name a host")
    if parts.username or parts.password or parts.query or parts.fragment or not PLAIN_URL.fullmatch(text):
        raise ValueError("must be a plain address, without user, query or blanks")
    return text.rstrip("/")


PublicUrl = Annotated[str, AfterValidator(_public_url)]


class HttpSettings(Section):
    """The HTTP server listens on loopback by default. Changing state needs a token, even there. With `tls`, HTTPS is
    served.

    `host` is an address of this machine; `0.0.0.0` is every IPv4 address, `::` every address. `read_token`: reading
    uploads, devices and the stream needs a token with the scope `read`; by default, unless `host` is loopback.
    `/metrics` and the health pages need none. `allowed_hosts`: names under which browsers may reach the server (against
    DNS rebinding); addresses and `localhost` always work. A token has at least 16 characters.
    `public_url`: where a phone reaches this server, such as `http://192.168.1.1:9877`; with it, notifications link to
    the upload and have buttons (a button holds a signed link that does one thing).
    """

    enabled: bool = True
    host: Annotated[str, Field(max_length=255)] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9877
    tls: TlsSettings | None = None
    read_token: bool | None = None
    allowed_hosts: tuple[str, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()
    public_url: PublicUrl | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the host names under which browsers may reach the server."""
        public = urlsplit(self.public_url).hostname if self.public_url else None
        return (*self.allowed_hosts, *((public,) if public else ()))

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.split("%")[0]).is_loopback
        except ValueError:
            return False

    @property
    def is_everywhere(self) -> bool:
        """Whether the server listens on every address of this machine."""
        try:
            return ip_address(self.host).is_unspecified
        except ValueError:
            return False

    @property
    def reading_needs_token(self) -> bool:
        """Whether reading uploads, devices and the stream needs a token."""
        return not self.is_local if self.read_token is None else self.read_token

    page: PageSettings = PageSettings.model_construct()

    @property
    def in_clear(self) -> bool:
        """Whether tokens cross a network where others can read them."""
        return self.enabled and bool(self.tokens) and self.tls is None and not self.is_local

    @property
    def url(self) -> str:
        """The address at which this machine reaches the server."""
        return self.url_at(self.port)

    def url_at(self, port: int) -> str:
        """Return the URL of the server at this port, as this machine reaches it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - only looked up
        return f"http{'s' if self.tls else ''}://{f'[{host}]' if ':' in host else host}:{port}"

    @field_validator("host")
    @classmethod
    def _address(cls, text: str) -> str:
        """An empty host would be every address of this machine, which is better said."""
        if not text.strip() or text != text.strip() or any(c in text for c in "/@ ") or not text.isprintable():
            raise ValueError("an address of this machine: 127.0.0.1 (this machine only), 192.168.1.1, or 0.0.0.0 (all)")
        return text

    @model_validator(mode="after")
    def _one_token_a_source(self) -> HttpSettings:
        names = [token.source for token in self.tokens]
        if len(set(names)) != len(names):
            raise ValueError("two tokens speak for the same source")
        return self
