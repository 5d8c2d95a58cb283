"""`sniffer wake`: tell the daemon that somebody asked."""

from __future__ import annotations

import os
from pathlib import Path

import click
import httpx

from sniffer.app.config import read_secret
from sniffer.errors import UsageError
from sniffer.listener.client import post
from sniffer.model import WakeKind
from sniffer.model.clock import SystemClock, timestamp
from sniffer.settings.base import Secret
from sniffer.wake.events import parse_event, parse_time

URL = "http://127.0.0.1:9877"
TOKEN_VARIABLE = "SNIFFER_TOKEN"  # noqa: S105 - the name of a variable


def read_token(token_file: Path | None) -> str:
    """The token from a file, or from the environment; never from the command line, which everybody can see.
    Raises UsageError, ConfigError."""
    if token_file is not None:
        return read_secret(Secret(file=token_file))
    if TOKEN_VARIABLE in os.environ:
        return read_secret(Secret(env=TOKEN_VARIABLE))
    raise UsageError(f"a token is needed: --token-file FILE, or the environment variable {TOKEN_VARIABLE}")


url_option = click.option(
    "--url", envvar="SNIFFER_URL", default=URL, show_default=True, help="Where the daemon's HTTP API is."
)
token_option = click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help=f"A file that holds the token of this source. Or the environment variable {TOKEN_VARIABLE}.",
)


@click.command(name="wake")
@click.argument("device", required=False)
@url_option
@token_option
@click.option(
    "--kind", type=click.Choice([str(kind) for kind in WakeKind]), default=str(WakeKind.WAKE), show_default=True,
    help="What happened.",
)  # fmt: skip
@click.option("--at", "when", metavar="TIME", help="When it happened: ISO-8601 or seconds since 1970. Now, if absent.")
def command(device: str | None, url: str, token_file: Path | None, kind: str, when: str | None) -> None:
    """Tell the daemon that somebody asked DEVICE (a configured name or a MAC); without DEVICE, any speaker.

    \b
    Examples:  sniffer wake kitchen --url http://router:9877 --token-file ~/.sniffer-token
               sniffer wake kitchen --kind mute
               sniffer wake door --kind view_start
    """
    token = read_token(token_file)
    now_ns = SystemClock().now_ns()
    time_ns = now_ns if when is None else parse_time(_number(when), "--at")
    event = {"timestamp": timestamp(time_ns), "device": device, "kind": kind}
    parse_event(event, now_ns, source="us")  # what is wrong with it is said before it is sent
    with httpx.Client() as client:
        answer = post(client, url, token, [event])
    for warning in answer["warnings"]:
        click.echo(f"sniffer: {warning}", err=True)
    for record in answer["accepted"]:
        name = record["device"]["name"] if record["device"] else "every speaker"
        click.echo(f"{record['timestamp']}  {record['kind']}  {name}  {record['source']}")


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text
