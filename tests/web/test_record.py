"""The vendor's record on the page."""

import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.app.compared import read_result, result_path
from sniffer.cli.reconcile import command
from sniffer.errors import UsageError
from tests.vendor.writing import Said, first_generation, household, save_json, save_log, times
from tests.web.house import PageHouse

AT = times(12)


@pytest.fixture
def house(tmp_path: Path):
    made = PageHouse(tmp_path)
    for record in household(AT):
        made.store.emit(record)
    yield made
    made.close()


def reconcile(house: PageHouse, *more: str) -> None:
    said = [Said(at + 1, text="my secret wish", device="<b>Kitchen</b>") for at in AT[1:-1]]
    export = save_json(house.folder / "a.json", first_generation([*said, Said(AT[-1] + 1)]))
    result = CliRunner().invoke(command, [str(export), "--store", str(house.store_path), "--page", *more])
    assert result.exit_code == 0, result.output
    assert "the page shows it at /record" in result.stderr


def test_before_anything_was_compared_the_page_says_how(house: PageHouse) -> None:
    text = house.client().get("/record").text
    assert "sniffer reconcile EXPORT --page" in text
    assert 'href="/record"' in house.client().get("/sources").text


def test_the_result_is_shown_while_the_daemon_runs(house: PageHouse) -> None:
    reconcile(house, "--with-transcripts")
    for language, words in (("en", "a question to the vendor, not a proof"), ("de", "eine Frage an den Hersteller")):
        text = house.client(language=language).get("/record").text
        assert words in text
        assert "/uploads/" in text
        assert "secret" not in text
        assert "<b>Kitchen" not in text
    path = result_path(house.store_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.stat().st_uid == house.store_path.stat().st_uid
    assert "secret" not in path.read_text()


def test_a_stranger_sees_nothing(house: PageHouse) -> None:
    reconcile(house)
    answer = house.client("192.168.1.50").get("/record")
    assert answer.status_code == 303
    assert "/login" in answer.headers["location"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 2}', "[" * 100_000])
def test_a_file_that_is_no_result_is_none(house: PageHouse, text: str) -> None:
    result_path(house.store_path).write_text(text)
    assert read_result(house.store_path) is None
    assert house.client().get("/record").status_code == 200


def test_a_log_has_no_page(tmp_path: Path) -> None:
    export = save_json(tmp_path / "a.json", first_generation([Said(at) for at in AT]))
    log = save_log(tmp_path / "l", household(AT))
    result = CliRunner().invoke(command, [str(export), "--log", str(log), "--page"])
    assert isinstance(result.exception, UsageError)
    assert json.loads(log.read_text().splitlines()[0])["event_type"] == "upload"
