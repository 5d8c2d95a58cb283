"""The page for people: routes, who may open them, and the security headers."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import functools
import logging
import threading
import zoneinfo
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from sniffer.errors import SnifferError
from sniffer.web.access import Access, Reader, TooManyTriesError, client_address, cookie_header, same_origin
from sniffer.web.assets import Assets
from sniffer.web.backend import PageBackend
from sniffer.web.refusal import Refusal
from sniffer.web.render import Renderer
from sniffer.web.settings import HttpSettings
from sniffer.web.stream import Live
from sniffer.web.views.common import Page
from sniffer.web.words import LANGUAGES, Words, choose_language

log = logging.getLogger("sniffer")

POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
LANGUAGE_COOKIE = "sniffer_language"
#: Set by the script: the zone of the browser, so that days begin at the reader's midnight.
ZONE_COOKIE = "sniffer_zone"
#: A form of ours is some hundred bytes.
MAX_FORM_BYTES = 16 * 1024
MAX_FIELDS = 200

#: The views in the order of the navigation: text key and path.
VIEWS = (
    ("now", "/"),
    ("timeline", "/timeline"),
    ("questions", "/questions"),
    ("devices", "/devices"),
    ("sources", "/sources"),
    ("rules", "/rules"),
    ("health", "/health"),
)

View = Callable[[Page], dict[str, Any]]
Shown = Callable[[Page, Request], Response | tuple[str, dict[str, Any]]]
Act = Callable[[Page, Request, Mapping[str, str]], str | tuple[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Site:
    """What all pages of one server share."""

    backend: PageBackend
    settings: HttpSettings
    access: Access
    renderer: Renderer
    assets: Assets
    live_events: Live
    zone: Any
    #: One view is made at a time: more would take more time from the packets, and none would be ready sooner.
    making: threading.Lock = field(default_factory=threading.Lock)

    # --- answering ---

    def words(self, request: Request) -> Words:
        """The reader's language."""
        language = choose_language(request.headers.get("accept-language", ""), request.cookies.get(LANGUAGE_COOKIE))
        return Words(language, reader_zone(request.cookies.get(ZONE_COOKIE, "")) or self.zone)

    def view(self, template: str, context: View) -> Callable[[Request], Awaitable[Response]]:
        """A page that a signed-in reader sees."""
        return self.shown(lambda page, request: (template, context(page)))

    def shown(self, act: Shown) -> Callable[[Request], Awaitable[Response]]:
        """Something that a signed-in reader sees: a response, or a template and its values."""

        def made(request: Request) -> Response:
            with self.making:
                return self._answer(request, act, None)

        async def endpoint(request: Request) -> Response:
            return await asyncio.to_thread(made, request)

        return endpoint

    def changes(self, act: Act, leads_to: str = "/") -> Callable[[Request], Awaitable[Response]]:
        """A form that changes something. `act` gives a word for what was done; then the reader is sent `back` (a
        field of the form), or to `leads_to`. Or it gives a template and its values."""

        async def endpoint(request: Request) -> Response:
            form = await read_form(request)

            def changed(page: Page, request: Request) -> Response | tuple[str, dict[str, Any]]:
                reader = self._reader(request)
                if form is None:
                    raise Refusal(413, "refused.large")
                if not self.access.form_is_ours(reader, request.headers, form.get("form", "")):
                    raise Refusal(403, "refused.form")
                if not reader.may_change:
                    raise Refusal(403, "refused.look_only")
                found = act(page, request, form)
                if isinstance(found, tuple):
                    return found
                back = form.get("next") or form.get("back", "")
                return RedirectResponse(with_query(back if is_path(back) else leads_to, done=found), 303)

            return await asyncio.to_thread(self._answer, request, changed, form)

        return endpoint

    def _reader(self, request: Request) -> Reader:
        reader = self.access.reader(request.scope)
        if reader is None:
            raise Refusal(401, "refused.sign_in")
        return reader

    def _answer(self, request: Request, act: Shown, form: Mapping[str, str] | None) -> Response:
        words = self.words(request)
        reader: Reader | None = None
        try:
            reader = self._reader(request)
            page = Page(self.backend, words, dict(request.query_params), reader.may_change)
            found = act(page, request)
            if isinstance(found, Response):
                return secured(found)
            template, values = found
            return self.page(request, template, values, reader=reader)
        except Refusal as refusal:
            if refusal.status == 401 and request.method == "GET":
                path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
                target = f"/login?{urlencode({'next': path})}" if path != "/" else "/login"
                return secured(RedirectResponse(target, 303))
            return self.message(request, refusal.status, words(refusal.key), reader)
        except SnifferError as error:
            back = (form or {}).get("back", "")
            if form is not None and is_path(back):
                return secured(RedirectResponse(with_query(back, problem=str(error)[:300]), 303))
            return self.message(request, 400, str(error), reader)
        except Exception:
            log.exception("page: %s %s", request.method, request.url.path)
            return self.message(request, 500, words("refused.broken"), reader)

    def page(
        self, request: Request, template: str, values: Mapping[str, Any], *, reader: Reader | None, status: int = 200
    ) -> Response:
        """A template in the reader's language, with what every page needs."""
        words = self.words(request)
        shared = {
            "reader": reader,
            "form_token": self.access.form_token(reader) if reader else "",
            "path": request.url.path,
            "views": VIEWS,
            "here": request.url.path + (f"?{request.url.query}" if request.url.query else ""),
            "problem": request.query_params.get("problem", "")[:300],
            "done": request.query_params.get("done", ""),
            "about": self.backend.about() if reader else None,
        }
        html = self.renderer.html(template, words, {**shared, **values}, self.backend.step_aside)
        return secured(HTMLResponse(html, status_code=status, headers={"Content-Language": words.language}))

    def message(self, request: Request, status: int, text: str, reader: Reader | None = None) -> Response:
        """A page that only says something."""
        return self.page(request, "message.html", {"text": text, "status": status}, reader=reader, status=status)

    # --- signing in ---

    async def login(self, request: Request) -> Response:
        """The page that asks for the password, and its form."""
        target = request.query_params.get("next", "")
        values = {
            "next": target if is_path(target) else "/",
            "wrong": False,
            "password": self.access.has_any_password(),
        }
        if request.method == "GET":
            if self.access.reader(request.scope) is not None and not request.query_params.get("again"):
                return secured(RedirectResponse(str(values["next"]), 303))
            return self.page(request, "login.html", values, reader=None)
        form = await read_form(request)
        if form is None or not same_origin(request.headers):
            return self.message(request, 403, self.words(request)("refused.form"))
        target = form.get("next", "")
        address = client_address(request.scope)
        try:
            session = await asyncio.to_thread(self.access.sign_in, form.get("password", ""), address)
        except TooManyTriesError:
            return self.message(request, 429, self.words(request)("refused.tries"))
        if session is None:
            log.warning("page: a wrong password from %s", address)
            return self.page(request, "login.html", {**values, "wrong": True}, reader=None, status=403)
        return self._begin(request, session, target if is_path(target) else "/")

    async def link(self, request: Request) -> Response:
        """A one-time link: opening it changes nothing (a preview must not use it up), its button signs in."""
        token = request.path_params["token"]
        if request.method == "GET":
            return self.page(request, "link.html", {"token": token}, reader=None)
        if not same_origin(request.headers):
            return self.message(request, 403, self.words(request)("refused.form"))
        try:
            session = await asyncio.to_thread(self.access.follow, token, client_address(request.scope))
        except TooManyTriesError:
            return self.message(request, 429, self.words(request)("refused.tries"))
        if session is None:
            return self.message(request, 403, self.words(request)("refused.link"))
        return self._begin(request, session, "/")

    async def logout(self, request: Request) -> Response:
        """End the session."""
        form = await read_form(request)
        reader = self.access.reader(request.scope)
        if reader is None or form is None:
            return secured(RedirectResponse("/login", 303))
        if not self.access.form_is_ours(reader, request.headers, form.get("form", "")):
            return self.message(request, 403, self.words(request)("refused.form"), reader)
        await asyncio.to_thread(self.access.sign_out, reader.session)
        response = secured(RedirectResponse("/login?again=1", 303))
        response.headers["Set-Cookie"] = cookie_header("", secure=self._is_secure(request), seconds=0)
        return response

    def _begin(self, request: Request, session: str, target: str) -> Response:
        response = secured(RedirectResponse(target, 303))
        response.headers["Set-Cookie"] = cookie_header(session, secure=self._is_secure(request))
        return response

    def _is_secure(self, request: Request) -> bool:
        return request.url.scheme == "https" or request.headers.get("x-forwarded-proto") == "https"

    async def language(self, request: Request) -> Response:
        """Keep the reader's choice of a language."""
        form = await read_form(request) or {}
        back = form.get("back", "/")
        response = secured(RedirectResponse(back if is_path(back) else "/", 303))
        if form.get("language") in LANGUAGES and same_origin(request.headers):
            response.headers["Set-Cookie"] = (
                f"{LANGUAGE_COOKIE}={form['language']}; Path=/; Max-Age=31536000; HttpOnly; SameSite=Strict"
            )
        return response

    # --- what is not a page ---

    async def live(self, request: Request) -> Response:
        """Records as they happen, for the script of the page."""
        if self.access.reader(request.scope) is None:
            return secured(JSONResponse({"error": "sign in first"}, status_code=401))
        if self.live_events.full:
            return secured(JSONResponse({"error": "too many pages are open"}, 503, {"Retry-After": "30"}))
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return _Stream(self.live_events.events(), media_type="text/event-stream", headers=headers)

    async def static(self, request: Request) -> Response:
        """The style sheet and the scripts; they hold nothing of the house."""
        response = self.assets.serve(request)
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


class _Stream(StreamingResponse):
    """Ends its events however the reader leaves."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self.body_iterator.aclose()  # type: ignore[attr-defined]


def secured(response: Response) -> Response:
    """Tell browsers what they must not do with a page."""
    for name, value in HEADERS.items():
        response.headers[name] = value
    return response


@functools.lru_cache(32)
def reader_zone(name: str) -> datetime.tzinfo | None:
    """The zone of this name in the time zone database; None where there is none."""
    if not 0 < len(name) <= 64:
        return None
    try:
        return zoneinfo.ZoneInfo(unquote(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None


def is_path(text: str) -> bool:
    """Whether this is a place on this site (and not `//elsewhere`)."""
    if not text.startswith("/") or text.startswith(("//", "/\\")) or any(ord(c) < 32 for c in text):
        return False
    with contextlib.suppress(ValueError):
        return not urlsplit(text).netloc
    return False


def with_query(path: str, **more: str) -> str:
    """A path with more parameters."""
    base, _, query = path.partition("?")
    kept = [(name, value) for name, value in parse_qsl(query) if name not in ("problem", "done")]
    return f"{base}?{urlencode([*kept, *more.items()])}"


async def read_form(request: Request) -> dict[str, str] | None:
    """The fields of a form; None where it is too large or not one. Of a field given twice, both, with a comma."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/x-www-form-urlencoded":
        return {}
    received = bytearray()
    async for chunk in request.stream():
        received += chunk
        if len(received) > MAX_FORM_BYTES:
            return None
    found: dict[str, str] = {}
    try:
        for name, value in parse_qsl(received.decode(), keep_blank_values=True, max_num_fields=MAX_FIELDS):
            found[name] = f"{found[name]},{value}" if name in found else value
    except ValueError:
        return None
    return found
