"""What can be set about the HTTP API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sniffer.model import Secret, Section


class TokenSettings(Section):
    """A bearer token: whose it is (`source` names the wake source it speaks for) and what it may do."""

    source: Annotated[str, Field(min_length=1, max_length=64)]
    secret: Secret
    scopes: tuple[Literal["wake", "mute", "read"], ...] = ("wake",)


class HttpSettings(Section):
    """Loopback unless told otherwise; what changes state needs a token, even there.

    `read_token`: reading uploads, devices and the stream needs a token with the scope `read` too; `/metrics` and the
    health pages never do. `allowed_hosts`: names under which browsers may reach us (against DNS rebinding); addresses
    and `localhost` always work.
    """

    enabled: bool = True
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 9877
    read_token: bool = False
    allowed_hosts: tuple[str, ...] = ()
    tokens: tuple[TokenSettings, ...] = ()

    @model_validator(mode="after")
    def _one_token_a_source(self) -> HttpSettings:
        names = [token.source for token in self.tokens]
        if len(set(names)) != len(names):
            raise ValueError("two tokens speak for the same source")
        return self
