"""`sniffer config`: is this configuration right, and what can be set."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sniffer.config import Config, load_config


@click.group()
def command() -> None:
    """Check a configuration, or print its schema.

    \b
    Example:  sniffer config check sniffer.yaml
              sniffer config schema > sniffer.schema.json
    """


@command.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("sniffer.yaml"))
def check(file: Path) -> None:
    """Check FILE (default: sniffer.yaml); an error names line and column, and the exit status is 2."""
    config = load_config(file)
    click.echo(f"{file}: right ({len(config.devices)} devices, {len(config.wake.sources)} wake sources)")


@command.command()
def schema() -> None:
    """Print the JSON Schema of the configuration: editors complete and check with it."""
    click.echo(json.dumps(Config.model_json_schema(), indent=2))
