"""`sniffer rules` as it is typed."""

from pathlib import Path

import pytest

from sniffer.cli.main import main


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["rules", *arguments])
    return int(ended.value.code or 0)


def test_the_shipped_rules_are_well_formed_and_do_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check") == 0
    assert "all well formed" in capsys.readouterr().out
    assert run("test") == 0
    assert "all passed" in capsys.readouterr().out


def test_every_bad_file_is_named_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("uploads", "devices"):
        (tmp_path / kind).mkdir()
    (tmp_path / "uploads" / "a.yml").write_text("title: [")
    (tmp_path / "uploads" / "b.yml").write_text("titel: x")
    (tmp_path / "devices" / "c.yml").write_text("titel: x")
    assert run("check", str(tmp_path)) == 2
    errors = capsys.readouterr().err
    assert "a.yml:1:9: " in errors and "c.yml:1:1: unknown key 'titel'" in errors
    assert "b.yml:1:1: unknown key 'titel'; did you mean 'title'?" in errors


def test_a_failing_test_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from sniffer.resources import shipped

    text = (shipped("rules") / "uploads" / "long-speech.yml").read_text()
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "r.yml").write_text(text.replace("gt: 30", "gt: 50"))
    assert run("test", str(tmp_path)) == 2
    assert "long-speech: '42 seconds' must match" in capsys.readouterr().err


def test_what_is_in_force_says_levels_and_exceptions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text(
        "judge:\n  rules:\n    levels: {long-speech: medium}\n    exceptions:\n"
        "      - {rule: upload-outside-wake, device: kitchen, expires: 2031-01-31, reason: the parrot}\n"
        "      - {rule: upload-outside-wake, expires: 2001-01-31, reason: long ago}\n"
    )
    assert run("list", "--effective", "-c", str(config)) == 0
    shown = capsys.readouterr().out
    assert "medium (was low)" in shown
    assert "kitchen, until 2031-01-31: the parrot" in shown
    assert "every device, EXPIRED until 2001-01-31: long ago" in shown
    assert run("list") == 0
    assert "parrot" not in capsys.readouterr().out


def test_an_exception_needs_a_reason_and_an_expiry(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "sniffer.yaml"
    config.write_text("judge:\n  rules:\n    exceptions:\n      - {rule: long-speech, expires: never}\n")
    assert run("list", "-c", str(config)) == 2
    assert f"{config}:4:9: the key 'reason' is missing" in capsys.readouterr().err


def test_a_folder_in_which_nobody_would_look_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.yml").write_text("title: x")
    config = tmp_path / "sniffer.yaml"
    config.write_text(f"judge:\n  rules:\n    folders: [{tmp_path}]\n")
    for arguments in (["check", str(tmp_path)], ["test", str(tmp_path / "none")], ["list", "-c", str(config)]):
        assert run(*arguments) == 2
        assert "devices/, services/, uploads/" in capsys.readouterr().err


def test_rules_of_ones_own_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tests.rules.test_engine import GOOD

    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "mine.yml").write_text(GOOD)
    config = tmp_path / "sniffer.yaml"
    config.write_text(f"judge:\n  rules:\n    folders: [{tmp_path}]\n")
    assert run("list", "-c", str(config)) == 0
    shown = capsys.readouterr().out
    assert "my-rule" in shown and "amazon-echo" in shown
