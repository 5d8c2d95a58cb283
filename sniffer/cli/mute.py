"""`sniffer mute`: a maintenance window."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from sniffer.cli._client import find_token, find_url, token_option, url_option
from sniffer.cli._common import config_option
from sniffer.cli._times import Duration
from sniffer.errors import UsageError


@click.command()
@click.argument("device")
@click.option("--for", "seconds", type=Duration(), help="How long: 30m, 2h, 1d.")
@click.option("--off", is_flag=True, help="End it now.")
@config_option
@url_option
@token_option("mute")
def command(
    device: str, seconds: float | None, off: bool, config_path: Path | None, url: str | None, token_file: Path | None
) -> None:
    """No alerts for DEVICE (its name or MAC, or `all`) for some time. Uploads are still seen, stored and counted.

    \b
    Examples:
      sniffer mute kitchen --for 2h
      sniffer mute kitchen --off
    """
    from sniffer.web.client import Client

    if (seconds is None) != off:
        raise UsageError("give either --for (such as 2h) or --off")
    with Client(find_url(url, config_path), find_token(token_file, config_path, "mute")) as client:
        client.post("/api/v1/mute", {"device": device, "seconds": seconds or 0})
    if off:
        click.echo(f"{device}: alerts are on again")
    else:
        until = datetime.now().astimezone() + timedelta(seconds=seconds or 0)
        click.echo(f"{device}: no alerts until {until:%Y-%m-%d %H:%M %Z}")
