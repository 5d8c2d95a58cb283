"""`sniffer listen`, end to end: espeak-ng speaks, the models hear, the real API takes the report."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.listen import command as listen
from sniffer.errors import UsageError
from sniffer.listener.reporter import Reporter
from sniffer.model.clock import SystemClock
from sniffer.testing import ManualClock
from sniffer.web.client import Client
from tests.cli.router import TOKEN, Router, serving
from tests.listener.listening import room, speech, wav
from tests.wake.ears import until

S = 1_000_000_000


@pytest.fixture
def router() -> Iterator[tuple[Router, str]]:
    with serving() as it:
        yield it


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return str(path)


@pytest.fixture(scope="module")
def alexa() -> bytes:
    pytest.importorskip("pymicro_wakeword", reason="the extra 'listen' is not installed")
    return speech("Alexa", noise=10)


def test_end_to_end(tmp_path: Path, alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    path = wav(tmp_path / "alexa.wav", alexa)
    result = CliRunner().invoke(
        listen, ["--input", str(path), "--url", url, "--token-file", token_file, "--device", "kitchen"],
        catch_exceptions=False,
    )  # fmt: skip
    assert result.exit_code == 0
    assert "Alexa  kitchen" in result.output
    (event,) = backend.events
    assert (event.source, event.device) == ("shelf", "kitchen")
    ago = (SystemClock().now_ns() - event.time_ns) / S
    assert 0.2 <= ago <= 10, "the file ended just now, and the word was said about a second before its end"


def test_a_stream_end_to_end(alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    arguments = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--token-file", token_file]
    done = subprocess.run(arguments, input=alexa, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"Alexa") == 1
    kinds = [str(event.kind) for event in backend.events]
    assert kinds.count("wake") == 1
    assert kinds[0] == "source_up"
    assert kinds[-1] == "source_down"


def test_it_ends_when_asked_to_and_says_so(alexa: bytes, router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    arguments = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--token-file", token_file]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        process.stdin.write(alexa)
        process.stdin.flush()
        until(lambda: any(str(event.kind) == "wake" for event in backend.events), 30)
        process.terminate()
        assert process.wait(20) == 0
    assert [str(event.kind) for event in backend.events][-1] == "source_down"


def test_nothing_is_reported_without_a_token(tmp_path: Path, alexa: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNIFFER_TOKEN", raising=False)
    path = str(wav(tmp_path / "a.wav", alexa))
    with pytest.raises(UsageError, match="a token with the scope 'wake' is needed"):
        CliRunner().invoke(listen, ["--input", path], catch_exceptions=False)
    dry = CliRunner().invoke(listen, ["--input", path, "--dry-run"], catch_exceptions=False)
    assert dry.output.count("Alexa") == 1


def test_what_would_be_testified_is_printed(tmp_path: Path, alexa: bytes) -> None:
    path = wav(tmp_path / "a.wav", alexa)
    arguments = ["--input", str(path), "--dry-run", "--format", "jsonl", "--start", "2026-11-27T12:00:00Z"]
    run = CliRunner().invoke(listen, arguments, catch_exceptions=False)
    lines = [json.loads(line) for line in run.output.splitlines()]
    assert len(lines) == len(alexa) // 3200
    assert [line["timestamp"] for line in lines[:2]] == ["2026-11-27T12:00:00.100000Z", "2026-11-27T12:00:00.200000Z"]
    assert set(lines[0]) == {"timestamp", "scores", "voice", "level_db", "noise_db", "heard", "words"}
    assert max(line["scores"]["alexa"] for line in lines) > 0.9
    assert [word for line in lines for word in line["words"]] == ["Alexa"]
    assert max(line["voice"] for line in lines) > 0.5 > lines[5]["voice"]


def test_the_self_test(tmp_path: Path, alexa: bytes) -> None:
    path = wav(tmp_path / "five.wav", room(2) + 5 * (alexa + room(1)))
    run = CliRunner().invoke(listen, ["--input", str(path), "--test"], catch_exceptions=False)
    assert run.exit_code == 0
    assert run.stdout.count("best score") == 5
    assert "5 of 5 words were heard clearly" in run.stdout
    assert run.stderr.count('say "alexa"') == 5
    with pytest.raises(UsageError, match="the sound ended after 2 of 5 words"):
        short = wav(tmp_path / "two.wav", room(3) + 2 * (alexa + room(1)))
        CliRunner().invoke(listen, ["--input", str(short), "--test"], catch_exceptions=False)


def test_the_unit_is_printed(token_file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/http.pem")
    arguments = [
        "--install",
        "--print",
        "--token-file",
        token_file,
        "--url",
        "https://r:9877",
        "--device",
        "living room",
    ]
    run = CliRunner().invoke(listen, arguments, catch_exceptions=False)
    (line,) = [line for line in run.output.splitlines() if line.startswith("ExecStart=")]
    assert line.startswith(
        f"ExecStart={sys.executable} -m sniffer listen --url https://r:9877 --token-file {token_file}"
    )
    assert '--device "living room"' in line
    assert "Environment=SSL_CERT_FILE=/etc/http.pem" in run.output
    assert TOKEN not in run.output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--install"], "--install needs --token-file"),
        (["--install", "--token-file", "TOKEN", "--input", "-"], "--install needs a microphone"),
        (["--print"], "--print goes with --install"),
        (["--format", "jsonl"], "--format jsonl goes with --dry-run"),
    ],
)
def test_options_that_do_not_fit(
    token_file: str, monkeypatch: pytest.MonkeyPatch, arguments: list[str], reason: str
) -> None:
    monkeypatch.delenv("SNIFFER_TOKEN", raising=False)
    with pytest.raises(UsageError, match=reason):
        CliRunner().invoke(listen, [token_file if a == "TOKEN" else a for a in arguments], catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--input", "none.wav"], "none.wav: cannot be read: No such file or directory"),
        (["--input", "broken.wav"], "broken.wav: not a WAV file"),
        (["--model", "hal"], "hal: no such model"),
        (["--token-file", "none"], "none"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, token_file: str, alexa: bytes, arguments: list[str], reason: str
) -> None:
    (tmp_path / "broken.wav").write_bytes(b"RIFF\0\0")
    words = [sys.executable, "-m", "sniffer", "listen", "--token-file", token_file, *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, cwd=tmp_path, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    assert done.stderr.startswith(f"sniffer: {reason}") or reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_wrong_token_is_one_line_and_it_goes_on(router: tuple[Router, str], alexa: bytes, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("wrong")
    words = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", router[1], "--token-file"]
    done = subprocess.run([*words, str(tmp_path / "wrong")], input=alexa, capture_output=True, text=False, timeout=60)
    assert b"answered 401" in done.stderr
    assert b"1 events could not be reported" in done.stderr
    assert b"Traceback" not in done.stderr
    assert done.returncode == 2
    assert b"Alexa" in done.stdout


@pytest.mark.parametrize("seconds", [-300, 300])
def test_a_wrong_clock_does_not_keep_it_from_reporting(router: tuple[Router, str], seconds: int) -> None:
    """The daemon refuses what lies 300 s in the future, and says what time it is."""
    backend, url = router
    clock = ManualClock(SystemClock().now_ns() + seconds * S)
    with Client(url, TOKEN) as client:
        reporter = Reporter(client, clock, heartbeat=20.0)
        for _ in range(3):
            reporter.step()
    assert backend.events
    ago = (SystemClock().now_ns() - backend.events[-1].time_ns) / S
    assert seconds > 0 or len(backend.events) == 1, "accepted, as late as it said"
    if seconds > 0:
        assert abs(ago) < 20, "corrected"


@pytest.mark.slow
def test_it_testifies_about_what_was_said_and_what_was_not(
    alexa: bytes, router: tuple[Router, str], token_file: str
) -> None:
    """Sound at its own pace into the real program; the daemon's stream asks; two testimonies come back, and no more."""
    backend, url = router
    sound = room(5) + alexa + room(2)
    words = [sys.executable, "-m", "sniffer", "listen", "--input", "-", "--url", url, "--token-file", token_file]
    with subprocess.Popen([*words, "--device", "kitchen"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin
        until(lambda: backend.followed and backend.events, 30)
        clock, began = SystemClock(), time.monotonic()
        for place in range(0, len(sound), 2560):
            time.sleep(max(0.0, place / 32000 - (time.monotonic() - began)))
            process.stdin.write(sound[place : place + 2560])
            process.stdin.flush()
        end_ns = clock.now_ns()
        backend.ask(end_ns - 8 * S, end_ns)
        until(lambda: len(backend.testimonies) == 1, 30)
        backend.ask(end_ns - 9 * S, end_ns - 5 * S)
        until(lambda: len(backend.testimonies) == 2, 30)
        process.stdin.close()
        assert process.wait(20) == 0
    said, silent = [event["testimony"] for event in backend.testimonies]
    assert backend.testimonies[0]["device"] == "kitchen"
    assert said["scores"]["alexa"] > 0.9
    assert said["voice"] > 0.05
    assert said["level_db"] > said["noise_db"] + 20
    assert said["seconds"] > 6, "on a busy machine some arrives late"
    assert silent["scores"]["alexa"] < 0.05
    assert silent["voice"] == 0
    assert silent["level_db"] < silent["noise_db"] + 3
    assert len(backend.testimonies) == 2
    (word,) = [event for event in backend.events if str(event.kind) == "wake"]
    expected = end_ns - (len(sound) - len(room(5) + alexa)) / 32000 * S - S
    assert word.time_ns == pytest.approx(expected, abs=2 * S), "the word ends a second before its silence ends"
