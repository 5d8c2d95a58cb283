"""`sniffer mute` against a server that really listens."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sniffer.cli.mute import command
from sniffer.errors import DaemonError
from tests.sinks.receiver import Receiver, receiver


@pytest.fixture
def web():
    with receiver() as told:
        told.answer = lambda request: 202
        yield told


def run(web: Receiver, *arguments: str, token: str | None = "t0ken") -> Result:
    url = web.url.removesuffix("/hook")
    return CliRunner().invoke(command, [*arguments, "--url", url], env={"SNIFFER_TOKEN": token})


def test_a_window_with_an_end(web: Receiver) -> None:
    result = run(web, "kitchen", "--for", "2h")
    assert result.exit_code == 0, result.exception
    assert result.stdout.startswith("kitchen: no alerts until ")
    request = web.requests[0]
    body = json.loads(request.body)
    assert (request.path, request.headers["authorization"]) == ("/api/v1/mute", "Bearer t0ken")
    assert body["device"] == "kitchen"
    assert body["seconds"] == 7200


def test_the_end_of_it(web: Receiver) -> None:
    assert run(web, "kitchen", "--off").stdout == "kitchen: alerts are on again\n"
    assert json.loads(web.requests[0].body) == {"device": "kitchen", "seconds": 0}


def test_mistakes_are_one_line(web: Receiver, tmp_path: Path) -> None:
    assert "either --for" in str(run(web, "kitchen").exception)
    assert "not a length of time" in run(web, "kitchen", "--for", "long").stderr
    assert "a token with the scope 'mute' is needed" in str(run(web, "kitchen", "--for", "2h", token="").exception)
    web.answer = lambda request: 403
    refused = run(web, "kitchen", "--for", "2h")
    assert isinstance(refused.exception, DaemonError)
    assert str(refused.exception).endswith(" answered 403: Forbidden")
    nobody = CliRunner().invoke(
        command, ["kitchen", "--for", "2h", "--url", "http://127.0.0.1:9"], env={"SNIFFER_TOKEN": "t0ken"}
    )
    assert "cannot be reached" in str(nobody.exception)
    assert "t0ken" not in str(nobody.exception)


def test_the_address_and_the_token_come_from_the_configuration(web: Receiver, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("kept")
    (tmp_path / "c.yaml").write_text(
        f"http:\n  port: {web.url.split(':')[2].split('/')[0]}\n"
        f"  tokens: [{{source: me, secret: {{file: {tmp_path / 'token'}}}, scopes: [mute]}}]\n"
    )
    run_it = CliRunner().invoke(command, ["kitchen", "--off", "-c", str(tmp_path / "c.yaml")], catch_exceptions=False)
    assert run_it.exit_code == 0
    assert web.requests[0].headers["authorization"] == "Bearer kept"
