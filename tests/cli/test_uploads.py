"""What was sent, read back out of a store that a daemon is writing to."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sniffer.cli.export import command as export
from sniffer.cli.uploads import command as uploads
from sniffer.errors import StoreError, UsageError
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload


@pytest.fixture
def path(tmp_path: Path):
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        for at, verdict in ((0, "expected"), (60, "unexpected"), (120, None)):
            store.emit(upload(verdict, at=at, host="=cmd|' /C calc'!A0" if verdict == "unexpected" else None))
        yield tmp_path / "sniffer.db"


def run(command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=True)


def test_the_table_shows_what_could_be_heard_the_newest_last(path: Path) -> None:
    result = run(uploads, "--store", path)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0
    assert [word in line for word, line in zip(("verdict", "expected", "unexpected (97%)"), lines, strict=True)] == [
        True
    ] * 3
    assert len(run(uploads, "--store", path, "--all").stdout.splitlines()) == 4


def test_jsonl_is_whole_records_and_nothing_else(path: Path) -> None:
    result = run(uploads, "--store", path, "--format", "jsonl", "--verdict", "unexpected", "--device", "kitchen")
    assert [json.loads(line)["verdict"] for line in result.stdout.splitlines()] == ["unexpected"]
    assert result.stderr == ""


def test_since_and_until(path: Path) -> None:
    assert len(run(uploads, "--store", path, "--since", "2026-11-18T11:07:00Z").stdout.splitlines()) == 2
    assert run(uploads, "--store", path, "--since", "2h").stdout == ""
    bad = run(uploads, "--store", path, "--since", "soon")
    assert bad.exit_code == 2
    assert "not a time: 'soon'" in bad.stderr


def test_no_store(tmp_path: Path) -> None:
    result = run(uploads, "--store", tmp_path / "none.db")
    assert isinstance(result.exception, StoreError)
    assert "there is no store here" in str(result.exception)


def test_csv_cannot_become_a_formula(path: Path) -> None:
    result = run(export, "--store", path)
    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    assert [row["verdict"] for row in rows] == ["expected", "unexpected", ""]
    assert rows[1]["host"] == "'=cmd|' /C calc'!A0"
    assert rows[1]["rules"] == "upload-outside-wake"
    for row in rows:
        for name, value in row.items():
            assert value[:1] not in ("=", "+", "@", "\t", "\r"), name
    assert result.stderr == "3 uploads\n"


@pytest.mark.parametrize("name", ["@SUM(1)", "+1", "-1+1", " =1", "\t=1", "\r=1"])
def test_each_beginning_of_a_formula(tmp_path: Path, name: str) -> None:
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        store.emit(upload(host=name))
        cell = next(csv.DictReader(io.StringIO(run(export, "--store", store.path).stdout)))["host"]
    assert cell.startswith("'")


def test_jsonl_and_times(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    span = ("--from", "2026-11-18T11:07:00Z", "--to", "2026-11-18T11:08:00Z")
    result = run(export, "--store", path, "--format", "jsonl", *span, "-o", out)
    assert result.stdout == ""
    assert [json.loads(line)["verdict"] for line in out.read_text().splitlines()] == ["unexpected"]


def test_parquet_has_types(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    out = tmp_path / "out.parquet"
    assert run(export, "--store", path, "--format", "parquet", "-o", out).exit_code == 0
    table = parquet.read_table(out)
    assert table.num_rows == 3
    assert str(table.schema.field("timestamp").type) == "timestamp[us, tz=UTC]"
    assert table.column("bytes").to_pylist() == [46_012] * 3
    assert table.column("rules").to_pylist()[1] == ["upload-outside-wake"]
    assert isinstance(run(export, "--store", path, "--format", "parquet").exception, UsageError)


def test_a_place_that_cannot_be_written(path: Path, tmp_path: Path) -> None:
    result = run(export, "--store", path, "-o", tmp_path / "missing" / "out.csv")
    assert isinstance(result.exception, UsageError)
    assert "cannot be written" in str(result.exception)


def test_more_than_a_page_comes_in_order_and_once(tmp_path: Path) -> None:
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        with store.transaction():
            for number in range(1203):
                store.emit(upload(at=number // 3, port=1000 + number))
        found = [record["id"] for record in store.walk(("upload",))]
        assert len(set(found)) == len(found) == 1203
        assert found == [record["id"] for record in store.records(("upload",))]


def test_a_mistyped_device_is_told(path: Path) -> None:
    result = run(uploads, "--store", path, "--device", "kitchn")
    assert result.stderr == "no such uploads: no device in there is called 'kitchn'; did you mean 'kitchen'?\n"
    assert "did you mean 'kitchen'?" in run(export, "--store", path, "--device", "kitchn").stderr
    assert "--all" in run(uploads, "--store", path, "--device", "Kitchen", "--since", "2h").stderr
    assert f"--store {path}" in run(uploads, "--store", path).stderr


def test_the_name_of_the_file_says_its_format(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.JSONL"
    assert run(export, "--store", path, "-o", out).exit_code == 0
    assert all(json.loads(line)["id"] for line in out.read_text().splitlines())
    assert run(export, "--store", path, "-o", out, "--format", "csv").exit_code == 0
    assert out.read_text().startswith("id,")
