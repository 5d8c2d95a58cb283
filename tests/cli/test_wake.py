"""`sniffer wake` against the real API."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from sniffer.cli.wake import command as wake
from sniffer.errors import DaemonError, UsageError, WakeError
from tests.cli.router import TOKEN, Router, serving


@pytest.fixture
def router():
    with serving() as it:
        yield it


@pytest.fixture
def token_file(tmp_path: Path) -> str:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return str(path)


def test_sniffer_wake(router: tuple[Router, str], token_file: str) -> None:
    backend, url = router
    run = CliRunner().invoke(wake, ["kitchen", "--url", url, "--token-file", token_file], catch_exceptions=False)
    assert run.exit_code == 0
    assert run.output.split()[1:] == ["wake", "kitchen", "shelf"]
    CliRunner().invoke(wake, ["--kind", "mute", "--url", url, "--token-file", token_file], catch_exceptions=False)
    assert [(str(event.kind), event.device) for event in backend.events] == [("wake", "kitchen"), ("mute", None)]


@pytest.mark.parametrize(
    ("arguments", "error", "reason"),
    [
        (["--at", "yesterday"], WakeError, "--at 'yesterday' is neither"),
        (["--at", "2001-01-01T00:00:00Z"], WakeError, "h old"),
        (["--url", "http://127.0.0.1:9"], DaemonError, "cannot be reached"),
        (["x" * 99], WakeError, "1 to 64"),
    ],
)
def test_sniffer_wake_says_what_is_wrong(
    token_file: str, arguments: list[str], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        CliRunner().invoke(wake, [*arguments, "--token-file", token_file], catch_exceptions=False)


def test_a_wrong_token(router: tuple[Router, str], tmp_path: Path) -> None:
    (tmp_path / "t").write_text("wrong")
    with pytest.raises(DaemonError, match="answered 401"):
        CliRunner().invoke(
            wake, ["--url", router[1], "--token-file", str(tmp_path / "t")], catch_exceptions=False
        )  # fmt: skip


@pytest.mark.parametrize("url", ["nonsense", "http://", "ftp://x", "http://[::1"])
def test_an_address_that_is_none(token_file: str, url: str) -> None:
    with pytest.raises(DaemonError, match=r"not a URL|cannot be reached"):
        CliRunner().invoke(wake, ["--url", url, "--token-file", token_file], catch_exceptions=False)


def test_the_address_and_the_token_come_from_the_configuration(
    router: tuple[Router, str], token_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SNIFFER_TOKEN", raising=False)
    (tmp_path / "c.yaml").write_text(
        f"http:\n  port: {router[1].rsplit(':', 1)[1]}\n  tokens: [{{source: shelf, secret: {{file: {token_file}}}}}]\n"
    )
    run = CliRunner().invoke(wake, ["kitchen", "-c", str(tmp_path / "c.yaml")], catch_exceptions=False)
    assert run.output.split()[1:] == ["wake", "kitchen", "shelf"]


def test_without_a_token_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SNIFFER_TOKEN", raising=False)
    with pytest.raises(UsageError, match="a token with the scope 'wake' is needed"):
        CliRunner().invoke(wake, ["kitchen"], catch_exceptions=False)
