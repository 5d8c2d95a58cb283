"""`sniffer calibrate` where nobody has to speak."""

from __future__ import annotations

from typing import Any

import pytest

from sniffer.cli import calibrate


def upload(number: int, kind: str = "speech") -> dict[str, Any]:
    return {"id": str(number), "upload": {"class": kind, "speech_seconds": 2.0 if kind == "speech" else 0.0}}


def test_only_what_is_new_counts_the_oldest_first() -> None:
    store = [upload(1)]
    new = calibrate.since_last(lambda: store[::-1])
    assert [one["id"] for one in new()] == ["1"]
    store += [upload(2), upload(3)]
    assert [one["id"] for one in new()] == ["2", "3"]
    assert new() == []


def test_a_command_that_was_not_heard_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(calibrate, "_POLL_SECONDS", 0.001)
    monkeypatch.setattr(calibrate, "_WAIT_SECONDS", 0.01)
    store = [upload(1)]
    spoken = iter(([upload(2, "telemetry"), upload(3)], [upload(4, "sync")], []))
    lesson = calibrate.guided(
        calibrate.since_last(lambda: store[::-1]), 0.0, lambda: store.extend(next(spoken)), commands=3
    )
    assert [[one["id"] for one in heard] for heard in lesson.commands] == [["2", "3"], ["4"], []]
    assert [one["id"] for one in lesson.speech] == ["3"]
    assert lesson.silence == []
    said = capsys.readouterr().err
    assert said.count("heard: 2.0 s of speech") == 1
    assert said.count("heard: nothing that was spoken") == 2
