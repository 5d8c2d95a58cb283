"""Signed links: each does one thing until it expires, and nothing where it was changed."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from sniffer.errors import UsageError, WakeError
from sniffer.model.clock import SECOND
from sniffer.testing import ManualClock
from sniffer.web.links import Purpose, SignedLink, link_routes, sign, verify

KEY = b"k" * 32
NOW = 1_795_000_000


@given(purpose=st.text(max_size=20), subject=st.text(max_size=60), left=st.integers(0, 10**6))
def test_a_link_is_read_back_as_it_was_signed(purpose: str, subject: str, left: int) -> None:
    link = SignedLink(purpose, subject, NOW + left)
    token = sign(KEY, link)
    if len(token) <= 500:
        assert verify(KEY, token, NOW) == link
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", token)


def test_an_expired_link_does_nothing() -> None:
    with pytest.raises(UsageError, match="expired"):
        verify(KEY, sign(KEY, SignedLink("mute", "kitchen", NOW - 1)), NOW)


def test_a_link_of_another_installation_does_nothing() -> None:
    with pytest.raises(UsageError, match="another installation"):
        verify(b"x" * 32, sign(KEY, SignedLink("mute", "kitchen", NOW + 1)), NOW)


@given(position=st.integers(0, 10**6), character=st.characters(codec="ascii"))
def test_a_changed_link_does_nothing_else(position: int, character: str) -> None:
    link = SignedLink("mute", "kitchen", NOW + 1)
    token = sign(KEY, link)
    position %= len(token)
    try:
        assert verify(KEY, token[:position] + character + token[position + 1 :], NOW) == link
    except UsageError:
        assert character != token[position]


@given(st.text(max_size=700))
def test_no_text_breaks_it(text: str) -> None:
    with pytest.raises(UsageError):
        verify(KEY, text, NOW)


class World:
    """The routes of links, with one purpose that notes its subjects."""

    def __init__(self) -> None:
        self.muted: list[str] = []
        purposes = {"mute": Purpose(lambda subject: f"Mute {subject}?", self.mute)}
        self.app = Starlette(routes=list(link_routes(KEY, purposes, ManualClock(NOW * SECOND))))

    def mute(self, subject: str) -> str:
        if subject == "gone":
            raise WakeError("no device is called 'gone'")
        self.muted.append(subject)
        return f"{subject} is muted"

    async def _call(self, method: str, link: str, accept: str) -> httpx.Response:
        transport = httpx.ASGITransport(app=self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            return await client.request(method, f"/act/{link}", headers={"accept": accept})

    def call(self, method: str, link: str, accept: str = "*/*") -> httpx.Response:
        return asyncio.run(self._call(method, link, accept))


@pytest.fixture
def world() -> World:
    return World()


def token(purpose: str = "mute", subject: str = "kitchen") -> str:
    return sign(KEY, SignedLink(purpose, subject, NOW + 60))


def test_opening_a_link_changes_nothing_and_shows_a_button(world: World) -> None:
    answer = world.call("GET", token(subject="<b>"))
    assert answer.status_code == 200
    assert "Mute &lt;b&gt;?" in answer.text
    assert '<form method="post">' in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert world.muted == []


@pytest.mark.parametrize(("accept", "kind"), [("*/*", "text/plain"), ("text/html,*/*", "text/html")])
def test_the_button_acts(world: World, accept: str, kind: str) -> None:
    answer = world.call("POST", token(), accept)
    assert (answer.status_code, world.muted) == (200, ["kitchen"])
    assert "kitchen is muted" in answer.text
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize("link", ["x", "x.y", token(purpose="format-disk"), token(subject="gone")])
def test_a_link_that_cannot_be_followed_says_why(world: World, link: str) -> None:
    answer = world.call("POST", link)
    assert (answer.status_code, world.muted) == (403, [])
    assert "<p>" in answer.text
