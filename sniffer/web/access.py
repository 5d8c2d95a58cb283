"""Who may open the page: sessions, passwords, one-time links, and limits on tries."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from sniffer.errors import ConfigError, StoreError
from sniffer.model.clock import SECOND, Clock
from sniffer.model.ratelimit import RateLimit
from sniffer.web.keys import Keys, Role, form_token, open_link, password_matches, read_keys

COOKIE = "sniffer_session"
#: Seconds after which a session ends, from its beginning.
SESSION_SECONDS = 90 * 24 * 3600
#: Sessions and used links that are remembered; the oldest ends first.
MAX_SESSIONS, MAX_LINKS = 64, 256
#: Tries to sign in: a burst per address, refilled every 30 s; and for all addresses together.
TRIES, TRY_SECONDS = 5, 30.0
ALL_TRIES, ALL_TRY_SECONDS = 30, 2.0
MAX_ADDRESSES = 1024
#: Headers of a reverse proxy: behind one, an address of this machine says nothing of the reader.
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip", "x-forwarded-host", "via")


class Memory(Protocol):
    """Where sessions survive a restart."""

    def state_get(self, name: str) -> Any: ...

    def state_set(self, name: str, value: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Reader:
    """Who sent a request. `session` is the cookie's value, empty on loopback without one."""

    role: Role
    session: str = ""

    @property
    def may_change(self) -> bool:
        """Whether this reader may answer and change."""
        return self.role is Role.CHANGE


class Access:
    """Decides who a request comes from. Safe to use from several threads.

    `passwords` are the configured ones by role (plain text or scrypt hash). On loopback everybody may look unless
    `closed`, and change as long as no password is set.
    """

    def __init__(
        self,
        path: Path,
        memory: Memory,
        clock: Clock,
        *,
        passwords: Mapping[Role, str] | None = None,
        closed: bool = False,
    ) -> None:
        self._path, self._memory, self._clock = path, memory, clock
        self.passwords, self.closed = dict(passwords or {}), closed
        self._lock = threading.Lock()
        self._keys, self._read = read_keys(path), _modified(path)
        self._tries: OrderedDict[str, RateLimit] = OrderedDict()
        self._all_tries = RateLimit(1 / ALL_TRY_SECONDS, ALL_TRIES)
        saved = memory.state_get("page.sessions")
        saved = saved if isinstance(saved, dict) else {}
        self._sessions: dict[str, list[Any]] = dict(saved.get("sessions") or {})
        self._used: dict[str, int] = dict(saved.get("used") or {})

    # --- who it is ---

    def reader(self, scope: Mapping[str, Any]) -> Reader | None:
        """Return the reader that sent a request; None where it is not signed in and its address is not enough."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        session = _cookie(headers.get("cookie", ""))
        role = self._role(session) if session else None
        if role is not None:
            return Reader(role, session)
        if self.closed or not _is_local(scope, headers):
            return None
        return Reader(Role.LOOK if self._has_password(Role.CHANGE) else Role.CHANGE)

    def form_token(self, reader: Reader) -> str:
        """What the forms of this reader carry."""
        return form_token(self._current(), reader.session)

    def form_is_ours(self, reader: Reader, headers: Mapping[str, str], token: str) -> bool:
        """Whether a form was sent by a page of ours, and by this reader."""
        expected = self.form_token(reader).encode()
        return same_origin(headers) and hmac.compare_digest(expected, token.encode("utf-8", "replace"))

    def _name(self, session: str) -> str:
        """What a session is remembered by. With another secret (the file was deleted) none is known any more."""
        return _digest(session, self._current().secret)

    def _role(self, session: str) -> Role | None:
        name = self._name(session)
        with self._lock:
            found = self._sessions.get(name)
            if found is None or found[1] < self._now():
                return None
            return Role(found[0])

    # --- signing in and out ---

    def sign_in(self, password: str, address: str) -> str | None:
        """A new session for a password; None where it is wrong. Raises TooManyTriesError."""
        self._limit(address)
        keys = self._current()
        for role in (Role.CHANGE, Role.LOOK):
            hashed = keys.passwords.get(role)
            if hashed and password_matches(password, hashed):
                return self._begin(role)
            given = self.passwords.get(role)
            if given and _equal(password, given):
                return self._begin(role)
        return None

    def follow(self, token: str, address: str) -> str | None:
        """A new session for a one-time link; None where it is forged, too old or used. Raises TooManyTriesError."""
        self._limit(address)
        found = open_link(self._current(), token, self._now())
        if found is None:
            return None
        role, number, expiry = found
        with self._lock:
            if number in self._used:
                return None
            self._used[number] = expiry
        return self._begin(role)

    def sign_out(self, session: str) -> None:
        """End a session."""
        name = self._name(session)
        with self._lock:
            self._sessions.pop(name, None)
        self._save()

    def _begin(self, role: Role) -> str:
        session = secrets.token_urlsafe(32)
        name = self._name(session)
        with self._lock:
            self._sessions[name] = [str(role), self._now() + SESSION_SECONDS]
            while len(self._sessions) > MAX_SESSIONS:
                del self._sessions[next(iter(self._sessions))]
        self._save()
        return session

    def _save(self) -> None:
        now = self._now()
        with self._lock:
            self._sessions = {name: kept for name, kept in self._sessions.items() if kept[1] >= now}
            self._used = dict([(name, until) for name, until in self._used.items() if until >= now][-MAX_LINKS:])
            value = {"sessions": dict(self._sessions), "used": dict(self._used)}
        with contextlib.suppress(StoreError):  # then the session holds until the daemon restarts
            self._memory.state_set("page.sessions", value)

    def _limit(self, address: str) -> None:
        with self._lock:
            limit = self._tries.pop(address, None) or RateLimit(1 / TRY_SECONDS, TRIES)
            self._tries[address] = limit
            while len(self._tries) > MAX_ADDRESSES:
                self._tries.popitem(last=False)
            now = self._clock.monotonic()
            if not (limit.allows(now) and self._all_tries.allows(now)):
                raise TooManyTriesError

    # --- the file ---

    def _current(self) -> Keys:
        """The keys, read again where `sniffer page` has changed them."""
        with self._lock:
            modified = _modified(self._path)
            if modified != self._read:
                with contextlib.suppress(ConfigError):  # being replaced, or no longer readable: the old keys hold
                    self._keys, self._read = read_keys(self._path), modified
            return self._keys

    def _has_password(self, role: Role) -> bool:
        return bool(self.passwords.get(role) or self._current().passwords.get(role))

    def has_any_password(self) -> bool:
        """Whether a password can be entered at all."""
        return any(self._has_password(role) for role in Role)

    def _now(self) -> int:
        return self._clock.now_ns() // SECOND


class TooManyTriesError(Exception):
    """Passwords or links are tried faster than a person types."""


def same_origin(headers: Mapping[str, str]) -> bool:
    """Whether a browser says that a page of this host sent the request. Without a word of it, it is refused."""
    host = headers.get("host", "").lower()
    origin = headers.get("origin")
    if origin is not None:
        return bool(host) and urlsplit(origin).netloc.lower() == host
    if "sec-fetch-site" in headers:
        return headers["sec-fetch-site"] in ("same-origin", "none")
    referer = headers.get("referer")
    return bool(referer and host) and urlsplit(referer or "").netloc.lower() == host


def client_address(scope: Mapping[str, Any]) -> str:
    """The address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def cookie_header(session: str, *, secure: bool, seconds: int = SESSION_SECONDS) -> str:
    """The `Set-Cookie` that keeps a session (or, with 0 seconds, forgets it)."""
    return f"{COOKIE}={session}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{'; Secure' if secure else ''}"


def _is_local(scope: Mapping[str, Any], headers: Mapping[str, str]) -> bool:
    if any(name in headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(client_address(scope)).is_loopback
    except ValueError:
        return False


def _cookie(header: str) -> str:
    try:
        morsel = SimpleCookie(header[:4096]).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _digest(text: str, secret: bytes = b"") -> str:
    return hashlib.sha256(secret + text.encode("utf-8", "replace")).hexdigest()


def _equal(password: str, given: str) -> bool:
    if given.startswith("scrypt$"):
        return password_matches(password, given)
    return hmac.compare_digest(_digest(password), _digest(given))


def _modified(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino
