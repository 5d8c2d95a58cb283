"""`sniffer mute`: a maintenance window."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import click

from sniffer.cli._client import find_token, find_url, post
from sniffer.cli._common import config_option, effective_config
from sniffer.cli._times import Duration
from sniffer.errors import UsageError


@click.command()
@click.argument("device")
@click.option("--for", "seconds", type=Duration(), help="How long: 30m, 2h, 1d.")
@click.option("--off", is_flag=True, help="End it now.")
@config_option
@click.option(
    "--url", envvar="SNIFFER_URL", help="Where the daemon's HTTP API is (default: from -c, else http://127.0.0.1:9877)."
)
@click.option("--token-file", type=click.Path(path_type=Path, dir_okay=False), help="Holds a token with scope `mute`.")
def command(
    device: str, seconds: float | None, off: bool, config_path: Path | None, url: str | None, token_file: Path | None
) -> None:
    """No alerts for DEVICE (its name or MAC, or `all`) for some time. Uploads are still seen, stored and counted.

    \b
    Examples:
      sniffer mute kitchen --for 2h
      sniffer mute kitchen --off
    """
    if (seconds is None) != off:
        raise UsageError("give either --for (such as 2h) or --off")
    config = effective_config(config_path, ())
    body = {"device": device, "seconds": seconds or 0}
    post(find_url(url, config), "/api/v1/mute", body, find_token(token_file, config, "mute"))
    if off:
        click.echo(f"{device}: alerts are on again")
    else:
        until = datetime.now().astimezone() + timedelta(seconds=seconds or 0)
        click.echo(f"{device}: no alerts until {until:%Y-%m-%d %H:%M %Z}")
