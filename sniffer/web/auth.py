"""Bearer tokens: one per source, with scopes, compared in constant time, and rate-limited."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sniffer.model.ratelimit import RateLimit
from sniffer.web.settings import TokenSettings

#: Events a minute that one source may report for long, and how many after an outage. An ear that says every 20 seconds
#: that it lives, and hears a word every ten, needs nine; who takes over a speaker could explain away all that it sends.
EVENTS_PER_MINUTE, EVENT_BACKLOG = 12, 1024
#: A household does not wake its speakers more often than this for long: requests a minute, with the same as a burst.
RATE_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Token:
    """Who may do what. The secret itself is kept as a digest."""

    source: str
    scopes: frozenset[str]
    digest: bytes


def read_tokens(settings: Sequence[TokenSettings], read_secret: Callable[..., str]) -> tuple[Token, ...]:
    """The configured tokens, their secrets read once. Raises ConfigError (from `read_secret`)."""
    return tuple(Token(t.source, frozenset(t.scopes), _digest(read_secret(t.secret))) for t in settings)


def authenticate(header: str | None, tokens: Sequence[Token]) -> Token | None:
    """The token in an `Authorization` header. All tokens are compared, so that time does not tell which is near."""
    scheme, _, value = (header or "").partition(" ")
    presented = _digest(value.strip() if scheme.lower() == "bearer" else "")
    found = None
    for token in tokens:
        if hmac.compare_digest(token.digest, presented):
            found = token
    return found


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def rate_limits(tokens: Sequence[Token]) -> dict[str, RateLimit]:
    """One a source: so many requests a minute, and at once."""
    return {token.source: RateLimit(RATE_PER_MINUTE / 60, RATE_PER_MINUTE) for token in tokens}


def event_limits(tokens: Sequence[Token]) -> dict[str, RateLimit]:
    """One a source: so many wake events a minute, and at once."""
    return {token.source: RateLimit(EVENTS_PER_MINUTE / 60, EVENT_BACKLOG) for token in tokens}
