"""The HTTP API as its callers meet it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
from starlette.testclient import TestClient

from sniffer.errors import WakeError
from sniffer.model import Record
from sniffer.settings.base import Secret
from sniffer.testing import ManualClock
from sniffer.web.api import MAX_BODY_BYTES, build_app
from sniffer.web.auth import EVENT_BACKLOG, RATE_PER_MINUTE, read_tokens
from sniffer.web.settings import HttpSettings, TokenSettings


class Backend:
    """Keeps what it is asked."""

    def __init__(self) -> None:
        self.woken: list[tuple[Mapping[str, Any], str]] = []
        self.is_ready = True

    def metrics(self, accept: str) -> tuple[bytes, str]:
        return b"sniffer_build_info 1\n", "text/plain; version=0.0.4"

    def ready(self) -> tuple[bool, str]:
        return self.is_ready, "capturing" if self.is_ready else "starting"

    def wake(self, event: Mapping[str, Any], source: str) -> Record:
        if "bad" in event:
            raise WakeError("bad: not a wake event")
        self.woken.append((event, source))
        named = event.get("device")
        return {"event_type": "wake", "source": source, "device": {"name": named} if named else None}

    def mute(self, request: Mapping[str, Any]) -> Record:
        return {"device": request["device"]}

    def unknown(self, device: str) -> str | None:
        return f"no device is called '{device}'" if device == "kitchn" else None

    def uploads(
        self, device: str | None, verdict: str | None, since: str | None, until: str | None, limit: int
    ) -> Sequence[Record]:
        return [{"device": device, "limit": limit}]

    def upload(self, identifier: str) -> Record | None:
        return {"id": identifier} if identifier == "known" else None

    def devices(self) -> Sequence[Record]:
        return [{"host": "<script>"}]

    def stats(self) -> Record:
        return {"packets": 1}

    def answer(self, upload: str, answer: str, way: str) -> Record:
        if upload == "unknown":
            raise WakeError("there is no upload with this id")
        return {"event_type": "answer", "upload_id": upload, "answer": answer, "source": way}

    def subscribe(self, listener: Callable[[Record], None], source: str | None = None) -> Callable[[], None]:
        listener({"event_type": "upload", "id": "x"})
        return lambda: None


def client(backend: Backend, clock: ManualClock | None = None, **settings: Any) -> TestClient:
    tokens = tuple(
        TokenSettings(source=name, secret=Secret(env=name), scopes=scopes)
        for name, scopes in (("ear", ("wake",)), ("admin", ("mute", "read")))
    )
    read = read_tokens(tokens, lambda secret: f"{secret.env}-secret-0123456789")
    app = build_app(backend, HttpSettings(tokens=tokens, **settings), read, clock or ManualClock())
    return TestClient(app, base_url="http://127.0.0.1:9877")


EAR = {"Authorization": "Bearer ear-secret-0123456789"}
ADMIN = {"Authorization": "Bearer admin-secret-0123456789"}


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic ear-secret-0123456789"}]
)
def test_a_wake_event_needs_a_token(headers: dict[str, str]) -> None:
    backend = Backend()
    response = client(backend).post("/api/v1/wake", json={}, headers=headers)
    assert response.status_code == 401
    assert backend.woken == []


def test_a_wake_event_speaks_for_the_source_of_its_token() -> None:
    backend = Backend()
    response = client(backend).post("/api/v1/wake", json={"device": "kitchen", "source": "forged"}, headers=EAR)
    assert response.status_code == 202
    assert backend.woken == [({"device": "kitchen", "source": "forged"}, "ear")]


def test_a_token_does_what_its_scopes_say_and_no_more() -> None:
    api = client(Backend())
    assert api.post("/api/v1/mute", json={"device": "kitchen"}, headers=EAR).status_code == 403
    assert api.post("/api/v1/mute", json={"device": "kitchen"}, headers=ADMIN).status_code == 202
    assert api.post("/api/v1/wake", json={}, headers=ADMIN).status_code == 403


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 400),
        (b'"text"', 400),
        (b"[1]", 400),
        (b"[" * 30_000, 400),
        (b'{"bad": 1}', 400),
        (b"[" + b",".join([b"{}"] * 257) + b"]", 400),
        (b"x" * (MAX_BODY_BYTES + 1), 413),
        (b"\xff", 400),
    ],
)
def test_a_bad_body_is_answered_in_one_line(content: bytes, status: int) -> None:
    response = client(Backend()).post("/api/v1/wake", content=content, headers=EAR)
    assert response.status_code == status
    assert "\n" not in response.json()["error"]


def test_a_flood_is_refused_until_time_passes() -> None:
    clock = ManualClock()
    api = client(Backend(), clock)
    answers = [api.post("/api/v1/wake", json={}, headers=EAR).status_code for _ in range(int(RATE_PER_MINUTE) + 1)]
    assert answers == [202] * int(RATE_PER_MINUTE) + [429]
    clock.advance(1.0)
    assert api.post("/api/v1/wake", json={}, headers=EAR).status_code == 202


def test_one_source_cannot_explain_a_whole_day_away() -> None:
    backend, clock = Backend(), ManualClock()
    api = client(backend, clock)
    answers = []
    for _ in range(6):
        answers.append(api.post("/api/v1/wake", json=[{}] * 250, headers=EAR).status_code)
        clock.advance(2.0)
    assert answers == [202] * 4 + [429] * 2
    assert len(backend.woken) <= EVENT_BACKLOG + 5


def test_a_web_page_cannot_reach_us_under_a_name_of_its_own() -> None:
    api = client(Backend(), allowed_hosts=("router.lan",))
    assert api.get("/api/v1/uploads", headers={"Host": "evil.example:9877"}).status_code == 421
    for host in ("127.0.0.1:9877", "[::1]:9877", "localhost:9877", "router.lan"):
        assert api.get("/api/v1/uploads", headers={"Host": host}).status_code == 200


def test_reading_needs_a_token_where_it_is_configured() -> None:
    api = client(Backend(), read_token=True)
    for path in ("/api/v1/uploads", "/api/v1/devices", "/api/v1/stats", "/api/v1/stream", "/api/v1/uploads/known"):
        assert api.get(path).status_code == 401
        assert api.get(path, headers=EAR).status_code == 403
    assert api.get("/api/v1/uploads", headers=ADMIN).status_code == 200
    assert api.get("/metrics").status_code == 200


def test_pages() -> None:
    backend = Backend()
    api = client(backend)
    assert "/api/v1/wake" in api.get("/").text
    assert api.get("/-/healthy").status_code == 200
    assert api.get("/-/ready").status_code == 200
    backend.is_ready = False
    assert (api.get("/-/ready").status_code, api.get("/-/ready").text) == (503, "starting\n")
    assert api.get("/metrics").headers["content-type"].startswith("text/plain")
    assert api.get("/api/v1/devices").headers["content-type"] == "application/json"
    assert api.get("/api/v1/uploads/known").json() == {"id": "known"}
    assert api.get("/api/v1/uploads/other").status_code == 404
    assert api.get("/api/v1/uploads?limit=x").status_code == 400
    assert api.get("/api/v1/uploads?colour=red").status_code == 400
    assert api.get("/api/v1/uploads?limit=9999999&device=a").json() == [{"device": "a", "limit": 1000}]


def test_whatever_is_refused_is_json() -> None:
    api = client(Backend())
    for answer, status in (
        (api.get("/nowhere"), 404),
        (api.post("/api/v1/uploads"), 405),
        (api.get("/api/v1/uploads?verdict=unexpectd"), 400),
        (api.get("/api/v1/uploads?colour=red"), 400),
        (api.get("/api/v1/uploads/unknown"), 404),
    ):
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
    assert api.get("/api/v1/uploads?verdict=unexpected").status_code == 200
