"""Answers over HTTP: a token of their own scope, and nothing but an answer."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from sniffer.settings.base import Secret
from sniffer.testing import ManualClock
from sniffer.web.api import build_app
from sniffer.web.auth import read_tokens
from sniffer.web.settings import HttpSettings, TokenSettings
from tests.web.test_api import Backend


def client() -> TestClient:
    tokens = (
        TokenSettings(source="phone", secret=Secret(env="A"), scopes=("answer",)),
        TokenSettings(source="ear", secret=Secret(env="B"), scopes=("wake",)),
    )
    made = read_tokens(tokens, lambda secret, *_: {"A": "a" * 16, "B": "b" * 16}[secret.env or ""])
    return TestClient(build_app(Backend(), HttpSettings(tokens=tokens), made, ManualClock()), "http://localhost")


def post(body: Any, token: str = "a" * 16) -> Any:
    return client().post("/api/v1/answers", json=body, headers={"Authorization": f"Bearer {token}"})


def test_an_answer_is_taken_with_the_way_it_came() -> None:
    answered = post({"id": "x", "answer": "no"})
    assert (answered.status_code, answered.json()) == (
        202, {"event_type": "answer", "upload_id": "x", "answer": "no", "source": "phone"},
    )  # fmt: skip


@pytest.mark.parametrize(
    "body", [{}, [], {"id": "x"}, {"id": "x", "answer": "no", "rule": "y"}, {"id": "unknown", "answer": "no"}]
)
def test_anything_else_is_refused(body: Any) -> None:
    assert post(body).status_code == 400


def test_the_scope_is_needed() -> None:
    assert post({"id": "x", "answer": "no"}, "b" * 16).status_code == 403
    assert post({"id": "x", "answer": "no"}, "c" * 16).status_code == 401
