"""Who may open the page."""

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from sniffer.errors import ConfigError
from sniffer.model.clock import SECOND
from sniffer.web.keys import Role, hash_password, keys_path, make_link, password_matches, read_keys, write_keys
from tests.web.house import SAME, Make, PageHouse

AWAY = "192.168.1.50"


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[PageHouse] = []

    def build(**settings: object) -> PageHouse:
        made.append(PageHouse(tmp_path, **settings))
        return made[-1]

    yield build
    for house in made:
        house.close()


def link(house: PageHouse, role: Role = Role.CHANGE) -> str:
    return f"/link/{make_link(read_keys(keys_path(house.store_path)), role, house.clock.now_ns() // SECOND)}"


def set_password(house: PageHouse, role: Role, password: str) -> None:
    path = keys_path(house.store_path)
    keys = read_keys(path)
    keys.passwords[role] = hash_password(password)
    write_keys(path, keys)


def test_on_this_machine_everybody_may_look(make: Make) -> None:
    assert make().client().get("/").status_code == 200


def test_from_elsewhere_one_signs_in_first(make: Make) -> None:
    answer = make().client(AWAY).get("/timeline?span=6h")
    assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Ftimeline%3Fspan%3D6h")


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_behind_a_proxy_this_machine_is_elsewhere(make: Make, header: str) -> None:
    assert make().client().get("/", headers={header: "192.168.1.50"}).status_code == 303


def test_curl_still_gets_the_list_of_addresses(make: Make) -> None:
    answer = make().client(AWAY).get("/", headers={"Accept": "*/*"})
    assert answer.text.startswith("sniffer\n")


def test_a_link_signs_in_once_and_a_preview_does_not_use_it_up(make: Make) -> None:
    house = make()
    phone, path = house.client(AWAY), link(house)
    for _ in range(3):
        assert phone.get(path).status_code == 200
    answer = phone.post(path, headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert phone.get("/").status_code == 200
    assert house.client(AWAY).post(path, headers=SAME).status_code == 403


def test_a_link_ends_after_a_day(make: Make) -> None:
    house = make()
    path = link(house)
    house.clock.advance(86_401)
    assert house.client(AWAY).post(path, headers=SAME).status_code == 403


@pytest.mark.parametrize("token", ["x", "a-b-c-d", "ffffffffff-00-c-" + "0" * 40, "%00", "é"])
def test_a_forged_link_opens_nothing(make: Make, token: str) -> None:
    assert make().client(AWAY).post(f"/link/{token}", headers=SAME).status_code == 403


def test_a_password_signs_in_and_the_session_survives_a_restart(make: Make, tmp_path: Path) -> None:
    house = make()
    set_password(house, Role.CHANGE, "correct horse")
    phone = house.client(AWAY)
    assert phone.post("/login", data={"password": "wrong horse"}, headers=SAME).status_code == 403
    answer = phone.post("/login", data={"password": "correct horse", "next": "/health"}, headers=SAME)
    assert (answer.status_code, answer.headers["location"]) == (303, "/health")
    session = phone.cookies["sniffer_session"]
    house.close()
    again = PageHouse(tmp_path)
    assert again.client(AWAY).get("/", headers={"Cookie": f"sniffer_session={session}"}).status_code == 200
    again.close()


def test_nobody_is_sent_elsewhere_after_signing_in(make: Make) -> None:
    house = make()
    set_password(house, Role.CHANGE, "correct horse")
    for target in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\nx"):
        data = {"password": "correct horse", "next": target}
        assert house.client(AWAY).post("/login", data=data, headers=SAME).headers["location"] == "/"
        house.clock.advance(60)


def test_guessing_is_slow(make: Make) -> None:
    house = make()
    set_password(house, Role.CHANGE, "correct horse")
    phone = house.client(AWAY)
    answers = [phone.post("/login", data={"password": f"guess {n}"}, headers=SAME).status_code for n in range(7)]
    assert answers == [403] * 5 + [429] * 2
    assert phone.post("/login", data={"password": "correct horse"}, headers=SAME).status_code == 429
    house.clock.advance(31)
    assert phone.post("/login", data={"password": "correct horse"}, headers=SAME).status_code == 303


@pytest.mark.parametrize(
    "cookie", ["sniffer_session=forged", "sniffer_session=" + "A" * 9000, "=;;;,", "sniffer_session=é"]
)
def test_a_forged_cookie_opens_nothing(make: Make, cookie: str) -> None:
    answer = make().client(AWAY).get("/", headers={"Cookie": cookie.encode()})  # type: ignore[dict-item]
    assert answer.status_code == 303


def test_signing_out_ends_the_session(make: Make) -> None:
    house = make()
    phone = house.client(AWAY)
    phone.post(link(house), headers=SAME)
    session = phone.cookies["sniffer_session"]
    token = re.search(r'name="form" value="(\w+)"', phone.get("/").text)
    assert token
    assert phone.post("/logout", data={"form": "wrong"}, headers=SAME).status_code == 403
    assert phone.post("/logout", data={"form": token[1]}, headers=SAME).status_code == 303
    assert house.client(AWAY).get("/", headers={"Cookie": f"sniffer_session={session}"}).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Referer": "http://evil.example/127.0.0.1:9877"},
        {},
    ],
)
def test_a_foreign_page_cannot_use_a_form(make: Make, headers: dict[str, str]) -> None:
    house = make()
    set_password(house, Role.CHANGE, "correct horse")
    phone = house.client(AWAY)
    assert phone.post("/login", data={"password": "correct horse"}, headers=headers).status_code == 403
    assert phone.post(link(house), headers=headers).status_code == 403


def test_no_page_can_be_framed_or_run_foreign_code(make: Make) -> None:
    client = make().client()
    for path in ("/", "/login?again=1", "/nothing-here", "/link/x"):
        answer = client.get(path)
        if answer.status_code == 404:
            continue
        assert answer.headers["x-frame-options"] == "DENY"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"\sstyle=|<style|<script(?! type=\"module\" src=\"/static/)|\son\w+=", answer.text)


def test_deleting_the_keys_ends_all_sessions(make: Make) -> None:
    house = make()
    phone = house.client(AWAY)
    phone.post(link(house), headers=SAME)
    assert phone.get("/").status_code == 200
    keys_path(house.store_path).unlink()
    house.close()
    again = make()
    cookie = f"sniffer_session={phone.cookies['sniffer_session']}"
    assert again.client(AWAY).get("/", headers={"Cookie": cookie}).status_code == 303


def test_the_keys_are_for_their_owner_only(make: Make) -> None:
    path = keys_path(make().store_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "correct horse" not in path.read_text()


def test_a_damaged_key_file_switches_the_page_off_and_not_the_daemon(tmp_path: Path) -> None:
    (tmp_path / "page.json").write_text("{")
    house = PageHouse(tmp_path)
    assert house.client().get("/").text.startswith("sniffer\n")
    house.close()


def test_a_password_is_kept_as_a_hash() -> None:
    hashed = hash_password("correct horse")
    assert password_matches("correct horse", hashed)
    assert not password_matches("correct horsf", hashed)
    assert hashed != hash_password("correct horse")
    for broken in ("", "scrypt$1$1$1", "scrypt$99999999$8$1$00$00", "plain"):
        assert not password_matches("correct horse", broken)
    with pytest.raises(ConfigError, match="8 to 1024"):
        hash_password("short")
