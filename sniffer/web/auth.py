"""Bearer tokens: one per source, with scopes, compared in constant time, and rate-limited. Guessing is slowed down."""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sniffer.errors import ConfigError
from sniffer.model.ratelimit import RateLimit
from sniffer.web.settings import TokenSettings

#: Wake events per minute of one source in the long run, and at once after an outage. A listener that sends a heartbeat
#: every 20 s and hears a word every ten needs nine; an intruder with its token could explain away every upload.
EVENTS_PER_MINUTE, EVENT_BACKLOG = 12, 1024
#: Requests per minute of one token, with the same number as a burst.
RATE_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Token:
    """A source and its scopes. Of the secret only a digest is kept."""

    source: str
    scopes: frozenset[str]
    digest: bytes


#: A shorter token could be guessed, or is a word.
MIN_TOKEN_CHARACTERS = 16
#: Wrong tokens from one address that are answered at once; then the pause doubles from the first to the longest.
FREE_GUESSES = 5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 8.0
#: An address that guessed nothing for so long starts anew, and how many addresses are remembered.
GUESSES_FORGOTTEN_SECONDS = 600.0
MAX_GUESSERS = 256


def read_tokens(settings: Sequence[TokenSettings], read_secret: Callable[..., str]) -> tuple[Token, ...]:
    """The configured tokens, their secrets read once. Raises ConfigError: unreadable, too short, or used twice."""
    found: dict[bytes, Token] = {}
    for token in settings:
        secret = read_secret(token.secret)
        if len(secret) < MIN_TOKEN_CHARACTERS:
            raise ConfigError(
                f"the token of '{token.source}' has {len(secret)} characters, at least {MIN_TOKEN_CHARACTERS} are "
                "needed; make one with: openssl rand -hex 16"
            )
        digest = _digest(secret)
        if digest in found:
            raise ConfigError(f"the tokens of '{found[digest].source}' and '{token.source}' are the same")
        found[digest] = Token(token.source, frozenset(token.scopes), digest)
    return tuple(found.values())


class Guesses:
    """Counts wrong tokens by address. A right token is never delayed: another program on its machine may guess."""

    def __init__(self) -> None:
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def pause(self, address: str, now: float) -> float:
        """Count one wrong token at a time in seconds; return the seconds to wait before the answer."""
        count, last = self._wrong.pop(address, (0, now))
        count = 1 if now - last > GUESSES_FORGOTTEN_SECONDS else count + 1
        self._wrong[address] = (count, now)
        if len(self._wrong) > MAX_GUESSERS:
            self._wrong.popitem(last=False)
        if count <= FREE_GUESSES:
            return 0.0
        return float(min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2 ** min(count - FREE_GUESSES - 1, 16)))


def authenticate(header: str | None, tokens: Sequence[Token]) -> Token | None:
    """Return the token in an `Authorization` header. All tokens are compared, so that timing reveals nothing."""
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
    """One limit per source: requests per minute, and at once."""
    return {token.source: RateLimit(RATE_PER_MINUTE / 60, RATE_PER_MINUTE) for token in tokens}


def event_limits(tokens: Sequence[Token]) -> dict[str, RateLimit]:
    """One limit per source: wake events per minute, and at once."""
    return {token.source: RateLimit(EVENTS_PER_MINUTE / 60, EVENT_BACKLOG) for token in tokens}
