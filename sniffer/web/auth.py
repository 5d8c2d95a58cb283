"""Bearer tokens: one per source, with scopes, compared in constant time, and rate-limited."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sniffer.web.settings import TokenSettings

#: A household does not wake its speakers more often than this for long: requests a minute, with the same as a burst.
RATE_PER_MINUTE = 60.0


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


class RateLimit:
    """A token bucket for each source. The sources are the configured ones, so the state is bounded."""

    def __init__(self, sources: Sequence[str], per_minute: float = RATE_PER_MINUTE) -> None:
        self._per_second = per_minute / 60
        self._burst = per_minute
        self._buckets: dict[str, tuple[float, float]] = dict.fromkeys(sources, (per_minute, 0.0))

    def allow(self, source: str, now: float) -> float:
        """0 where one more request is allowed at monotonic time `now`, else the seconds to wait."""
        level, then = self._buckets[source]
        level = min(self._burst, level + (now - then) * self._per_second)
        if level < 1:
            self._buckets[source] = (level, now)
            return (1 - level) / self._per_second
        self._buckets[source] = (level - 1, now)
        return 0.0


def scopes_of(tokens: Sequence[Token]) -> Mapping[str, frozenset[str]]:
    """What each source may do, for the log line at start."""
    return {token.source: token.scopes for token in tokens}
