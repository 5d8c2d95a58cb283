"""What can be set about the HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sniffer.model import Secret, Section


class TokenSettings(Section):
    """A bearer token: whose it is (`source` names the wake source it speaks for) and what it may do."""

    source: Annotated[str, Field(min_length=1, max_length=64)]
    secret: Secret
    scopes: tuple[Literal["wake", "mute", "read"], ...] = ("wake",)


class HttpSettings(Section):
    """Loopback unless told otherwise; what changes state needs a token, even there."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9877
    tokens: tuple[TokenSettings, ...] = ()
