"""What the page changes, as a reader meets it."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from tests.web.house import SAME, PageHouse, upload

MAC = "68:db:f5:90:19:64"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[PageHouse]:
    made = PageHouse(tmp_path)
    turning = threading.Event()

    def turn() -> None:
        while not turning.wait(0.01):
            made.daemon.step()

    thread = threading.Thread(target=turn)
    thread.start()
    yield made
    turning.set()
    thread.join()
    made.close()


def token(client: TestClient) -> str:
    found = re.search(r'name="form" value="(\w+)"', client.get("/rules").text)
    assert found
    return found[1]


def send(client: TestClient, path: str, **fields: Any) -> Any:
    return client.post(path, data={"form": token(client), **fields}, headers=SAME)


def overlay(house: PageHouse) -> list[dict[str, Any]]:
    path = house.folder / "sniffer.overlay.yaml"
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text())["changes"] if path.exists() else []
    return found


def known(house: PageHouse) -> None:
    """A device that is known by an upload only is not on the network: name it as setup does."""
    house.service.page.backend.change({"devices": [{"mac": MAC, "name": "echo"}]}, "device", "echo")


def test_a_device_gets_a_name_at_once_and_for_good(house: PageHouse) -> None:
    known(house)
    client = house.client()
    answer = send(client, f"/devices/{MAC}", name="kitchen", kind="speaker", watch="yes", back=f"/devices/{MAC}")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/devices/{MAC}?done=saved")
    assert "kitchen" in client.get("/devices").text
    assert overlay(house)[-1]["set"]["devices"] == [{"mac": MAC, "name": "kitchen", "kind": "speaker", "watch": True}]


def test_a_bad_name_is_refused_in_words(house: PageHouse) -> None:
    known(house)
    answer = send(house.client(), f"/devices/{MAC}", name="<b>", back="/devices")
    assert answer.headers["location"].startswith("/devices?problem=A+name+has+letters")
    assert len(overlay(house)) == 1


def test_a_change_is_undone_with_one_click(house: PageHouse) -> None:
    client = house.client()
    send(client, "/rules/level", level="critical", back="/rules")
    assert "“Critical”" in client.get("/rules").text
    send(client, "/undo", id=overlay(house)[0]["id"], back="/start")
    assert "“Medium”" in client.get("/rules").text
    assert overlay(house) == []


def test_quiet_hours_are_added_and_shown(house: PageHouse) -> None:
    client = house.client()
    assert (
        send(client, "/rules/quiet", start="23:00", end="06:30", back="/rules").headers["location"]
        == "/rules?done=saved"
    )
    assert re.search("23:00 . 06:30", client.get("/rules").text)
    assert "Quiet hours" in client.get("/timeline").text
    assert "problem=" in send(client, "/rules/quiet", start="25:00", end="x", back="/rules").headers["location"]


def test_the_first_quiet_hours_are_read_in_the_zone_of_the_reader(house: PageHouse) -> None:
    client = house.client()
    client.cookies.set("sniffer_zone", "Asia/Tokyo")
    assert "in the zone Asia/Tokyo" in client.get("/rules").text
    send(client, "/rules/quiet", start="23:00", end="06:30", back="/rules")
    client.cookies.set("sniffer_zone", "Europe/Berlin")
    assert "in the zone Asia/Tokyo" in client.get("/rules").text, "another reader does not move them"
    send(client, "/rules/quiet", start="12:00", end="13:00", back="/rules")
    assert "in the zone Asia/Tokyo" in client.get("/rules").text
    assert house.service.page.backend.settings()["time_zone"] == "Asia/Tokyo"


def test_an_exception_silences_a_rule_for_a_device(house: PageHouse) -> None:
    known(house)
    client = house.client()
    fields = {"rule": "upload-outside-wake", "device": "echo", "expires": "2030-01-01", "reason": "visitors"}
    assert send(client, "/rules/exception", back="/rules", **fields).headers["location"] == "/rules?done=saved"
    assert "visitors" in client.get("/rules").text
    answer = send(client, "/rules/exception", back="/rules", **{**fields, "rule": "no-such-rule"})
    assert "problem=" in answer.headers["location"]
    assert len(overlay(house)) == 2


def test_a_listener_is_added_with_its_token_and_the_command(house: PageHouse) -> None:
    client = house.client()
    answer = send(client, "/sources", name="kitchen-ear", back="/sources")
    assert answer.status_code == 200
    secret = re.search(r"echo &#39;([\w-]+)&#39;", answer.text)
    assert secret
    assert "<svg" in answer.text
    for _ in range(200):  # the server is replaced, so the answer does not wait for it
        if "kitchen-ear" in house.client().get("/sources").text:
            break
        house.service.page.backend._take({})
    client = house.client()
    assert "kitchen-ear" in client.get("/sources").text
    path = house.folder / "tokens" / "kitchen-ear.token"
    assert path.read_text().strip() == secret[1]
    assert path.stat().st_mode & 0o077 == 0
    assert secret[1] not in client.get("/sources").text + client.get("/health").text
    send(client, "/undo", id=overlay(house)[-1]["id"], back="/start")
    assert not path.exists()


@pytest.mark.parametrize("url", ["ftp://x", "https://user:pw@x/y", "nonsense"])
def test_a_receiver_that_cannot_be_is_refused(house: PageHouse, url: str) -> None:
    answer = send(house.client(), "/rules/target", name="phone", url=url, format="ntfy", back="/rules")
    assert "problem=" in answer.headers["location"]
    assert overlay(house) == []


def test_alerts_are_muted_for_two_hours_and_on_again(house: PageHouse) -> None:
    known(house)
    client = house.client()
    assert (
        send(client, "/mute", device="echo", seconds="7200", back="/rules").headers["location"] == "/rules?done=muted"
    )
    house.daemon.step()
    assert "Alerts on again" in client.get("/rules").text
    send(client, "/mute", device="echo", seconds="end", back="/rules")
    house.daemon.step()
    assert "Alerts are on for all devices" in client.get("/rules").text


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/rules/level", {"level": "<b>"}),
        ("/rules/exception", {"rule": "upload-outside-wake"}),
        ("/mute", {"device": "all", "seconds": "x"}),
        ("/undo", {"id": "nothing"}),
        ("/start/zone", {"zone": "Mars/Phobos"}),
        ("/rules/test", {"target": "nothing"}),
        ("/sources", {"name": "../../etc"}),
    ],
)
def test_nonsense_changes_nothing(house: PageHouse, path: str, fields: dict[str, str]) -> None:
    answer = send(house.client(), path, back="/rules", **fields)
    assert answer.status_code == 303
    assert "problem=" in answer.headers["location"]
    assert overlay(house) == []


def test_who_may_only_look_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse")
    house = PageHouse(tmp_path, http={"port": 0, "page": {"password": {"file": str(tmp_path / "password")}}})
    client = house.client()
    page = client.get("/rules").text
    assert "<form" not in page.split("<main")[1].split("</main")[0]
    assert client.post("/rules/level", data={"level": "high", "form": "x"}, headers=SAME).status_code == 403
    assert overlay(house) == []
    house.close()


def test_a_form_from_elsewhere_changes_nothing(house: PageHouse) -> None:
    client = house.client()
    fields = {"form": token(client), "level": "high"}
    for headers in ({"Origin": "http://evil.example"}, {"Origin": "null"}, {}):
        assert client.post("/rules/level", data=fields, headers=headers).status_code == 403
    assert client.post("/rules/level", data={"level": "high"}, headers=SAME).status_code == 403
    assert client.post("/rules/level", data={**fields, "x": "y" * 20_000}, headers=SAME).status_code == 413
    assert overlay(house) == []


def test_names_from_the_network_are_inert_everywhere(house: PageHouse) -> None:
    name = "<script>alert(1)</script>\u202e" + "N" * 10_000
    with house.store.transaction():
        house.store.emit(upload(1, name=name))
    client = house.client()
    for path in ("/", "/timeline", "/questions", f"/uploads/{upload(1)['id']}"):
        text = client.get(path).text
        assert "<script>alert" not in text
        assert "\u202e" not in text
        assert len(text) < 60_000


def test_a_store_of_the_last_version_is_read(tmp_path: Path) -> None:
    """One without the table that overviews read."""
    house = PageHouse(tmp_path)
    with house.store.transaction() as db:
        house.store.emit(upload(1))
        for name in ("summary_made", "summary_changed", "summary_gone"):
            db.execute(f"DROP TRIGGER {name}")
        db.execute("DROP TABLE summaries")
        house.store.emit(upload(2, "expected", "wake_event"))
    house.close()
    again = PageHouse(tmp_path)
    text = again.client().get("/timeline").text
    again.close()
    assert text.count("/uploads/2026") >= 2


@pytest.fixture
def asking(house: PageHouse, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, str]]:
    """A house with three open questions, and the answers that the daemon is given."""
    given: list[tuple[str, str, str]] = []

    def answer(identifier: str, answer: str, way: str) -> dict[str, Any]:
        given.append((identifier, answer, way))
        record = {"event_type": "answer", "id": f"{identifier}-{len(given)}", "timestamp": upload(0)["timestamp"],
                  "upload_id": identifier, "answer": answer, "source": way}  # fmt: skip
        house.store.emit(record)
        return record

    monkeypatch.setattr(house.daemon, "answer", answer)
    with house.store.transaction():
        for number, verdict, reason in (
            (1, "unexpected", "no_wake_event"),
            (2, "inconclusive", "source_may_have_missed"),
            (3, "unexpected", "no_wake_event"),
            (4, "inconclusive", "may_not_be_speech"),
            (5, "expected", "wake_event"),
        ):
            house.store.emit(upload(number, verdict, reason))
    return given


def test_a_question_is_answered_with_one_tap(house: PageHouse, asking: list[tuple[str, str, str]]) -> None:
    client = house.client()
    assert "3 open questions" in client.get("/questions").text
    identifier = upload(1)["id"]
    answer = send(client, "/questions", id=identifier, answer="asked", back="/questions")
    assert answer.headers["location"] == "/questions?done=answered"
    assert asking == [(identifier, "yes", "page")]
    text = client.get("/questions").text
    assert "2 open questions" in text
    assert "Change this answer" in text
    assert "Your answer: I asked" in client.get(f"/uploads/{identifier}").text


def test_several_are_answered_at_once(house: PageHouse, asking: list[tuple[str, str, str]]) -> None:
    client = house.client()
    body = "&".join([f"form={token(client)}", "answer=unasked", *(f"id={upload(n)['id']}" for n in (1, 2, 3))])
    headers = {**SAME, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post("/questions", content=body, headers=headers).status_code == 303
    assert [given[1] for given in asking] == ["no"] * 3
    assert "No question is open" in client.get("/questions").text


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"answer": "maybe", "id": "x"}, 400),
        ({"answer": "asked", "id": "x"}, 404),
        ({"answer": "asked"}, 303),
    ],
)
def test_a_wrong_answer_is_none(
    house: PageHouse, asking: list[tuple[str, str, str]], fields: dict[str, str], status: int
) -> None:
    assert send(house.client(), "/questions", back="/questions", **fields).status_code == status
    assert asking == []


def test_the_listeners_are_asked_while_a_person_tests_them(house: PageHouse) -> None:
    """The button of "say the wake word five times": each press asks once, and what a listener answers is shown."""
    asked: list[dict[str, Any]] = []
    house.daemon.subscribe(lambda record: asked.append(dict(record)), "shelf")
    client = house.client()
    assert "five times" in client.get("/sources").text
    answer = send(client, "/sources/test", back="/sources")
    assert (answer.status_code, answer.headers["location"]) == (303, "/sources?done=listeners_asked")
    asks = [record for record in asked if "event_type" not in record]
    assert [set(ask) for ask in asks] == [{"from", "to"}]
    heard = {
        "from": asks[0]["from"], "to": asks[0]["to"], "scores": {"alexa": 0.44}, "voice": 0.3, "level_db": -30.0,
        "noise_db": -60.0, "seconds": 8.0,
    }  # fmt: skip
    house.daemon.wake({"kind": "testimony", "timestamp": asks[0]["to"], "testimony": heard}, "shelf")
    deadline = threading.Event()
    for _ in range(200):
        if "44" in client.get("/sources").text:
            break
        deadline.wait(0.05)
    assert re.search(r"44\W*%", client.get("/sources").text)
