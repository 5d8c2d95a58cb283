"""Signed links: one purpose for one subject until a time, for buttons in notifications.

The holder of a link can do that one thing and nothing else, so that no token has to leave the house. Opening a link
(GET) shows a page with a button and changes nothing; the button, and the buttons of ntfy, act (POST).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import html
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from sniffer.errors import SnifferError, UsageError
from sniffer.model.clock import SECOND, Clock

#: Bytes of the key that signs, and of the signature that is kept (128 bits).
KEY_BYTES, SIGNATURE_BYTES = 32, 16
#: A link is at most this long; longer ones are not even decoded.
MAX_LENGTH = 500
#: Where links lead, below the public URL.
PATH = "/act"

_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What a link stands for: `purpose` (`mute`), its `subject` (a device), and when it ends, in epoch seconds."""

    purpose: str
    subject: str
    expires: int


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a link of one purpose does: `question` asks before it, `act` does it and says what was done."""

    question: Callable[[str], str]
    act: Callable[[str], str]


def sign(key: bytes, link: SignedLink) -> str:
    """Return the token of a link."""
    body = json.dumps([link.purpose, link.subject, link.expires], separators=(",", ":")).encode()
    return f"{_encode(body)}.{_encode(_signature(key, body))}"


def verify(key: bytes, token: str, now_s: int) -> SignedLink:
    """Return what a token stands for. Raises UsageError where it is forged, damaged or has expired."""
    body_text, _, signature_text = token.partition(".")
    try:
        if len(token) > MAX_LENGTH:
            raise ValueError
        body, signature = _decode(body_text), _decode(signature_text)
    except (ValueError, binascii.Error):
        raise UsageError("this link is damaged") from None
    if not hmac.compare_digest(_signature(key, body), signature):
        raise UsageError("this link is damaged, or was made by another installation")
    purpose, subject, expires = json.loads(body)
    if now_s > expires:
        raise UsageError("this link has expired")
    return SignedLink(purpose, subject, expires)


def link_routes(key: bytes, purposes: Mapping[str, Purpose], clock: Clock) -> list[Route]:
    """Return the routes of signed links. An unknown purpose is treated as a damaged link."""

    async def act(request: Request) -> Response:
        try:
            link = verify(key, request.path_params["token"], clock.now_ns() // SECOND)
            purpose = purposes.get(link.purpose)
            if purpose is None:
                raise UsageError("this link is of another version")
            if request.method == "POST":
                done = await asyncio.to_thread(purpose.act, link.subject)
                if "text/html" in request.headers.get("accept", ""):
                    return _page(done, None, 200)
                return PlainTextResponse(done + "\n", headers=_HEADERS)
            return _page(purpose.question(link.subject), "Yes", 200)
        except SnifferError as error:
            return _page(str(error), None, 403)

    return [Route(f"{PATH}/{{token}}", act, methods=["GET", "POST"])]


def _page(text: str, button: str | None, status: int) -> Response:
    form = f'<form method="post"><button type="submit">{html.escape(button)}</button></form>' if button else ""
    body = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>sniffer</title><p>{html.escape(text)}</p>{form}</html>"
    )
    return HTMLResponse(body, status, headers=_HEADERS)


def _signature(key: bytes, body: bytes) -> bytes:
    return hmac.new(key, body, hashlib.sha256).digest()[:SIGNATURE_BYTES]


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
