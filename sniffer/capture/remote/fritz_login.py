"""Signing in to a FRITZ!Box: `login_sid.lua`, version 2 (FRITZ!OS 7.24 and later: PBKDF2; before: MD5).

AVM, "Session-ID" (https://fritz.com/service/schnittstellen): the box gives a challenge; the answer proves the password
without sending it. A session id of zeros is no session.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from sniffer.errors import CaptureError

NO_SESSION = "0" * 16
LOGIN_PATH = "/login_sid.lua?version=2"
#: Iterations that the box may ask for: it names 60,000 and 6,000. More is no box, and would keep us busy for minutes.
MAX_ITERATIONS = 1_000_000


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the box answers: a session (of zeros), what to prove, how many seconds to wait, and who signed in last."""

    session: str
    challenge: str
    block_seconds: int
    last_user: str


def read_challenge(text: str) -> Challenge:
    """Read the answer of the box. Raises CaptureError where it is none."""
    session, challenge = _tag(text, "SID"), _tag(text, "Challenge")
    if session is None or challenge is None or not re.fullmatch(r"[0-9a-f]{16}", session):
        raise CaptureError("this is no FRITZ!Box: it does not answer as login_sid.lua does")
    last = re.search(r'<User last="1">([^<]{1,64})</User>', text)
    waiting = _tag(text, "BlockTime") or "0"
    return Challenge(session, challenge, int(waiting) if waiting.isdecimal() else 0, last[1] if last else "")


def _tag(text: str, name: str) -> str | None:
    found = re.search(f"<{name}>([^<]{{0,1024}})</{name}>", text)
    return found[1] if found else None


def response(challenge: str, password: str) -> str:
    """Return the proof of the password. Raises CaptureError for a challenge of another kind."""
    if challenge.startswith("2$"):
        return _pbkdf2(challenge, password)
    # Characters beyond Latin-1 are sent as dots (AVM, "Session-ID", the MD5 procedure).
    plain = "".join(c if ord(c) < 256 else "." for c in password)
    digest = hashlib.md5(f"{challenge}-{plain}".encode("utf-16-le"), usedforsecurity=False).hexdigest()
    return f"{challenge}-{digest}"


def _pbkdf2(challenge: str, password: str) -> str:
    try:
        _, first_iterations, first_salt, second_iterations, second_salt = challenge.split("$")
        first, second = int(first_iterations), int(second_iterations)
        salts = bytes.fromhex(first_salt), bytes.fromhex(second_salt)
    except ValueError:
        raise CaptureError("the challenge of the box cannot be read") from None
    if not (0 < first <= MAX_ITERATIONS and 0 < second <= MAX_ITERATIONS):
        raise CaptureError("the challenge of the box asks for too much work")
    inner = hashlib.pbkdf2_hmac("sha256", password.encode(), salts[0], first)
    outer = hashlib.pbkdf2_hmac("sha256", inner, salts[1], second)
    return f"{second_salt}${outer.hex()}"
