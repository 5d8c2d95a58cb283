"""`sniffer page`: the address, a link that signs in, passwords."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sniffer.app.config import Config
from sniffer.cli.main import cli
from sniffer.cli.page import is_local, page_url
from sniffer.web.keys import keys_path, open_link, password_matches, read_keys
from tests.web.house import SAME, PageHouse


def page(folder: Path, *arguments: str, text: str | None = None) -> Result:
    return CliRunner().invoke(cli, ["page", "--store", str(folder / "store.db"), *arguments], input=text)


def test_the_address_is_printed(tmp_path: Path) -> None:
    assert page(tmp_path).output.startswith("http://127.0.0.1:9877\n")


def test_a_link_signs_in_at_the_running_daemon(tmp_path: Path) -> None:
    house = PageHouse(tmp_path)
    result = page(tmp_path, "--link", "--url", "http://192.168.1.1:9877")
    assert result.exit_code == 0, result.output
    link = result.output.splitlines()[0]
    assert re.fullmatch(r"http://192\.168\.1\.1:9877/link/[0-9a-f]+-[0-9a-f]+-c-[0-9a-f]{40}", link)
    found = open_link(read_keys(keys_path(house.store_path)), link.rpartition("/")[2], 0)
    assert found is not None
    assert house.client("192.168.1.9").post(link.partition("9877")[2], headers=SAME).status_code == 303
    house.close()


@pytest.mark.parametrize(("flags", "role"), [(("--password",), "change"), (("--password", "--look"), "look")])
def test_a_password_is_set_while_the_daemon_runs(tmp_path: Path, flags: tuple[str, ...], role: str) -> None:
    house = PageHouse(tmp_path)
    result = page(tmp_path, *flags, text="correct horse\n")
    assert result.exit_code == 0, result.output
    hashed = read_keys(keys_path(house.store_path)).passwords[role]
    assert password_matches("correct horse", hashed)
    answer = house.client("192.168.1.9").post("/login", data={"password": "correct horse"}, headers=SAME)
    assert answer.status_code == 303
    house.close()


@pytest.mark.parametrize("text", ["", "short\n", "x" * 2000 + "\n"])
def test_a_bad_password_is_refused(tmp_path: Path, text: str) -> None:
    PageHouse(tmp_path).close()
    result = page(tmp_path, "--password", text=text)
    assert result.exit_code != 0
    assert read_keys(keys_path(tmp_path / "store.db")).passwords == {}


def test_without_a_daemon_there_is_nothing_to_sign_in_to(tmp_path: Path) -> None:
    result = page(tmp_path, "--link")
    assert result.exit_code != 0
    assert "sniffer run" in str(result.exception or result.output)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("host", "local"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("router", False)]
)
def test_whether_others_can_reach_it(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_a_wildcard_address_is_printed_as_one_that_can_be_opened() -> None:
    url = page_url(Config.model_validate({"http": {"host": "0.0.0.0"}}))
    assert "0.0.0.0" not in url
