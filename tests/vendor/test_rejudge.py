"""`sniffer reconcile --rejudge`: the vendor's word about uploads that are long judged."""

import copy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sniffer.cli.reconcile import command
from sniffer.errors import SnifferError, StoreError
from sniffer.sinks.settings import StoreSettings
from sniffer.sinks.storage.store import Store
from tests.sinks.builders import upload
from tests.vendor.writing import Said, first_generation, household, save_json, save_log, times

AT = times(30, seed=3)


def unexplained(at: int) -> dict[str, Any]:
    """An upload while no listener of one's own was there."""
    record = copy.deepcopy(upload("inconclusive", at=at))
    record.update(reason="no_wake_source", decided_by="uncovered", listened=[], confidence=0.1)
    return record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Ten uploads that nothing explains, ten that a listener heard asked for, ten of which it heard nothing."""
    with Store(StoreSettings(path=tmp_path / "sniffer.db")) as store:
        for record in (*map(unexplained, AT[:10]), *household(AT[10:20]), *household(AT[20:], "unexpected")):
            store.emit(record)
    return tmp_path / "sniffer.db"


def run(path: Path, said: list[Said], *more: object) -> Result:
    export = save_json(path.parent / "a.json", first_generation(said))
    return CliRunner().invoke(command, [str(export), "--store", str(path), *map(str, more)])


def stored(path: Path) -> list[dict[str, Any]]:
    with Store(StoreSettings(path=path), read_only=True) as store:
        return store.records(("upload",))


def test_the_word_of_the_vendor_explains_what_nothing_else_does_and_never_outranks_a_listener(path: Path) -> None:
    before = stored(path)
    kinds = {4: "FALSE_WAKE_WORD_DETECTED"}
    result = run(path, [Said(at + 1.2, kinds.get(place, "GENERAL")) for place, at in enumerate(AT)], "--rejudge")
    assert result.exit_code == 0, result.output + repr(result.exception)
    after = stored(path)
    first = [(record["verdict"], record["reason"], record["wake"]["trust"]) for record in after[:10]]
    # The one that the vendor calls a false activation stays as it was.
    word = ("expected", "vendor_reports_request", "self_report")
    assert first == [word] * 4 + [("inconclusive", "no_wake_source", None)] + [word] * 5
    assert all(record["confidence"] <= 0.6 and record["revision"] == 1 for record in after[:10] if record != before[4])
    assert after[10:20] == before[10:20]
    for old, new in zip(before[20:], after[20:], strict=True):
        assert (new["verdict"], new["reason"], new["rules"]) == ("unexpected", old["reason"], old["rules"])
        assert (new["wake"]["seen"], new["wake"]["source"]) == (False, "vendor-record")
        assert new["upload"] == old["upload"]
    assert "29 wake events added; 9 uploads that nothing explained became expected" in result.stderr


def test_a_second_time_changes_nothing(path: Path) -> None:
    said = [Said(at + 1.2) for at in AT]
    run(path, said, "--rejudge")
    once = stored(path)
    result = run(path, said, "--rejudge")
    assert "0 wake events added; 0 uploads" in result.stderr
    assert stored(path) == once


def test_without_the_option_nothing_is_written(path: Path) -> None:
    before = path.read_bytes()
    assert run(path, [Said(at + 1.2) for at in AT]).exit_code == 0
    assert path.read_bytes() == before


def test_while_the_daemon_runs_it_is_refused(path: Path) -> None:
    with Store(StoreSettings(path=path)):
        result = run(path, [Said(at + 1.2) for at in AT], "--rejudge")
    assert isinstance(result.exception, StoreError)
    assert "another sniffer is writing to it; stop that one" in str(result.exception)


def test_a_log_is_not_judged_again(path: Path) -> None:
    log = save_log(path.parent / "log.jsonl", household(AT))
    export = save_json(path.parent / "a.json", first_generation([Said(at) for at in AT]))
    result = CliRunner().invoke(command, [str(export), "--log", str(log), "--rejudge"])
    assert isinstance(result.exception, SnifferError)
    assert "--events writes what `sniffer analyze --wake` reads" in str(result.exception)
